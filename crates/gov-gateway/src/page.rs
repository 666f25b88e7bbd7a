//! The page at `/`: what people see of the gateway, and who may look.
//!
//! ```text
//! approvals ─┐
//! events    ─┼─▶ views (text escaped) ─▶ templates (HTML escaped) ─▶ whole page, or the live part
//! log       ─┤
//! health    ─┘
//! ```
//!
//! Start reading at [`live`] for what is shown, at [`session`] for who may look. The routes stand
//! in `http/page`.

use std::sync::Arc;

pub mod action;
pub mod assets;
pub mod card;
pub mod edit;
pub mod live;
pub mod log_status;
pub mod row;
pub mod session;
pub mod shown;
pub mod template;
pub mod time;

use self::{log_status::LogStatus, session::Sessions};
use crate::approvals::Desk;

/// What the page needs beside what every route has.
#[derive(Debug)]
pub struct Page {
    /// Who is logged in.
    pub sessions: Sessions,
    /// Where requests wait for answers.
    pub desk: Desk,
    /// How far the signed log is.
    pub log: Arc<dyn LogStatus>,
}

impl Page {
    /// Nobody is logged in.
    #[must_use]
    pub fn new(desk: Desk, log: Arc<dyn LogStatus>) -> Self {
        Self { sessions: Sessions::default(), desk, log }
    }
}
