//! Values as people may see them.

use super::name::canonical;
use super::placeholders::names;

/// What stands for a secret.
const MASK: &str = "******";

/// Whether a key's value is for nobody's eyes.
pub(super) fn is_secret(slot: &str) -> bool {
    let ends = ["password", "secret", "secretkey", "token", "credentials", "accessid"];
    ends.iter().any(|end| slot.ends_with(end))
}

/// Whether a key's value may hold a secret, and is taken as it is where it looks like a placeholder.
pub(super) fn may_hold_secret(slot: &str) -> bool {
    is_secret(slot) || slot.starts_with("eurekaclientserviceurl")
}

/// A value that was written with placeholders, without what is secret in it: the names of those may say that they hold a secret.
pub(super) fn shown_of(slot: &str, written: &str, value: &str) -> String {
    let holds_secret = |name: &str| {
        let name = canonical(name);
        is_secret(&name) || ["pw", "pwd", "passwd", "pass"].iter().any(|end| name.ends_with(end))
    };
    if names(written).any(holds_secret) && !may_hold_secret(slot) {
        return MASK.to_owned();
    }
    shown(slot, value)
}

/// A value of any key, also of one that this server does not read: more names say that they hold a secret, and so do some values.
pub(super) fn shown_of_any(slot: &str, written: &str, value: &str) -> String {
    let is_known = super::keys::find(slot).is_some();
    let names = ["password", "passwd", "pwd", "secret", "credential", "token", "key", "springapplicationjson"];
    let parts = ["password=", "passwd=", "pwd=", "secret=", "token=", "key=", "private key-----"];
    let lower = value.to_ascii_lowercase();
    let is_secret = !is_known && names.iter().any(|name| slot.contains(name));
    if !value.is_empty() && (is_secret || parts.iter().any(|part| lower.contains(part))) {
        return MASK.to_owned();
    }
    shown_of(slot, written, value)
}

/// A value without what is secret in it.
pub(super) fn shown(slot: &str, value: &str) -> String {
    if is_secret(slot) {
        return if value.is_empty() { String::new() } else { MASK.to_owned() };
    }
    let is_url = value.contains("://") || (may_hold_secret(slot) && value.contains('@'));
    if is_url { without_passwords(value) } else { value.to_owned() }
}

/// URLs without their passwords, whatever these hold: of each, what stands between its user's name and its last `@`.
fn without_passwords(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut starts: Vec<usize> = lower.match_indices("://").map(|(at, _)| at + 3).collect();
    // A password may hold what looks like the beginning of a URL; only what begins the text, or http and https after a comma, is one.
    starts.retain(|start| {
        let before = &lower[..start - 3];
        let rest = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        let is_http = matches!(&before[rest.len()..], "http" | "https");
        rest.trim().is_empty() || (is_http && rest.trim_end().ends_with(','))
    });
    if starts.is_empty() {
        return if text.contains('@') { MASK.to_owned() } else { text.to_owned() };
    }
    let mut result = text[..starts[0]].to_owned();
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(text.len());
        let one = &text[*start..end];
        match one.rsplit_once('@') {
            Some((user, rest)) => {
                let name = user.split(':').next().unwrap_or_default();
                let mask = if user.contains(':') { MASK } else { "" };
                let colon = if mask.is_empty() { "" } else { ":" };
                result.push_str(&format!("{name}{colon}{mask}@{rest}"));
            }
            None => result.push_str(one),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_of_somebody_else_is_not_shown() {
        for (slot, value, visible) in [
            ("myapikey", "x", MASK),
            ("mypasswords0", "x", MASK),
            ("springapplicationjson", "{}", MASK),
            ("myurl", "jdbc:mysql://db/x?user=u&password=p", MASK),
            ("myurl", "jdbc:mysql://u:p@db/x", MASK),
            ("myurl", "http://u:p@db/x", "http://u:******@db/x"),
            ("mypem", "-----BEGIN PRIVATE KEY-----", MASK),
            ("myteam", "payments", "payments"),
            ("mypassword", "", ""),
            ("serversslcertificateprivatekey", "/tls/tls.key", "/tls/tls.key"),
        ] {
            assert_eq!(shown_of_any(slot, value, value), visible, "{slot} {value}");
        }
        assert_eq!(shown_of_any("myteam", "${DB_PASSWORD}", "x"), MASK);
    }

    #[test]
    fn passwords_are_not_shown_whatever_they_hold() {
        for (value, visible) in [
            ("http://u:p@a:1/e/", "http://u:******@a:1/e/"),
            ("http://u:p,q@r@a:1/e/,https://v:x/,y@b:1/", "http://u:******@a:1/e/,https://v:******@b:1/"),
            ("http://u:a://b@c:1/", "http://u:******@c:1/"),
            ("x http://u:p@a", "******"),
            ("u:p@a:1", "******"),
            ("http://a:1/,http://u@b", "http://a:1/,http://u@b"),
        ] {
            assert_eq!(shown("eurekaclientserviceurldefaultzone", value), visible, "{value}");
        }
        assert_eq!(shown("springsecurityuserpassword", "x"), "******");
        assert_eq!(shown("springsecurityuserpassword", ""), "");
        assert_eq!(shown("serverport", "many"), "many");
        assert_eq!(shown_of("serverport", "${DB_PW:1}", "x"), "******");
        assert_eq!(shown_of("serverport", "${PORT:1}", "x"), "x");
    }
}
