//! Mutants of what is signed, and of which state of the log is shown.

use gov_deferred_audit::tlog::{key::PrivateKey, note::Note};

use super::{Files, Mutant, epoch_of};

/// Mutants of the signed heads: rewritten, signed by others, not signed, of another epoch.
pub(crate) fn of_heads(files: &Files) -> Vec<Mutant> {
    let notes = files.keys().filter(|name| name.ends_with("checkpoint"));
    notes.flat_map(|name| of_head(files, name)).collect()
}

fn of_head(files: &Files, file: &str) -> Vec<Mutant> {
    let note = Note::parse(&files[file]).unwrap();
    let lines: Vec<_> = note.text().lines().collect();
    let (origin, size): (&str, u64) = (lines[0], lines[1].parse().unwrap());
    let forger = PrivateKey::generate(origin).unwrap();
    let signed_by_forger = |text: String| {
        let signature = forger.sign(text.as_bytes());
        Note::unsigned(text).with_signature(&forger.verifier(), signature).to_string().into_bytes()
    };
    let signed = String::from_utf8(files[file].clone()).unwrap();
    let with_text = |text: &str| signed.replacen(note.text(), text, 1).into_bytes();
    let mut mutants = Vec::new();
    let mut push = |category, bytes| mutants.push(Mutant::of(category, file, Some(bytes)));
    for other in (0..2 * size + 9).filter(|other| *other != size) {
        let text = note.text().replacen(&format!("\n{size}\n"), &format!("\n{other}\n"), 1);
        push("rewritten head", with_text(&text));
        push("foreign key", signed_by_forger(text));
    }
    for root in 0..40_u8 {
        let text = format!("{origin}\n{size}\n{}\n", base64(&[root; 32]));
        push("rewritten head", with_text(&text));
        push("foreign key", signed_by_forger(text));
    }
    let (domain, own) = origin.rsplit_once("/gov/e").unwrap();
    for epoch in (0..40).filter(|epoch| epoch.to_string() != own) {
        let text = note.text().replacen(origin, &format!("{domain}/gov/e{epoch}"), 1);
        push("wrong epoch", with_text(&text));
        push("wrong epoch", signed_by_forger(text));
    }
    push("foreign key", signed_by_forger(note.text().to_owned()));
    for text in [note.text().to_owned(), format!("{}\n", note.text())] {
        push("stripped signature", text.into_bytes());
    }
    // Without one of its lines, or with a part of one.
    let signatures: Vec<_> = signed[note.text().len() + 1..].lines().collect();
    for at in 0..signatures.len() {
        for length in 0..signatures[at].len() {
            let Some(kept) = signatures[at].get(..length) else { continue };
            let mut left = signatures.clone();
            left[at] = kept;
            let text = format!("{}\n{}\n", note.text(), left.join("\n"));
            push("stripped signature", text.into_bytes());
        }
        let mut left = signatures.clone();
        left.remove(at);
        let text = format!("{}\n{}", note.text(), left.join("\n"));
        push("stripped signature", if left.is_empty() { text } else { text + "\n" }.into_bytes());
    }
    // The key goes along with the forged head.
    let note_bytes = Some(signed_by_forger(note.text().to_owned()));
    let mut both = Mutant::of("foreign key", file, note_bytes);
    let vkey = if epoch_of(file).0 == 1 { "epoch/1/vkey" } else { "vkey" };
    both.changes.insert(vkey.to_owned(), Some(format!("{}\n", forger.verifier()).into_bytes()));
    mutants.push(both);
    mutants
}

/// Mutants that put files of another state of the log in the place of this one's.
pub(crate) fn of_other_states(
    category: &'static str,
    files: &Files,
    others: &Files,
) -> Vec<Mutant> {
    let names: Vec<_> = files.keys().chain(others.keys()).collect();
    let change = |name: &String| (name.clone(), others.get(name).cloned());
    let mut mutants = Vec::new();
    for name in &names {
        mutants.push(Mutant { category, changes: [change(name)].into(), place: None });
        let rest = names.iter().filter(|other| other != &name).map(|name| change(name));
        mutants.push(Mutant { category, changes: rest.collect(), place: None });
    }
    let all = names.iter().map(|name| change(name)).collect();
    mutants.push(Mutant { category, changes: all, place: None });
    mutants
}

/// Mutants that show the files of one epoch as those of the other.
pub(crate) fn of_other_epochs(files: &Files) -> Vec<Mutant> {
    let (older, newer): (Vec<_>, Vec<_>) =
        files.keys().partition(|name| name.starts_with("epoch/"));
    let moved =
        |from: &String, to: String| Mutant::of("wrong epoch", &to, files.get(from).cloned());
    let mut mutants: Vec<_> = Vec::new();
    mutants.extend(older.iter().map(|from| moved(from, epoch_of(from).1.to_owned())));
    mutants.extend(newer.iter().map(|from| moved(from, format!("epoch/1/{from}"))));
    mutants
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
