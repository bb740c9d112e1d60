//! What replicas are told of instances, and what they make of it.

use super::*;

#[test]
fn differences_that_a_comparison_repairs_are_counted() {
    let cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.register(0, "2", 1);
    let digest = |replica: usize| cluster.replicas[replica].digest(cluster.now(replica)).total;
    assert_ne!(digest(0), digest(1));
    let repaired = cluster.compare(1, 0);
    assert_eq!((repaired, repaired.is_none()), (Repaired { registered: 2, cancelled: 0 }, false));
    assert_eq!(digest(0), digest(1));
    assert!(cluster.compare(1, 0).is_none());
    cluster.cancel(0, "1");
    assert_eq!(cluster.compare(1, 0), Repaired { registered: 0, cancelled: 1 });
    cluster.register(0, "3", 1);
    assert_eq!(cluster.compare(1, 0), Repaired { registered: 1, cancelled: 0 }, "what was known comes, too");
    let mut sum = Repaired { registered: 1, cancelled: 2 };
    sum += Repaired { registered: 3, cancelled: 4 };
    assert_eq!(sum, Repaired { registered: 4, cancelled: 6 });
}

#[test]
fn a_record_is_a_registration_or_a_cancellation() {
    let cluster = Cluster::new(1);
    let known = |id: &str| cluster.replicas[0].known(&key(id));
    cluster.register(0, "1", 1);
    cluster.set(0, "1", InstanceStatus::Down);
    let Some((Fact::Registered(record), Some(lease))) = known("1") else { panic!("it is registered") };
    assert_eq!(record.status_override.status, Some(InstanceStatus::Down));
    assert_eq!(lease.status_override(), Some(InstanceStatus::Down));
    cluster.cancel(0, "1");
    assert!(matches!(known("1"), Some((Fact::Cancelled(_), None))));
    assert!(known("2").is_none());
}

#[test]
fn cancellations_come_with_their_application() {
    let cluster = Cluster::new(1);
    cluster.register(0, "1", 1);
    cluster.cancel(0, "1");
    let other = InstanceInfo { app: AppName::new("b"), ..instance("2", 1) };
    cluster.replicas[0].register(other, Source::Client, cluster.now(0));
    cluster.replicas[0].cancel("B/2", Source::Client, cluster.now(0));
    let cancelled = |apps: &[&str], after: Option<&str>| {
        let applications = apps.iter().map(|app| (*app).to_owned()).collect();
        let mut body = Vec::new();
        cluster.replicas[0]
            .encode_records(&RecordsRequest { applications, after: after.map(str::to_owned) }, &mut body);
        let records = decode_records(&body, cluster.now(0)).unwrap();
        records.cancelled.iter().map(|tombstone| tombstone.key.to_string()).collect::<BTreeSet<_>>()
    };
    assert_eq!(cancelled(&["A"], None), BTreeSet::from(["A/1".to_owned()]));
    assert_eq!(cancelled(&["A", "B"], None), BTreeSet::from(["A/1".to_owned(), "B/2".to_owned()]));
    assert_eq!(cancelled(&["A"], Some("A/1")), BTreeSet::new());
    assert_eq!(cancelled(&["A", "B"], Some("A/1")), BTreeSet::from(["B/2".to_owned()]));
}

#[test]
fn a_cancellation_that_others_have_forgotten_is_not_remembered_anew() {
    let mut cluster = Cluster::new(2);
    cluster.register(0, "1", 1);
    cluster.cancel(0, "1");
    let (gone, _) = cluster.replicas[0].known(&key("1")).unwrap();
    let merged =
        |cluster: &Cluster| cluster.replicas[1].merge_fact(gone.clone(), None, &Source::Peer.into(), cluster.now(1));
    assert!(!merged(cluster.at(4 * 3600)));
    assert_eq!(cluster.replicas[1].digest(cluster.now(1)).total, 0);
    let fresh = Cluster::new(2);
    assert!(merged(&fresh), "a fresh one is");
    assert_ne!(fresh.replicas[1].digest(fresh.now(1)).total, 0);
}

