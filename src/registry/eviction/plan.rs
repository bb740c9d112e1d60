//! [`Plan`]: what one run of the eviction does, made from values.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::model::InstanceKey;
use crate::registry::renewal_threshold::truncate;

/// What a run of the eviction decides by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Whether enough renewals arrive to take an expired lease for a dead instance.
    pub(super) eviction_enabled: bool,
    /// The number of registered instances.
    pub(super) registered: usize,
    /// The share of them that one run leaves, from 0 to 1.
    pub(super) percent_kept: f64,
}

/// What one run of the eviction does with the expired leases. Each of them is in exactly one of the three.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The instances to evict.
    pub(super) evict: Vec<InstanceKey>,
    /// The number that self-preservation keeps.
    pub(super) kept_by_self_preservation: usize,
    /// The number that stays for the next run, because one run evicts at most a share of the registry.
    pub(super) kept_by_limit: usize,
}

impl Plan {
    /// Plans what happens to the instances whose leases have expired. If there are more than one run may evict, `rng` chooses:
    /// in the order of their keys, one application would lose all of its instances first.
    pub(super) fn new(mut expired: Vec<InstanceKey>, facts: Facts, rng: &mut impl Rng) -> Self {
        if !facts.eviction_enabled {
            return Self { kept_by_self_preservation: expired.len(), ..Self::default() };
        }
        // They come from a map, which has no order; with one, the same seed chooses the same instances.
        expired.sort_unstable();
        let evict = expired.partial_shuffle(rng, facts.limit()).0.to_vec();
        Self { kept_by_limit: expired.len() - evict.len(), evict, kept_by_self_preservation: 0 }
    }
}

impl Facts {
    /// The number of instances that one run may evict (`evictionLimit`).
    fn limit(self) -> usize {
        let registered = u32::try_from(self.registered).unwrap_or(u32::MAX);
        let kept = truncate(f64::from(registered) * self.percent_kept);
        usize::try_from(registered.saturating_sub(kept)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::model::AppName;

    fn expired(count: usize) -> Vec<InstanceKey> {
        (0..count).map(|id| InstanceKey::new(&AppName::new("a"), &format!("{id:03}"))).collect()
    }

    fn plan(expired: Vec<InstanceKey>, registered: usize, eviction_enabled: bool, seed: u64) -> Plan {
        let facts = Facts { eviction_enabled, registered, percent_kept: 0.85 };
        Plan::new(expired, facts, &mut SmallRng::seed_from_u64(seed))
    }

    #[test]
    fn one_run_leaves_the_share_that_is_expected_to_renew() {
        for (registered, evicted) in [(0, 0), (1, 1), (2, 1), (7, 2), (10, 2), (100, 15)] {
            let plan = plan(expired(registered), registered, true, 1);
            assert_eq!((plan.evict.len(), plan.kept_by_limit), (evicted, registered - evicted), "of {registered}");
        }
    }

    #[test]
    fn fewer_than_the_limit_are_all_evicted() {
        let plan = plan(expired(3), 100, true, 1);
        assert_eq!(plan.evict.into_iter().collect::<BTreeSet<_>>(), expired(3).into_iter().collect());
        assert_eq!(plan.kept_by_limit, 0);
    }

    #[test]
    fn self_preservation_keeps_every_expired_lease() {
        let expected = Plan { kept_by_self_preservation: 5, ..Plan::default() };
        assert_eq!(plan(expired(5), 5, false, 1), expected);
    }

    #[test]
    fn the_seed_chooses_and_not_the_order_in_which_they_were_found() {
        let reversed: Vec<_> = expired(50).into_iter().rev().collect();
        assert_eq!(plan(expired(50), 50, true, 1), plan(reversed, 50, true, 1));
        let chosen = |seed| plan(expired(50), 50, true, seed).evict.into_iter().collect::<BTreeSet<_>>();
        assert_ne!(chosen(1), chosen(2));
        assert_ne!(chosen(1), expired(8).into_iter().collect(), "not the first by key");
    }
}
