//! `GET /status`: the state of the server in the Java server's form (`StatusResource`, `StatusInfo`).

use std::sync::Arc;

use axum::response::Response;
use http::HeaderMap;

use super::state::AppState;
use super::{ApiError, negotiate, reads};
use crate::codec::{self, Media};
use crate::model::{InstanceInfo, LeaseInfo};
use crate::replication::PeerEurekaNode;
use crate::time::Timestamp;

/// The Java server's entries, by its names (src/PROTOCOL.md, section 1.10).
#[derive(Clone, Debug, Default)]
struct StatusInfo {
    /// `num-of-cpus`, `total-avail-memory`, …
    general_stats: Vec<(&'static str, String)>,
    /// `registered-replicas`, `available-replicas`, `unavailable-replicas`
    application_stats: Vec<(&'static str, String)>,
}

/// `GET /status`. The Java server fails to answer this as JSON (quirk 26); ours does not.
pub(super) fn status(app: &AppState, headers: &HeaderMap) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    let (status, own) = (status_info(app), own_instance(app));
    let mut instance = Vec::new();
    codec::instance_info(produced.media, &own.0, &own.1, &mut instance);
    let instance = String::from_utf8_lossy(&instance);
    let body = match produced.media {
        Media::Json => json(&status, &instance),
        Media::Xml => xml(&status, &instance),
    };
    Ok(reads::respond(produced, body.into()))
}

/// The server as an instance of itself, with the lease that it has as long as it runs.
fn own_instance(app: &AppState) -> (InstanceInfo, LeaseInfo) {
    let info = app.own_instance.clone();
    let started = app.clock.started_at();
    let lease = LeaseInfo {
        durations: info.lease,
        registration: started,
        last_renewal: started,
        eviction: Timestamp::NEVER,
        service_up: started,
    };
    (info, lease)
}

fn status_info(app: &AppState) -> StatusInfo {
    let uptime = app.now().since(app.clock.started_at()).as_secs();
    let (days, hours, minutes) = (uptime / 86_400, uptime / 3_600 % 24, uptime / 60 % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day ".to_owned(),
        more => format!("{more} days "),
    };
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    StatusInfo {
        general_stats: vec![
            ("num-of-cpus", cpus.to_string()),
            ("server-uptime", format!("{days}{hours:02}:{minutes:02}")),
        ],
        application_stats: replicas(app),
    }
}

/// The peers, and which of them are up. Java's `StatusUtil` asks its registry instead, and is wrong if host names differ.
fn replicas(app: &AppState) -> Vec<(&'static str, String)> {
    let peers = app.peer_aware.peers().all();
    let registered: Vec<String> = peers.iter().map(|peer| peer.shown_url()).collect();
    let available = |wanted: bool| listed(peers.iter().filter(|peer| peer.is_available() == wanted));
    vec![
        ("registered-replicas", registered.join(", ")),
        ("available-replicas", available(true)),
        ("unavailable-replicas", available(false)),
    ]
}

/// The service URLs of these peers, each followed by a comma, as the Java server writes them.
fn listed<'a>(peers: impl Iterator<Item = &'a Arc<PeerEurekaNode>>) -> String {
    peers.map(|peer| format!("{},", peer.shown_url())).collect()
}

fn json(status: &StatusInfo, instance: &str) -> String {
    let object = |entries: &[(&'static str, String)]| {
        let entries = entries.iter().map(|(name, value)| (String::from(*name), value.clone().into()));
        serde_json::Value::Object(entries.collect())
    };
    let general = object(&status.general_stats);
    let applications = object(&status.application_stats);
    format!("{{\"generalStats\":{general},\"applicationStats\":{applications},\"instanceInfo\":{instance}}}")
}

fn xml(status: &StatusInfo, instance: &str) -> String {
    let mut out = String::from("<com.netflix.eureka.util.StatusInfo>\n");
    for (group, entries) in [("generalStats", &status.general_stats), ("applicationStats", &status.application_stats)] {
        out.push_str(&format!("  <{group}>\n"));
        for (name, value) in entries {
            out.push_str(&format!("    <{name}>{}</{name}>\n", quick_xml::escape::escape(value.as_str())));
        }
        out.push_str(&format!("  </{group}>\n"));
    }
    out.push_str(&format!("{instance}</com.netflix.eureka.util.StatusInfo>"));
    out
}
