//! Integration tests: real sockets on ports the system chooses, real time. One binary, to be linked once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what it is about")]

mod golden;
mod support;
mod tidy;
