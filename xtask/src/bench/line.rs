//! One case of a bench: `{"bench","case","ours","baseline","unit","ratio","goal","met"}`.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// What one case has measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) bench: String,
    pub(crate) case: String,
    pub(crate) ours: f64,
    /// `None` where a case has nothing beside it.
    pub(crate) baseline: Option<f64>,
    pub(crate) unit: String,
    pub(crate) ratio: Option<f64>,
    /// Text, as in `>=8`; `None` where the figure is only reported.
    pub(crate) goal: Option<String>,
    /// `None` in a quick run, and where no ratio has a goal.
    pub(crate) met: Option<bool>,
}

impl Line {
    pub(crate) fn read(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("which is not JSON")?;
        Ok(Self {
            bench: text_of(&value, "bench")?.context("where `bench` is null")?,
            case: text_of(&value, "case")?.context("where `case` is null")?,
            ours: optional(&value, "ours", Value::as_f64)?.context("where `ours` is null")?,
            baseline: optional(&value, "baseline", Value::as_f64)?,
            unit: text_of(&value, "unit")?.context("where `unit` is null")?,
            ratio: optional(&value, "ratio", Value::as_f64)?,
            goal: text_of(&value, "goal")?.filter(|it| !it.is_empty()),
            met: optional(&value, "met", Value::as_bool)?,
        })
    }
}

/// A table for people, closed by one line about the goals.
pub(crate) fn table(lines: &[Line]) -> String {
    let head =
        ["bench", "case", "ours", "baseline", "unit", "ratio", "goal", "met"].map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(lines.iter().map(row)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let cells = rows.iter().filter_map(|it| it.get(column));
            let width = cells.map(|it| it.chars().count()).max().unwrap_or_default();
            // Figures stand to the right.
            if matches!(column, 2 | 3 | 5) {
                line.extend([" ".repeat(width - cell.chars().count()).as_str(), cell, "  "]);
            } else {
                line.extend([cell, " ".repeat(width - cell.chars().count() + 2).as_str()]);
            }
        }
        text += line.trim_end();
        text += "\n";
    }
    let judged = |met| lines.iter().filter(|it| it.met == Some(met)).count();
    let open = lines.iter().filter(|it| it.met.is_none()).count();
    text + &format!(
        "goals: {} met, {} missed; {open} cases without a verdict\n",
        judged(true),
        judged(false)
    )
}

fn row(line: &Line) -> [String; 8] {
    let none = || "-".to_owned();
    [
        line.bench.clone(),
        line.case.clone(),
        figure(line.ours),
        line.baseline.map_or_else(none, figure),
        line.unit.clone(),
        line.ratio.map_or_else(none, |it| format!("{it:.2}x")),
        line.goal.clone().unwrap_or_else(none),
        line.met.map_or_else(none, |it| if it { "yes" } else { "NO" }.to_owned()),
    ]
}

/// Three decimals where they say something.
fn figure(value: f64) -> String {
    if value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

fn text_of(value: &Value, key: &str) -> Result<Option<String>> {
    optional(value, key, |it| it.as_str().map(str::to_owned))
}

/// A key must be there, with `null` for nothing.
fn optional<T>(value: &Value, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
    match value.get(key) {
        None => anyhow::bail!("where `{key}` is missing"),
        Some(Value::Null) => Ok(None),
        Some(it) => read(it).map(Some).with_context(|| format!("where `{key}` is `{it}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"bench": "deferred_audit", "case": "64 submitters", "ours": 41000, "baseline": 900.5, "unit": "records/s", "ratio": 45.5, "goal": ">=8", "met": true}"#;

    #[test]
    fn a_case_is_read_and_shown() {
        let line = Line::read(LINE).unwrap();
        let text = table(&[line]);
        assert!(
            text.contains(
                "deferred_audit  64 submitters  41000     900.5  records/s  45.50x  >=8   yes\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("goals: 1 met, 0 missed; 0 cases without a verdict\n"), "{text}");
    }

    #[test]
    fn a_case_that_lacks_a_key_is_refused_with_its_name() {
        let error = Line::read(&LINE.replace("\"unit\"", "\"units\"")).unwrap_err();
        assert_eq!(error.to_string(), "where `unit` is missing");
        let error = Line::read(&LINE.replace("41000", "\"many\"")).unwrap_err();
        assert_eq!(error.to_string(), "where `ours` is `\"many\"`");
    }

    #[test]
    fn a_quick_run_has_no_verdict() {
        let line = Line::read(&LINE.replace("true", "null")).unwrap();
        assert!(table(&[line]).ends_with("goals: 0 met, 0 missed; 1 cases without a verdict\n"));
    }
}
