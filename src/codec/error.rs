//! [`CodecError`]: why a body was not understood.

use thiserror::Error;

use crate::model::TooLarge;

/// Why a body was not understood. The text holds no part of the body.
#[derive(Debug, Error)]
pub enum CodecError {
    /// Not JSON, or JSON without what is needed.
    #[error("cannot parse JSON: {0}")]
    Json(String),
    /// Not XML, or XML without what is needed.
    #[error("cannot parse XML: {0}")]
    Xml(String),
    /// An instance that is larger than is kept.
    #[error("{0}")]
    TooLarge(#[from] TooLarge),
    /// A compressed body that is no gzip, or inflates beyond the limit.
    #[error("cannot inflate the body: {0}")]
    Gzip(String),
}
