//! The `eureka-registry` binary.

fn main() {}
