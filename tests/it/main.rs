//! Integration tests: real sockets on ports the system chooses, real time. One binary, to be linked once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test waits for the tasks it starts")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what it is about")]

mod actuator;
mod api;
mod applications;
mod bad_input;
mod callers;
mod citations;
mod config;
mod dashboard;
mod endpoints;
mod golden;
mod health;
mod membership;
mod metrics;
mod migrate_check;
mod pods;
mod process;
mod readme;
mod replication;
mod security;
mod shutdown;
mod snapshot;
mod starting;
mod support;
mod tidy;
