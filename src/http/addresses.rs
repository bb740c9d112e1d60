//! [`Addresses`]: which instances are registered at an address, for those who want to know who a reader is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::AppName;
use crate::registry::InstanceRegistry;
use crate::time::Timestamp;

/// For how long it may be used again: reading all instances for every question of every drain would be too much.
const FRESH: Duration = Duration::from_secs(1);
/// When it is dropped if nobody asks any more.
const KEPT: Duration = Duration::from_secs(10);

/// The instances at an address.
#[derive(Clone, Debug)]
pub(super) struct AtAddress {
    pub(super) instances: u32,
    /// The application of the first of them.
    pub(super) application: AppName,
}

type ByAddress = HashMap<IpAddr, AtAddress>;

/// The instances of each address, as they were at most a second ago.
#[derive(Debug, Default)]
pub(super) struct Addresses(Mutex<Option<(Timestamp, Arc<ByAddress>)>>);

impl Addresses {
    /// The instances by their addresses.
    pub(super) fn of(&self, registry: &InstanceRegistry, now: Timestamp) -> Arc<ByAddress> {
        let mut kept = self.0.lock();
        if let Some((_, by_address)) = kept.as_ref().filter(|(at, _)| now.since(*at) < FRESH) {
            return Arc::clone(by_address);
        }
        let mut by_address = ByAddress::new();
        for (info, _) in registry.view().iter() {
            let Some(address) = info.address() else { continue };
            let first = || AtAddress { instances: 0, application: info.app.clone() };
            by_address.entry(address).or_insert_with(first).instances += 1;
        }
        let by_address = Arc::new(by_address);
        *kept = Some((now, Arc::clone(&by_address)));
        by_address
    }

    /// Drops what nobody has asked for lately.
    pub(super) fn forget(&self, now: Timestamp) {
        let mut kept = self.0.lock();
        if kept.as_ref().is_some_and(|(at, _)| now.since(*at) > KEPT) {
            *kept = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InstanceInfo;
    use crate::registry::{Options, Source};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn instances_are_counted_by_address_at_most_once_a_second() {
        let (addresses, registry) = (Addresses::default(), InstanceRegistry::new(Options::default(), 1, NOW));
        let register = |host: &str, address: &str| {
            let info = InstanceInfo::new(AppName::new("ORDERS"), host, address, NOW);
            drop(registry.register(info, Source::Client, NOW));
        };
        register("a", "10.0.0.1");
        register("b", "10.0.0.1");
        register("c", "no address");
        let of = |now| addresses.of(&registry, now).values().map(|at| at.instances).sum::<u32>();
        assert_eq!(of(NOW), 2);
        register("d", "10.0.0.2");
        assert_eq!(of(NOW + Duration::from_millis(999)), 2, "not read again yet");
        assert_eq!(of(NOW + FRESH), 3);
        addresses.forget(NOW + FRESH + KEPT);
        assert!(addresses.0.lock().is_some());
        addresses.forget(NOW + FRESH + KEPT + Duration::from_millis(1));
        assert!(addresses.0.lock().is_none(), "it takes memory");
    }
}
