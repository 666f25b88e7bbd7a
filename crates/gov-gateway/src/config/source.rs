//! Where values come from: flags, the environment, a file.

use std::{ffi::OsString, fmt, ops::Range, path::PathBuf};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Problem,
    chains::CHAINS,
    keys::{self, variable},
    notify::NOTIFY,
};

/// The texts that the configuration is read from; nothing here touches a file or the process.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file's path and text.
    pub file: Option<(PathBuf, String)>,
    /// The environment: every variable, also those of others.
    pub environment: Vec<(OsString, OsString)>,
    /// The flags that set a key: the flag, the key's path, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table of keys.
    Default,
    /// The file, and the line in it from 1.
    File(PathBuf, usize),
    /// A variable.
    Environment(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A text, or anything from the environment and the flags.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// A TOML boolean.
    Switch(bool),
    /// A TOML integer.
    Number(String),
    /// A table of chains or of targets: its keys come as settings of their own.
    Section,
    /// A list of tables, each with its keys.
    Tables(Vec<Vec<(String, Self, Origin)>>),
    /// Anything else in TOML: what it is called.
    Other(&'static str),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Number(text) => f.write_str(text),
            Self::List(texts) => write!(f, "{texts:?}"),
            Self::Switch(value) => value.fmt(f),
            Self::Section => f.write_str("table"),
            Self::Tables(_) => f.write_str("list of tables"),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// One value for one key, known or not.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) path: String,
    pub(super) given: Given,
    pub(super) origin: Origin,
}

/// Every value from every source, the weakest source first.
pub(super) fn settings(sources: &Sources) -> (Vec<Setting>, Vec<Problem>) {
    let (mut settings, mut problems) = (Vec::new(), Vec::new());
    if let Some((path, text)) = &sources.file {
        let line = |at: &Range<usize>| Origin::File(path.clone(), line_of(text, at.start));
        match DeTable::parse(text) {
            Ok(table) => walk(table.get_ref(), "", &line, &mut settings),
            Err(error) => problems.push(Problem {
                origin: line(&error.span().unwrap_or_default()),
                key: String::new(),
                problem: format!("not TOML: {}", error.message()),
            }),
        }
    }
    for (name, value) in &sources.environment {
        match variable_setting(name, value) {
            Some(Ok(setting)) => settings.push(setting),
            Some(Err(problem)) => problems.push(problem),
            None => (),
        }
    }
    for (flag, path, value) in &sources.flags {
        settings.push(Setting {
            path: (*path).to_owned(),
            given: Given::Text(value.clone()),
            origin: Origin::Flag(flag),
        });
    }
    (settings, problems)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Flattens sections into `section.key`.
fn walk(
    table: &DeTable<'_>,
    prefix: &str,
    line: &dyn Fn(&Range<usize>) -> Origin,
    settings: &mut Vec<Setting>,
) {
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        let is_section = [CHAINS, NOTIFY].contains(&path.as_str())
            || keys::all().any(|it| it.path.starts_with(&format!("{path}.")));
        let origin = line(&key.span());
        match value.get_ref() {
            // A chain without keys is one with all the defaults.
            DeValue::Table(section)
                if prefix.strip_suffix('.').is_some_and(|it| [CHAINS, NOTIFY].contains(&it)) =>
            {
                settings.push(Setting { path: path.clone(), given: Given::Section, origin });
                walk(section, &format!("{path}."), line, settings);
            }
            // A section without keys says nothing, unless it is one that does not exist.
            DeValue::Table(section) if is_section || !section.is_empty() => {
                walk(section, &format!("{path}."), line, settings);
            }
            given => settings.push(Setting { path, given: toml_given(given, line), origin }),
        }
    }
}

fn toml_given(value: &DeValue<'_>, line: &dyn Fn(&Range<usize>) -> Origin) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.to_string()),
        DeValue::Boolean(value) => Given::Switch(*value),
        DeValue::Integer(number) if number.radix() == 10 => {
            Given::Number(number.as_str().to_owned())
        }
        DeValue::Array(items)
            if !items.is_empty() && items.iter().all(|it| it.get_ref().is_table()) =>
        {
            let table = |it: &Spanned<DeValue<'_>>| {
                let DeValue::Table(table) = it.get_ref() else { return Vec::new() };
                let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                    let key: &Spanned<std::borrow::Cow<'_, str>> = key;
                    let given = toml_given(value.get_ref(), line);
                    (key.get_ref().to_string(), given, line(&key.span()))
                };
                table.iter().map(entry).collect()
            };
            Given::Tables(items.iter().map(table).collect())
        }
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> =
                items.iter().map(|it: &Spanned<DeValue<'_>>| it.get_ref().as_str()).collect();
            texts.map_or(Given::Other("array of other things"), |texts| {
                Given::List(texts.into_iter().map(ToOwned::to_owned).collect())
            })
        }
        other => Given::Other(other.type_str()),
    }
}

/// What a variable sets; `None` for those of others.
///
/// Ours begin with `GOV_`. Those with one underscore are a closed list, so a forgotten second
/// underscore is an error and not a setting without effect.
fn variable_setting(name: &OsString, value: &OsString) -> Option<Result<Setting, Problem>> {
    let shown = name.to_string_lossy().into_owned();
    let origin = Origin::Environment(shown.clone());
    let problem =
        |problem| Some(Err(Problem { origin: origin.clone(), key: String::new(), problem }));
    let Some(path) = shown.strip_prefix("GOV__") else {
        let others = ["GOV_URL", "GOV_TOKEN", "GOV_CRASH_AT"];
        if !shown.starts_with("GOV_") || others.contains(&&*shown) || shown.starts_with("GOV_TEST_")
        {
            return None;
        }
        let near = keys::all()
            .map(|key| variable(key.path))
            .min_by_key(|it| strsim::damerau_levenshtein(it, &shown))
            .unwrap_or_default();
        return problem(format!("unknown variable; did you mean `{near}`?"));
    };
    let Some(value) = value.to_str() else {
        return problem("the value must be UTF-8 text".to_owned());
    };
    Some(Ok(Setting {
        path: path.to_ascii_lowercase().replace("__", "."),
        given: Given::Text(value.to_owned()),
        origin,
    }))
}
