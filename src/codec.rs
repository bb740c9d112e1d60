//! The wire formats: JSON and XML, full and compact, both directions.
//!
//! This is the only module that knows how Eureka spells anything. It does not know the registry: a decoder makes a
//! [`crate::model`] value from bytes, an encoder appends one to a buffer.

mod crc32;
mod error;
pub mod exchange;
mod facts;
mod form;
mod gzip;
mod java;
pub mod json;
mod listing;
pub mod xml;

pub use error::CodecError;
pub use form::{Detail, Form, Media, Nesting};
pub use gzip::{DeflatedPiece, GzipAssembly, gunzip, gzip, inflated_len};
pub use listing::{Listed, Listing, Refused};

use crate::model::{Applications, InstanceInfo, LeaseInfo, ReplicationInstanceResponse, ReplicationList};
use crate::time::Timestamp;

/// Appends one instance as a document: `GET /apps/{app}/{id}`. Always full.
pub fn instance_document(media: Media, info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    match media {
        Media::Json => json::encode::instance_document(info, lease, out),
        Media::Xml => xml::encode::instance_document(info, lease, out),
    }
}

/// Appends one instance as the member `instanceInfo` of another document: in JSON its value alone, in XML the whole element.
pub fn instance_info(media: Media, info: &InstanceInfo, lease: &LeaseInfo, out: &mut Vec<u8>) {
    match media {
        Media::Json => json::encode::instance(info, lease, out),
        Media::Xml => xml::encode::instance_info(info, lease, out),
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

/// Appends the separator of two instances of an application, or of two applications.
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

/// Appends the beginning of an application that is a document of its own.
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

/// Appends the beginning of `applications`. The full form has version and hash code here, the compact one at the end.
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

/// Appends the outcome of a batch.
pub fn replication_response(media: Media, responses: &[ReplicationInstanceResponse], out: &mut Vec<u8>) {
    match media {
        Media::Json => json::encode::replication_response(responses, out),
        Media::Xml => xml::encode::replication_response(responses, out),
    }
}

/// Reads a registration: a document `instance`.
///
/// # Errors If it is not a registration, or lacks what the Java decoders require.
pub fn decode_instance(media: Media, body: &[u8], now: Timestamp) -> Result<InstanceInfo, CodecError> {
    match media {
        Media::Json => json::decode::instance_document(body, now),
        Media::Xml => xml::decode::instance_document(body, now),
    }
}

/// Reads a peer's answer to `GET apps/` as JSON.
///
/// An instance that cannot be decoded is skipped, and its error is returned, so that the others are copied all the same. At most
/// a hundred errors are returned.
///
/// # Errors If the document as a whole cannot be decoded.
pub fn decode_applications(body: &[u8], now: Timestamp) -> Result<(Applications, Vec<CodecError>), CodecError> {
    json::decode::applications(body, now)
}

/// Reads a server's answer to `GET apps` with the lease of each instance, and says which instances cannot be decoded.
///
/// # Errors If the document as a whole cannot be decoded.
pub fn decode_listing(media: Media, body: &[u8], now: Timestamp) -> Result<Listing, CodecError> {
    match media {
        Media::Json => json::decode::listing(body, now),
        Media::Xml => xml::decode::listing(body, now),
    }
}

/// Reads a server's answer to `GET apps/APP/ID` as JSON: the instance, and its lease.
///
/// # Errors If it is not an instance.
pub fn decode_listed_instance(body: &[u8], now: Timestamp) -> Result<(InstanceInfo, LeaseInfo), CodecError> {
    json::decode::listed_instance(body, now)
}

/// Reads a batch of a peer.
///
/// # Errors If it is not a batch, or an item cannot be decoded.
pub fn decode_replication_list(body: &[u8], now: Timestamp) -> Result<ReplicationList, CodecError> {
    json::decode::replication_list(body, now)
}

/// Reads a peer's answer to a batch.
///
/// # Errors If it is not such an answer.
pub fn decode_replication_response(
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<ReplicationInstanceResponse>, CodecError> {
    json::decode::replication_response(body, now)
}

#[cfg(test)]
mod tests;
