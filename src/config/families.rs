//! Keys of which there may be any number: they share a beginning.

use super::draft::{Access, Draft, ENDPOINTS, UserDraft};
use super::keys::security::set_password;
use super::values::{access, boolean, file, list, log_level, path_segments, put, service_urls, text};

/// Keys that begin alike.
pub(super) struct Family {
    /// How they are written.
    pub(super) pattern: &'static str,
    /// How they begin, in the form of [`super::name::canonical`].
    pub(super) prefix: &'static str,
    /// What they do.
    pub(super) meaning: &'static str,
    /// Whether what follows the beginning names one of them, or one that belongs to something that is not here.
    pub(super) has: fn(&str) -> bool,
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
        has: |rest| !rest.is_empty(),
        meaning: "More users, in the form of `spring.security.user.*`.",
        set: set_user,
    },
    Family {
        pattern: "spring.ssl.bundle.pem.NAME.keystore.certificate, .keystore.private-key, .truststore.certificate",
        prefix: "springsslbundlepem",
        has: |rest| !rest.is_empty(),
        meaning: "Named certificates, for `server.ssl.bundle`.",
        set: set_bundle,
    },
    Family {
        pattern: "eureka.instance.metadata-map.NAME",
        prefix: "eurekainstancemetadatamap",
        has: |rest| !rest.is_empty(),
        meaning: "Metadata of this replica's instance.",
        set: set_metadata,
    },
    Family {
        pattern: "eureka.client.service-url.ZONE",
        prefix: "eurekaclientserviceurl",
        has: |rest| !rest.is_empty(),
        meaning: "URLs of fixed peers in other zones. The URLs of all zones are peers.",
        set: set_service_urls,
    },
    Family {
        pattern: "management.endpoint.ID.enabled, .access",
        prefix: "managementendpoint",
        has: is_access,
        meaning: "`false` or `none` closes an endpoint: `configprops`, `env`, `health`, `info`, `loggers` or `prometheus`. With `read-only`, `loggers` sets no level.",
        set: set_endpoint,
    },
    Family {
        pattern: "endpoints.ID.enabled",
        prefix: "endpoints",
        has: is_access,
        meaning: "Spring Boot 1's name for that.",
        set: set_endpoint,
    },
    Family {
        pattern: "management.endpoints.web.path-mapping.ID",
        prefix: "managementendpointswebpathmapping",
        has: |rest| !rest.is_empty(),
        meaning: "Path of an endpoint below the base path, instead of its id.",
        set: set_path,
    },
    Family {
        pattern: "management.server.ssl.*",
        prefix: "managementserverssl",
        has: |rest| !rest.is_empty(),
        meaning: "The separate port has no TLS: a setting of this kind ends the start, unless `management.server.ssl.enabled` is `false`.",
        set: set_management_ssl,
    },
    Family {
        pattern: "management.ssl.*",
        prefix: "managementssl",
        has: |rest| !rest.is_empty(),
        meaning: "Spring Boot 1's name for that.",
        set: set_management_ssl,
    },
    Family {
        pattern: "logging.level.LOGGER",
        prefix: "logginglevel",
        has: |rest| !rest.is_empty(),
        meaning: "Log level of a part, for example `eureka_registry::replication`. Netflix's and Spring Cloud Netflix's loggers set the level of everything; other Java loggers have no effect.",
        set: set_level,
    },
];

fn set_user(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    let field = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let Ok(number) = rest[..rest.len() - field.len()].parse() else { return Ok(Sense::Unknown) };
    match field {
        "name" => put(&mut user(draft, number).name, text(value))?,
        "password" => set_password(draft, value, |draft| &mut user(draft, number).password)?,
        "roles" => put(&mut user(draft, number).roles, list(value))?,
        _ => return Ok(Sense::Unknown),
    }
    Ok(Sense::Known)
}

