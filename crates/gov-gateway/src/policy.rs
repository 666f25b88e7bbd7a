//! What a policy is, and how an action is judged by it.
//!
//! ```text
//! text ──compile──▶ PolicySet                     (everything that can be wrong is found here)
//!                      │
//! action ──normalise──▶ Facts ──▶ Cedar request ──judge──▶ Judgement   (never an error)
//! ```
//!
//! Start reading at [`PolicySet::judge`]; what an action is seen as stands in [`normalise`].

mod bounds;
pub mod chains;
mod compile;
mod error;
pub mod normalise;
mod outline;
mod reads;
mod request;
mod rule;
mod set;
pub mod starter;

pub use self::{
    chains::ChainFault,
    error::PolicyError,
    normalise::Protected,
    outline::{RuleOutline, outline},
    rule::{Outcome, Risk},
    set::{Judgement, PolicyInput, PolicySet},
    starter::Starter,
};
