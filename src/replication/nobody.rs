//! [`Nobody`]: for tests in which no name server and no peer answers.

use super::ServiceUrl;
use super::discovery::{LookingUp, PeerDiscovery};
use super::transport::{Call, Calling, PeerTransport};

/// No call ends.
#[derive(Debug)]
pub(super) struct Nobody;

impl PeerTransport for Nobody {
    fn call<'a>(&'a self, _service_url: &'a ServiceUrl, _call: Call) -> Calling<'a> {
        Box::pin(std::future::pending())
    }
}

impl PeerDiscovery for Nobody {
    fn endpoints<'a>(&'a self, _service: &'a str, _port: u16) -> LookingUp<'a> {
        Box::pin(std::future::pending())
    }
}
