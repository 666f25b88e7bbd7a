#![doc = include_str!("../README.md")]

pub mod ballast;
#[cfg(feature = "test-util")]
pub mod bench;
pub mod crash;
#[cfg(feature = "test-util")]
pub mod fault;
#[cfg(all(feature = "test-util", any(feature = "sqlite", feature = "postgres")))]
pub mod fresh_database;
pub mod lock;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod migrations;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
