//! What the drafts share.

use crate::config::error::ConfigError;

/// A key as it was written, and where: the names of metadata are the operator's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) origin: String,
}

/// A key that another one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// What is there.
    pub(crate) given: &'static str,
    /// What has to be there with it.
    pub(crate) wanted: &'static str,
}

impl From<Missing> for ConfigError {
    fn from(Missing { given, wanted }: Missing) -> Self {
        Self::Missing { given, wanted }
    }
}
