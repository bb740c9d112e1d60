//! What two servers say of the same instances, and where they differ.
//!
//! Only what clients act on is compared. Each server has its own lease times, `actionType`, `lastUpdatedTimestamp` and
//! `isCoordinatingDiscoveryServer`; they differ without a fault.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{InstanceInfo, InstanceKey, InstanceStatus, Metadata, Port};

/// Maximum names of metadata entries that a difference shows.
const MOST_NAMES: usize = 5;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Field {
    /// Whether it is registered.
    Registered,
    /// `status`
    Status,
    /// `overriddenStatus`
    OverriddenStatus,
    /// `hostName` and `ipAddr`
    Address,
    /// `port`
    Port,
    /// `securePort`
    SecurePort,
    /// `vipAddress` and `secureVipAddress`
    VipAddress,
    /// `metadata`; values are not shown, because they may be passwords.
    Metadata,
    /// `lastDirtyTimestamp`
    LastDirty,
}

impl Field {
    /// Its name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Status => "status",
            Self::OverriddenStatus => "overriddenStatus",
            Self::Address => "hostName",
            Self::Port => "port",
            Self::SecurePort => "securePort",
            Self::VipAddress => "vipAddress",
            Self::Metadata => "metadata",
            Self::LastDirty => "lastDirtyTimestamp",
        }
    }
}

/// What a server says.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// For people.
    pub(super) shown: String,
    /// Of the whole value, which may be longer than what is shown.
    pub(super) hash: u64,
}

impl Value {
    fn new(shown: impl fmt::Display, whole: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        whole.hash(&mut hasher);
        Self { shown: shown.to_string(), hash: hasher.finish() }
    }

    fn registered(is_registered: bool) -> Self {
        Self::new(if is_registered { "yes" } else { "no" }, is_registered)
    }
}

/// One difference.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) key: InstanceKey,
    pub(super) field: Field,
    /// What the first server says.
    pub(super) left: Value,
    /// What the second one says.
    pub(super) right: Value,
}

/// The instances of a server.
pub(super) type View = BTreeMap<InstanceKey, InstanceInfo>;

/// All differences, in the order of the instances.
pub(super) fn compare(left: &View, right: &View) -> Vec<Difference> {
    let mut differences = Vec::new();
    let registered = |key: &InstanceKey, left| Difference {
        key: key.clone(),
        field: Field::Registered,
        left: Value::registered(left),
        right: Value::registered(!left),
    };
    for (key, of_left) in left {
        match right.get(key) {
            Some(of_right) => differences.extend(compare_instance(key, of_left, of_right)),
            None => differences.push(registered(key, true)),
        }
    }
    differences.extend(right.keys().filter(|key| !left.contains_key(*key)).map(|key| registered(key, false)));
    differences.sort_by(|a, b| (&a.key, a.field).cmp(&(&b.key, b.field)));
    differences
}

fn compare_instance<'a>(
    key: &'a InstanceKey,
    left: &'a InstanceInfo,
    right: &'a InstanceInfo,
) -> impl Iterator<Item = Difference> + use<'a> {
    let (of_left, of_right) = (values(left, right), values(right, left));
    let pairs = of_left.into_iter().zip(of_right);
    pairs.filter(|((_, left), (_, right))| left.hash != right.hash).map(|((field, left), (_, right))| Difference {
        key: key.clone(),
        field,
        left,
        right,
    })
}

/// What is compared of an instance, beside another server's.
fn values(info: &InstanceInfo, other: &InstanceInfo) -> [(Field, Value); 8] {
    let InstanceInfo { host_name, ip_addr, vip_address, secure_vip_address, .. } = info;
    let status = |status: InstanceStatus| Value::new(status, status);
    let port = |Port { number, enabled }: Port| {
        Value::new(format!("{number}{}", if enabled { "" } else { " (disabled)" }), (number, enabled))
    };
    let vip = [vip_address, secure_vip_address].map(|address| address.as_deref().unwrap_or_default());
    let metadata =
        Value::new(metadata_beside(&info.metadata, &other.metadata), info.metadata.iter().collect::<Vec<_>>());
    [
        (Field::Status, status(info.status)),
        (Field::OverriddenStatus, status(info.overridden_status)),
        (Field::Address, Value::new(format!("{host_name} {ip_addr}"), (host_name, ip_addr))),
        (Field::Port, port(info.port)),
        (Field::SecurePort, port(info.secure_port)),
        (Field::VipAddress, Value::new(vip.join(" "), vip)),
        (Field::Metadata, metadata),
        (Field::LastDirty, Value::new(info.last_dirty, info.last_dirty)),
    ]
}

