use proptest::prelude::*;

use super::*;

const T0: Timestamp = Timestamp(1_700_000_000_000);

fn at(secs: u64) -> Timestamp {
    T0 + Duration::from_secs(secs)
}

fn place() -> Place {
    Place { scheme: "http", port: 8761, context_path: String::new() }
}

fn under_service(fixed: &[&str]) -> (Membership, Vec<Change>) {
    let fixed: Vec<ServiceUrl> = fixed.iter().map(|url| ServiceUrl::parse(url).unwrap()).collect();
    Membership::new(place(), Some("registry-0.registry"), Some("registry"), &fixed)
}

fn membership() -> Membership {
    under_service(&[]).0
}

fn found(hosts: &[(&str, u16)]) -> Found {
    let endpoints = hosts.iter().map(|(host, port)| Endpoint { host: (*host).to_owned(), port: *port }).collect();
    Found { service: "registry.ns.svc.cluster.local".to_owned(), endpoints }
}

/// The DNS answer for these pods.
fn pods(pods: &[u16]) -> Found {
    let hosts: Vec<String> = pods.iter().map(|pod| format!("registry-{pod}.registry.ns.svc.cluster.local")).collect();
    found(&hosts.iter().map(|host| (host.as_str(), 8761)).collect::<Vec<_>>())
}

fn url(host: &str, port: u16) -> ServiceUrl {
    place().service_url(host, port)
}

fn pod(number: u16) -> NameKey {
    NameKey::Pod(format!("registry-{number}"), 8761)
}

fn node(id: &str) -> Identity {
    Identity::Ours(id.to_owned())
}

fn called(membership: &Membership) -> Vec<String> {
    membership.check().unwrap();
    membership.peers().map(|(_, url, _)| format!("{}:{}", url.host().split('.').next().unwrap(), url.port())).collect()
}

fn queue(membership: &Membership, key: &NameKey) -> PeerId {
    membership.peer_of(key).unwrap()
}

#[test]
fn a_name_is_a_peer_when_it_is_seen_and_gone_after_two_answers_without_it() {
    let mut membership = membership();
    assert_eq!(membership.observe(&pods(&[1, 2]), at(0)).len(), 2);
    let (kept, gone) = (queue(&membership, &pod(1)), queue(&membership, &pod(2)));
    assert_eq!(membership.observe(&pods(&[1]), at(5)), []);
    assert_eq!(membership.observe(&found(&[]), at(10)), [], "an empty answer removes nobody");
    assert_eq!(membership.observe(&pods(&[1]), at(15)), [Change::Removed(gone)]);
    assert_eq!(queue(&membership, &pod(1)), kept);
    membership.observe(&pods(&[2]), at(20));
    membership.observe(&pods(&[1, 2]), at(25));
    membership.observe(&pods(&[2]), at(30));
    assert_eq!(called(&membership), ["registry-1:8761", "registry-2:8761"], "only answers in a row count");
}

#[test]
fn names_elsewhere_are_refused_once() {
    let mut membership = membership();
    let evil = found(&[("registry-1.registry.evil.example", 8761), ("registry-1.registry.ns.svc.cluster.local", 8761)]);
    let changes = membership.observe(&evil, at(0));
    let refused = Change::Refused("registry-1.registry.evil.example".to_owned(), Refusal::Elsewhere);
    assert!(changes.contains(&refused), "{changes:?}");
    assert_eq!(called(&membership), ["registry-1:8761"]);
    assert_eq!(membership.observe(&evil, at(5)), []);
    for wrong in [
        "http://registry-1.registry.evil.example:8761/eureka/",
        "http://evil.example:8761/eureka/",
        "https://registry-1.registry:8761/eureka/",
        "http://registry-1.registry:8761/elsewhere/",
        "http://user:p@registry-1.registry:8761/eureka/",
        "http://a.registry-1.registry:8761/eureka/",
        "http://registry:8761/eureka/",
        "http://10.0.0.1:8761/eureka/",
    ] {
        let url = ServiceUrl::parse(wrong).unwrap();
        assert!(!membership.believes(&url), "{wrong}");
        assert_eq!(membership.announced(&url, at(5)).len(), 1, "{wrong}");
    }
    assert_eq!(called(&membership), ["registry-1:8761"]);
}

