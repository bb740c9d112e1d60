//! Keys of which there may be any number: they share a beginning.

use super::draft::{Draft, UserDraft};
use super::values::{file, list, log_level, password, put, text};

/// Keys that begin alike.
pub(super) struct Family {
    /// How they are written.
    pub(super) pattern: &'static str,
    /// How they begin, in the form of [`super::canonical`].
    pub(super) prefix: &'static str,
    /// What they do.
    pub(super) meaning: &'static str,
    /// Sets one, by what follows the beginning; says what was expected, or that this one means nothing here.
    pub(super) set: fn(&mut Draft, &str, &str) -> Result<Sense, &'static str>,
}

/// Whether a key of a family means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    /// It does.
    Known,
    /// It belongs to something that is not here.
    Useless,
    /// It is misspelt.
    Unknown,
}

/// Every family.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        pattern: "registry.security.users[n].name, .password, .roles",
        prefix: "registrysecurityusers",
        meaning: "More users, written as `spring.security.user.*` is.",
        set: set_user,
    },
    Family {
        pattern: "spring.ssl.bundle.pem.NAME.keystore.certificate, .keystore.private-key, .truststore.certificate",
        prefix: "springsslbundlepem",
        meaning: "Certificates under a name, for `server.ssl.bundle`.",
        set: set_bundle,
    },
    Family {
        pattern: "logging.level.LOGGER",
        prefix: "logginglevel",
        meaning: "The level of a part: `eureka_registry::replication`, say. Netflix's loggers mean all of it; others of Java mean nothing.",
        set: set_level,
    },
];

fn set_user(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    let field = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let Ok(number) = rest[..rest.len() - field.len()].parse() else { return Ok(Sense::Unknown) };
    let user: &mut UserDraft = draft.users.entry(number).or_default();
    match field {
        "name" => put(&mut user.name, text(value))?,
        "password" => put(&mut user.password, password(value).map(Some))?,
        "roles" => put(&mut user.roles, list(value))?,
        _ => return Ok(Sense::Unknown),
    }
    Ok(Sense::Known)
}

fn set_bundle(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    for field in ["keystorecertificate", "keystoreprivatekey", "truststorecertificate"] {
        let Some(name) = rest.strip_suffix(field) else { continue };
        let bundle = draft.bundles.entry(name.to_owned()).or_default();
        let slot = match field {
            "keystorecertificate" => &mut bundle.certificate,
            "keystoreprivatekey" => &mut bundle.private_key,
            _ => &mut bundle.trust,
        };
        put(slot, file(value).map(Some))?;
        return Ok(Sense::Known);
    }
    Ok(Sense::Useless)
}

/// The modules that log; also the order in which longer names are tried first is not needed, no one begins another.
const PARTS: [&str; 6] = ["registry", "replication", "http", "tasks", "server", "tls"];

fn set_level(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    let level = log_level(value)?;
    let logger = rest.replace(':', "");
    let target = if let Some(part) = logger.strip_prefix("eurekaregistry") {
        match PARTS.iter().find(|known| part.starts_with(**known)) {
            Some(part) => format!("eureka_registry::{part}"),
            None if part.is_empty() => "eureka_registry".to_owned(),
            None => return Ok(Sense::Unknown),
        }
    } else if ["comnetflix", "orgspringframeworkcloudnetflix"].iter().any(|java| logger.starts_with(java)) {
        "eureka_registry".to_owned()
    } else if ["hyper", "reqwest", "rustls"].contains(&logger.as_str()) {
        logger
    } else {
        return Ok(Sense::Useless);
    };
    draft.levels.push((target, level));
    Ok(Sense::Known)
}
