use std::time::Duration;

use super::{Answer, FORGOTTEN, Names, Opening, Start, Step, started_before};
use crate::registry::PeerMemory;
use crate::replication::ServiceUrl;
use crate::time::Timestamp;

const BEGUN: Timestamp = Timestamp(1_000);
const TIMEOUT: Duration = Duration::from_secs(60);

fn url(host: &str) -> ServiceUrl {
    ServiceUrl::new("http", host, 8761, "/eureka/")
}

fn start(likely: &[&str]) -> Start {
    Start::new(Some(url("own")), likely.iter().map(|peer| url(peer)), BEGUN + TIMEOUT)
}

fn listed(peers: &[&str]) -> Names {
    Names::Listed(peers.iter().map(|peer| url(peer)).collect())
}

fn same(one: &ServiceUrl, other: &ServiceUrl) -> bool {
    one.host().split('.').next() == other.host().split('.').next()
}

/// Plays one round with these names and answers, and returns its result.
fn round(start: &mut Start, names: Names, answer: impl Fn(&str, bool) -> Answer, now: Timestamp) -> Step {
    start.named(names, now, same);
    // Each of a few peers is announced to once and copied once.
    for _ in 0..100 {
        match start.next(now) {
            Step::Announce(peers) => peers.iter().for_each(|peer| start.answered(peer, answer(peer.host(), false))),
            Step::Copy(peer) => start.answered(&peer, answer(peer.host(), true)),
            end @ (Step::Again(..) | Step::Open(_)) => return end,
        }
    }
    panic!("the round has no end")
}

fn up(copying: bool) -> Answer {
    if copying { Answer::Copied { instances: 3, memory: PeerMemory::Whole } } else { known_by(&[]) }
}

/// A replica of ours that is up, and knows these.
fn known_by(peers: &[&str]) -> Answer {
    Answer::Up { peers: peers.iter().map(|peer| url(peer)).collect(), is_ours: true }
}

fn is_again(step: &Step) -> bool {
    matches!(step, Step::Again(..))
}

#[test]
fn the_first_replica_of_an_installation_opens_at_once() {
    let step = round(&mut start(&[]), listed(&[]), |_, _| unreachable!(), BEGUN);
    assert_eq!(step, Step::Open(Opening::Nobody));
    let alone = round(&mut start(&[]), listed(&["own"]), |_, _| unreachable!(), BEGUN);
    assert_eq!(alone, Step::Open(Opening::Nobody), "a name that lists this replica lists nobody");
}

#[test]
fn a_replica_of_ours_is_copied_from_before_a_java_server() {
    let of = |ours: &'static str| {
        move |peer: &str, copying: bool| match (peer, copying) {
            (_, true) => up(true),
            (peer, false) => Answer::Up { peers: Vec::new(), is_ours: peer == ours },
        }
    };
    for (ours, from) in [("a", "a"), ("b", "b"), ("nobody", "a")] {
        let step = round(&mut start(&[]), listed(&["a", "b"]), of(ours), BEGUN);
        assert_eq!(
            step,
            Step::Open(Opening::Copied { from: url(from), instances: 3, memory: PeerMemory::Whole }),
            "{ours}"
        );
    }
}

#[test]
fn a_java_server_is_copied_only_if_a_replica_of_ours_could_not_be_copied_in_time() {
    let mut start = start(&[]);
    let names = || listed(&["ours", "java"]);
    let answer = |peer: &str, copying: bool| match (peer, copying) {
        ("ours", true) => Answer::Open("timed out".to_owned()),
        (_, true) => up(true),
        (peer, false) => Answer::Up { peers: Vec::new(), is_ours: peer == "ours" },
    };
    assert!(is_again(&round(&mut start, names(), answer, BEGUN)), "one lost answer is no reason");
    let from_java = Step::Open(Opening::Copied { from: url("java"), instances: 3, memory: PeerMemory::Whole });
    assert_eq!(round(&mut start, names(), answer, BEGUN + TIMEOUT), from_java, "nothing else was there in time");
    let forgetful = |peer: &str, copying: bool| match (peer, copying) {
        ("ours", true) => Answer::Forgetful,
        (peer, copying) => answer(peer, copying),
    };
    assert_eq!(round(&mut self::start(&[]), names(), forgetful, BEGUN), from_java, "ours has nothing to copy");
}

#[test]
fn a_peer_that_is_up_is_copied_from_whatever_the_others_do() {
    let mut start = start(&["a"]);
    let answer = |peer: &str, copying| if peer == "c" { up(copying) } else { Answer::Open("timed out".to_owned()) };
    let step = round(&mut start, listed(&["a", "b", "c"]), answer, BEGUN);
    assert_eq!(step, Step::Open(Opening::Copied { from: url("c"), instances: 3, memory: PeerMemory::Whole }));
}

#[test]
fn replicas_that_start_together_do_not_wait_for_each_other() {
    let step = round(&mut start(&["a"]), listed(&["a", "b"]), |_, _| Answer::Refused, BEGUN);
    assert_eq!(step, Step::Open(Opening::Nobody));
}