#[test]
fn only_so_many_refused_names_are_remembered() {
    let mut membership = membership();
    let hosts: Vec<String> = (0..MOST_REFUSED + 50).map(|number| format!("evil-{number}.example")).collect();
    let evil = found(&hosts.iter().map(|host| (host.as_str(), 8761)).collect::<Vec<_>>());
    assert_eq!(membership.observe(&evil, at(0)).len(), MOST_REFUSED);
    assert_eq!(membership.observe(&evil, at(5)), []);
}

#[test]
fn a_replica_has_a_short_and_a_long_name_under_the_service() {
    let mut membership = membership();
    assert_eq!(membership.resolved_service(), None);
    membership.observe(&pods(&[1]), at(0));
    assert_eq!(membership.resolved_service(), Some("registry.ns.svc.cluster.local"));
    let short = url("registry-2.registry", 8761);
    let long = url("registry-2.registry.ns.svc.cluster.local", 8761);
    let (other, elsewhere) = (url("registry-3.registry", 8761), url("eureka.example", 8761));
    for (url, is_ours) in [(&short, true), (&long, true), (&other, true), (&elsewhere, false)] {
        assert_eq!((membership.believes(url), membership.is_under_service(url)), (is_ours, is_ours), "{url}");
    }
    assert!(membership.is_same_replica(&short, &long));
    assert!(!membership.is_same_replica(&short, &other));
    assert!(membership.is_same_replica(&elsewhere, &elsewhere), "a name that is the same word for word");
    assert!(!membership.is_same_replica(&elsewhere, &url("other.example", 8761)), "neither is a replica of ours");
}

#[test]
fn a_name_that_moves_to_a_known_process_moves_alone() {
    let mut membership = membership();
    membership.observe(&pods(&[1, 2, 3]), at(0));
    for (number, id) in [(1, "a"), (2, "a"), (3, "b")] {
        membership.identified(&pod(number), &node(id));
    }
    let (a, b) = (queue(&membership, &pod(1)), queue(&membership, &pod(3)));
    membership.identified(&pod(2), &node("b"));
    assert_eq!([1, 2, 3].map(|number| queue(&membership, &pod(number))), [a, b, b]);
}

#[test]
fn of_several_ports_our_own_counts() {
    let mut membership = membership();
    let host = "registry-1.registry.ns.svc.cluster.local";
    membership.observe(&found(&[(host, 8080), (host, 8761), (host, 9090)]), at(0));
    assert_eq!(called(&membership), ["registry-1:8761"]);
    let mut membership = self::membership();
    membership.observe(&found(&[(host, 8080), (host, 9090)]), at(0));
    assert_eq!(called(&membership), ["registry-1:8080"]);
}

#[test]
fn an_announced_replica_is_kept_a_minute_or_until_the_names_have_it() {
    let mut membership = membership();
    membership.announced(&url("registry-2.registry", 8761), at(0));
    membership.announced(&url("registry-3.registry", 8761), at(0));
    let waiting = queue(&membership, &pod(2));
    let changes = membership.observe(&pods(&[1, 2]), at(30));
    assert_eq!(queue(&membership, &pod(2)), waiting, "what waited goes on waiting by the longer name");
    assert!(changes.contains(&Change::Renamed(waiting, url("registry-2.registry.ns.svc.cluster.local", 8761))));
    membership.announced(&url("registry-2.registry", 8761), at(31));
    assert_eq!(called(&membership), ["registry-2:8761", "registry-3:8761", "registry-1:8761"]);
    membership.observe(&pods(&[1, 2]), at(59));
    assert_eq!(membership.peers().count(), 3);
    membership.observe(&pods(&[1, 2]), at(60));
    assert_eq!(called(&membership), ["registry-2:8761", "registry-1:8761"]);
}

#[test]
fn the_port_of_a_lookup_counts() {
    let mut membership = membership();
    membership.announced(&url("registry-2.registry", 23999), at(0));
    membership.announced(&url("registry-2.registry", 8761), at(1));
    let real = queue(&membership, &pod(2));
    membership.observe(&pods(&[2]), at(2));
    assert_eq!((called(&membership), queue(&membership, &pod(2))), (vec!["registry-2:8761".to_owned()], real));
    membership.announced(&url("registry-2.registry", 23999), at(3));
    assert_eq!(called(&membership), ["registry-2:8761"]);

    let mut membership = self::membership();
    membership.announced(&url("registry-2.registry", 23999), at(0));
    let waiting = membership.peers().next().unwrap().0;
    membership.observe(&pods(&[2]), at(2));
    assert_eq!((called(&membership), queue(&membership, &pod(2))), (vec!["registry-2:8761".to_owned()], waiting));

    let mut membership = self::membership();
    membership.announced(&url("registry-2.registry", 23999), at(0));
    membership.identified(&NameKey::Pod("registry-2".to_owned(), 23999), &node("evil"));
    membership.observe(&pods(&[2]), at(2));
    assert_eq!(membership.identity(queue(&membership, &pod(2))), None, "who answered there is not the listed one");
}

