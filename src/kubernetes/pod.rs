//! [`Pod`]: what is kept of a pod; and how it is read from the API server's JSON.

use std::net::IpAddr;

use serde::Deserialize;

use crate::model::parse_address;
use crate::time::Timestamp;

/// At most this many addresses of a pod are kept: it has one for each family.
const MOST_ADDRESSES: usize = 4;

/// What is kept of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    /// What it is known by: a name comes back with another pod, this never.
    pub(super) uid: Box<str>,
    pub(super) namespace: Box<str>,
    pub(super) name: Box<str>,
    /// Its node; empty while it has none.
    pub(super) node: Box<str>,
    pub(super) addresses: Vec<IpAddr>,
    /// Whether its addresses are those of its node.
    pub(super) is_on_host_network: bool,
    pub(super) phase: Phase,
    /// Whether somebody has deleted it, and it may still run.
    pub(super) is_terminating: bool,
    pub(super) is_ready: bool,
    /// Since when it is ready or not, by Kubernetes' clock, in whole seconds.
    pub(super) ready_changed: Option<Timestamp>,
}

/// Whether its containers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Running,
    /// None runs any more, and none will: it succeeded, failed, was evicted, or was deleted and its containers have ended.
    Over,
    Unknown,
}

impl Phase {
    /// In a word, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Over => "Over",
            Self::Unknown => "Unknown",
        }
    }
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct PodList {
    #[serde(default)]
    pub(super) metadata: ListMetadata,
    #[serde(default, deserialize_with = "or_none")]
    pub(super) items: Vec<PodObject>,
}

/// Go writes an empty list as `null`, too.
fn or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PodObject>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// How far the list is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMetadata {
    pub(super) resource_version: String,
    /// What asks for the next page; empty in the last one.
    #[serde(rename = "continue")]
    pub(super) next: String,
}

/// A pod as the API server writes it, and a bookmark, which is one without a content.
#[derive(Debug, Deserialize)]
pub(super) struct PodObject {
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    uid: Box<str>,
    namespace: Box<str>,
    name: Box<str>,
    pub(super) resource_version: String,
    deletion_timestamp: Option<String>,
}

/// What is read of a node.
#[derive(Debug, Deserialize)]
pub(super) struct NodeObject {
    pub(super) metadata: NodeMetadata,
}

#[derive(Debug, Deserialize)]
pub(super) struct NodeMetadata {
    #[serde(default)]
    pub(super) labels: NodeLabels,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct NodeLabels {
    #[serde(rename = "topology.kubernetes.io/zone")]
    pub(super) zone: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Box<str>,
    host_network: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    phase: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<PodIp>,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Deserialize)]
struct PodIp {
    #[serde(default)]
    ip: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    status: String,
    last_transition_time: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ContainerStatus {
    #[serde(default)]
    state: State,
}

#[derive(Debug, Default, Deserialize)]
struct State {
    terminated: Option<serde::de::IgnoredAny>,
}

impl From<PodObject> for Pod {
    fn from(object: PodObject) -> Self {
        let PodObject { metadata, spec, status } = object;
        let is_terminating = metadata.deletion_timestamp.is_some();
        let containers = &status.container_statuses;
        let have_ended =
            !containers.is_empty() && containers.iter().all(|container| container.state.terminated.is_some());
        let phase = match &*status.phase {
            "Succeeded" | "Failed" => Phase::Over,
            // No container starts again in a pod that is being deleted.
            _ if is_terminating && have_ended => Phase::Over,
            "Pending" => Phase::Pending,
            "Running" => Phase::Running,
            _ => Phase::Unknown,
        };
        let ready = status.conditions.iter().find(|condition| condition.kind == "Ready");
        let texts = status.pod_ips.iter().map(|one| one.ip.as_str()).chain([status.pod_ip.as_str()]);
        let mut addresses: Vec<IpAddr> = texts.filter_map(parse_address).take(MOST_ADDRESSES + 1).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.shrink_to_fit();
        Self {
            uid: metadata.uid,
            namespace: metadata.namespace,
            name: metadata.name,
            node: spec.node_name,
            addresses,
            is_on_host_network: spec.host_network,
            phase,
            is_terminating,
            is_ready: ready.is_some_and(|ready| ready.status == "True"),
            ready_changed: ready.and_then(|ready| parse_time(ready.last_transition_time.as_deref()?)),
        }
    }
}

/// Reads a time as Kubernetes writes it (`2026-11-27T13:43:17Z`).
fn parse_time(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (date.next()?.parse().ok()?, date.next()?.parse::<u8>().ok()?, date.next()?.parse().ok()?);
    let mut clock = clock.splitn(3, ':');
    let (hour, minute) = (clock.next()?.parse().ok()?, clock.next()?.parse().ok()?);
    let second = clock.next()?.split('.').next()?.parse().ok()?;
    let date = time::Date::from_calendar_date(year, time::Month::try_from(month).ok()?, day).ok()?;
    let seconds = date.with_hms(hour, minute, second).ok()?.assume_utc().unix_timestamp();
    seconds.checked_mul(1000).map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &serde_json::Value) -> Pod {
        serde_json::from_value::<PodObject>(json.clone()).unwrap().into()
    }

