//! Section `chains`: who is asked for an approval, in which order, and what silence means.
//!
//! Chains are named by the operator, so they have tables of keys of their own:
//! [`keys::CHAIN_KEYS`](super::keys::CHAIN_KEYS) and [`keys::RUNG_KEYS`](super::keys::RUNG_KEYS).

use std::{collections::BTreeMap, time::Duration};

use gov_escalation::chain::{Chain, DEFAULT_CHAIN, Fallback, Late, Rung, Seats, Span};

use super::{
    Binding, Given, Lateness, NotifyDraft, Origin, Problem, SeatsDraft, Silence,
    keys::{CHAIN_KEYS, Key, RUNG_KEYS},
    notify,
    source::Setting,
};

/// The section's name.
pub(super) const CHAINS: &str = "chains";

/// The longest name of a chain, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// One chain as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainDraft {
    /// How long all rungs together have.
    pub timeout: Duration,
    /// What silence means.
    pub fallback: Silence,
    /// Whether a fallback that allows is meant.
    pub allow_acknowledged: bool,
    /// What an approval is good for.
    pub bind: Binding,
    /// Who is asked.
    pub rungs: Vec<RungDraft>,
}

/// One rung as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RungDraft {
    /// Whoever has one of these roles may decide.
    pub roles: Vec<String>,
    /// These persons may decide.
    pub people: Vec<String>,
    /// How long the rung before has.
    pub after: Duration,
    /// Who is told.
    pub notify: Vec<String>,
    /// How many must approve.
    pub quorum: u64,
    /// How many of which roles must approve.
    pub require: Vec<SeatsDraft>,
    /// Whether it is skipped where nobody is there.
    pub allow_skip_when_empty: bool,
    /// Whether it is told after its time.
    pub late: Lateness,
}

/// The chains while the configuration is read.
#[derive(Clone, Debug)]
pub(super) struct Chains(BTreeMap<String, Read>);

/// One chain, and where each part of it stands.
#[derive(Clone, Debug)]
struct Read {
    draft: ChainDraft,
    origin: Origin,
    origins: BTreeMap<&'static str, Origin>,
}

impl Chains {
    /// The one chain that is always there.
    pub(super) fn new() -> Self {
        Self(BTreeMap::from([(DEFAULT_CHAIN.to_owned(), Read::new(Origin::Default))]))
    }

    /// Takes in a setting whose path begins with `chains.`; the error is the problem.
    pub(super) fn apply(&mut self, setting: Setting) -> Result<(), String> {
        let Setting { path, given, origin } = setting;
        let rest = path.strip_prefix("chains.").unwrap_or_default();
        let (name, key) = rest.split_once('.').unwrap_or((rest, ""));
        check_name("a chain's name", name)?;
        if key.is_empty() && given != Given::Section {
            return Err(format!("`{path}` must be a table, `[{path}]`; received `{given}`"));
        }
        let known = key.is_empty() || key == "rungs" || find(CHAIN_KEYS, key).is_some();
        if !known {
            return Err(super::keys::unknown(&path, &origin));
        }
        let chain = self.0.entry(name.to_owned()).or_insert_with(|| Read::new(origin.clone()));
        if chain.origin == Origin::Default {
            chain.origin = origin.clone();
        }
        chain.set(&path, key, &given, origin)
    }

    /// The chains as they are asked, and what is wrong with them.
    /// `targets` are there to be told.
    pub(super) fn build(
        &self,
        approved_for: Duration,
        targets: &BTreeMap<String, NotifyDraft>,
    ) -> (BTreeMap<String, Chain>, Vec<Problem>) {
        let (mut chains, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, read) in &self.0 {
            match read.build(name, approved_for, targets) {
                Ok(chain) => drop(chains.insert(name.clone(), chain)),
                Err(problem) => problems.push(problem),
            }
        }
        (chains, problems)
    }

    /// Every key of every chain, with its effective value and its origin.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, String, &Origin)> {
        self.0.iter().flat_map(|(name, read)| {
            let of_chain = CHAIN_KEYS.iter().map(move |key| (key.path, key.slot.show(&read.draft)));
            let rungs = read.draft.rungs.iter().map(show_rung).collect::<Vec<_>>().join(", ");
            of_chain.chain([("rungs", format!("[{rungs}]"))]).map(move |(key, value)| {
                let origin = read.origins.get(key).unwrap_or(&Origin::Default);
                (format!("{CHAINS}.{name}.{key}"), value, origin)
            })
        })
    }
}

impl Read {
    fn new(origin: Origin) -> Self {
        let draft = ChainDraft { rungs: vec![defaults(RUNG_KEYS)], ..defaults(CHAIN_KEYS) };
        Self { draft, origin, origins: BTreeMap::new() }
    }

    fn set(&mut self, path: &str, key: &str, given: &Given, origin: Origin) -> Result<(), String> {
        if key.is_empty() {
            return Ok(());
        }
        let Some(key) = find(CHAIN_KEYS, key) else {
            self.draft.rungs = rungs(path, given)?;
            self.origins.insert("rungs", origin);
            return Ok(());
        };
        let set = key.slot.set(&mut self.draft, given);
        set.map_err(|problem| format!("`{path}` {problem}"))?;
        self.origins.insert(key.path, origin);
        Ok(())
    }

