//! [`CodecError`]: why a body cannot be decoded.

use thiserror::Error;

use crate::model::TooLarge;

/// Why a body cannot be decoded. The text has no part of the body.
#[derive(Debug, Error)]
pub enum CodecError {
    /// It is not JSON, or JSON without a required part.
    #[error("cannot parse JSON: {0}")]
    Json(String),
    /// It is not XML, or XML without a required part.
    #[error("cannot parse XML: {0}")]
    Xml(String),
    /// An instance exceeds a limit.
    #[error("{0}")]
    TooLarge(#[from] TooLarge),
    /// A compressed body is not gzip, or inflates beyond the limit.
    #[error("cannot inflate the body: {0}")]
    Gzip(String),
}
