//! The registry against a small reference model, and its rules one by one.

mod model;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::codec::{self, Detail, Form, Media};
use crate::model::{ActionType, AppName, Application, AppsHashCode, InstanceInfo, InstanceStatus};
use crate::time::Timestamp;

const START: Timestamp = Timestamp(1_700_000_000_000);
const JSON: Form = Form { media: Media::Json, detail: Detail::Full };

fn registry(options: Options) -> InstanceRegistry {
    let registry = InstanceRegistry::new(options, 1, START);
    registry.open_for_traffic(0, START);
    registry
}

fn instance(app: &str, id: &str, status: InstanceStatus, last_dirty: i64) -> InstanceInfo {
    let mut info = InstanceInfo::new(AppName::new(app), "h.local", "10.0.0.1", START);
    info.instance_id = Some(id.into());
    info.status = status;
    info.last_dirty = Timestamp(last_dirty);
    info.vip_address = Some(app.to_lowercase().into());
    info
}

fn body(registry: &InstanceRegistry, scope: Scope, form: Form, gzip: bool, now: Timestamp) -> Vec<u8> {
    let answer = match registry.read(scope, form, gzip, now).unwrap() {
        Reading::Ready(answer) => answer,
        Reading::Pending(pending) => registry.build(&pending),
    };
    let bytes = answer.pieces().concat();
    assert_eq!(bytes.len() as u64, answer.content_length());
    if gzip { codec::gunzip(&bytes, 1 << 26).unwrap() } else { bytes }
}

/// What a client knows of an instance, as far as the model speaks of it.
type Seen = (InstanceStatus, InstanceStatus, i64);
type View = BTreeMap<(String, String), Seen>;

fn seen(info: &InstanceInfo) -> Seen {
    (info.status, info.overridden_status, info.last_dirty.0)
}

/// An answer's applications and its hash code.
fn decoded(registry: &InstanceRegistry, scope: Scope, gzip: bool, now: Timestamp) -> (Vec<Application>, String) {
    let bytes = body(registry, scope, JSON, gzip, now);
    let (applications, errors) = codec::decode_applications(&bytes, now).unwrap();
    assert!(errors.is_empty(), "{errors:?}");
    (applications.applications, applications.apps_hashcode.unwrap().into())
}

fn view(
    registry: &InstanceRegistry,
    scope: Scope,
    gzip: bool,
    now: Timestamp,
) -> (View, Vec<(String, String)>, String) {
    let (applications, hash_code) = decoded(registry, scope, gzip, now);
    let (mut view, mut deleted) = (View::new(), Vec::new());
    for info in applications.into_iter().flat_map(|application| application.instances) {
        let key = (info.app.as_str().to_owned(), info.id().to_owned());
        if info.action_type == Some(ActionType::Deleted) {
            deleted.push(key);
        } else {
            view.insert(key, seen(&info));
        }
    }
    (view, deleted, hash_code)
}

fn up(registry: &InstanceRegistry, count: usize, now: Timestamp) {
    for id in 0..count {
        registry.register(instance("a", &format!("{id:04}"), InstanceStatus::Up, 1), Source::Client, now);
    }
}

#[test]
fn one_run_evicts_at_most_the_share_above_the_threshold() {
    for (registered, evicted) in [(1, 1), (2, 1), (7, 2), (10, 2), (100, 15)] {
        let registry = registry(Options { enable_self_preservation: false, ..Options::default() });
        up(&registry, registered, START);
        let later = START + Duration::from_secs(91);
        assert_eq!(registry.evict(&mut SmallRng::seed_from_u64(1), later), evicted, "of {registered}");
        assert_eq!(registry.len(), registered - evicted);
    }
}