fn user(draft: &mut Draft, number: u32) -> &mut UserDraft {
    draft.users.more.entry(number).or_default()
}

/// `eureka.client.service-url.ZONE`
fn set_service_urls(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    draft.service_urls.insert(rest.to_owned(), service_urls(value)?);
    Ok(Sense::Known)
}

/// `management.endpoint.ID.enabled` and `.access`
fn set_endpoint(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    for id in ENDPOINTS {
        let access = match rest.strip_prefix(id) {
            Some("enabled") => boolean(value).map(|enabled| if enabled { Access::Unrestricted } else { Access::None }),
            Some("access") => access(value),
            Some(_) | None => continue,
        };
        draft.actuator.access.insert(id, access?);
        return Ok(Sense::Known);
    }
    Ok(Sense::Unknown)
}

/// Whether it is `health.enabled` or its like.
fn is_access(rest: &str) -> bool {
    ENDPOINTS.iter().any(|id| rest.strip_prefix(id).is_some_and(|field| matches!(field, "enabled" | "access")))
}

/// `management.server.ssl.*`
fn set_management_ssl(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    if rest == "enabled" {
        draft.actuator.ssl_enabled = Some(boolean(value)?);
    }
    if rest != "enabled" && !value.trim().is_empty() || draft.actuator.ssl_enabled == Some(true) {
        let key = draft.key.clone();
        draft.actuator.ssl.get_or_insert(key);
    }
    Ok(Sense::Known)
}

/// `management.endpoints.web.path-mapping.ID`
fn set_path(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    let Some(id) = ENDPOINTS.into_iter().find(|id| *id == rest) else { return Ok(Sense::Useless) };
    draft.actuator.paths.insert(id, path_segments(value)?);
    Ok(Sense::Known)
}

fn set_bundle(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    for field in ["keystorecertificate", "keystoreprivatekey", "truststorecertificate"] {
        let Some(name) = rest.strip_suffix(field) else { continue };
        let bundle = draft.ssl.bundles.entry(name.to_owned()).or_default();
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

fn set_metadata(draft: &mut Draft, rest: &str, value: &str) -> Result<Sense, &'static str> {
    let name = metadata_name(&draft.key.name.clone(), rest);
    if name.is_empty() {
        return Ok(Sense::Unknown);
    }
    draft.settings.replication.own_instance.metadata.insert(name, value.to_owned());
    Ok(Sense::Known)
}

/// The end of a key as it was written, whose one form is `rest`. A variable of the environment is all capitals, and means small
/// letters and dots, as Spring reads it.
fn metadata_name(written: &str, rest: &str) -> String {
    let of_environment = !written.chars().any(char::is_lowercase);
    let start = written.char_indices().map(|(at, _)| at).filter(|at| super::name::canonical(&written[*at..]) == rest);
    let name = start.max().map_or(rest, |at| &written[at..]).trim_end_matches(']');
    if of_environment { name.to_lowercase().replace('_', ".") } else { name.to_owned() }
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
        draft.logs.of_java(level);
        return Ok(Sense::Known);
    } else if ["hyper", "reqwest", "rustls"].contains(&logger.as_str()) {
        logger
    } else {
        return Ok(Sense::Useless);
    };
    draft.logs.own.push((target, level));
    Ok(Sense::Known)
}

#[cfg(test)]
mod tests {
    use super::metadata_name;

    #[test]
    fn metadata_keeps_the_names_that_operators_gave_it() {
        for (written, rest, name) in [
            ("eureka.instance.metadata-map.zone", "zone", "zone"),
            ("eureka.instance.metadataMap.user-name.First", "usernamefirst", "user-name.First"),
            ("eureka.instance.metadata-map[a.b]", "ab", "a.b"),
            ("EUREKA_INSTANCE_METADATAMAP_MANAGEMENT_PORT", "managementport", "management.port"),
        ] {
            assert_eq!(metadata_name(written, rest), name, "{written}");
        }
    }
}