/// The names of the entries that the other has not, or has with another value.
fn metadata_beside(metadata: &Metadata, other: &Metadata) -> String {
    let differs = |name: &str, value: &str| other.get(name) != Some(value);
    let names: Vec<&str> =
        metadata.iter().filter(|(name, value)| differs(name, value)).map(|(name, _)| name).take(MOST_NAMES).collect();
    if names.is_empty() { "no entry of its own".to_owned() } else { format!("its own {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{ActionType, AppName};
    use crate::time::Timestamp;

    fn instance(id: &str) -> InstanceInfo {
        let mut info = InstanceInfo::new(AppName::new("A"), "h", "10.0.0.1", Timestamp(1));
        info.instance_id = Some(id.into());
        info
    }

    fn view(instances: impl IntoIterator<Item = InstanceInfo>) -> View {
        instances.into_iter().map(|info| (info.key(), info)).collect()
    }

    #[test]
    fn what_clients_act_on_is_compared_and_nothing_else() {
        type Change = fn(&mut InstanceInfo);
        let changes: [(Field, Change); 8] = [
            (Field::Status, |info| info.status = InstanceStatus::Down),
            (Field::OverriddenStatus, |info| info.overridden_status = InstanceStatus::Up),
            (Field::Address, |info| info.ip_addr = "10.0.0.2".into()),
            (Field::Port, |info| info.port.enabled = false),
            (Field::SecurePort, |info| info.secure_port.number = 1),
            (Field::VipAddress, |info| info.secure_vip_address = Some("v".into())),
            (Field::Metadata, |info| info.metadata = [("password", "secret")].into_iter().collect()),
            (Field::LastDirty, |info| info.last_dirty = Timestamp(2)),
        ];
        for (field, change) in changes {
            let (left, mut right) = (instance("1"), instance("1"));
            change(&mut right);
            let found = compare(&view([left]), &view([right]));
            assert_eq!(found.iter().map(|one| one.field).collect::<Vec<_>>(), [field]);
            assert!(!found[0].right.shown.contains("secret"), "values of metadata are not shown");
        }
        let mut own = instance("1");
        own.action_type = Some(ActionType::Modified);
        own.last_updated = Timestamp(9);
        own.is_coordinating_discovery_server = true;
        own.lease.duration_secs = 5;
        assert!(compare(&view([instance("1")]), &view([own])).is_empty());
    }

    #[test]
    fn an_instance_that_one_side_lacks_is_one_difference() {
        let found = compare(&view([instance("1"), instance("2")]), &view([instance("2"), instance("3")]));
        let shown: Vec<_> = found.iter().map(|one| (one.key.id(), &*one.left.shown, &*one.right.shown)).collect();
        assert_eq!(shown, [("1", "yes", "no"), ("3", "no", "yes")]);
    }

    proptest! {
        /// Nothing differs from itself, and both directions find the same.
        #[test]
        fn both_directions_find_the_same(
            left in prop::collection::btree_map(0_u8..6, (0_usize..5, 0_i64..3), 0..6),
            right in prop::collection::btree_map(0_u8..6, (0_usize..5, 0_i64..3), 0..6),
        ) {
            let of = |one: &BTreeMap<u8, (usize, i64)>| view(one.iter().map(|(id, (status, dirty))| {
                let mut info = instance(&id.to_string());
                (info.status, info.last_dirty) = (InstanceStatus::ALL[*status], Timestamp(*dirty));
                info
            }));
            let (left, right) = (of(&left), of(&right));
            prop_assert!(compare(&left, &left).is_empty());
            let pairs = |found: Vec<Difference>| found.into_iter().map(|one| (one.key, one.field, one.left.hash, one.right.hash)).collect::<Vec<_>>();
            let back = pairs(compare(&right, &left)).into_iter().map(|(key, field, left, right)| (key, field, right, left));
            prop_assert_eq!(pairs(compare(&left, &right)), back.collect::<Vec<_>>());
        }
    }
}