    fn build(
        &self,
        name: &str,
        approved_for: Duration,
        targets: &BTreeMap<String, NotifyDraft>,
    ) -> Result<Chain, Problem> {
        let ChainDraft { timeout, fallback, allow_acknowledged, bind, ref rungs } = self.draft;
        let problem = |key: &str, problem: String| Problem {
            origin: self.origins.get(key).unwrap_or(&self.origin).clone(),
            key: format!("{CHAINS}.{name}.{key}"),
            problem,
        };
        if fallback == Silence::Allow && !allow_acknowledged {
            let what = format!(
                "`{CHAINS}.{name}.fallback` = `allow` lets happen what nobody looked at; set \
                 `allow_acknowledged = true` beside it if that is meant, or choose `deny`"
            );
            return Err(problem("fallback", what));
        }
        let rungs: Result<Vec<_>, String> = rungs
            .iter()
            .enumerate()
            .map(|(index, rung)| {
                rung.build(targets).map_err(|it| format!("`{CHAINS}.{name}.rungs`[{index}]: {it}"))
            })
            .collect();
        let chain = Chain {
            name: name.to_owned(),
            rungs: rungs.map_err(|it| problem("rungs", it))?,
            timeout: Span(timeout),
            approved_for: Span(approved_for),
            fallback: match fallback {
                Silence::Deny => Fallback::Deny,
                Silence::Park => Fallback::Park,
                Silence::Allow => Fallback::Allow,
            },
            bind_session: bind == Binding::Session,
        };
        let checked = chain.check().map(|()| chain);
        checked.map_err(|error| problem("rungs", format!("`{CHAINS}.{name}`: {error}")))
    }
}

impl RungDraft {
    fn build(&self, targets: &BTreeMap<String, NotifyDraft>) -> Result<Rung, String> {
        let is_known = |it: &String| it == notify::LOG || targets.contains_key(it);
        if let Some(unknown) = self.notify.iter().find(|it| !is_known(it)) {
            return Err(format!(
                "`notify` names `{}`, which is neither `log` nor a target; add \
                 `[notify.{unknown}]`, or take it out",
                gov_core::text::escape(unknown)
            ));
        }
        let roles: Result<_, _> = self.roles.iter().map(|it| it.parse()).collect();
        let people: Result<_, _> = self.people.iter().map(|it| it.parse()).collect();
        let require: Result<_, String> = self.require.iter().map(SeatsDraft::build).collect();
        Ok(Rung {
            roles: roles.map_err(|error| format!("`roles`: {error}"))?,
            people: people.map_err(|error| format!("`people`: {error}"))?,
            after: Span(self.after),
            notify: self.notify.clone(),
            quorum: u32::try_from(self.quorum).map_err(|error| format!("`quorum`: {error}"))?,
            require: require?,
            allow_skip_when_empty: self.allow_skip_when_empty,
            late: match self.late {
                Lateness::SkipToCurrent => Late::SkipToCurrent,
                Lateness::FireAll => Late::FireAll,
            },
        })
    }
}

impl SeatsDraft {
    fn build(&self) -> Result<Seats, String> {
        let role = self.role.parse().map_err(|error| format!("`require`: {error}"))?;
        Ok(Seats { role, count: self.count })
    }
}

fn find<T: Clone + Default>(keys: &'static [Key<T>], name: &str) -> Option<&'static Key<T>> {
    keys.iter().find(|key| key.path == name)
}

/// What is not said is as the table says.
pub(super) fn defaults<T: Clone + Default>(keys: &[Key<T>]) -> T {
    let mut draft = T::default();
    for key in keys {
        // The table's own defaults are accepted: a test sets each.
        let _ = key.slot.set(&mut draft, &key.slot.default_given(key.default));
    }
    draft
}

fn rungs(path: &str, given: &Given) -> Result<Vec<RungDraft>, String> {
    let Given::Tables(tables) = given else {
        return Err(format!("`{path}` must be a list of tables, `[[{path}]]`; received `{given}`"));
    };
    let mut rungs = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let mut rung = defaults(RUNG_KEYS);
        for (name, given, _) in table {
            let key = find(RUNG_KEYS, name).ok_or_else(|| unknown_in_rung(path, index, name))?;
            let set = key.slot.set(&mut rung, given);
            set.map_err(|problem| format!("`{path}`[{index}]: `{name}` {problem}"))?;
        }
        rungs.push(rung);
    }
    Ok(rungs)
}

fn unknown_in_rung(path: &str, index: usize, name: &str) -> String {
    let near = RUNG_KEYS
        .iter()
        .map(|key| (strsim::damerau_levenshtein(name, key.path), key.path))
        .min()
        .filter(|(distance, near)| *distance <= near.len().div_ceil(3));
    let known = RUNG_KEYS.iter().map(|key| format!("`{}`", key.path)).collect::<Vec<_>>();
    match near {
        Some((_, near)) => {
            format!("`{path}`[{index}]: unknown key `{name}`; did you mean `{near}`?")
        }
        None => {
            format!("`{path}`[{index}]: unknown key `{name}`; known are {}", known.join(", "))
        }
    }
}

fn show_rung(rung: &RungDraft) -> String {
    let keys = RUNG_KEYS.iter().map(|key| format!("{} = {}", key.path, key.slot.show(rung)));
    format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
}

/// `what` has a name that can be a part of a key.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), String> {
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_-".contains(&it);
    if !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "{what} must be 1 to {MAX_NAME_BYTES} of `a`-`z`, `0`-`9`, `_` and `-`; received \
         `{}`",
        gov_core::text::escape(name)
    ))
}
