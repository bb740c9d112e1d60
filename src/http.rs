//! The HTTP surface: Eureka's REST API, and what stands beside it.
//!
//! [`Service`] takes a request and gives its answer; `service.rs` has the whole stack in its order.

mod access_log;
pub mod actuator;
mod addresses;
mod answers;
mod api;
mod blocking;
pub(crate) mod body;
mod building;
mod clusters;
mod connection;
mod dashboard;
mod drains;
mod error;
mod eureka;
mod exposition;
mod instance;
mod metrics;
mod negotiate;
mod operation;
pub mod options;
mod overviews;
mod pages;
mod peer_replication;
mod query;
mod readers;
mod reads;
mod readiness;
mod resource;
pub mod security;
mod service;
mod state;
mod status;
mod streams;
mod subscribers;
mod target;

pub use answers::Revocable;
pub use connection::{Connection, network};
pub use error::ApiError;
pub use options::Options;
pub use readiness::Readiness;
pub use service::Service;
pub use state::Parts;
