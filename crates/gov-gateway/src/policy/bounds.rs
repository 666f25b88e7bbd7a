//! How deep a policy may go: Cedar's parser recurses, and a stack that ends takes the server along.

use super::{PolicyError, error::position};

/// How deep brackets may be nested. A level costs Cedar up to 60 KiB of the stack.
const MAX_DEPTH: usize = 16;

/// How many operator characters one policy may hold: a chain of them is a tree as deep.
const MAX_OPERATORS: usize = 250;

/// Refuses what could be too deep, before Cedar reads it.
pub(super) fn check(text: &str) -> Result<(), PolicyError> {
    let (mut depth, mut operators) = (0_usize, 0_usize);
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => (),
                    }
                }
            }
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                while bytes.next_if(|(_, byte)| *byte != b'\n').is_some() {}
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'.' | b'+' | b'-' | b'*' | b'!' | b'&' | b'|' | b'=' | b'<' | b'>' => operators += 1,
            b';' => operators = 0,
            _ => (),
        }
        let problem = if depth > MAX_DEPTH {
            format!("brackets must be nested at most {MAX_DEPTH} deep")
        } else if operators > MAX_OPERATORS {
            format!("a policy must hold at most {MAX_OPERATORS} operator signs; make two of it")
        } else {
            continue;
        };
        let (line, column) = position(text, at);
        return Err(PolicyError::Syntax { line, column, problem });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::policy::outline;

    fn policy(condition: &str) -> String {
        format!("@id(\"a\") permit (principal, action, resource)\nwhen {{ {condition} }};")
    }

    #[test]
    fn what_would_exhaust_the_stack_is_refused_with_its_place() {
        for (condition, message) in [
            (
                format!("{}true{}", "(".repeat(9999), ")".repeat(9999)),
                "line 2, column 23: brackets",
            ),
            (format!("{}{} == []", "[".repeat(9999), "]".repeat(9999)), "at most 16 deep"),
            (format!("{}1{} == 1", "{a:".repeat(9999), "}".repeat(9999)), "at most 16 deep"),
            (format!("1{} == 1", "+1".repeat(99_999)), "line 2, column 509: a policy must hold"),
            (format!("context{}", ".a".repeat(99_999)), "at most 250 operator signs"),
        ] {
            let said = outline(&policy(&condition), None).unwrap_err().to_string();
            assert!(said.contains(message), "{said}");
        }
    }

    #[test]
    fn the_deepest_that_is_let_in_compiles_on_a_small_stack() {
        let nested = format!("{}true{}", "(".repeat(15), ")".repeat(15));
        let chain = format!("1{} == 1", "+1".repeat(248));
        for condition in
            [nested, chain, format!("context.arg_text == \"{}\"", "([{+\\\"".repeat(999))]
        {
            outline(&policy(&condition), None).unwrap();
        }
        let comment = format!("// {}\n{}", "(".repeat(999), policy("true"));
        assert_eq!(outline(&comment, None).unwrap().len(), 1);
    }
}
