//! From a policy's text to rules that can be asked.

use std::{collections::HashMap, sync::OnceLock, thread};

use cedar_policy::{PolicyId, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use super::{
    ChainFault, PolicyError, bounds,
    error::position,
    reads::Reads,
    rule::{Outcome, Rule},
};

/// The longest policy text, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 256 * 1024;

const SCHEMA: &str = include_str!("../../policies/schema.cedarschema");

/// What compiling gives: Cedar's own set, its policies named by their `@id`, and the rules.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) policies: cedar_policy::PolicySet,
    pub(super) rules: HashMap<PolicyId, Rule>,
    /// What the policies read of the context.
    pub(super) reads: Reads,
}

/// What Cedar's parser, validator and printer may take of the stack: several times what the
/// deepest text that [`bounds`] lets in needs in a build without optimisation.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Compiles `text`; everything that can be wrong with a policy is found here.
///
/// On a thread of its own: Cedar recurses, and the caller's stack may be a worker's small one.
pub(super) fn compile(text: &str) -> Result<Compiled, PolicyError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(PolicyError::TooLong { limit: MAX_TEXT_BYTES, received: text.len() });
    }
    bounds::check(text)?;
    thread::scope(|scope| {
        let compiler = thread::Builder::new()
            .name("gov-policy".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || compile_here(text))
            .map_err(|error| PolicyError::Compiler(error.to_string()))?;
        let panicked = |_| PolicyError::Compiler("it panicked".to_owned());
        compiler.join().map_err(panicked)?
    })
}

/// Finds the first policy in the text whose chain has a fault.
pub(super) fn check_chains(
    text: &str,
    policies: &cedar_policy::PolicySet,
    rules: &HashMap<PolicyId, Rule>,
    fault: ChainFault<'_>,
) -> Result<(), PolicyError> {
    let asks = |it: &Rule| it.outcome == Outcome::RequireApproval;
    let problem = |(id, rule): (&PolicyId, &Rule)| {
        let fault = fault(&rule.chain)?;
        let said = format!("`{}`: `@chain(\"{}\")` {fault}", rule.id, rule.chain);
        Some(annotation(text, &policies.policy(id)?.to_cedar()?, &said))
    };
    rules
        .iter()
        .filter(|(_, rule)| asks(rule))
        .filter_map(problem)
        .min_by_key(PolicyError::place)
        .map_or(Ok(()), Err)
}

fn compile_here(text: &str) -> Result<Compiled, PolicyError> {
    let parsed: cedar_policy::PolicySet =
        text.parse().map_err(|error: cedar_policy::ParseErrors| syntax(text, &error))?;
    if let Some(template) = parsed.templates().next() {
        let problem = "a template (`?principal`, `?resource`) is never linked; write the name";
        return Err(annotation(text, &template.to_cedar(), problem));
    }
    let validator = Validator::new(schema()?.clone());
    let result = validator.validate(&parsed, ValidationMode::Strict);
    if let Some(error) = result.validation_errors().next() {
        let (line, column) = place(text, error);
        return Err(PolicyError::Invalid { line, column, problem: said(error) });
    }
    named(text, &parsed)
}

/// The built-in schema, read once.
fn schema() -> Result<&'static Schema, PolicyError> {
    static READ: OnceLock<Result<Schema, String>> = OnceLock::new();
    READ.get_or_init(|| {
        Schema::from_cedarschema_str(SCHEMA)
            .map(|(schema, _)| schema)
            .map_err(|error| error.to_string())
    })
    .as_ref()
    .map_err(|problem| PolicyError::Schema(problem.clone()))
}

/// Gives each policy its `@id` as Cedar's name, so that diagnostics speak of it.
fn named(text: &str, parsed: &cedar_policy::PolicySet) -> Result<Compiled, PolicyError> {
    let mut policies = cedar_policy::PolicySet::new();
    let (mut rules, mut reads) = (HashMap::new(), Reads::default());
    for policy in parsed.policies() {
        let at = policy.to_cedar().unwrap_or_default();
        let rule = Rule::read(policy).map_err(|problem| annotation(text, &at, &problem))?;
        let id = PolicyId::new(rule.id.as_str());
        policies.add(policy.new_id(id.clone())).map_err(|_| {
            annotation(text, &at, &format!("two policies have the `@id(\"{}\")`", rule.id))
        })?;
        match policy.to_json() {
            Ok(json) => reads.add(&json),
            Err(_) => reads = Reads::Everything,
        }
        rules.insert(id, rule);
    }
    if rules.is_empty() {
        return Err(PolicyError::Empty);
    }
    Ok(Compiled { policies, rules, reads })
}

fn syntax(text: &str, error: &cedar_policy::ParseErrors) -> PolicyError {
    let (line, column) = place(text, error);
    PolicyError::Syntax { line, column, problem: said(error) }
}

fn annotation(text: &str, policy: &str, problem: &str) -> PolicyError {
    // Cedar keeps the source of a policy word for word; of two equal ones the first is named.
    let (line, column) = position(text, text.find(policy).unwrap_or(0));
    PolicyError::Annotation { line, column, problem: problem.to_owned() }
}

