//! Shell patterns, as far as one must know what they could stand for.

/// Whether `text` holds a character that a shell expands to file names.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether one component of a path is a pattern that the shell could expand to `..`.
///
/// A leading dot must be matched by a dot, so only patterns that begin with one could; a class is
/// counted too, since shells differ.
pub(super) fn could_be_parent(component: &str) -> bool {
    component.starts_with(['.', '[']) && is_pattern(component) && matches(component, "..")
}

/// Whether `pattern` (`*`, `?`, `[…]`) matches the whole of `text`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    if !is_pattern(pattern) {
        return pattern == text;
    }
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&it) = text.get(t) {
        match (pattern.get(p), one(&pattern, p, it)) {
            (Some('*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(_), Some(next)) => {
                p = next;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|it| *it == '*')
}

/// The place in the pattern after the one item at `at`, if that item matches `it`.
fn one(pattern: &[char], at: usize, it: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => match class(pattern, at, it) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            None => (it == '[').then_some(at + 1),
        },
        literal => (*literal == it).then_some(at + 1),
    }
}

/// Whether the class that begins at `at` holds `it`, and where it ends; `None` if it is no class.
fn class(pattern: &[char], at: usize, it: char) -> Option<(bool, usize)> {
    let first = at + 1;
    let negated = matches!(pattern.get(first)?, '!' | '^');
    let start = first + usize::from(negated);
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|it| *it == ']')?;
    let items = pattern.get(start..end)?;
    // A named class (`[[:punct:]]`) is taken to hold everything.
    if items.contains(&'[') {
        return Some((true, end + 1));
    }
    let mut held = false;
    let mut rest = items;
    while let [from, tail @ ..] = rest {
        rest = if let ['-', to, after @ ..] = tail {
            held |= (*from..=*to).contains(&it);
            after
        } else {
            held |= *from == it;
            tail
        };
    }
    Some((held != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_matches() {
        for (pattern, text, expected) in [
            ("*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("?b", "ab", true),
            (".[!.]*", "..", false),
            (".[.]", "..", true),
            (".?", "..", true),
            ("s[a-e]t*", "settings.json", true),
            ("[!s]*", "settings", false),
            ("[", "[", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(could_be_parent(".*") && could_be_parent("..*") && !could_be_parent("*"));
    }
}
