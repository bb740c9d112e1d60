//! The server itself: its lists, self-preservation, users, TLS.

use std::collections::BTreeMap;

use crate::codec::Listing;
use crate::commands::migrate_check::finding::Finding;
use crate::commands::migrate_check::survey::{Delta, Survey};
use crate::model::{AppsHashCode, InstanceInfo, InstanceKey};
use crate::registry::SelfPreservationMode;

/// A clock that is further off than this is worth a word.
const CLOCK_SECS: i64 = 5;

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let mut found = vec![kind(survey), delta(survey), cache(survey), users(survey), tls(survey), path(survey)];
    found.extend(hash_code(survey));
    found.extend(xml(survey));
    found.extend(self_preservation(survey));
    found.extend(dashboard(survey));
    found.extend(health(survey));
    found.extend(clock(survey));
    found
}

fn kind(survey: &Survey) -> Finding {
    let uptime = survey.status.as_ref().and_then(|status| status.uptime.as_deref());
    let uptime = uptime.map_or_else(String::new, |uptime| format!(" It has been up for {uptime}."));
    let kind = if survey.is_ours { "The server is a eureka-registry already." } else { "The server is a Java server." };
    Finding::same("server", format!("{kind}{uptime}"))
}

fn delta(survey: &Survey) -> Finding {
    let is_off_in_file = survey.examined().map(|examined| examined.settings.registry.disable_delta);
    match (&survey.delta, is_off_in_file) {
        (Delta::Refused, Some(true)) => Finding::same("delta", "Deltas are off, by the file as well: clients fetch the whole list each time."),
        (Delta::Refused, _) => Finding::differs("delta", "The server refuses deltas: clients fetch the whole list each time.")
            .todo("Set eureka.server.disable-delta=true if that is wanted. Otherwise clients will fetch deltas again, which are smaller."),
        (Delta::Read(_), Some(true)) => Finding::differs("delta", "The server has deltas, and the file turns them off.")
            .todo("Look whether it is this server's file. Without deltas, clients fetch the whole list each time."),
        (Delta::Read(_), _) => Finding::same("delta", "Deltas are served."),
        (Delta::Unread, _) => Finding::differs("delta", "It is not known whether the server has deltas."),
    }
}

/// Whether the list has what its hash code says, and the delta the same.
fn hash_code(survey: &Survey) -> Option<Finding> {
    let said = survey.listing.apps_hashcode.as_deref().unwrap_or_default();
    let counted = survey.listing.listed.iter().map(|one| one.info.status).collect::<AppsHashCode>().to_string();
    if said != counted && survey.listing.refused_count == 0 {
        let says = format!(
            "The hash code of the list is {said}, and its instances are {counted}. Clients that follow deltas fetch everything again and again."
        );
        return Some(
            Finding::differs("hash-code", says)
                .todo("Nothing. Here, the list, the delta and the hash code belong to one moment."),
        );
    }
    match &survey.delta {
        Delta::Read(delta) if delta != said => {
            let says = format!(
                "The list and the delta are of different moments: their hash codes are {said} and {delta}. The Java server keeps each answer for up to 30 s."
            );
            Some(
                Finding::differs("cache-age", says).todo("Nothing. Here, the list and the delta belong to one moment."),
            )
        }
        Delta::Read(_) => Some(Finding::same("hash-code", "The hash codes of the list and of the delta are right.")),
        Delta::Refused | Delta::Unread => None,
    }
}

fn cache(survey: &Survey) -> Finding {
    let keeps = survey.examined().is_some_and(|examined| examined.settings.registry.use_read_only_response_cache);
    if keeps {
        return Finding::same(
            "response-cache",
            "The file turns the read-only response cache on, so lists are as old as before.",
        );
    }
    Finding::differs("response-cache", "Lists of a Java server are up to 30 s old (its read-only response cache). Here they have every change at once, so clients learn of changes sooner.")
        .todo("Nothing. To have it as before, set eureka.server.use-read-only-response-cache=true.")
}

