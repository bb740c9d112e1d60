//! Names of Java classes that stand in documents, and what else both formats spell alike.

/// What `dataCenterInfo` says its Java class is.
pub(crate) const DEFAULT_DATA_CENTER_CLASS: &str = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo";
pub(crate) const AMAZON_CLASS: &str = "com.netflix.appinfo.AmazonInfo";
/// What an empty map says its Java class is.
pub(crate) const EMPTY_MAP_CLASS: &str = "java.util.Collections$EmptyMap";

/// What of an Amazon instance's metadata the compact form keeps (`AbstractEurekaJacksonCodec`).
pub(crate) fn is_compact_amazon_key(key: &str) -> bool {
    matches!(key, "instance-id" | "public-ipv4" | "public-hostname" | "local-ipv4" | "availability-zone")
}
