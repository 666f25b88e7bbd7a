//! Changing one place.

use super::{JsonText, Kind, Node};

/// The changed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited(pub String);

impl JsonText<'_> {
    /// Puts `json` in place of `node`, indented as the line that it begins on.
    #[must_use]
    pub fn replace(&self, node: &Node, json: &str) -> Edited {
        let indent = self.indent_of_line(node.span.start);
        let mut text = self.text.to_owned();
        text.replace_range(node.span.clone(), &self.indented(json, &indent));
        Edited(text)
    }

    /// Adds a member at the end of an object, or an element (no key) at the end of an array.
    ///
    /// `json` is written for two spaces a level and is re-indented to the file's own way. The
    /// comments before the closing bracket stay where they are.
    #[must_use]
    pub fn append(&self, to: &Node, key: Option<&str>, json: &str) -> Edited {
        let last = match &to.kind {
            Kind::Object(members) => members.last().map(|(_, it)| it),
            Kind::Array(elements) => elements.last(),
            Kind::Scalar(_) => None,
        };
        let outer = self.indent_of_line(to.span.start);
        let inner = format!("{outer}{}", self.unit());
        let name = key.map(|it| format!("{}: ", serde_json::Value::from(it))).unwrap_or_default();
        let newline = self.newline();
        let item = format!("{newline}{inner}{name}{}", self.indented(json, &inner));

        let close = to.span.end.saturating_sub(1);
        let inside_start = last.map_or(to.span.start + 1, |it| it.span.end);
        let inside = self.text.get(inside_start..close).unwrap_or_default();
        let tail = inside_start + inside.trim_end().len();
        let mut text = self.text.to_owned();
        let after = self.text.get(tail..close).unwrap_or_default();
        let ending = if after.contains('\n') { String::new() } else { format!("{newline}{outer}") };
        text.insert_str(tail, &format!("{item}{ending}"));
        if last.is_some() && !begins_with_comma(inside) {
            text.insert(inside_start, ',');
        }
        Edited(text)
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// One level of the file's indentation: that of its first indented line.
    fn unit(&self) -> &str {
        let indented = self.text.lines().find_map(|line| {
            let indent = line.get(..line.len() - line.trim_start().len())?;
            (!indent.is_empty() && !line.trim().is_empty()).then_some(indent)
        });
        indented.unwrap_or("  ")
    }

    fn indent_of_line(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |it| it + 1);
        let line = self.text.get(start..).unwrap_or_default();
        line.chars().take_while(|it| matches!(it, ' ' | '\t')).collect()
    }

    fn indented(&self, json: &str, indent: &str) -> String {
        let mut lines = json.lines();
        let mut text = lines.next().unwrap_or_default().to_owned();
        for line in lines {
            let body = line.trim_start();
            let levels = (line.len() - body.len()) / 2;
            text.push_str(self.newline());
            text.push_str(indent);
            text.push_str(&self.unit().repeat(levels));
            text.push_str(body);
        }
        text
    }
}

/// Whether the next thing after a value, comments apart, is a comma.
fn begins_with_comma(mut rest: &str) -> bool {
    loop {
        rest = rest.trim_start();
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, it)| it);
        } else if let Some(inside) = rest.strip_prefix("/*") {
            rest = inside.split_once("*/").map_or("", |(_, it)| it);
        } else {
            return rest.starts_with(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn append(text: &str, key: Option<&str>, json: &str) -> String {
        let read = JsonText::parse(text).unwrap();
        read.append(read.root(), key, json).0
    }

    fn value(text: &str) -> Value {
        JsonText::parse(text).unwrap().root().to_value()
    }

    #[test]
    fn a_member_is_added_at_the_end_and_no_other_byte_changes() {
        let text = "{\n    \"z\": 1,\n    \"a\": [ 2,3 ]   // keep\n}\n";
        let expected = "{\n    \"z\": 1,\n    \"a\": [ 2,3 ],   // keep\n    \"k\": {\n        \"x\": 1\n    }\n}\n";
        assert_eq!(append(text, Some("k"), "{\n  \"x\": 1\n}"), expected);
    }

    #[test]
    fn every_layout_takes_an_addition() {
        for text in [
            "{}",
            "{ }",
            "{\n}",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{\"a\":1 /* , */}",
            "{\"a\":1 // , }\n}",
            "{\"a\":1, // last\n}",
            "{\r\n\t\"a\": 1\r\n}\r\n",
            "{ // only a comment\n}",
            "/* before */ {\"a\": {\"b\": []}} // after",
        ] {
            let mut expected = value(text);
            expected["k"] = json!({"x": [1, 2]});
            let added = append(text, Some("k"), "{\n  \"x\": [1, 2]\n}");
            assert_eq!(value(&added), expected, "{added}");
            for comment in ["/* , */", "// , }", "// last", "// only a comment", "/* before */"] {
                assert_eq!(added.contains(comment), text.contains(comment), "{added}");
            }
            assert_eq!(added.contains('\r'), text.contains('\r'));
        }
        for (text, expected) in
            [("[]", json!([7])), ("[1]", json!([1, 7])), ("[1,]", json!([1, 7]))]
        {
            assert_eq!(value(&append(text, None, "7")), expected);
        }
    }

    #[test]
    fn replacing_keeps_everything_around() {
        let text = "{\n  \"a\": {\"old\": 1}, // keep\n  \"b\": 2\n}";
        let read = JsonText::parse(text).unwrap();
        let replaced = read.replace(read.root().get("a").unwrap(), "{\n  \"new\": 1\n}");
        let expected = "{\n  \"a\": {\n    \"new\": 1\n  }, // keep\n  \"b\": 2\n}";
        assert_eq!(replaced, Edited(expected.to_owned()));
    }
}
