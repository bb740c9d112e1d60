//! The Java server's peers. Java servers send each other changes, and never compare what they know.

use crate::commands::migrate_check::finding::{Finding, count};
use crate::commands::migrate_check::survey::{Peer, Survey};

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let found = [
        number(survey),
        unread(survey),
        disagreeing(survey),
        called_unavailable(survey),
        passwords(survey),
        of_the_file(survey),
    ];
    found.into_iter().flatten().collect()
}

fn urls<'a>(peers: impl Iterator<Item = &'a Peer>) -> Vec<String> {
    peers.map(|peer| peer.url.to_string()).collect()
}

fn number(survey: &Survey) -> Option<Finding> {
    let registered = &survey.status.as_ref()?.registered;
    Some(match registered.len() {
        0 => Finding::same("peers", "The server has no peers. While it is replaced, clients keep the lists that they have.")
            .todo("Start the new server beside it with this one as a peer, if clients must be able to register at any moment."),
        number => Finding::same("peers", format!("The server has {}. Move one server at a time.", count(number, "peer")))
            .about(registered.iter().map(ToString::to_string)),
    })
}

fn unread(survey: &Survey) -> Option<Finding> {
    let unread: Vec<String> = survey
        .peers
        .iter()
        .filter_map(|peer| Some(format!("{}: {}", peer.url, peer.differences.as_ref().err()?)))
        .collect();
    (!unread.is_empty()).then(|| {
        Finding::act("peer-unread", format!("{} not be read.", could(unread.len())))
            .todo("Start the peer, or take it out of defaultZone. If it wants a user, name its URL with the user by a further --url.")
            .about(unread)
    })
}

fn could(number: usize) -> String {
    format!("{} could", count(number, "peer"))
}

fn disagreeing(survey: &Survey) -> Option<Finding> {
    let mut about = Vec::new();
    for peer in &survey.peers {
        let differences = peer.differences.iter().flatten();
        about.extend(differences.map(|one| {
            let (field, left, right) = (one.field.name(), &one.left.shown, &one.right.shown);
            format!("{} {field}: {left} here, {right} at {}", one.key.as_str(), peer.url)
        }));
    }
    let read = survey.peers.iter().filter(|peer| peer.differences.is_ok()).count();
    if about.is_empty() {
        return (read > 0).then(|| Finding::same("peers-agree", format!("{} the same as the server.", says(read))));
    }
    Some(
        Finding::act("peers-disagree", "The servers do not know the same. Java servers never compare what they know, so this stays. A new server copies from one of them.")
            .todo("Copy from the server that is right: move another one first. Restart the Java server that is wrong, or cancel what is dead there.")
            .about(about),
    )
}

fn says(number: usize) -> String {
    if number == 1 { "1 peer lists".to_owned() } else { format!("{number} peers list") }
}

/// The Java server looks for an instance of its own application on the peer's host, and is wrong where the names differ.
fn called_unavailable(survey: &Survey) -> Option<Finding> {
    let wrong = urls(survey.peers.iter().filter(|peer| peer.is_called_unavailable && peer.differences.is_ok()));
    (!wrong.is_empty()).then(|| {
        let says = "The server calls peers unavailable that answer. It calls a peer available that is registered as an instance of its own application under the host name of the URL; here a peer is available if it answers.";
        Finding::differs("peer-called-unavailable", says)
            .todo("Nothing, if alerts do not depend on it. Otherwise give the servers the same spring.application.name, and the host names of defaultZone.")
            .about(wrong)
    })
}

/// The Java server's status shows the URLs of its peers as they are configured.
fn passwords(survey: &Survey) -> Option<Finding> {
    let registered = &survey.status.as_ref()?.registered;
    let shown = registered.iter().filter(|url| url.credentials().is_some());
    let shown: Vec<String> = shown.map(ToString::to_string).collect();
    (!shown.is_empty()).then(|| {
        Finding::differs(
            "status-shows-passwords",
            "The server's /eureka/status shows users and passwords of its peers. Here it does not.",
        )
        .todo("Change these passwords if others could read the page.")
        .about(shown)
    })
}

/// Peers of the file that the running server does not have: it was started with another one.
fn of_the_file(survey: &Survey) -> Option<Finding> {
    let (examined, status) = (survey.examined()?, survey.status.as_ref()?);
    let has = |url: &crate::replication::ServiceUrl| {
        let url = url.without_credentials();
        url == survey.url.without_credentials() || status.registered.iter().any(|one| one.without_credentials() == url)
    };
    let other: Vec<String> =
        examined.settings.replication.service_urls.iter().filter(|url| !has(url)).map(ToString::to_string).collect();
    (!other.is_empty()).then(|| {
        Finding::act("config-peers", "The file has peers that the running server does not have.")
            .todo("Look whether it is this server's file, with its profiles. The new server takes its peers from the file.")
            .about(other)
    })
}
