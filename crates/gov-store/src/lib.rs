#![doc = include_str!("../README.md")]

pub mod crash;
#[cfg(feature = "test-util")]
pub mod fresh_database;
pub mod lock;
pub mod migrations;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
