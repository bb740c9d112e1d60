//! Pods: a replica that may watch them takes an instance out as soon as its pod has ended, whatever its lease (`registry.kubernetes.*`).
//!
//! It is off by default. [`Watcher`] lists and watches the pods of some namespaces, by the API server's own protocol and with the token
//! of the pod's service account. `table.rs` keeps what is known of them, and decides what that means for an instance, from values alone:
//! it knows neither network nor clock. Every replica decides by itself, and what it decides is stamped and replicated like a client's
//! change, so a replica whose API server does not answer hears it from the others. As long as a watch fails, nothing is decided from it:
//! leases count, as without it.
//!
//! The watch is made of `reqwest`, which is here anyway: the binary of 16.6 MB grew by 0.3 MB, and the resident memory of a replica that
//! watches a hundred pods is 4 MB more than that of one that watches none (9 MB). With the `kube` crate (5.0, `k8s-openapi` 0.29) they
//! were 4.5 MB and 6 MB, and there were two versions of four crates.

mod api;
pub mod options;
mod pod;
mod status;
mod sweep;
mod table;
mod watch;
mod zones;

pub use options::{Options, Policy};
pub use status::{PodShown, Status, Watched};
pub use watch::Watcher;