#[test]
fn an_open_question_is_asked_again_and_logged_once() {
    let open = |_: &str, _| Answer::Open("no answer in time".to_owned());
    let dead_names = Names::Unknown("the name servers did not answer".to_owned());
    for (names, likely) in
        [(listed(&["b"]), &[][..]), (dead_names, &[]), (listed(&[]), &["a"]), (listed(&["own"]), &["a"])]
    {
        let mut start = start(likely);
        let Step::Again(_, Some(line)) = round(&mut start, names.clone(), open, BEGUN) else { panic!("{names:?}") };
        assert!(line.contains("answer"), "{line}");
        let again = round(&mut start, names.clone(), open, BEGUN + Duration::from_secs(30));
        assert!(matches!(again, Step::Again(_, None)), "the same line is not said twice: {again:?}");
        let late = round(&mut start, names, open, BEGUN + TIMEOUT);
        assert_eq!(late, Step::Open(Opening::GaveUp(line)));
    }
}

#[test]
fn a_name_that_was_asked_a_moment_too_early_is_found_in_a_later_round() {
    let mut start = start(&["a.short"]);
    assert!(is_again(&round(&mut start, listed(&[]), |_, _| Answer::Open("no such name".to_owned()), BEGUN)));
    let answer = |peer: &str, copying| {
        assert_eq!(peer, "a.long", "a listed peer is not asked by another name, too");
        up(copying)
    };
    let found = round(&mut start, listed(&["a.long"]), answer, BEGUN + Duration::from_secs(5));
    assert!(matches!(found, Step::Open(Opening::Copied { .. })), "{found:?}");
}

#[test]
fn a_failed_copy_leads_to_another_peer() {
    let answer = |peer: &str, copying| match (peer, copying) {
        ("b", true) => Answer::Open("it answered 500".to_owned()),
        (_, copying) => up(copying),
    };
    let step = round(&mut start(&[]), listed(&["b", "c"]), answer, BEGUN);
    assert!(matches!(&step, Step::Open(Opening::Copied { from, .. }) if *from == url("c")), "{step:?}");
}

#[test]
fn peers_of_peers_are_announced_to_before_anybody_is_copied_from() {
    let mut start = start(&[]);
    start.named(listed(&["b"]), BEGUN, same);
    assert_eq!(start.next(BEGUN), Step::Announce(vec![url("b")]));
    start.answered(&url("b"), known_by(&["own", "c"]));
    assert_eq!(start.next(BEGUN), Step::Announce(vec![url("c")]));
    start.answered(&url("c"), Answer::NoPeer);
    assert_eq!(start.next(BEGUN), Step::Copy(url("b")));
}

#[test]
fn a_peer_that_lost_its_memory_is_not_copied_and_a_whole_registry_is_preferred() {
    let forgetful =
        round(&mut start(&[]), listed(&["b"]), |_, copying| if copying { Answer::Forgetful } else { up(false) }, BEGUN);
    assert_eq!(forgetful, Step::Open(Opening::Nobody));
    let answer = |peer: &str, copying| match (peer, copying) {
        ("b", true) => Answer::Copied { instances: 1, memory: PeerMemory::InDoubt },
        (_, copying) => up(copying),
    };
    let both = round(&mut start(&[]), listed(&["b", "c"]), answer, BEGUN);
    assert!(
        matches!(&both, Step::Open(Opening::Copied { from, memory: PeerMemory::Whole, .. }) if *from == url("c")),
        "{both:?}"
    );
    let only = round(&mut start(&[]), listed(&["b"]), answer, BEGUN);
    assert!(matches!(&only, Step::Open(Opening::Copied { memory: PeerMemory::InDoubt, .. })), "{only:?}");
}

/// A client whose full fetch another replica answered asks this one for a delta next. That must not look like a lost registry.
#[test]
fn a_replica_opens_with_what_clients_showed_to_any_that_it_copied() {
    for names in [["b", "c"], ["c", "b"]] {
        let answer = |peer: &str, copying| match (peer, copying) {
            (_, false) => up(false),
            (peer, true) if peer == names[0] => Answer::Copied { instances: 1, memory: PeerMemory::InDoubt },
            (_, true) => Answer::Copied { instances: 1, memory: PeerMemory::Fetched },
        };
        let Step::Open(opening) = round(&mut start(&[]), listed(&["b", "c"]), answer, BEGUN) else {
            panic!("it opens")
        };
        assert_eq!(opening.memory(), PeerMemory::Fetched);
    }
    assert_eq!(Opening::Nobody.memory(), PeerMemory::InDoubt);
}

#[test]
fn the_peers_that_a_peer_names_are_bounded() {
    let mut start = start(&[]);
    start.named(listed(&["b"]), BEGUN, same);
    let peers = (0..10_000).map(|number| url(&format!("p{number}"))).collect();
    start.answered(&url("b"), Answer::Up { peers, is_ours: true });
    let Step::Announce(asked) = start.next(BEGUN) else { panic!("they are asked") };
    assert!(asked.len() < 100, "{}", asked.len());
}