#[test]
fn an_eviction_chooses_at_random() {
    let survivors = |seed| {
        let registry = registry(Options { enable_self_preservation: false, ..Options::default() });
        up(&registry, 50, START);
        registry.evict(&mut SmallRng::seed_from_u64(seed), START + Duration::from_secs(91));
        registry.snapshot().iter().map(|registration| registration.info().id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(survivors(1), survivors(1), "the same seed evicts the same instances");
    assert_ne!(survivors(1), survivors(2));
}

#[test]
fn every_lease_is_extended_by_the_delay_of_a_late_eviction() {
    let registry = registry(Options { enable_self_preservation: false, ..Options::default() });
    let mut rng = SmallRng::seed_from_u64(1);
    registry.evict(&mut rng, START);
    up(&registry, 1, START + Duration::from_secs(10));
    // The next run comes 60 s late: a lease 110 s old is 50 s old to it.
    assert_eq!(registry.evict(&mut rng, START + Duration::from_secs(120)), 0);
    assert_eq!(registry.evict(&mut rng, START + Duration::from_secs(180)), 1);
}

#[test]
fn self_preservation_evicts_only_while_enough_renewals_arrive() {
    let registry = registry(Options { self_preservation_mode: SelfPreservationMode::Java, ..Options::default() });
    let mut rng = SmallRng::seed_from_u64(1);
    up(&registry, 10, START);
    assert_eq!(registry.evict(&mut rng, START + Duration::from_secs(91)), 0, "no renewals at all");
    // 11 clients expected (one more than there are, as Spring counts): 18.7 a minute, more than 18 are needed.
    let minute = |number: u64| START + Duration::from_secs(60 * number);
    let renew = |count: usize, at: Timestamp| (0..count).for_each(|_| drop(registry.renew("A/0000", at)));
    renew(18, minute(2));
    assert!(!registry.self_preservation(minute(3)).lease_expiration_enabled);
    renew(19, minute(3));
    assert!(registry.self_preservation(minute(4)).lease_expiration_enabled);
    assert_eq!(registry.evict(&mut rng, minute(4)), 2);
    assert!(registry.instance("A/0000", minute(4)).is_some(), "an instance that renews stays");
}

#[test]
fn a_start_without_a_copy_waits_if_it_is_configured() {
    let waiting = InstanceRegistry::new(Options { default_open_for_traffic_count: 0, ..Options::default() }, 1, START);
    waiting.open_for_traffic(0, START);
    let read = |at| waiting.read(Scope::All, JSON, false, at).map(drop);
    (1..=300).for_each(|secs| waiting.tick(START + Duration::from_secs(secs)));
    assert_eq!(read(START + Duration::from_secs(300)), Err(ReadError::NotYetAllowed));
    assert_eq!(read(START + Duration::from_millis(300_001)), Ok(()));
    waiting.open_for_traffic(3, START);
    assert_eq!(read(START), Ok(()), "a copy was found");
}

#[test]
fn the_delta_can_be_switched_off() {
    let registry = registry(Options { disable_delta: true, ..Options::default() });
    assert_eq!(registry.read(Scope::Delta, JSON, false, START).map(drop), Err(ReadError::DeltaDisabled));
}

#[test]
fn an_answer_may_be_old_only_where_it_is_allowed_to() {
    for (read_only, seen) in [(false, true), (true, false)] {
        let registry = registry(Options { use_read_only_response_cache: read_only, ..Options::default() });
        assert_eq!(view(&registry, Scope::All, false, START).0.len(), 0);
        up(&registry, 1, START);
        assert_eq!(view(&registry, Scope::All, false, START).0.len() == 1, seen);
        let later = START + Duration::from_secs(30);
        assert_eq!(view(&registry, Scope::All, false, later).0.len(), 1);
    }
}

#[test]
fn a_delta_shows_an_instance_once_with_its_last_action_until_it_is_too_old() {
    let registry = registry(Options::default());
    up(&registry, 1, START);
    registry.status_update("A/0000", InstanceStatus::OutOfService, None, Source::Client, START);
    registry.cancel("A/0000", Source::Client, START + Duration::from_secs(1));
    let (changed, deleted, hash_code) = view(&registry, Scope::Delta, true, START);
    assert_eq!((changed.len(), deleted.len(), hash_code.as_str()), (0, 1, ""));
    registry.expire_recent_changes(START + Duration::from_secs(181));
    assert_eq!(view(&registry, Scope::Delta, true, START).1.len(), 1);
    registry.expire_recent_changes(START + Duration::from_secs(182));
    assert_eq!(view(&registry, Scope::Delta, true, START).1.len(), 0);
}

#[test]
fn every_form_of_many_instances_is_whole() {
    let registry = registry(Options::default());
    for app in ["a", "b", "c-d", "c"] {
        for id in 0..300 {
            registry.register(instance(app, &format!("{id}"), InstanceStatus::Up, 1), Source::Client, START);
        }
    }
    for media in [Media::Json, Media::Xml] {
        for detail in [Detail::Full, Detail::Compact] {
            for scope in [Scope::All, Scope::Delta] {
                let form = Form { media, detail };
                let plain = String::from_utf8(body(&registry, scope, form, false, START)).unwrap();
                let name = if media == Media::Json { "\"instanceId\"" } else { "<instanceId>" };
                assert_eq!(plain.matches(name).count(), 1200);
                let app = if media == Media::Json { "{\"name\":" } else { "<application>" };
                assert_eq!(plain.matches(app).count(), 4, "each application stands once");
                let inflated = String::from_utf8(body(&registry, scope, form, true, START)).unwrap();
                assert_eq!(inflated.matches(name).count(), 1200);
                // A delta says in how many versions it was built.
                assert!(scope == Scope::Delta || inflated == plain, "{form:?}");
            }
        }
    }
}

#[test]
fn an_override_holds_until_it_is_taken_back() {
    use InstanceStatus::{Down, OutOfService, Unknown, Up};
    let registry = registry(Options::default());
    let status = || {
        let registration = registry.instance("A/0000", START).unwrap();
        (registration.info().status, registration.info().overridden_status)
    };
    let register = |status, source| drop(registry.register(instance("a", "0000", status, 1), source, START));
    register(Up, Source::Client);
    registry.status_update("A/0000", Up, None, Source::Client, START);
    assert_eq!(status(), (Up, Unknown), "a status it has already is no override");
    registry.status_update("A/0000", OutOfService, None, Source::Client, START);
    register(Up, Source::Client);
    assert_eq!(status(), (OutOfService, OutOfService));
    register(Down, Source::Client);
    assert_eq!(status(), (Down, OutOfService), "an instance that reports that it is down is down");
    register(Up, Source::Peer);
    assert_eq!(status(), (OutOfService, OutOfService));
    registry.delete_status_override("A/0000", Unknown, None, Source::Client, START);
    assert_eq!(status(), (Unknown, Unknown));
    assert!(matches!(registry.renew("A/0000", START), Renewal::NotFound), "it is to register again");
    register(Up, Source::Client);
    assert_eq!(status(), (Up, Unknown));
    register(OutOfService, Source::Client);
    assert_eq!(status(), (Up, Unknown), "a client cannot take itself out");
    register(OutOfService, Source::Peer);
    assert_eq!(status(), (OutOfService, Unknown), "a peer can say so");
}

#[test]
fn a_replicated_override_is_applied_and_shown() {
    let registry = registry(Options::default());
    up(&registry, 1, START);
    registry.store_overridden_status_if_required("A/0000", InstanceStatus::OutOfService, START);
    let (full, _, hash_code) = view(&registry, Scope::All, false, START);
    assert_eq!(hash_code, "OUT_OF_SERVICE_1_");
    assert_eq!(view(&registry, Scope::Delta, false, START).0, full);
}

#[test]
fn registering_again_keeps_when_it_was_first_up_and_starts_the_lease_anew() {
    let registry = registry(Options::default());
    up(&registry, 1, START);
    assert!(matches!(registry.renew("A/0000", START), Renewal::Renewed(_)));
    let later = START + Duration::from_secs(10);
    up(&registry, 1, later);
    let lease = registry.instance("A/0000", later).unwrap().lease_info();
    assert_eq!((lease.service_up, lease.registration, lease.last_renewal), (START, later, later));
}

#[test]
fn an_expired_lease_is_hidden_from_a_look_up_only_while_leases_expire() {
    let later = START + Duration::from_secs(91);
    let preserving = registry(Options { self_preservation_mode: SelfPreservationMode::Java, ..Options::default() });
    up(&preserving, 1, START);
    assert!(preserving.instance("A/0000", later).is_some());
    let expiring = registry(Options { enable_self_preservation: false, ..Options::default() });
    up(&expiring, 1, START);
    assert!(expiring.instance("A/0000", later).is_none());
    assert_eq!(view(&expiring, Scope::All, false, later).0.len(), 1, "lists show it (quirk 17)");
}

#[test]
fn answers_of_former_versions_are_not_kept() {
    let registry = registry(Options::default());
    let xml = Form { media: Media::Xml, detail: Detail::Full };
    for (id, form) in [("1", xml), ("2", JSON)] {
        registry.register(instance("A", id, InstanceStatus::Up, 1), Source::Client, START);
        body(&registry, Scope::All, form, false, START);
    }
    let kept = |form| registry.cache.slot(Scope::All, form, false).load().is_some();
    assert_eq!((kept(xml), kept(JSON)), (false, true));
    let since = |version| registry.encoded_since(Scope::All, JSON, false, version).is_some();
    let version = registry.version();
    registry.register(instance("A", "3", InstanceStatus::Up, 1), Source::Client, START);
    assert!(
        since(version) && !since(version + 1),
        "a reader that asked before the change may have it, one that asks after it may not"
    );
}

#[test]
fn a_version_outdates_what_its_readers_alone_keep_however_large_instances_are() {
    let registry = registry(Options::default());
    let register = |last_dirty| {
        let mut large = instance("a", "large", InstanceStatus::Up, last_dirty);
        large.vip_address = Some("x".repeat(50_000).into());
        registry.register(large, Source::Client, START);
    };
    register(1);
    up(&registry, 3, START);
    let former = body(&registry, Scope::All, JSON, false, START).len();
    let pending = || match registry.read(Scope::All, JSON, false, START).unwrap() {
        Reading::Ready(_) => panic!("it changed"),
        Reading::Pending(pending) => pending,
    };
    let outdates = |pending: &Pending| (former - 1_000..former + 4 * 1_200).contains(&pending.outdates());
    register(2);
    let read = pending();
    assert!(outdates(&read));
    register(3);
    assert!(outdates(&pending()), "also when the page is another one, since somebody reads it");
}

#[test]
fn no_log_line_is_written_under_the_lock_of_readers() {
    let registry = Arc::new(registry(Options { max_bytes: 2_000, ..Options::default() }));
    let (writing, lines) = (Arc::clone(&registry), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&lines);
    let writer = move || {
        assert!(writing.content.try_lock().is_some(), "readers would wait for the log");
        counted.fetch_add(1, Relaxed);
        std::io::sink()
    };
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(writer).finish();
    tracing::subscriber::with_default(log, || {
        let other = InstanceRegistry::new(Options::default(), 2, START);
        let mut large = instance("b", "large", InstanceStatus::Up, 1);
        large.vip_address = Some("x".repeat(50_000).into());
        let key = large.key();
        other.register(large, Source::Client, START);
        let (fact, lease) = other.known(key.as_str()).unwrap();
        let heard = lease.map(|lease| lease.heard());
        let before = lines.load(Relaxed);
        registry.register(instance("a", "1", InstanceStatus::Up, 1), Source::Client, START);
        assert!(!registry.merge_fact(fact, heard, &Source::Peer.into(), START), "the registry is full");
        assert_eq!(lines.load(Relaxed) - before, 2, "the registration, and that the registry is full");
    });
}

#[test]
fn instances_that_come_and_go_leave_room_for_new_ones() {
    let weight = instance("A", "1000", InstanceStatus::Up, 1).weight();
    let registry = registry(Options { max_bytes: 100 * weight, ..Options::default() });
    let register = |id: &str| {
        let info = instance("A", id, InstanceStatus::Up, 1);
        registry.admit(&info, Source::Client).map(|()| registry.register(info, Source::Client, START))
    };
    (1000..1060).for_each(|id| drop(register(&id.to_string()).unwrap()));
    for id in 2000..2500 {
        let key = register(&id.to_string()).unwrap().lease.key().clone();
        assert!(registry.cancel(key.as_str(), Source::Client, START).is_some());
        registry.check();
    }
    let (_, deleted, hash_code) = view(&registry, Scope::Delta, false, START);
    let newest: Vec<_> = (2475..2500).map(|id| ("A".to_owned(), id.to_string())).collect();
    assert_eq!(deleted, newest, "the newest are those that clients have not seen yet");
    let (full, _, full_hash_code) = view(&registry, Scope::All, false, START);
    assert_eq!((hash_code, full.len()), (full_hash_code, 60), "who missed one sees it by the hash code");
    let used: usize = (0..15).map(|id| weight * usize::from(register(&format!("{}", 3000 + id)).is_ok())).sum();
    assert_eq!(used, 15 * weight);
    assert!(register("3015").is_err(), "what is there counts, as before");
}
