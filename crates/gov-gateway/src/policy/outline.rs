//! What a policy text holds, for its author.

use serde::Serialize;

use super::{PolicyError, compile::compile};

/// One policy of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleOutline {
    /// Its `@id`: the `rule_id` of answers.
    pub id: String,
    /// What it answers when it decides: `allow`, `warn`, `require_approval` or `refuse`.
    pub outcome: &'static str,
}

/// Compiles `text` and says what it holds, by id.
///
/// # Errors
///
/// [`PolicyError`]: the text cannot be activated.
pub fn outline(text: &str) -> Result<Vec<RuleOutline>, PolicyError> {
    let mut rules: Vec<_> = compile(text)?
        .rules
        .into_values()
        .map(|rule| RuleOutline { id: rule.id.to_string(), outcome: rule.outcome.name() })
        .collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_outlined_by_id_with_the_outcome_of_each_rule() {
        let rest = "(principal, action, resource);";
        let text = format!(
            "@id(\"d\") permit {rest} @id(\"c\") forbid {rest} @id(\"b\") @outcome(\"warn\") \
             permit {rest} @id(\"a\") @outcome(\"require_approval\") forbid {rest}"
        );
        let shown: Vec<_> = outline(&text)
            .unwrap()
            .into_iter()
            .map(|it| format!("{} {}", it.id, it.outcome))
            .collect();
        assert_eq!(shown, ["a require_approval", "b warn", "c refuse", "d allow"]);
    }
}
