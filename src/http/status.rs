//! `GET /status`: what the server says of itself (`StatusResource`, `StatusInfo`).

use axum::response::Response;
use http::HeaderMap;

use super::{ApiError, App, negotiate, reads};
use crate::codec::{self, Media};

/// What the Java server says of itself, by its names (src/PROTOCOL.md, section 1.10).
#[derive(Clone, Debug, Default)]
pub(crate) struct StatusInfo {
    /// `num-of-cpus`, `total-avail-memory`, …
    pub(crate) general_stats: Vec<(&'static str, String)>,
    /// `registered-replicas`, `available-replicas`, `unavailable-replicas`
    pub(crate) application_stats: Vec<(&'static str, String)>,
}

/// `GET /status`. The Java server fails to answer this as JSON (quirk 26); ours does not.
pub(super) fn status(app: &App, headers: &HeaderMap) -> Result<Response, ApiError> {
    let produced = negotiate::produced(headers).ok_or(ApiError::NotAcceptable)?;
    let (status, own) = (app.status_info(), app.own_instance());
    let body = match produced.media {
        Media::Json => json(&status, &reads::instance_json(&own.0, &own.1)),
        Media::Xml => {
            let mut instance = Vec::new();
            codec::instance_document(Media::Xml, &own.0, &own.1, &mut instance);
            xml(&status, &String::from_utf8_lossy(&instance))
        }
    };
    Ok(reads::respond(produced, body.into()))
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
    let inner = instance.trim().strip_prefix("<instance>").and_then(|rest| rest.strip_suffix("</instance>"));
    let indented = inner.unwrap_or_default().trim_end().replace('\n', "\n  ");
    out.push_str(&format!("  <instanceInfo>{indented}\n  </instanceInfo>\n</com.netflix.eureka.util.StatusInfo>"));
    out
}
