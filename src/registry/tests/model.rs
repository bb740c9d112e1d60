//! Random histories of a registry beside those of a small reference model.

use super::*;

/// A client as Netflix's `DiscoveryClient`: a full fetch, and deltas from then on. By application, then by id.
struct DiscoveryClient(BTreeMap<String, BTreeMap<String, Seen>>);

impl DiscoveryClient {
    fn fetch(registry: &InstanceRegistry, gzip: bool, now: Timestamp) -> Self {
        let (applications, _) = decoded(registry, Scope::All, gzip, now);
        Self(applications.iter().map(|application| (application.name.to_string(), all_of(application))).collect())
    }

    fn apply_delta(&mut self, registry: &InstanceRegistry, gzip: bool, now: Timestamp) {
        let (delta, hash_code) = decoded(registry, Scope::Delta, gzip, now);
        delta.iter().for_each(|application| self.update(application));
        let own: AppsHashCode = self.0.values().flat_map(BTreeMap::values).map(|(status, ..)| *status).collect();
        assert_eq!(own.to_string(), hash_code, "the delta's hash code is that of full + delta");
        assert_eq!(self.0, Self::fetch(registry, gzip, now).0, "full + delta is the full answer");
    }

    /// As `DiscoveryClient.updateDelta`: a deleted instance of an application that the client does not know is skipped; with an added
    /// or modified one, all that the delta has of that application is taken over, deleted instances among it.
    fn update(&mut self, delta: &Application) {
        let name = || delta.name.to_string();
        for info in &delta.instances {
            if info.action_type != Some(ActionType::Deleted) {
                let known = self.0.entry(name()).or_insert_with(|| all_of(delta));
                known.insert(info.id().to_owned(), seen(info));
            } else if let Some(known) = self.0.get_mut(&name()) {
                known.remove(info.id());
                if known.is_empty() {
                    self.0.remove(&name());
                }
            }
        }
    }
}

fn all_of(application: &Application) -> BTreeMap<String, Seen> {
    application.instances.iter().map(|info| (info.id().to_owned(), seen(info))).collect()
}

#[derive(Clone, Debug)]
enum Op {
    Register { app: u8, id: u8, status: InstanceStatus, sent_override: InstanceStatus, dirty: i64, peer: bool },
    Renew { app: u8, id: u8 },
    Cancel { app: u8, id: u8 },
    StatusUpdate { app: u8, id: u8, status: InstanceStatus, dirty: Option<i64> },
    DeleteOverride { app: u8, id: u8, status: InstanceStatus },
    Metadata { app: u8, id: u8 },
    Advance { secs: u64 },
    Evict,
    ExpireChanges,
    Fetch { gzip: bool },
}

fn op() -> impl Strategy<Value = Op> {
    let status = || proptest::sample::select(InstanceStatus::ALL.to_vec());
    let (app, id) = (|| 0u8..3, || 0u8..4);
    prop_oneof![
        4 => (app(), id(), status(), status(), 0i64..4, any::<bool>()).prop_map(|(app, id, status, sent_override, dirty, peer)| {
            let sent_override = if dirty % 2 == 0 { InstanceStatus::Unknown } else { sent_override };
            Op::Register { app, id, status, sent_override, dirty, peer }
        }),
        3 => (app(), id()).prop_map(|(app, id)| Op::Renew { app, id }),
        1 => (app(), id()).prop_map(|(app, id)| Op::Cancel { app, id }),
        2 => (app(), id(), status(), proptest::option::of(0i64..6)).prop_map(|(app, id, status, dirty)| Op::StatusUpdate { app, id, status, dirty }),
        1 => (app(), id(), status()).prop_map(|(app, id, status)| Op::DeleteOverride { app, id, status }),
        1 => (app(), id()).prop_map(|(app, id)| Op::Metadata { app, id }),
        2 => (1u64..120).prop_map(|secs| Op::Advance { secs }),
        1 => Just(Op::Evict),
        1 => Just(Op::ExpireChanges),
        2 => any::<bool>().prop_map(|gzip| Op::Fetch { gzip }),
    ]
}

/// One registration as the model keeps it.
#[derive(Clone, Debug)]
struct Held {
    status: InstanceStatus,
    overridden: InstanceStatus,
    status_override: Option<InstanceStatus>,
    dirty: i64,
    silent_since: u64,
    renewed: bool,
}

/// The rules of src/PROTOCOL.md, sections 3 to 6, in their simplest form.
#[derive(Default)]
struct Model {
    held: BTreeMap<(String, String), Held>,
    now: u64,
}