#[test]
fn invented_names_replace_no_peer() {
    let (mut membership, _) = under_service(&["http://fixed:8761/eureka/"]);
    for number in 0..500 {
        membership.announced(&url(&format!("invented-{number}.registry"), 8761), at(number));
        membership.check().unwrap();
    }
    assert_eq!(membership.names().count(), MOST_NAMES);
    membership.identified(&NameKey::Pod("invented-450".to_owned(), 8761), &node("real"));
    membership.observe(&pods(&(0..60).collect::<Vec<_>>()), at(500));
    for number in 0..60 {
        queue(&membership, &pod(number));
    }
    (500..600)
        .for_each(|number| drop(membership.announced(&url(&format!("invented-{number}.registry"), 8761), at(500))));
    membership.check().unwrap();
    queue(&membership, &pod(59));
    queue(&membership, &NameKey::Url(ServiceUrl::parse("http://fixed:8761/eureka/").unwrap()));
    queue(&membership, &NameKey::Pod("invented-450".to_owned(), 8761));
}

#[test]
fn a_process_is_one_peer_and_the_older_queue_stays() {
    let (mut membership, _) = under_service(&["http://user:p@fixed:8761/eureka/"]);
    let fixed = membership.names().next().unwrap().0.clone();
    let older = queue(&membership, &fixed);
    membership.observe(&pods(&[1]), at(0));
    let younger = queue(&membership, &pod(1));
    assert_eq!(membership.identified(&pod(1), &node("n")), []);
    let changes = membership.identified(&fixed, &node("n"));
    assert_eq!(changes, [Change::Merged(younger, older)]);
    assert_eq!((queue(&membership, &pod(1)), called(&membership)), (older, vec!["fixed:8761".to_owned()]));
    // The name by which it is called stops answering: it is called by the other.
    let other = url("registry-1.registry.ns.svc.cluster.local", 8761);
    assert_eq!(membership.unanswered(&fixed), [Change::Renamed(older, other)]);
    // It restarts. One name shows that first, and no second queue is left over.
    membership.identified(&fixed, &node("restarted"));
    membership.identified(&pod(1), &node("restarted"));
    assert_eq!((membership.peers().count(), queue(&membership, &fixed)), (1, older));
    membership.check().unwrap();
}

#[test]
fn a_name_that_moves_is_another_peer() {
    let mut membership = membership();
    membership.observe(&pods(&[1, 2]), at(0));
    membership.identified(&pod(1), &node("one"));
    membership.identified(&pod(2), &node("one"));
    assert_eq!(membership.peers().count(), 1);
    let changes = membership.identified(&pod(2), &node("two"));
    assert!(matches!(changes[..], [Change::Added(..)]), "{changes:?}");
    assert_eq!(called(&membership), ["registry-1:8761", "registry-2:8761"]);
}

#[test]
fn a_peer_keeps_the_name_it_is_called_by_while_that_answers_as_well_as_another() {
    let mut membership = membership();
    membership.observe(&pods(&[0, 1]), at(0));
    membership.identified(&pod(0), &Identity::Itself);
    membership.identified(&pod(1), &node("one"));
    let peer = queue(&membership, &pod(1));
    let url = |pod| url(&format!("registry-{pod}.registry.ns.svc.cluster.local"), 8761);
    // This replica's own name leads to the peer for a while.
    assert_eq!(membership.identified(&pod(0), &node("one")), []);
    assert_eq!((called(&membership), queue(&membership, &pod(0))), (vec!["registry-1:8761".to_owned()], peer));
    membership.unanswered(&pod(0));
    assert_eq!(membership.unanswered(&pod(1)), [], "no name answers");
    membership.identified(&pod(0), &node("one"));
    assert_eq!(called(&membership), ["registry-0:8761"], "the other name answers, and its own does not");
    assert_eq!(membership.identified(&pod(1), &node("one")), []);
    assert_eq!(
        membership.identified(&pod(0), &Identity::Itself),
        [Change::IsSelf(url(0)), Change::Renamed(peer, url(1))]
    );
}

