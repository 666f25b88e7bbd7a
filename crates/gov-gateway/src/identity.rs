//! Who asks and who decides: access tokens, the agents they speak for, and people.
//!
//! Everything that a request needs to know lives in memory, in one [`Directory`]; the database is
//! read at start and written by changes only.

mod directory;
pub mod person;
mod roster;
pub mod token;

pub use self::{
    directory::{AuthError, Directory, Identities},
    person::{Agent, Person, PersonName},
    token::{Scope, Token, TokenSecret},
};
