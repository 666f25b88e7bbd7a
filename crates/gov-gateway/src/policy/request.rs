//! From facts to a Cedar request.
//!
//! Every value is built as a `RestrictedExpression` from facts of known type. The agent's JSON
//! never becomes an expression, so nothing in it can name an entity.

use std::{collections::HashSet, sync::OnceLock};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression as Expression,
};

use super::{
    PolicyInput,
    normalise::{Facts, Resource},
    reads::Reads,
};

/// What Cedar is asked.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) entities: Entities,
}

/// A request could not be built: a mistake of the program, and a refusal.
pub(super) struct NotBuilt;

/// Builds the request with those attributes that policies read; it is not validated again, since
/// the facts have one shape.
pub(super) fn build(
    input: &PolicyInput<'_>,
    facts: Facts,
    reads: &Reads,
) -> Result<Asked, NotBuilt> {
    let types = types().ok_or(NotBuilt)?;
    let principal = uid(&types.agent, input.agent_id.as_str());
    let action = uid(&types.action, input.action.kind());
    let resource = match &facts.resource {
        Resource::Tool(id) => uid(&types.tool, id),
        Resource::Path(id) => uid(&types.path, id),
        Resource::Host(id) => uid(&types.host, id),
        Resource::Command(id) => uid(&types.command, id),
        Resource::Surface(id) => uid(&types.surface, id),
        Resource::Kind(id) => uid(&types.kind, id),
    };
    let entities = match input.team_id {
        None => Entities::empty(),
        Some(team) => {
            let team = uid(&types.team, team.as_str());
            let agent = Entity::new_no_attrs(principal.clone(), HashSet::from([team]));
            Entities::from_entities([agent], None).map_err(|_| NotBuilt)?
        }
    };
    let context = Context::from_pairs(pairs(input, facts, reads)).map_err(|_| NotBuilt)?;
    let request = Request::new(principal, action, resource, context, None).map_err(|_| NotBuilt)?;
    Ok(Asked { request, entities })
}

fn pairs(input: &PolicyInput<'_>, facts: Facts, reads: &Reads) -> Vec<(String, Expression)> {
    let flags = facts.flags;
    let mut context = Pairs { reads, pairs: Vec::new() };
    context.put("tool", || text(facts.tool));
    context.put("server", || text(facts.server));
    context.put("arg_text", || text(facts.arg_text));
    context.put("paths", || texts(facts.paths));
    context.put("writes", || texts(facts.writes));
    context.put("hosts", || texts(facts.hosts));
    context.put("ports", || {
        Expression::new_set(facts.ports.into_iter().map(|port| Expression::new_long(port.into())))
    });
    context.put("argv0", || texts(facts.argv0));
    context.put("argv", || texts(facts.argv));
    for (name, value) in [
        ("compound", flags.compound),
        ("path_is_bytes", flags.path_is_bytes),
        ("outside_cwd", flags.outside_cwd),
        ("recursive_delete", flags.recursive_delete),
        ("deletes_outside_cwd", flags.deletes_outside_cwd),
        ("writes_system_path", flags.writes_system_path),
        ("force_push", flags.force_push),
        ("unknown_command", flags.unknown_command),
        ("unknown_path", flags.unknown_path),
        ("unknown_host", flags.unknown_host),
        ("touches_gov", flags.touches_gov),
        ("touches_harness", flags.touches_harness),
    ] {
        context.put(name, || Expression::new_bool(value));
    }
    context.put("time", || Expression::new_long(input.now.as_unix_seconds()));
    if let Some(session) = input.session_id {
        context.put("session", || text(session.to_string()));
    }
    if let Some(risk) = facts.risk {
        context.put("risk", || text(risk.name().to_owned()));
    }
    // More than i64 holds is past every limit that a policy can name.
    if let Some(bytes) = facts.byte_estimate {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        context.put("byte_estimate", || Expression::new_long(bytes));
    }
    context.pairs
}

/// The attributes of the context, as far as they are read.
struct Pairs<'r> {
    reads: &'r Reads,
    pairs: Vec<(String, Expression)>,
}

impl Pairs<'_> {
    fn put(&mut self, name: &str, value: impl FnOnce() -> Expression) {
        if self.reads.includes(name) {
            self.pairs.push((name.to_owned(), value()));
        }
    }
}

fn text(value: String) -> Expression {
    Expression::new_string(value)
}

fn texts(values: impl IntoIterator<Item = String>) -> Expression {
    Expression::new_set(values.into_iter().map(Expression::new_string))
}

fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

struct Types {
    agent: EntityTypeName,
    team: EntityTypeName,
    action: EntityTypeName,
    tool: EntityTypeName,
    path: EntityTypeName,
    host: EntityTypeName,
    command: EntityTypeName,
    surface: EntityTypeName,
    kind: EntityTypeName,
}

/// The entity types, parsed once.
fn types() -> Option<&'static Types> {
    static PARSED: OnceLock<Option<Types>> = OnceLock::new();
    PARSED.get_or_init(parse_types).as_ref()
}

fn parse_types() -> Option<Types> {
    Some(Types {
        agent: "Agent".parse().ok()?,
        team: "Team".parse().ok()?,
        action: "Action".parse().ok()?,
        tool: "Tool".parse().ok()?,
        path: "Path".parse().ok()?,
        host: "Host".parse().ok()?,
        command: "Command".parse().ok()?,
        surface: "Surface".parse().ok()?,
        kind: "Kind".parse().ok()?,
    })
}
