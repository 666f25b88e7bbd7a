//! What a check found, and what follows from all of them.

use gov_core::text;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::cli::Exit;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    Failed,
    /// It cannot be told.
    NotJudged,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) way_out: Option<String>,
}

impl Check {
    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, detail: detail.into(), way_out: None }
    }

    pub(super) fn warning(
        name: impl Into<String>,
        detail: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self::bad(name, Status::Warning, detail, way_out)
    }

    pub(super) fn failed(
        name: impl Into<String>,
        detail: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self::bad(name, Status::Failed, detail, way_out)
    }

    pub(super) fn not_judged(
        name: impl Into<String>,
        detail: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self::bad(name, Status::NotJudged, detail, way_out)
    }

    fn bad(
        name: impl Into<String>,
        status: Status,
        detail: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        let (detail, way_out) = (detail.into(), Some(way_out.into()));
        Self { name: name.into(), status, detail, way_out }
    }
}

/// Every check, in the order of making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report(pub(super) Vec<Check>);

impl Report {
    /// What failed weighs more than what could not be judged.
    pub(super) fn exit(&self) -> Exit {
        let any = |status| self.0.iter().any(|it| it.status == status);
        if any(Status::Failed) {
            Exit::JudgedNo
        } else if any(Status::NotJudged) {
            Exit::NotJudged
        } else {
            Exit::Yes
        }
    }

    /// One line a check, and below it the way out.
    pub(super) fn to_text(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.0 {
            let Check { name, status, detail, way_out } = check;
            let word = match status {
                Status::Ok => "ok",
                Status::Warning => "warning",
                Status::Failed => "failed",
                Status::NotJudged => "unknown",
            };
            lines.push(format!("{word:7}  {}: {}", text::escape(name), text::escape(detail)));
            lines.extend(way_out.iter().map(|it| format!("         → {}", text::escape(it))));
        }
        lines.push(
            match self.exit() {
                Exit::Yes => "nothing is broken",
                Exit::JudgedNo => "something is broken",
                _ => "it could not be judged",
            }
            .to_owned(),
        );
        lines.join("\n")
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let status = match self.exit() {
            Exit::Yes => Status::Ok,
            Exit::JudgedNo => Status::Failed,
            _ => Status::NotJudged,
        };
        let mut report = serializer.serialize_struct("Report", 2)?;
        report.serialize_field("status", &status)?;
        report.serialize_field("checks", &self.0)?;
        report.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_weighs_more_than_what_is_unknown_and_a_warning_weighs_nothing() {
        let (ok, warning) = (Check::ok("a", "d"), Check::warning("b", "d", "w"));
        let (failed, unknown) = (Check::failed("c", "d", "w"), Check::not_judged("e", "d", "w"));
        for (checks, exit) in [
            (vec![ok.clone(), warning.clone()], Exit::Yes),
            (vec![unknown.clone(), ok], Exit::NotJudged),
            (vec![unknown, failed, warning], Exit::JudgedNo),
        ] {
            assert_eq!(Report(checks).exit(), exit);
        }
    }

    #[test]
    fn a_report_reads_line_by_line_and_cannot_steer_the_terminal() {
        let report = Report(vec![Check::failed("hook", "\u{1b}[2J", "look")]);
        let expected = "failed   hook: \\u{1b}[2J\n         → look\nsomething is broken";
        assert_eq!(report.to_text(), expected);
    }
}
