//! Commands beside the server: each asks a running registry, and ends.

mod argument;
mod client;
pub mod health;
pub mod migrate_check;
pub mod smoke_test;
