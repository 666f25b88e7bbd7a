//! What coding agents send before they act, and what they are answered.
//!
//! ```text
//! stdin ─▶ claude_code::parse ─▶ Call ─▶ POST /v1/actions/check ─▶ Ruling::of ─▶ exit code, stderr, stdout
//! ```
//!
//! Nothing here does I/O. A [`Ruling`] is a value, never an error: whatever is in doubt is
//! [`Ruling::Block`].

use gov_core::{AgentAction, AgentId, SessionId};
use serde::Serialize;
use serde_json::{Map, Value};

pub mod claude_code;
pub mod ruling;

pub use self::ruling::Ruling;

/// One call of a tool, as gov judges it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The harness's session.
    pub session_id: SessionId,
    /// What the agent wants to do.
    pub action: AgentAction,
    /// What a policy may want to know besides. The digest covers it, so the same call made again
    /// has the same context: no ids, no times, nothing the model words anew.
    pub context: Map<String, Value>,
}

impl Call {
    /// The body of `POST /v1/actions/check`.
    ///
    /// # Errors
    ///
    /// What `serde_json` says; it has no cause to.
    pub fn to_check(&self, agent_id: &AgentId) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Check<'a> {
            agent_id: &'a AgentId,
            session_id: &'a SessionId,
            action: &'a AgentAction,
            context: &'a Map<String, Value>,
        }
        let Self { session_id, action, context } = self;
        serde_json::to_vec(&Check { agent_id, session_id, action, context })
    }
}
