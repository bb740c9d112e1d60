//! Names of keys, however they are spelt.

/// The one form of all spellings of a name: lower case, without what separates words or parts of it. So
/// `eureka.server.enable-self-preservation`, `eureka.server.enableSelfPreservation`,
/// `EUREKA_SERVER_ENABLESELFPRESERVATION` and `EUREKA_SERVER_ENABLE_SELF_PRESERVATION` are one, and
/// `registry.security.users[0].name` is `REGISTRY_SECURITY_USERS_0_NAME` (Spring's relaxed binding).
pub(super) fn canonical(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '.' | '-' | '_' | '[' | ']')).flat_map(char::to_lowercase).collect()
}

/// Whether a name is written in Spring's canonical form, which alone finds a value under any spelling. `${server.port}` finds
/// `SERVER_PORT` of the environment; `${SERVER_PORT}` does not find `server.port` of a file.
pub(super) fn is_uniform(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '[' | ']');
    !name.is_empty() && name.chars().all(allowed)
}

/// The name of a list and the number in it, if a name is that of an element: `key[0]`.
pub(super) fn element(name: &str) -> Option<(&str, u32)> {
    let (list, number) = name.strip_suffix(']')?.rsplit_once('[')?;
    Some((list, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_springs_canonical_form_finds_other_spellings() {
        for (name, uniform) in
            [("server.port", true), ("a[0].b-c", true), ("SERVER_PORT", false), ("serverPort", false)]
        {
            assert_eq!(is_uniform(name), uniform, "{name}");
        }
        assert_eq!((element("a.b[12]"), element("a[x]"), element("a.b")), (Some(("a.b", 12)), None, None));
    }
}
