//! `/v1/approvals`: who waits for whom, and what people answer.

use super::problem::{Code, Problem};
use crate::approvals::DeskError;

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        let detail = error.to_string();
        tracing::error!(error = &error as &dyn std::error::Error, "approvals");
        match error {
            DeskError::NotLogged(_) => Self::new(Code::NotRecorded, detail),
            _ => Self::new(Code::Unavailable, detail),
        }
    }
}