#[test]
fn lower_ordinals_were_started_before() {
    assert_eq!(started_before("registry-2.registry"), ["registry-0.registry", "registry-1.registry"]);
    for host in ["registry-0.registry", "registry.example", "registry-2", "-2.registry", "10.0.0.1", "localhost"] {
        assert!(started_before(host).is_empty(), "{host}");
    }
    assert_eq!(started_before("r-5000.s").len(), 100);
}

/// However names and peers behave, a start ends no later than its deadline, and never with "no peer has a registry" while that is
/// open.
#[test]
fn every_start_ends_in_time_and_never_with_an_open_question() {
    let answers = [Answer::Refused, Answer::Forgetful, Answer::NoPeer, Answer::Open("why".to_owned()), known_by(&[])];
    let copies =
        [Answer::Copied { instances: 1, memory: PeerMemory::Whole }, Answer::Open("why".to_owned()), Answer::Forgetful];
    for first in &answers {
        for second in &answers {
            for copy in &copies {
                let answer = |peer: &str, copying: bool| {
                    if copying { copy.clone() } else { if peer == "b" { first } else { second }.clone() }
                };
                let mut start = start(&["a"]);
                let step = round(&mut start, listed(&["b"]), answer, BEGUN);
                let open = [first, second].iter().any(|answer| matches!(answer, Answer::Open(_)));
                if open {
                    assert_ne!(step, Step::Open(Opening::Nobody), "{first:?} {second:?} {copy:?}");
                }
                let end = round(&mut start, listed(&["b"]), answer, BEGUN + TIMEOUT);
                assert!(matches!(end, Step::Open(_)), "{end:?}");
            }
        }
    }
}

#[test]
fn a_name_that_only_a_peer_told_and_that_does_not_exist_is_waited_for_by_nobody() {
    let answer = |listed: bool| {
        let mut start = start(&[]);
        let names = if listed { &["a", "invented"][..] } else { &["a"] };
        let answer = |peer: &str, copying| match (peer, copying) {
            ("a", false) => known_by(&["invented"]),
            ("a", true) => Answer::Copied { instances: 3, memory: PeerMemory::InDoubt },
            _ => Answer::NoSuchName,
        };
        round(&mut start, self::listed(names), answer, BEGUN)
    };
    assert!(matches!(answer(false), Step::Open(Opening::Copied { .. })));
    assert!(is_again(&answer(true)), "one that the names list may be about to exist");
}

#[test]
fn replicas_that_were_all_killed_are_waited_for_until_name_servers_have_forgotten_them() {
    let long = FORGOTTEN;
    let moment = Duration::from_millis(1);
    let begun = |likely: &[&str]| {
        let mut start = start(likely);
        let dead = |_: &str, _| Answer::Open("no answer in time".to_owned());
        assert!(is_again(&round(&mut start, listed(&["own", "b"]), dead, BEGUN)));
        start
    };
    let peers = |peers: &[&str]| peers.iter().map(|peer| url(peer)).collect();
    let gone = |start: &mut Start, fixed: &[&str], now| {
        let names = Names::Nobody { fixed: peers(fixed), before: peers(&["own", "b", "10.0.0.3"]) };
        let answer = |peer: &str, _| match peer {
            "10.0.0.3" => Answer::Open("no answer in time".to_owned()),
            _ => Answer::NoSuchName,
        };
        round(start, names, answer, now)
    };
    let mut start = begun(&[]);
    assert!(is_again(&gone(&mut start, &[], BEGUN)), "another name server may still list it");
    assert!(is_again(&gone(&mut start, &[], BEGUN + long - moment)));
    assert_eq!(gone(&mut start, &[], BEGUN + long), Step::Open(Opening::Nobody));

    let mut again = begun(&[]);
    assert!(is_again(&gone(&mut again, &[], BEGUN)));
    assert!(is_again(&round(&mut again, listed(&["b"]), |_, _| Answer::NoSuchName, BEGUN + long)), "it is listed");
    assert!(is_again(&gone(&mut again, &[], BEGUN + long)), "the time begins anew");
    for (likely, fixed) in [(&["b.long"][..], &[][..]), (&[], &["c"])] {
        let mut start = begun(likely);
        assert!(is_again(&gone(&mut start, fixed, BEGUN)));
        assert!(is_again(&gone(&mut start, fixed, BEGUN + long)), "{likely:?} {fixed:?} may be about to exist");
    }
}

#[test]
fn a_remembered_peer_is_asked_and_is_gone_if_its_name_is() {
    let answer = |answer: Answer| {
        let mut start = start(&[]).remembering([url("a")]);
        round(&mut start, listed(&[]), |_, copying| if copying { up(true) } else { answer.clone() }, BEGUN)
    };
    assert!(matches!(answer(known_by(&[])), Step::Open(Opening::Copied { .. })));
    assert!(is_again(&answer(Answer::Open("no answer in time".to_owned()))));
    assert_eq!(answer(Answer::NoSuchName), Step::Open(Opening::Nobody));
    let mut start = start(&[]).remembering([url("a.short"), url("b")]);
    start.named(listed(&["a.long"]), BEGUN, same);
    assert_eq!(start.next(BEGUN), Step::Announce(vec![url("a.long"), url("b")]), "a listed peer is asked by one name");
}
