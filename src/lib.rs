//! A Eureka-compatible service registry.
