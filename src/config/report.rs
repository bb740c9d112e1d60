//! What is said of the settings: `--help`, `check-config`, and the tables of `deploy/configuration.md`.

use std::collections::BTreeMap;

use super::effective::Effective;
use super::error::{Notice, Unheeded};
use super::families::FAMILIES;
use super::keys::GROUPS;
use super::name::canonical;

/// `--help`
pub(super) fn help() -> String {
    let mut text = String::from(
        "A Eureka-compatible service registry.\n\n\
         Usage: eureka-registry [--KEY=VALUE ...]\n       \
         eureka-registry check-config [--KEY=VALUE ...]   every effective value and its source\n       \
         eureka-registry smoke-test --url=URL             registers, reads and removes at a running registry\n       \
         eureka-registry --help | --version\n\n\
         Keys are those of a Spring Cloud Eureka server. Each can stand in application.yml or .properties, here or in config/, and in\n\
         the environment: server.port as SERVER_PORT.\n",
    );
    for group in GROUPS {
        text.push_str(&format!("\n{}\n", group.title));
        for key in group.keys {
            text.push_str(&format!("  --{}={}\n      {}\n", key.name, key.default, key.meaning));
        }
    }
    text.push_str("\nKeys of which there may be several\n");
    for family in FAMILIES {
        text.push_str(&format!("  {}\n      {}\n", family.pattern, family.meaning));
    }
    text
}

/// The settings as the tables of `deploy/configuration.md`.
pub fn table() -> String {
    let mut text = String::new();
    for group in GROUPS {
        text.push_str(&format!("**{}**\n\n| key | default | meaning |\n| --- | --- | --- |\n", group.title));
        for key in group.keys {
            let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
            text.push_str(&format!("| `{}` | {default} | {} |\n", key.name, key.meaning));
        }
        text.push('\n');
    }
    text.push_str("**Keys of which there may be several**\n\n| keys | meaning |\n| --- | --- |\n");
    for family in FAMILIES {
        text.push_str(&format!("| `{}` | {} |\n", family.pattern, family.meaning));
    }
    text
}

/// `check-config`: every value that holds and who said it, and then what is not heeded.
pub(super) fn effective(effective: &BTreeMap<String, Effective>, notices: &[Notice]) -> String {
    let mut text = String::new();
    for group in GROUPS {
        text.push_str(&format!("# {}\n", group.title));
        for key in group.keys {
            let slot = canonical(key.name);
            match effective.get(&slot) {
                Some(said) => {
                    text.push_str(&format!("{}={}    # {}\n", key.name, shown(&slot, &said.value), said.origin));
                }
                None => text.push_str(&format!("{}={}    # default\n", key.name, key.default)),
            }
        }
        text.push('\n');
    }
    let of_families =
        effective.iter().filter(|(slot, _)| FAMILIES.iter().any(|family| slot.starts_with(family.prefix)));
    for (slot, said) in of_families {
        text.push_str(&format!("{}={}    # {}\n", said.written, shown(slot, &said.value), said.origin));
    }
    if !notices.is_empty() {
        text.push_str("# Not heeded\n");
    }
    for Notice { key, origin, what } in notices {
        let what = match what {
            Unheeded::Useless(why) => (*why).to_owned(),
            Unheeded::Unknown(Some(nearest)) => format!("unknown; is {nearest} meant?"),
            Unheeded::Unknown(None) => "unknown".to_owned(),
        };
        text.push_str(&format!("# {key} ({origin}): {what}\n"));
    }
    text
}

/// Whether a key's value is for nobody's eyes.
fn is_secret(slot: &str) -> bool {
    slot.ends_with("password")
}

/// A value without what is secret in it.
pub(super) fn shown(slot: &str, value: &str) -> String {
    if is_secret(slot) {
        return if value.is_empty() { String::new() } else { "******".to_owned() };
    }
    let urls = value.split(',').map(|url| match url.rsplit_once('@') {
        Some((before, host)) if before.contains("://") => {
            let (scheme, user) = before.split_once("://").unwrap_or_default();
            format!("{scheme}://{}:******@{host}", user.split(':').next().unwrap_or_default())
        }
        _ => url.to_owned(),
    });
    urls.collect::<Vec<_>>().join(",")
}
