//! Commands beside the server: each asks a running registry once, and ends.

mod client;
pub mod health;
pub mod smoke_test;
