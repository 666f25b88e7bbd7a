#![doc = include_str!("../README.md")]

pub mod event_store;
