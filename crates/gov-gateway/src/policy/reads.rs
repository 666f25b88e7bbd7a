//! Which attributes of the context a policy reads: nothing else has to be put to it.

use std::collections::HashSet;

use serde_json::Value;

/// The attributes of the context that policies read.
#[derive(Debug)]
pub(super) enum Reads {
    /// The context is used as a whole, or nobody can say.
    Everything,
    /// Only these.
    Only(HashSet<String>),
}

impl Default for Reads {
    fn default() -> Self {
        Self::Only(HashSet::new())
    }
}

impl Reads {
    /// Whether some policy reads the attribute.
    pub(super) fn includes(&self, attribute: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(attributes) => attributes.contains(attribute),
        }
    }

    /// Adds what a policy reads, given in Cedar's JSON. `context.a` is
    /// `{".": {"left": {"Var": "context"}, "attr": "a"}}` and `has` looks alike; the variable
    /// anywhere else may read all.
    pub(super) fn add(&mut self, policy: &Value) {
        match policy {
            Value::Object(fields) => {
                for (name, inner) in fields {
                    match attribute(name, inner) {
                        Some(attribute) => self.insert(attribute),
                        None if name == "Var" && inner == "context" => *self = Self::Everything,
                        None => self.add(inner),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|it| self.add(it)),
            _ => (),
        }
    }

    fn insert(&mut self, attribute: &str) {
        if let Self::Only(attributes) = self {
            attributes.insert(attribute.to_owned());
        }
    }
}

fn attribute<'v>(operator: &str, operands: &'v Value) -> Option<&'v str> {
    let is_context = operands.get("left")?.get("Var")? == "context";
    if is_context && [".", "has"].contains(&operator) {
        operands.get("attr")?.as_str()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(condition: &str) -> Reads {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let policy = cedar_policy::Policy::parse(None, text).unwrap();
        let mut reads = Reads::default();
        reads.add(&policy.to_json().unwrap());
        reads
    }

    #[test]
    fn attributes_that_are_read_are_found_in_every_spelling() {
        for condition in [
            "context.risk == \"high\"",
            "context[\"ri\\u{73}k\"] == \"high\"",
            "context has risk",
            "!(if true then [{ \"a\": context.risk }].isEmpty() else false)",
            "(context).risk like \"h*\"",
        ] {
            let reads = reads(condition);
            assert!(reads.includes("risk") && !reads.includes("tool"), "{condition}: {reads:?}");
        }
        assert!(!reads("principal has risk && resource.risk == \"high\"").includes("risk"));
    }

    #[test]
    fn a_context_that_is_used_as_a_whole_is_read_whole() {
        for condition in [
            "context == { \"risk\": \"high\" }",
            "[context].contains(context)",
            "(if true then context else context).tool == \"x\"",
            "context has tool.name",
        ] {
            assert!(reads(condition).includes("risk"), "{condition}");
        }
    }
}
