//! Asks a human, and gives silence consequences.
//!
//! ```text
//! submit ─▶ pending ──due──▶ next rung told ──due──▶ … ──time-out──▶ fallback: timed out, approved, parked
//!              └──────────── a person decides ────────────▶ approved ─▶ consumed (once) or expired
//!                                                        └▶ rejected
//! ```
//!
//! [`chain`] and [`transition`] hold the rules, [`store`] the contract of the database. Start
//! reading at [`transition`].

pub mod approval;
pub mod chain;
pub mod store;
pub mod transition;