    #[test]
    fn a_pod_is_read_as_the_api_server_writes_it() {
        let mut json = serde_json::json!({
            "metadata": {"uid": "u-1", "namespace": "shop", "name": "orders-1", "resourceVersion": "7", "managedFields": [{}]},
            "spec": {"nodeName": "node-1", "containers": [{"name": "app"}]},
            "status": {
                "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
                "conditions": [{"type": "Initialized", "status": "True"},
                    {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-27T13:43:17Z"}],
                "containerStatuses": [{"state": {"running": {}}}],
            },
        });
        let pod = read(&json);
        assert_eq!(pod.addresses, ["10.0.0.1", "fd00::1"].map(|text| text.parse::<IpAddr>().unwrap()));
        assert_eq!((&*pod.uid, &*pod.namespace, &*pod.name, &*pod.node), ("u-1", "shop", "orders-1", "node-1"));
        assert!(pod.is_ready && !pod.is_terminating && !pod.is_on_host_network);
        assert_eq!((pod.phase, pod.ready_changed), (Phase::Running, Some(Timestamp(1_795_786_997_000))));
        json["metadata"]["deletionTimestamp"] = "2026-11-27T13:44:00Z".into();
        assert_eq!((read(&json).phase, read(&json).is_terminating), (Phase::Running, true), "its container runs");
        json["status"]["containerStatuses"][0]["state"] = serde_json::json!({"terminated": {"exitCode": 137}});
        assert_eq!(read(&json).phase, Phase::Over, "no kubelet starts it again");
        json["metadata"]["deletionTimestamp"] = serde_json::Value::Null;
        assert_eq!(read(&json).phase, Phase::Running, "the container starts again");
        json["status"]["phase"] = "Failed".into();
        assert_eq!(read(&json).phase, Phase::Over);
        json["spec"]["hostNetwork"] = true.into();
        assert!(read(&json).is_on_host_network);
    }

    #[test]
    fn what_is_missing_is_nothing() {
        let pod = read(&serde_json::json!({}));
        assert!(
            pod.addresses.is_empty() && !pod.is_ready && pod.phase == Phase::Unknown && pod.ready_changed.is_none()
        );
    }

    #[test]
    fn a_list_without_pods_is_empty_however_it_is_written() {
        for json in [r#"{"items": null}"#, r#"{"items": []}"#, "{}"] {
            assert!(serde_json::from_str::<PodList>(json).unwrap().items.is_empty(), "{json}");
        }
    }

    #[test]
    fn times_are_read_or_left_out() {
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Some(Timestamp(1000)));
        assert_eq!(parse_time("1970-01-01T00:00:01.999999Z"), Some(Timestamp(1000)));
        for wrong in ["", "Z", "1970-13-01T00:00:01Z", "1970-01-01T00:00:01", "1970-01-01", "1970-01-01T25:00:01Z"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }
}