#[test]
fn self_belongs_to_the_address() {
    let mut membership = membership();
    membership.observe(&pods(&[0, 1]), at(0));
    assert!(matches!(membership.identified(&pod(0), &Identity::Itself)[..], [Change::IsSelf(_), Change::Removed(_)]));
    assert_eq!(called(&membership), ["registry-1:8761"]);
    // The name of a peer points here for a while. Nothing is replicated to it until it has moved back.
    membership.identified(&pod(1), &Identity::Itself);
    assert_eq!(called(&membership), [""; 0]);
    assert_eq!(membership.identified(&pod(1), &Identity::Itself), []);
    membership.observe(&pods(&[0, 1]), at(5));
    assert_eq!(called(&membership), [""; 0]);
    assert!(matches!(membership.identified(&pod(1), &node("one"))[..], [Change::Added(..)]));
    assert_eq!(called(&membership), ["registry-1:8761"]);
}

#[test]
fn a_restarted_peer_keeps_its_queue() {
    let mut membership = membership();
    membership.observe(&pods(&[1]), at(0));
    let waiting = queue(&membership, &pod(1));
    membership.identified(&pod(1), &node("first"));
    membership.unidentified(waiting);
    assert_eq!(membership.identity(waiting), None);
    assert_eq!(membership.identified(&pod(1), &node("second")), []);
    assert_eq!((queue(&membership, &pod(1)), membership.identity(waiting)), (waiting, Some(&node("second"))));
}

#[test]
fn java_servers_are_told_apart_by_their_urls() {
    let (mut membership, added) =
        under_service(&["http://one:1/eureka/", "http://two:2/eureka/", "http://one:1/eureka/"]);
    assert_eq!(added.len(), 2, "a URL that is written twice is one");
    let keys: Vec<NameKey> = membership.names().map(|(key, _)| key.clone()).collect();
    keys.iter().for_each(|key| drop(membership.identified(key, &Identity::Another)));
    assert_eq!(called(&membership), ["one:1", "two:2"]);
}

#[test]
fn replicas_by_their_addresses_are_those_they_were_by_their_names() {
    let mut membership = membership();
    membership.observe(&pods(&[1]), at(0));
    let queued = queue(&membership, &pod(1));
    membership.identified(&pod(1), &node("one"));
    membership.observe(&found(&[("10.0.0.1", 8761), ("::2", 8761)]), at(5));
    membership.identified(&NameKey::Url(url("10.0.0.1", 8761)), &node("one"));
    membership.observe(&found(&[("10.0.0.1", 8761), ("::2", 8761)]), at(10));
    let peers: Vec<(PeerId, String)> = membership.peers().map(|(id, url, _)| (id, url.to_string())).collect();
    assert_eq!(peers[0], (queued, "http://10.0.0.1:8761/eureka/".to_owned()));
    assert_eq!(peers[1].1, "http://[::2]:8761/eureka/");
    membership.check().unwrap();
}

#[test]
fn more_than_a_hundred_are_not_taken_in() {
    let mut membership = membership();
    let changes = membership.observe(&pods(&(0..150).collect::<Vec<_>>()), at(0));
    assert_eq!(membership.names().count(), MOST_NAMES);
    assert!(changes.iter().any(|change| matches!(change, Change::Refused(_, Refusal::TooMany))));
    membership.observe(&pods(&(200..300).collect::<Vec<_>>()), at(5));
    membership.check().unwrap();
    queue(&membership, &pod(299));
}

#[derive(Clone, Debug)]
enum Step {
    Observe(Vec<(u16, bool)>),
    ObserveAddresses(Vec<u16>),
    Announce(u16, bool),
    Identify(usize, Option<u8>),
    Unanswered(usize),
    Unidentified(usize),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let few = || prop::collection::vec(0_u16..5, 0..5);
    let many = prop::collection::vec((0_u16..130, any::<bool>()), 0..110);
    prop_oneof![
        4 => prop::collection::vec((0_u16..5, any::<bool>()), 0..5).prop_map(Step::Observe),
        1 => many.prop_map(Step::Observe),
        1 => few().prop_map(Step::ObserveAddresses),
        3 => (0_u16..7, any::<bool>()).prop_map(|(pod, wrong)| Step::Announce(pod, wrong)),
        1 => (100_u16..400, any::<bool>()).prop_map(|(pod, wrong)| Step::Announce(pod, wrong)),
        8 => (any::<usize>(), prop::option::weighted(0.8, 0_u8..4)).prop_map(|(name, who)| Step::Identify(name, who)),
        2 => any::<usize>().prop_map(Step::Unanswered),
        1 => any::<usize>().prop_map(Step::Unidentified),
        2 => (0_u16..90).prop_map(Step::Wait),
    ]
}

