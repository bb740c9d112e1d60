#![doc = include_str!("ARCHITECTURE.md")]

// In the order of dependency: a module uses only those above it. A test holds this (tests/it/tidy.rs).
pub mod time;
pub mod metrics;
pub mod limits;
pub mod log_levels;
pub mod tls;
pub mod model;
pub mod codec;
pub mod registry;
pub mod snapshot;
pub mod replication;
pub mod kubernetes;
pub(crate) mod console;
pub mod http;
pub mod tasks;
pub mod telemetry;
pub mod server;
pub mod config;
pub mod commands;