#[test]
fn records_come_in_parts_where_they_are_many() {
    let cluster = Cluster::new(2);
    for id in 0..3_000 {
        cluster.register(0, &format!("{id:04}"), 1);
    }
    // Names as long as they may be, and what is there and what is gone in turn.
    let long = |number: usize| format!("{:04}{}", 3_000 + number, "x".repeat(900));
    for number in 0..2_000 {
        cluster.register(0, &long(number), 1);
        if number % 2 == 0 {
            cluster.cancel(0, &long(number));
        }
    }
    let mut request = RecordsRequest { applications: vec!["A".to_owned()], after: None };
    let (mut registered, mut cancelled, mut parts) = (Vec::new(), Vec::new(), 0);
    loop {
        let mut body = Vec::new();
        cluster.replicas[0].encode_records(&request, &mut body);
        assert!(body.len() < 3 * RECORDS_BYTES, "{} bytes", body.len());
        let part = decode_records(&body, START).unwrap();
        let keys = part.registered.iter().map(|(record, _)| record.info.key());
        let keys: Vec<_> = keys.chain(part.cancelled.iter().map(|gone| gone.key.clone())).collect();
        assert!(!keys.is_empty(), "no part is empty");
        assert!(
            part.next.as_deref().is_none_or(|next| keys.iter().any(|key| key.as_str() == next)),
            "it ends with one"
        );
        let names: usize = keys.iter().map(|key| key.as_str().len()).sum();
        let records: usize = part.registered.iter().map(|(record, _)| approximate_len(record)).sum();
        let reckoned = names + records + part.cancelled.len() * CANCELLED_BYTES;
        assert!(reckoned <= RECORDS_BYTES, "{reckoned} bytes, as reckoned before");
        registered.extend(part.registered.into_iter().map(|(record, _)| record.info.key()));
        cancelled.extend(part.cancelled.into_iter().map(|gone| gone.key));
        parts += 1;
        request.after = part.next;
        if request.after.is_none() {
            break;
        }
    }
    cancelled.sort();
    assert!(registered.is_sorted_by(|one, next| one < next) && cancelled.is_sorted_by(|one, next| one < next));
    assert!(parts > 3 && registered.len() == 4_000 && cancelled.len() == 1_000, "each comes once");
    assert_eq!(cluster.agree().len(), 4_000);
}

#[test]
fn the_history_has_the_change_of_a_merge() {
    let mut cluster = Cluster::new(2);
    let last = |cluster: &Cluster| {
        cluster.compare(1, 0);
        cluster.replicas[1].latest_changes(1).changes.pop().unwrap().kind
    };
    cluster.register(0, "1", 1);
    assert_eq!(last(&cluster), ChangeKind::Registered);
    cluster.at(1).set(0, "1", InstanceStatus::Down);
    assert_eq!(last(&cluster), ChangeKind::StatusChanged);
    cluster.at(2).remove_override(0, "1");
    assert_eq!(last(&cluster), ChangeKind::OverrideRemoved);
    let at = cluster.at(3).now(0);
    cluster.replicas[0].update_metadata("A/1", [("k", "v")], Source::Client, at).into_result().unwrap();
    assert_eq!(last(&cluster), ChangeKind::StatusChanged, "a change of the data is no registration");
    cluster.at(4).register(0, "1", 2);
    assert_eq!(last(&cluster), ChangeKind::Registered);
    cluster.at(5).cancel(0, "1");
    assert_eq!(last(&cluster), ChangeKind::Cancelled);
}

#[test]
fn a_renewal_that_a_peer_heard_is_answered_with_the_version_that_is_known() {
    let cluster = Cluster::new(1);
    cluster.register(0, "1", 7);
    let renewed = |id: &str| cluster.replicas[0].merge_renewed(&key(id), cluster.now(0), cluster.now(0));
    assert_eq!((renewed("1"), renewed("2")), (Some(Timestamp(7)), None));
}

#[test]
fn the_bytes_of_an_instance_in_an_answer_are_reckoned_well_enough() {
    let plain = || instance("1", 1);
    let url = Some(format!("http://{}/", "x".repeat(5_000)).into());
    let urls = InstanceInfo {
        home_page_url: url.clone(),
        status_page_url: url.clone(),
        health_check_url: url.clone(),
        secure_health_check_url: url,
        ..plain()
    };
    let entry = |number: usize| (format!("key-{number:06}"), format!("value-{number:06}"));
    let metadata = InstanceInfo { metadata: (0..1_000).map(entry).collect(), ..plain() };
    for info in [plain(), urls, metadata] {
        let cluster = Cluster::new(1);
        cluster.replicas[0].register(info, Source::Client, cluster.now(0));
        let mut body = Vec::new();
        let request = RecordsRequest { applications: vec!["A".to_owned()], after: None };
        cluster.replicas[0].encode_records(&request, &mut body);
        let reckoned = cluster.replicas[0].lease("A/1").unwrap().with_record(approximate_len);
        assert!((body.len() * 2 / 3..body.len() * 3 / 2).contains(&reckoned), "{} bytes, not {reckoned}", body.len());
    }
}
