//! Whether the readers at the peers have fetched a change. Asked while an instance is drained.

use std::time::Duration;

use thiserror::Error;

use super::peer_eureka_node::PeerEurekaNode;
use super::peer_eureka_nodes::PeerEurekaNodes;
use super::transport::Call;
use crate::codec::exchange::{ReadersAnswer, ReadersRequest};

/// How long a peer may take for an answer: a drain asks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a peer cannot tell.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CannotTell {
    /// It has not answered who it is.
    #[error("The peer has not been reached yet.")]
    NotReached,
    /// It is no peer any more: it has stopped, and its clients fetch from the others, or will from the next replica of this name.
    #[error("It is no peer any more.")]
    Left,
    /// A Java server does not know who fetches from it.
    #[error("The peer is another Eureka server, which does not know who fetches from it.")]
    AnotherServer,
    /// It is one of ours from before there were drains.
    #[error("The peer is of a version that does not know who fetches from it.")]
    OldVersion,
    /// It cannot be reached now, or its answer is not understood.
    #[error("The peer could not be asked just now: {0}.")]
    Unreachable(String),
}

impl PeerEurekaNodes {
    /// Asks a peer whether its readers have fetched a change. It has two seconds for its answer. A failure is not noted as one of the peer:
    /// the calls that replicate show whether it is reachable.
    ///
    /// # Errors
    /// If it cannot tell.
    pub async fn readers(&self, peer: &PeerEurekaNode, request: &ReadersRequest) -> Result<ReadersAnswer, CannotTell> {
        let state = peer.state();
        match (state.identified, state.node) {
            (false, _) => return Err(CannotTell::NotReached),
            (true, None) => return Err(CannotTell::AnotherServer),
            (true, Some(_)) => {}
        }
        let (transport, url) = (&self.around().transport, peer.service_url());
        let asked = tokio::time::timeout(PATIENCE, transport.call(&url, Call::Readers(request.encode().into())));
        let late =
            |_elapsed| CannotTell::Unreachable(format!("it did not answer within {} seconds", PATIENCE.as_secs()));
        let reply = asked.await.map_err(late)?.map_err(|error| CannotTell::Unreachable(error.to_string()))?;
        match reply.status {
            _ if peer.is_of_another_process(&reply) => {
                Err(CannotTell::Unreachable("another process answers".to_owned()))
            }
            200 => ReadersAnswer::decode(&reply.body).map_err(|error| CannotTell::Unreachable(error.to_string())),
            404 => Err(CannotTell::OldVersion),
            status => Err(CannotTell::Unreachable(format!("it answered {status}"))),
        }
    }
}
