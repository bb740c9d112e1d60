//! The wire formats: JSON and XML, full and compact, both directions.
//!
//! This is the only module that knows how Eureka spells anything. It knows nothing of the registry: a decoder makes
//! a [`crate::model`] value of bytes, an encoder appends one to a buffer.

use thiserror::Error;

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
