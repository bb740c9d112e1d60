//! [`Status`]: how the watch goes, for metrics and pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use serde::Serialize;

use super::table::Table;
use super::zones::Zones;
use crate::model::parse_address;

/// How the watch of pods goes. Cheap to ask; shared by the watch and those who show it.
#[derive(Debug)]
pub struct Status {
    pub(super) table: Mutex<Table>,
    pub(super) namespaces: Vec<Namespace>,
    pub(super) evicted: AtomicU64,
    pub(super) out_of_service: AtomicU64,
    pub(super) back_in_service: AtomicU64,
    pub(super) zones: Mutex<Zones>,
    pub(super) zoned: AtomicU64,
}

/// A namespace whose pods are watched.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) name: String,
    pub(super) failures: AtomicU64,
}

/// How the watch of one namespace goes.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The namespace.
    pub namespace: String,
    /// Whether a watch is open.
    pub is_watching: bool,
    /// The number of pods that are known and live.
    pub pods: usize,
    /// The number of pods that there was no room for.
    pub left_out: usize,
    /// The number of calls that failed since the start.
    pub failures: u64,
}

/// A pod, for people.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodShown {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its node; empty while it has none.
    pub node: String,
    /// `Pending`, `Running` or `Unknown`.
    pub phase: &'static str,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it was deleted and may still run.
    pub terminating: bool,
}

impl Status {
    /// Of the watch of these namespaces, of whose pods nothing is known yet.
    pub(super) fn new(namespaces: Vec<String>) -> Arc<Self> {
        let table = Mutex::new(Table::new(namespaces.len()));
        let namespace = |name| Namespace { name, failures: AtomicU64::new(0) };
        let namespaces = namespaces.into_iter().map(namespace).collect();
        let [evicted, out_of_service, back_in_service, zoned] = [(); 4].map(|()| AtomicU64::new(0));
        Arc::new(Self { table, namespaces, evicted, out_of_service, back_in_service, zones: Mutex::default(), zoned })
    }

    /// How the watch of each namespace goes.
    pub fn watched(&self) -> Vec<Watched> {
        let table = self.table.lock();
        let watched = |(scope, namespace): (usize, &Namespace)| {
            let (pods, is_watching, left_out) = table.state(scope);
            let failures = namespace.failures.load(Relaxed);
            Watched { namespace: namespace.name.clone(), is_watching, pods, left_out, failures }
        };
        self.namespaces.iter().enumerate().map(watched).collect()
    }

    /// The number of instances that this replica has evicted, put out of service, put back and given a zone since the start.
    pub fn acts(&self) -> [(&'static str, u64); 4] {
        [
            ("evicted", self.evicted.load(Relaxed)),
            ("out_of_service", self.out_of_service.load(Relaxed)),
            ("back_in_service", self.back_in_service.load(Relaxed)),
            ("zone", self.zoned.load(Relaxed)),
        ]
    }

    /// The living pod at an address, as far as it is known and the address is its own.
    pub fn pod_at(&self, address: &str) -> Option<PodShown> {
        let address = parse_address(address)?;
        let table = self.table.lock();
        let pod = table.at(address)?;
        Some(PodShown {
            namespace: pod.namespace.to_string(),
            name: pod.name.to_string(),
            node: pod.node.to_string(),
            phase: pod.phase.name(),
            ready: pod.is_ready,
            terminating: pod.is_terminating,
        })
    }
}
