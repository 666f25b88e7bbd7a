//! What the fuzz targets begin with, and what once broke a reader, in every test run.

use std::fs;

use gov_deferred_audit::read_back::Format;

use crate::fixture::files;

#[test]
fn everything_in_the_fuzz_corpus_is_refused_or_prints_as_it_was() {
    for (target, format) in Format::ALL {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/").to_owned() + target;
        let mut read = 0;
        let mut refused = 0;
        for file in files(folder.as_ref()) {
            let bytes = fs::read(&file).unwrap();
            assert!(bytes.len() < 2048, "{}", file.display());
            let is_one =
                format.read_back(&bytes).unwrap_or_else(|it| panic!("{}: {it}", file.display()));
            *(if is_one { &mut read } else { &mut refused }) += 1;
            // Around each of them too.
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                for it in [&changed, &bytes[..at]] {
                    let is_one = format.read_back(it).unwrap();
                    *(if is_one { &mut read } else { &mut refused }) += 1;
                }
            }
        }
        assert!(read >= 2 && refused >= 1, "{target}: {read} read, {refused} refused");
    }
}
