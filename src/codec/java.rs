//! The names of Java classes in documents, and other spellings that both formats share.

/// The Java class of `dataCenterInfo` in documents.
pub(crate) const DEFAULT_DATA_CENTER_CLASS: &str = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo";
pub(crate) const AMAZON_CLASS: &str = "com.netflix.appinfo.AmazonInfo";
/// The Java class of an empty map in documents.
pub(crate) const EMPTY_MAP_CLASS: &str = "java.util.Collections$EmptyMap";

/// Whether the compact form keeps this key of an Amazon instance's metadata (`AbstractEurekaJacksonCodec`).
pub(crate) fn is_compact_amazon_key(key: &str) -> bool {
    matches!(key, "instance-id" | "public-ipv4" | "public-hostname" | "local-ipv4" | "availability-zone")
}
