//! Kubernetes.

use super::key::{Group, Key};
use crate::config::values::{api_server, boolean, directory, namespaces, of_pods, put};

/// Kubernetes.
pub(super) const GROUP: Group = Group {
    title: "Kubernetes",
    keys: &[
        Key {
            name: "registry.kubernetes.pods",
            default: "false",
            meaning: "Watch pods, and evict an instance as soon as the pod has ended whose address it has, whatever its lease. The service account has to be allowed to get, list and watch pods.",
            set: |draft, value| put(&mut draft.settings.kubernetes.pods, boolean(value)),
        },
        Key {
            name: "registry.kubernetes.namespaces",
            default: "",
            meaning: "Namespaces whose pods are watched, comma separated, at most 32. Default: the one in which this replica runs.",
            set: |draft, value| put(&mut draft.settings.kubernetes.namespaces, namespaces(value)),
        },
        Key {
            name: "registry.kubernetes.terminating",
            default: "show",
            meaning: "What becomes of an instance while its pod is terminating: `show` shows it, `out-of-service` also sets its status, unless somebody else has set it.",
            set: |draft, value| put(&mut draft.settings.kubernetes.terminating, of_pods(value)),
        },
        Key {
            name: "registry.kubernetes.not-ready",
            default: "show",
            meaning: "The same while its pod is not ready. With `out-of-service`, the status is taken back when the pod is ready.",
            set: |draft, value| put(&mut draft.settings.kubernetes.not_ready, of_pods(value)),
        },
        Key {
            name: "registry.kubernetes.zones",
            default: "false",
            meaning: "Give an instance that names no zone (`metadata-map.zone`) the zone of its pod's node, from the label `topology.kubernetes.io/zone`. The service account has to be allowed to get nodes.",
            set: |draft, value| put(&mut draft.settings.kubernetes.zones, boolean(value)),
        },
        Key {
            name: "registry.kubernetes.api-server",
            default: "",
            meaning: "URL of the API server. Default: the one that Kubernetes names to every pod.",
            set: |draft, value| put(&mut draft.settings.kubernetes.api_server, api_server(value).map(Some)),
        },
        Key {
            name: "registry.kubernetes.service-account",
            default: "/var/run/secrets/kubernetes.io/serviceaccount",
            meaning: "Directory with the service account's `token`, `ca.crt` and `namespace`.",
            set: |draft, value| put(&mut draft.settings.kubernetes.service_account, directory(value)),
        },
    ],
};
