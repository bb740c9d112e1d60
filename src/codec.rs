//! The wire formats: JSON and XML, full and compact, both directions.
//!
//! This is the only module that knows how Eureka spells anything. It knows nothing of the registry: a decoder makes
//! a [`crate::model`] value of bytes, an encoder appends one to a buffer.

mod crc32;
pub mod exchange;
mod gzip;
pub mod json;
pub mod xml;

use thiserror::Error;

pub use gzip::{DeflatedPiece, GzipAssembly, gunzip, gzip};

use crate::model::{Applications, InstanceInfo, LeaseInfo, ReplicationInstanceResponse, ReplicationList};
use crate::time::Timestamp;

/// JSON or XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// `application/json`
    Json,
    /// `application/xml`
    Xml,
}

impl Media {
    /// The media type, as `Content-Type` says it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }
}

/// All of an instance, or what `X-Eureka-Accept: compact` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// Every field.
    Full,
    /// What a load balancer needs (Java's `MiniInstanceInfoMixIn`).
    Compact,
}

/// One of the four forms in which the registry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// JSON or XML.
    pub media: Media,
    /// Full or compact.
    pub detail: Detail,
}

impl Form {
    /// How many forms there are.
    pub const COUNT: usize = 4;

    /// A number below [`Form::COUNT`] of its own.
    pub fn index(self) -> usize {
        let media = match self.media {
            Media::Json => 0,
            Media::Xml => 2,
        };
        media
            + match self.detail {
                Detail::Full => 0,
                Detail::Compact => 1,
            }
    }
}

/// Why a body was not understood. The text holds no part of the body.
#[derive(Debug, Error)]
pub enum CodecError {
    /// Not JSON, or JSON without what is needed.
    #[error("cannot parse JSON: {0}")]
    Json(String),
    /// Not XML, or XML without what is needed.
    #[error("cannot parse XML: {0}")]
    Xml(String),
    /// A compressed body that is no gzip, or inflates beyond the limit.
    #[error("cannot inflate the body: {0}")]
    Gzip(String),
}

/// Where an instance stands. XML is indented by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// In an `application` within `applications`.
    InApplications,
    /// In an `application` that is the document.
    InApplication,
}

/// Appends one instance as a document: `GET /apps/{app}/{id}`. Always full.
pub fn instance_document(media: Media, info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    match media {
        Media::Json => json::encode::instance_document(info, lease, out),
        Media::Xml => xml::encode::instance_document(info, lease, out),
    }
}

/// Appends one instance as an element of a list.
pub fn instance_entry(form: Form, nesting: Nesting, info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    match (form.media, form.detail) {
        (Media::Json, Detail::Full) => json::encode::instance(info, lease, out),
        (Media::Json, Detail::Compact) => json::encode::compact_instance(info, out),
        (Media::Xml, Detail::Full) => xml::encode::instance(nesting, info, lease, out),
        (Media::Xml, Detail::Compact) => xml::encode::compact_instance(info, out),
    }
}

/// Appends what stands between two instances of an application, or between two applications.
pub fn between(form: Form, out: &mut Vec<u8>) {
    if form.media == Media::Json {
        out.push(b',');
    }
}

/// Appends the beginning of an application in a list, up to its first instance.
pub fn application_open(form: Form, name: &str, out: &mut Vec<u8>) {
    match form.media {
        Media::Json => json::encode::application_open(name, out),
        Media::Xml => xml::encode::application_open(form.detail, Nesting::InApplications, name, out),
    }
}

/// Appends its end.
pub fn application_close(form: Form, out: &mut Vec<u8>) {
    match form.media {
        Media::Json => out.extend_from_slice(b"]}"),
        Media::Xml => xml::encode::application_close(form.detail, Nesting::InApplications, out),
    }
}

/// Appends the beginning of an application that is the document.
pub fn application_document_open(form: Form, name: &str, out: &mut Vec<u8>) {
    match form.media {
        Media::Json => {
            out.extend_from_slice(b"{\"application\":");
            json::encode::application_open(name, out);
        }
        Media::Xml => xml::encode::application_open(form.detail, Nesting::InApplication, name, out),
    }
}

/// Appends its end.
pub fn application_document_close(form: Form, out: &mut Vec<u8>) {
    match form.media {
        Media::Json => out.extend_from_slice(b"]}}"),
        Media::Xml => xml::encode::application_close(form.detail, Nesting::InApplication, out),
    }
}

/// Appends the beginning of `applications`. The full form says version and hash code here, the compact one at the end.
pub fn applications_open(form: Form, versions_delta: &str, apps_hashcode: &str, out: &mut Vec<u8>) {
    match form.media {
        Media::Json => json::encode::applications_open(form.detail, versions_delta, apps_hashcode, out),
        Media::Xml => xml::encode::applications_open(form.detail, versions_delta, apps_hashcode, out),
    }
}

/// Appends its end.
pub fn applications_close(form: Form, versions_delta: &str, apps_hashcode: &str, out: &mut Vec<u8>) {
    match form.media {
        Media::Json => json::encode::applications_close(form.detail, versions_delta, apps_hashcode, out),
        Media::Xml => xml::encode::applications_close(form.detail, versions_delta, apps_hashcode, out),
    }
}

/// Appends what became of a batch.
pub fn replication_response(media: Media, responses: &[ReplicationInstanceResponse], out: &mut Vec<u8>) {
    match media {
        Media::Json => json::encode::replication_response(responses, out),
        Media::Xml => xml::encode::replication_response(responses, out),
    }
}

/// Reads a registration: a document `instance`.
///
/// # Errors
/// If it is none, or lacks what the Java decoders insist on.
pub fn decode_instance(media: Media, body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    match media {
        Media::Json => json::decode::instance_document(body, now),
        Media::Xml => xml::decode::instance_document(body, now),
    }
}

/// Reads what a peer answers to `GET apps/` as JSON. An instance that is not understood is left out and its error
/// given beside, so that one odd instance does not keep the others from being copied.
///
/// # Errors
/// If the document as a whole is not understood.
pub fn decode_applications(body: &[u8], now: Timestamp) -> Result<(Applications, Vec<CodecError>), CodecError> {
    json::decode::applications(body, now)
}

/// Reads a batch of a peer.
///
/// # Errors
/// If it is none, or one of its items is none.
pub fn decode_replication_list(body: &[u8], now: Timestamp) -> Result<ReplicationList, CodecError> {
    json::decode::replication_list(body, now)
}

/// Reads what a peer answers to a batch.
///
/// # Errors
/// If it is no such answer.
pub fn decode_replication_response(
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<ReplicationInstanceResponse>, CodecError> {
    json::decode::replication_response(body, now)
}

/// What `dataCenterInfo` says its Java class is.
pub(crate) const DEFAULT_DATA_CENTER_CLASS: &str = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo";
pub(crate) const AMAZON_CLASS: &str = "com.netflix.appinfo.AmazonInfo";
/// What an empty map says its Java class is.
pub(crate) const EMPTY_MAP_CLASS: &str = "java.util.Collections$EmptyMap";

/// What of an Amazon instance's metadata the compact form keeps (`AbstractEurekaJacksonCodec`).
pub(crate) fn is_compact_amazon_key(key: &str) -> bool {
    matches!(key, "instance-id" | "public-ipv4" | "public-hostname" | "local-ipv4" | "availability-zone")
}

#[cfg(test)]
mod tests;