fn place(text: &str, error: &dyn Diagnostic) -> (usize, usize) {
    let offset = error.labels().and_then(|mut labels| labels.next()).map_or(0, |it| it.offset());
    position(text, offset)
}

/// Cedar's message, with its help where it has one.
fn said(error: &dyn Diagnostic) -> String {
    let mut said = error.to_string();
    let label = error.labels().and_then(|mut labels| labels.next());
    if let Some(label) = label.as_ref().and_then(|it| it.label()) {
        said.push_str(", ");
        said.push_str(label);
    }
    if let Some(help) = error.help() {
        said.push_str("; ");
        said.push_str(&help.to_string());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::{super::chains, *};

    #[test]
    fn a_chain_that_is_not_configured_is_refused_at_the_first_policy_that_asks_it() {
        let asks = "@outcome(\"require_approval\")";
        let rest = "(principal, action, resource);";
        let text = format!(
            "@id(\"z\") {asks} @chain(\"prod\") forbid {rest}\n@id(\"y\") {asks} permit {rest}\n\
             @id(\"x\") {asks} @chain(\"ops\") permit {rest}"
        );
        let Compiled { policies, rules, .. } = compile(&text).unwrap();
        let said = |known: &[&str]| check_chains(&text, &policies, &rules, &chains::unknown(known));
        assert_eq!(said(&["default", "ops", "prod"]), Ok(()));
        let message = said(&["default", "ops"]).unwrap_err().to_string();
        let wanted = "line 1, column 1: `z`: `@chain(\"prod\")` is not configured; known are \
                      `default`, `ops`; add `[chains.prod]`";
        assert!(message.starts_with(wanted), "{message}");
        assert_eq!(said(&["default"]).unwrap_err().place(), Some((1, 1)));
        assert_eq!(said(&["default", "prod"]).unwrap_err().place(), Some((3, 1)));
        assert_eq!(said(&["ops", "prod"]).unwrap_err().place(), Some((2, 1)), "the default too");
    }

    fn refused(text: &str) -> String {
        compile(text).unwrap_err().to_string()
    }

    #[test]
    fn a_text_that_is_not_cedar_is_refused_with_its_place() {
        let message = refused("@id(\"a\")\npermit (principal, action, resource)\nwhen { 1 + };");
        assert!(message.starts_with("line 3, column 12: "), "{message}");
    }

    #[test]
    fn an_attribute_that_does_not_exist_is_refused_with_its_place_and_the_way_out() {
        let text = "@id(\"a\")\npermit (principal, action, resource)\nwhen { context.arg_txt like \"*\" };";
        let message = refused(text);
        assert!(message.starts_with("line 3, column 8: "), "{message}");
        assert!(message.contains("arg_txt"), "{message}");
        assert!(message.contains("docs/formats/policy-context.md"), "{message}");
    }

    #[test]
    fn a_wrong_type_an_optional_attribute_and_an_unknown_action_are_refused() {
        for condition in [
            "context.time == \"noon\"",
            "context.session == \"s\"",
            "action == Action::\"fly\"",
            "context.args.amount > 3",
        ] {
            let text =
                format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};");
            assert!(
                matches!(compile(&text), Err(PolicyError::Invalid { .. })),
                "{condition}: {:?}",
                compile(&text).err()
            );
        }
    }

    #[test]
    fn annotations_that_gov_does_not_understand_are_refused_with_the_way_out() {
        let rest = "(principal, action, resource);";
        let long = "x".repeat(1025);
        for (text, message) in [
            (format!("permit {rest}"), "line 1, column 1: every policy needs its own `@id"),
            (
                format!("@id(\"\") permit {rest}"),
                "line 1, column 1: every policy needs its own `@id",
            ),
            (format!("@id(\"default-deny\") permit {rest}"), "gov's own rules"),
            (format!("@id(\"unparsable-action\") permit {rest}"), "gov's own rules"),
            (format!("@id(\"approval-timed_out\") permit {rest}"), "gov's own rules"),
            (
                format!("@id(\"a\") permit {rest}\n@id(\"a\") forbid {rest}"),
                "line 2, column 1: two policies",
            ),
            (format!("@id(\"a\") @outcme(\"warn\") permit {rest}"), "did you mean `@outcome`"),
            (format!("@id(\"a\") @outcome(\"warn\") forbid {rest}"), "leave it out to refuse"),
            (format!("@id(\"a\") @outcome(\"allow\") permit {rest}"), "leave it out to allow"),
            (format!("@id(\"a\") @risk(\"huge\") permit {rest}"), "a risk is `low`"),
            (format!("@id(\"a\") @chain(\"c\") permit {rest}"), "`@chain` needs"),
            (
                format!("@id(\"a\") @reason(\"{long}\") permit {rest}"),
                "at most 1024 bytes long; received 1025",
            ),
            (format!("@id(\"a\") @reason(\"\") permit {rest}"), "`@reason` must not be empty"),
            (
                "@id(\"a\") permit (principal == ?principal, action, resource);".to_owned(),
                "template",
            ),
            ("// nothing".to_owned(), "the text holds no policy"),
            (" ".repeat(MAX_TEXT_BYTES + 1), "at most 262144 bytes long; received 262145"),
        ] {
            let said = refused(&text);
            assert!(said.contains(message), "{said}");
        }
    }
}
