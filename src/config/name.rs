//! Names of keys, however they are spelt.

/// The one form of all spellings of a name: lower case, without what separates words or parts of it. So
/// `eureka.server.enable-self-preservation`, `eureka.server.enableSelfPreservation`,
/// `EUREKA_SERVER_ENABLESELFPRESERVATION` and `EUREKA_SERVER_ENABLE_SELF_PRESERVATION` are one, and
/// `registry.security.users[0].name` is `REGISTRY_SECURITY_USERS_0_NAME` (Spring's relaxed binding).
pub(super) fn canonical(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '.' | '-' | '_' | '[' | ']')).flat_map(char::to_lowercase).collect()
}
