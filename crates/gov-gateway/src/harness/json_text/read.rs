//! From text to places.

use serde_json::Value;

use super::{Kind, MAX_DEPTH, Node, TextError};

pub(super) fn read(text: &str) -> Result<Node, TextError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip()?;
    let root = reader.value(0)?;
    reader.skip()?;
    if reader.at < text.len() {
        return Err(reader.wrong("nothing may follow the value"));
    }
    Ok(root)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// Skips white space and comments.
    fn skip(&mut self) -> Result<(), TextError> {
        loop {
            let rest = self.rest();
            let space = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.at += space;
            let rest = self.rest();
            let end = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(inside) = rest.strip_prefix("/*") {
                inside.find("*/").ok_or_else(|| self.wrong("the comment has no end"))? + 4
            } else {
                return Ok(());
            };
            self.at += end;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, TextError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(&format!("nesting must be at most {MAX_DEPTH} levels deep")));
        }
        let start = self.at;
        let kind = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"') => Kind::Scalar(Value::String(self.string()?)),
            Some(_) => self.word()?,
            None => return Err(self.wrong("a value is missing")),
        };
        Ok(Node { span: start..self.at, kind })
    }

    fn object(&mut self, depth: usize) -> Result<Kind, TextError> {
        let mut members: Vec<(String, Node)> = Vec::new();
        self.at += 1;
        loop {
            self.skip()?;
            if self.take('}') {
                return Ok(Kind::Object(members));
            }
            if self.peek() != Some('"') {
                return Err(self.wrong("a key in double quotes, or `}`, is missing"));
            }
            let place = self.at;
            let key = self.string()?;
            if members.iter().any(|(it, _)| *it == key) {
                self.at = place;
                return Err(self.wrong(&format!("the key `{key}` stands twice in one object")));
            }
            self.skip()?;
            if !self.take(':') {
                return Err(self.wrong("a `:` is missing"));
            }
            self.skip()?;
            members.push((key, self.value(depth + 1)?));
            self.comma_or('}')?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Kind, TextError> {
        let mut elements = Vec::new();
        self.at += 1;
        loop {
            self.skip()?;
            if self.take(']') {
                return Ok(Kind::Array(elements));
            }
            elements.push(self.value(depth + 1)?);
            self.comma_or(']')?;
        }
    }

    fn comma_or(&mut self, end: char) -> Result<(), TextError> {
        self.skip()?;
        if self.take(',') || self.peek() == Some(end) {
            return Ok(());
        }
        Err(self.wrong(&format!("a `,` or `{end}` is missing")))
    }

    fn string(&mut self) -> Result<String, TextError> {
        let mut escaped = false;
        let inside = self.rest().get(1..).unwrap_or_default();
        let end = inside.find(|it| {
            let ends = it == '"' && !escaped;
            escaped = it == '\\' && !escaped;
            ends
        });
        let Some(end) = end else { return Err(self.wrong("the text has no closing quote")) };
        let literal = self.rest().get(..end + 2).unwrap_or_default();
        let text = serde_json::from_str(literal).map_err(|error| self.wrong(&error.to_string()))?;
        self.at += end + 2;
        Ok(text)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<Kind, TextError> {
        let rest = self.rest();
        let is_part = |it: char| it.is_alphanumeric() || "+-.".contains(it);
        let end = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let value = serde_json::from_str(word).map_err(|_| self.wrong("this is no JSON value"))?;
        self.at += end;
        Ok(Kind::Scalar(value))
    }

    fn wrong(&self, problem: &str) -> TextError {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |it| it + 1);
        TextError {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            problem: problem.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_json_reads_as_serde_json_reads_it() {
        let text = r#" {"a":[1,-2.5e3,"q\"\\","ü"],"b":{"c":null,"d":{}},"e":true,"f":[]} "#;
        assert_eq!(read(text).unwrap().to_value(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn comments_and_trailing_commas_are_passed_over() {
        let text =
            "// top\n{ /* a */ \"a\": [1, /* } */ 2,], // end\n \"b\": \"// no comment\",\n}\n//";
        let expected = json!({"a": [1, 2], "b": "// no comment"});
        assert_eq!(read(text).unwrap().to_value(), expected);
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_place() {
        for (text, place, problem) in [
            ("", (1, 1), "a value is missing"),
            ("{\n  \"a\": 1\n  \"b\": 2\n}", (3, 3), "a `,` or `}` is missing"),
            ("{\n \"a\": 1, \"a\": 2}", (2, 10), "the key `a` stands twice in one object"),
            ("{\"a\" 1}", (1, 6), "a `:` is missing"),
            ("{a: 1}", (1, 2), "a key in double quotes, or `}`, is missing"),
            ("[1 2]", (1, 4), "a `,` or `]` is missing"),
            ("[,]", (1, 2), "this is no JSON value"),
            ("\"ab", (1, 1), "the text has no closing quote"),
            ("/* x", (1, 1), "the comment has no end"),
            ("{} {}", (1, 4), "nothing may follow the value"),
            ("nul", (1, 1), "this is no JSON value"),
            ("\u{feff}{}", (1, 1), "this is no JSON value"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(((error.line, error.column), error.problem.as_str()), (place, problem));
        }
        let deep = format!("{}{}", "[".repeat(66), "]".repeat(66));
        assert!(read(&deep).unwrap_err().problem.contains("64 levels"));
    }
}
