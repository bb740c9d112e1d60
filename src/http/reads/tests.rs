use futures_util::FutureExt;
use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING};

use super::*;
use crate::http::state::Parts;
use crate::http::{Options as HttpOptions, Readiness};
use crate::limits::Budget;
use crate::metrics::connections::Connections;
use crate::model::AppName;
use crate::registry::{InstanceRegistry, Options, Source};
use crate::replication::{self, PeerAwareInstanceRegistry};
use crate::time::{Clock, Timestamp};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const JSON: Form = Form { media: Media::Json, detail: Detail::Full };

fn an_instance(host: &str) -> InstanceInfo {
    InstanceInfo::new(AppName::new("A"), host, "10.0.0.1", NOW)
}

fn app() -> AppState {
    let registry = Arc::new(InstanceRegistry::new(Options::default(), 1, NOW));
    registry.open_for_traffic(0, NOW);
    AppState::new(Parts {
        peer_aware: Arc::new(PeerAwareInstanceRegistry::new(registry, &replication::Options::default())),
        clock: Clock::starting_at(NOW),
        options: HttpOptions::default(),
        node_id: String::new(),
        own_instance: an_instance("own"),
        readiness: Readiness::default(),
        nodes: None,
        connections: Arc::<Connections>::default(),
        snapshots: None,
        pods: None,
        budget: Budget::default(),
        busy_connections: 170,
    })
}

fn text(app: &AppState) -> Bytes {
    let Reading::Pending(pending) = app.registry.read(Scope::All, JSON, false, NOW).unwrap() else {
        panic!("it changed")
    };
    let answer = app.registry.build(&pending);
    answer.pieces().iter().max_by_key(|piece| piece.len()).unwrap().clone()
}

#[tokio::test]
async fn a_request_that_waits_holds_no_text_of_former_versions() {
    let app = app();
    app.registry.register(an_instance("a"), Source::Client, NOW);
    let former = text(&app);
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let someone_builds = app.building.of(Scope::All, JSON, true).lock().await;
    let waits = applications(&app, Scope::All, &headers);
    tokio::pin!(waits);
    assert!(waits.as_mut().now_or_never().is_none());
    app.registry.register(an_instance("b"), Source::Client, NOW);
    let latter = text(&app);
    assert!(!latter.is_unique(), "it is the answer of now");
    assert!(former.is_unique(), "nobody else holds what nobody is answered");
    drop(someone_builds);
    assert_eq!(waits.await.unwrap().status(), StatusCode::OK);
}
