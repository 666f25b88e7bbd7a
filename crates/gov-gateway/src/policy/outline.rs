//! What a policy text holds, for its author.

use serde::Serialize;

use super::{
    ChainFault, PolicyError,
    compile::{Compiled, check_chains, compile},
    rule::Outcome,
};

/// One policy of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleOutline {
    /// Its `@id`: the `rule_id` of answers.
    pub id: String,
    /// What it answers when it decides: `allow`, `warn`, `require_approval` or `refuse`.
    pub outcome: &'static str,
    /// The chain that it asks, where it asks for an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

/// Compiles `text` and says what it holds, by id; none of the chains that it asks may have a fault.
///
/// # Errors
///
/// [`PolicyError`]: the text cannot be activated.
pub fn outline(
    text: &str,
    chains: Option<ChainFault<'_>>,
) -> Result<Vec<RuleOutline>, PolicyError> {
    let Compiled { policies, rules, .. } = compile(text)?;
    if let Some(fault) = chains {
        check_chains(text, &policies, &rules, fault)?;
    }
    let mut rules: Vec<_> = rules
        .into_values()
        .map(|rule| RuleOutline {
            id: rule.id.to_string(),
            outcome: rule.outcome.name(),
            chain: (rule.outcome == Outcome::RequireApproval).then_some(rule.chain),
        })
        .collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::{super::chains::unknown, *};

    #[test]
    fn a_text_is_outlined_by_id_with_the_outcome_of_each_rule() {
        let rest = "(principal, action, resource);";
        let text = format!(
            "@id(\"d\") permit {rest} @id(\"c\") forbid {rest} @id(\"b\") @outcome(\"warn\") \
             permit {rest} @id(\"a\") @outcome(\"require_approval\") forbid {rest}"
        );
        let outlined = outline(&text, None).unwrap();
        let shown: Vec<_> = outlined.iter().map(|it| format!("{} {}", it.id, it.outcome)).collect();
        assert_eq!(shown, ["a require_approval", "b warn", "c refuse", "d allow"]);
        let chains: Vec<_> = outlined.iter().filter_map(|it| it.chain.as_deref()).collect();
        assert_eq!(chains, ["default"]);
        assert_eq!(outline(&text, Some(&unknown(&["default"]))), Ok(outlined));
        assert!(outline(&text, Some(&unknown(&["prod"]))).is_err());
    }
}