impl Model {
    fn apply(&mut self, op: &Op) {
        use InstanceStatus::{OutOfService, Unknown, Up};
        let plain = |status| status == Up || status == OutOfService;
        match op {
            Op::Register { app, id, status, sent_override, dirty, peer } => {
                let existing = self.held.get(&key(*app, *id)).cloned();
                let (mut status, sent_override, dirty) = match &existing {
                    Some(held) if held.dirty > *dirty => (held.status, held.overridden, held.dirty),
                    _ => (*status, *sent_override, *dirty),
                };
                let known = existing.as_ref().and_then(|held| held.status_override);
                let status_override = known.or_else(|| Some(sent_override).filter(|sent| *sent != Unknown));
                if plain(status) {
                    status = match (status_override, &existing) {
                        (Some(set), _) => set,
                        (None, Some(held)) if !peer && plain(held.status) => held.status,
                        _ => status,
                    };
                }
                let overridden = status_override.unwrap_or(sent_override);
                let held = Held { status, overridden, status_override, dirty, silent_since: self.now, renewed: false };
                self.held.insert(key(*app, *id), held);
            }
            Op::Renew { app, id } => {
                let now = self.now;
                if let Some(held) = self.held.get_mut(&key(*app, *id)) {
                    if let (true, Some(set)) = (plain(held.status), held.status_override) {
                        if set == Unknown {
                            return;
                        }
                        held.status = set;
                    }
                    if held.status != Unknown {
                        (held.silent_since, held.renewed) = (now, true);
                    }
                }
            }
            Op::Cancel { app, id } => drop(self.held.remove(&key(*app, *id))),
            Op::StatusUpdate { app, id, status, dirty } => {
                let now = self.now;
                if let Some(held) = self.held.get_mut(&key(*app, *id)) {
                    (held.silent_since, held.renewed) = (now, true);
                    if held.status != *status {
                        held.status = *status;
                        held.overridden = *status;
                        held.status_override = Some(*status);
                        held.dirty = held.dirty.max(dirty.unwrap_or(0));
                    }
                }
            }
            Op::DeleteOverride { app, id, status } => {
                let now = self.now;
                if let Some(held) = self.held.get_mut(&key(*app, *id)) {
                    (held.silent_since, held.renewed) = (now, true);
                    if held.status_override.take().is_some() {
                        (held.status, held.overridden) = (*status, Unknown);
                    }
                }
            }
            Op::Metadata { app, id } => {
                if let Some(held) = self.held.get(&key(*app, *id)).cloned() {
                    let (status, sent_override, dirty) = (held.status, held.overridden, held.dirty);
                    self.apply(&Op::Register { app: *app, id: *id, status, sent_override, dirty, peer: false });
                }
            }
            Op::Advance { secs } => self.now += secs,
            Op::Evict | Op::ExpireChanges | Op::Fetch { .. } => {}
        }
    }

    fn expired(&self) -> Vec<(String, String)> {
        let silent = |held: &Held| self.now - held.silent_since > if held.renewed { 180 } else { 90 };
        self.held.iter().filter(|(_, held)| silent(held)).map(|(key, _)| key.clone()).collect()
    }

    fn view(&self) -> View {
        self.held.iter().map(|(key, held)| (key.clone(), (held.status, held.overridden, held.dirty))).collect()
    }
}

fn key(app: u8, id: u8) -> (String, String) {
    (format!("APP-{app}"), format!("id-{id}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_registry_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..60)) {
        let registry = registry(Options { enable_self_preservation: false, ..Options::default() });
        let mut rng = SmallRng::seed_from_u64(7);
        let mut model = Model::default();
        let mut client = DiscoveryClient(BTreeMap::new());
        let mut last_fetch = 0;
        for op in &ops {
            model.apply(op);
            let now = START + Duration::from_secs(model.now);
            let at = |app: &u8, id: &u8| { let (app, id) = key(*app, *id); format!("{app}/{id}") };
            match op {
                Op::Register { app, id, status, sent_override, dirty, peer } => {
                    let (app, id) = key(*app, *id);
                    let mut info = instance(&app, &id, *status, *dirty);
                    info.overridden_status = *sent_override;
                    registry.register(info, if *peer { Source::Peer } else { Source::Client }, now);
                }
                Op::Renew { app, id } => drop(registry.renew(&at(app, id), now)),
                Op::Cancel { app, id } => drop(registry.cancel(&at(app, id), Source::Client, now)),
                Op::StatusUpdate { app, id, status, dirty } => {
                    registry.status_update(&at(app, id), *status, dirty.map(Timestamp), Source::Client, now);
                }
                Op::DeleteOverride { app, id, status } => {
                    registry.delete_status_override(&at(app, id), *status, None, Source::Client, now);
                }
                Op::Metadata { app, id } => drop(registry.update_metadata(&at(app, id), [("k", "v")], Source::Client, now)),
                Op::Advance { .. } => {}
                Op::Evict => {
                    // Which of the expired instances are evicted is random. The model follows the registry, and checks that each
                    // had expired.
                    let expired = model.expired();
                    registry.evict(&mut rng, now);
                    let (full, ..) = view(&registry, Scope::All, false, now);
                    let gone: Vec<_> = model.held.keys().filter(|key| !full.contains_key(*key)).cloned().collect();
                    prop_assert!(gone.iter().all(|key| expired.contains(key)), "{gone:?} of {expired:?}");
                    model.held.retain(|key, _| !gone.contains(key));
                }
                Op::ExpireChanges => {
                    // A client that fetched within the retention time misses nothing.
                    if model.now - last_fetch < 180 {
                        client.apply_delta(&registry, false, now);
                        last_fetch = model.now;
                    }
                    registry.expire_recent_changes(now);
                }
                Op::Fetch { gzip } => {
                    if model.now - last_fetch < 180 {
                        client.apply_delta(&registry, *gzip, now);
                    } else {
                        client = DiscoveryClient::fetch(&registry, *gzip, now);
                    }
                    last_fetch = model.now;
                }
            }
            registry.check();
            let (full, _, hash_code) = view(&registry, Scope::All, false, now);
            prop_assert_eq!(&full, &model.view(), "after {:?}", op);
            let expected: AppsHashCode = full.values().map(|(status, ..)| *status).collect();
            prop_assert_eq!(hash_code, expected.to_string());
            for app in 0..3 {
                let name = format!("APP-{app}");
                let count = model.held.keys().filter(|(held, _)| *held == name).count();
                let listed = registry.application(&name, JSON, now).unwrap();
                let listed = listed.map_or(0, |body| String::from_utf8_lossy(&body).matches("\"instanceId\"").count());
                prop_assert_eq!(listed, count);
                let vip = registry.vip(&name.to_lowercase(), false, JSON, now).unwrap();
                prop_assert_eq!(String::from_utf8_lossy(&vip).matches("\"instanceId\"").count(), count);
            }
        }
    }
}
