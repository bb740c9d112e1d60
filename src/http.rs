//! The HTTP surface: Eureka's REST API, and what stands beside it.

mod access_log;
pub mod actuator;
mod api;
pub(crate) mod body;
mod clusters;
mod dashboard;
mod error;
mod instance;
mod metrics;
mod negotiate;
pub mod options;
mod pages;
mod peer_replication;
mod reads;
mod resource;
mod router;
pub mod security;
mod status;

pub use actuator::Readiness;
pub use api::overview::SAMPLE_INTERVAL;
pub use error::ApiError;
pub use options::Options;
pub use router::{App, Parts, handle, handle_management};
