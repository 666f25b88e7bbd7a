//! Who asks and who decides: access tokens, the agents they speak for, and people; and whether
//! anybody may act at all.
//!
//! Everything that a request needs to know lives in memory, in one [`Directory`]; the database is
//! read at start and written by changes only.

mod directory;
mod halt;
pub mod person;
mod roster;
mod slack_user;
mod stand_in;
pub mod token;

pub use self::{
    directory::{AuthError, Directory, Identities},
    halt::Halt,
    person::{Agent, Person, PersonName},
    slack_user::{SlackUser, SlackUserError},
    stand_in::StandIn,
    token::{Scope, Token, TokenSecret},
};
