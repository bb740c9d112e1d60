//! `GET /api/v1/differences`: what this replica and a peer know differently. The peer is asked for it by this request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;

use super::query::{Parameters, said};
use super::respond::{Problem, in_turn};
use crate::console::differences::Differences;
use crate::http::ApiError;
use crate::http::state::AppState;

/// How long a request waits for others of its kind: one at a time asks a peer.
const TURN: Duration = Duration::from_secs(10);

pub(super) async fn differences(State(app): State<Arc<AppState>>, parameters: Parameters) -> Result<Response, Problem> {
    let url = said(&parameters).filter(|(name, _)| *name == "peer").last().map(|(_, url)| url.to_owned());
    let url = url.ok_or_else(|| ApiError::BadParameter("peer is missing: the service URL of a peer".to_owned()))?;
    let peers = app.peer_aware.peers().all();
    let peer = peers.iter().find(|peer| peer.shown_url() == url);
    let (Some(peer), Some(nodes)) = (peer, &app.nodes) else {
        return Err(ApiError::NotFound("no peer has this service URL").into());
    };
    let turn = tokio::time::timeout(TURN, app.comparing.lock()).await;
    let turn = turn.map_err(|_elapsed| ApiError::Busy("others are comparing this replica with a peer"))?;
    let found = nodes.differences(peer).await;
    drop(turn);
    let now = app.now();
    in_turn(&app, move || Differences::of(url, found, now)).await
}