/// Whether XML says the same as JSON. Each has a cache of its own, so only instances of the same version are compared.
fn xml(survey: &Survey) -> Option<Finding> {
    let xml = survey.xml.as_ref()?;
    let by_key = |listing: &Listing| -> BTreeMap<InstanceKey, InstanceInfo> {
        listing.listed.iter().map(|one| (one.info.key(), one.info.clone())).collect()
    };
    let (json, of_xml) = (by_key(&survey.listing), by_key(xml));
    let differs = |(key, left): &(&InstanceKey, &InstanceInfo)| {
        let same_version = of_xml.get(*key).filter(|right| right.last_dirty == left.last_dirty);
        let shown =
            |info: &InstanceInfo| (info.port, info.secure_port, info.metadata.clone(), info.vip_address.clone());
        same_version.is_some_and(|right| shown(left) != shown(right))
    };
    let mut about: Vec<String> = json.iter().filter(differs).map(|(key, _)| key.as_str().to_owned()).collect();
    about.extend(xml.refused.iter().map(|one| format!("{}/{}: {}", one.application, one.id, one.error)));
    Some(if about.is_empty() {
        Finding::same("xml", "The list as XML says the same as JSON.")
    } else {
        Finding::differs(
            "xml",
            "The list as XML says something else than JSON. This server serves what JSON says in both forms.",
        )
        .todo("Look at these instances if some clients read XML.")
        .about(about)
    })
}

fn self_preservation(survey: &Survey) -> Vec<Finding> {
    let in_file = survey.examined().map(|examined| &examined.settings.registry);
    let mut found = Vec::new();
    let Some(dashboard) = &survey.dashboard else { return found };
    let numbers = match (dashboard.renews_last_min, dashboard.renews_threshold) {
        (Some(last), Some(threshold)) => {
            format!(" {last} renewals came in the last minute, and the threshold is {threshold}.")
        }
        _ => String::new(),
    };
    if dashboard.is_turned_off {
        found.push(match in_file.map(|registry| registry.enable_self_preservation) {
            Some(false) => Finding::same("self-preservation-off", "Self-preservation is off, by the file as well."),
            Some(true) => Finding::act("self-preservation-off", "Self-preservation is off, and the file leaves it on.")
                .todo("Look whether it is this server's file. To have it off here, set eureka.server.enable-self-preservation=false."),
            None => Finding::differs("self-preservation-off", "Self-preservation is off.")
                .todo("Keep eureka.server.enable-self-preservation=false in the configuration, if it shall stay off."),
        });
    } else if dashboard.emergency {
        let says = format!(
            "Self-preservation is active: the server keeps expired leases.{numbers} A copy has dead instances with new leases."
        );
        found.push(Finding::act("self-preservation-active", says)
            .todo("Find out why renewals are missing, and move when it has ended. If the threshold counts wrongly (see renewal-interval), cancel the dead instances and move."));
    } else {
        found.push(Finding::same("self-preservation", format!("Self-preservation is on, and not active.{numbers}")));
    }
    let is_java = in_file.is_some_and(|registry| registry.self_preservation_mode == SelfPreservationMode::Java);
    if !dashboard.is_turned_off && !is_java {
        let says = "The Java server counts the renewals of all clients together. Here, expired leases are kept if instances of many applications are silent at once, each by its own lease.";
        found.push(
            Finding::differs("self-preservation-mode", says)
                .todo("Nothing. To have it as before, set registry.self-preservation.mode=java."),
        );
    }
    found
}

fn dashboard(survey: &Survey) -> Option<Finding> {
    survey.dashboard.as_ref().filter(|dashboard| dashboard.is_broken).map(|_| {
        Finding::differs("dashboard-broken", "The Java server's dashboard ends in an error of its template, as it does for an Amazon instance without an ami-id. Here it is whole.")
    })
}

