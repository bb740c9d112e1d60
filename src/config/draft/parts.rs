//! What the drafts share.

use crate::config::error::ConfigError;

/// A key as it was written, and where: the names of metadata are the operator's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct Written {
    pub(in crate::config) name: String,
    pub(in crate::config) origin: String,
}

/// A key that another one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Missing {
    /// What is there.
    pub(in crate::config) given: &'static str,
    /// What has to be there with it.
    pub(in crate::config) wanted: &'static str,
}

impl From<Missing> for ConfigError {
    fn from(Missing { given, wanted }: Missing) -> Self {
        Self::Missing { given, wanted }
    }
}