/// The queues of a caller that carries out the changes.
fn follow(queues: &mut BTreeMap<PeerId, ServiceUrl>, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Added(id, url) => assert!(queues.insert(*id, url.clone()).is_none(), "{id:?} is new"),
            Change::Renamed(id, url) => drop(queues.insert(*id, url.clone()).unwrap()),
            Change::Merged(dropped, kept) => {
                assert!(queues.contains_key(kept) && kept < dropped, "the older queue stays");
                queues.remove(dropped).unwrap();
            }
            Change::Removed(id) => drop(queues.remove(id).unwrap()),
            Change::IsSelf(_) | Change::Refused(..) => {}
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_its_invariants_hold_and_its_changes_say_all(steps in prop::collection::vec(step(), 1..60)) {
        let (mut membership, changes) = under_service(&["http://u:p@fixed:8761/eureka/", "http://registry-1.registry:8761/eureka/"]);
        let fixed: Vec<NameKey> = membership.names().map(|(key, _)| key.clone()).collect();
        let mut queues = BTreeMap::new();
        follow(&mut queues, &changes);
        let mut now = at(0);
        for step in steps {
            let some_name = |name: usize| membership.names().nth(name % membership.names().count()).map(|(key, _)| key.clone()).unwrap();
            let before: Vec<NameKey> = membership.names().map(|(key, _)| key.clone()).collect();
            let mut listed = Vec::new();
            let changes = match step {
                Step::Observe(answer) => {
                    let host = |pod: u16| format!("registry-{pod}.registry.ns.svc.cluster.local");
                    let hosts: Vec<(String, u16)> =
                        answer.iter().map(|(pod, own)| (host(*pod), if *own { 8761 } else { 9000 })).collect();
                    listed = answer.iter().map(|(pod, _)| *pod).collect::<BTreeSet<_>>().into_iter().collect();
                    membership.observe(&found(&hosts.iter().map(|(host, port)| (host.as_str(), *port)).collect::<Vec<_>>()), now)
                }
                Step::ObserveAddresses(hosts) => {
                    let hosts: Vec<String> = hosts.iter().map(|host| format!("10.0.0.{host}")).collect();
                    membership.observe(&found(&hosts.iter().map(|host| (host.as_str(), 8761)).collect::<Vec<_>>()), now)
                }
                Step::Announce(pod, wrong) => {
                    membership.announced(&url(&format!("registry-{pod}.registry"), if wrong { 9999 } else { 8761 }), now)
                }
                Step::Identify(name, who) => {
                    let key = some_name(name);
                    let identity = who.map_or(Identity::Itself, |who| if who == 3 { Identity::Another } else { node(&who.to_string()) });
                    let changes = membership.identified(&key, &identity);
                    match membership.peer_of(&key) {
                        None => prop_assert_eq!(&identity, &Identity::Itself),
                        Some(peer) => prop_assert_eq!(membership.identity(peer), Some(&identity)),
                    }
                    changes
                }
                Step::Unanswered(name) => membership.unanswered(&some_name(name)),
                Step::Unidentified(name) => {
                    if let Some(peer) = membership.peer_of(&some_name(name)) {
                        membership.unidentified(peer);
                    }
                    Vec::new()
                }
                Step::Wait(secs) => {
                    now = now + Duration::from_secs(secs.into());
                    Vec::new()
                }
            };
            follow(&mut queues, &changes);
            membership.check().map_err(TestCaseError::fail)?;
            let peers: BTreeMap<PeerId, ServiceUrl> = membership.peers().map(|(id, url, _)| (id, url.clone())).collect();
            prop_assert_eq!(&queues, &peers);
            for key in &fixed {
                prop_assert!(membership.names().any(|(known, _)| known == key), "a fixed peer stays");
            }
            if listed.len() <= MOST_NAMES - fixed.len() {
                for pod in listed {
                    let name = format!("registry-{pod}");
                    let is_known = |key: &NameKey| matches!(key, NameKey::Pod(known, _) if *known == name);
                    prop_assert!(membership.names().any(|(key, _)| is_known(key)), "{} is listed", name);
                }
            }
            if changes.is_empty() {
                prop_assert_eq!(before.iter().filter(|key| membership.peer_of(key).is_some()).map(|key| membership.peer_of(key)).collect::<BTreeSet<_>>().len(), queues.len());
            }
        }
    }
}