fn users(survey: &Survey) -> Finding {
    let in_file = survey.examined().map(|examined| !examined.settings.http.security.users.is_empty());
    match (survey.is_open, in_file) {
        (Some(false), Some(true)) => Finding::same("users", "The server asks for a user, and the file has users."),
        (Some(false), Some(false)) => Finding::act("users", "The server asks for a user, and the file has none: the new server would be open to everybody.")
            .todo("Set spring.security.user.name and .password, or registry.security.users. Users that a class of the Java server makes are not in the file."),
        (Some(false), None) => Finding::act("users", "The server asks for a user.")
            .todo("Give its configuration file with --config, to see whether the users are in it."),
        (Some(true), Some(true)) => Finding::act("users", "The server is open to everybody, and the file has users: clients without one would be refused.")
            .todo("Look whether it is this server's file. Put the user into the clients' defaultZone first, or leave the users out."),
        (Some(true), _) => Finding::same("users", "The server is open to everybody, and so is the new one without users."),
        (None, _) => Finding::differs("users", "It is not known whether the server asks for a user."),
    }
}

fn tls(survey: &Survey) -> Finding {
    let in_file = survey.examined().map(|examined| examined.settings.server.tls.is_some());
    match (survey.url.scheme() == "https", in_file) {
        (true, Some(true)) => Finding::same("tls", "The server uses HTTPS, and the file has PEM certificates."),
        (true, _) => Finding::act("tls", "The server uses HTTPS, and there is no PEM certificate yet.").todo(
            "Convert the key store to PEM files (deploy/migration.md), or let the proxy that ends TLS stay as it is.",
        ),
        (false, Some(true)) => Finding::act(
            "tls",
            "The server uses HTTP, and the file turns HTTPS on: clients would not reach the new one.",
        )
        .todo("Look whether it is this server's file, with its profiles. Otherwise change the clients' defaultZone."),
        (false, _) => Finding::same("tls", "The server uses HTTP."),
    }
}

/// Where Eureka's paths begin.
fn path(survey: &Survey) -> Finding {
    let path = survey.url.path();
    let unversioned = path.trim_end_matches('/').trim_end_matches("/v2");
    let before = unversioned.strip_suffix("/eureka");
    let in_file = survey.examined().map(|examined| examined.settings.http.context_path.as_str());
    match (before, in_file) {
        (Some(""), None | Some("")) => Finding::same("path", "Eureka's paths begin with /eureka."),
        (Some(before), Some(in_file)) if before == in_file => Finding::same("path", format!("Eureka's paths begin with {before}/eureka, by the file as well.")),
        (Some(before), Some(in_file)) => Finding::act("path", format!("Eureka's paths begin with {before}/eureka, and by the file with {in_file}/eureka."))
            .todo("Set server.servlet.context-path to what clients have in defaultZone, unless a proxy adds it."),
        (Some(before), None) => Finding::act("path", format!("Eureka's paths begin with {before}/eureka."))
            .todo(format!("Set server.servlet.context-path={before}, unless a proxy adds it.")),
        (None, _) => Finding::act("path", format!("Eureka's paths begin with {path}, not with /eureka: Netflix's own archive, or a proxy."))
            .todo("The new server has /eureka/ and /eureka/v2/ below its context path. Change the clients' defaultZone, or rewrite the path in a proxy."),
    }
}

fn health(survey: &Survey) -> Option<Finding> {
    match survey.health? {
        200 => Some(Finding::same("health", "/actuator/health is answered without a user. It is here, too.")),
        401 | 403 => Some(
            Finding::differs("health", "/actuator/health is refused without a user. Here it needs none.")
                .todo("Nothing. registry.security.open-paths lists the paths that need no user."),
        ),
        503 => Some(
            Finding::act("health", "/actuator/health says that the server is not well (503).")
                .todo("Look at the page, and move when it is well."),
        ),
        _ => None,
    }
}

fn clock(survey: &Survey) -> Option<Finding> {
    let ahead = survey.clock_ahead_secs?;
    (ahead.abs() > CLOCK_SECS).then(|| {
        let how = if ahead > 0 { "ahead of" } else { "behind" };
        Finding::differs("clock", format!("The server's clock is {} s {how} the clock of this machine.", ahead.abs()))
            .todo("Let both machines follow a time server. Replicas here tolerate it; people who read times do not.")
    })
}
