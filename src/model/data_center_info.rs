//! [`DataCenterInfo`].

use super::Metadata;

/// Where an instance runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataCenterInfo {
    /// The client's own data center: the one outside AWS.
    MyOwn,
    /// Netflix's own, not AWS.
    Netflix,
    /// AWS, with the metadata of the instance, by the names of AWS's metadata service (`instance-id`, …).
    Amazon(Metadata),
    /// Sent without a name. Registering refuses it; it is never stored.
    Unnamed,
}

impl DataCenterInfo {
    /// The name in Amazon metadata that identifies an instance.
    pub const AMAZON_INSTANCE_ID: &'static str = "instance-id";

    /// The id that the data center gives an instance, if it gives one (Java's `UniqueIdentifier`).
    pub fn unique_id(&self) -> Option<&str> {
        match self {
            Self::Amazon(metadata) => metadata.get(Self::AMAZON_INSTANCE_ID),
            Self::MyOwn | Self::Netflix | Self::Unnamed => None,
        }
    }
}
