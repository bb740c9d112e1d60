//! The settings of the watch of pods.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use tracing::warn;

/// Settings of the watch of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether pods are watched.
    pub pods: bool,
    /// The namespaces whose pods are watched; none for that of the service account.
    pub namespaces: Vec<String>,
    /// What becomes of an instance while its pod is terminating.
    pub terminating: Policy,
    /// What becomes of an instance while its pod is not ready.
    pub not_ready: Policy,
    /// Whether an instance that names no zone is given that of its pod's node.
    pub zones: bool,
    /// The URL of the API server, without a slash at its end; `None` for that of this pod's cluster.
    pub api_server: Option<String>,
    /// The directory with `token`, `ca.crt` and `namespace` of the service account.
    pub service_account: PathBuf,
}

/// What becomes of an instance whose pod lives, but not well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing: the pod's state is only shown.
    #[default]
    Show,
    /// It is `OUT_OF_SERVICE`, unless somebody has set its status already.
    OutOfService,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pods: false,
            namespaces: Vec::new(),
            terminating: Policy::Show,
            not_ready: Policy::Show,
            zones: false,
            api_server: None,
            service_account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
        }
    }
}

impl Options {
    /// Takes the API server that Kubernetes names to every pod by two variables, unless one is set. `variable` reads the environment.
    pub fn find_api_server(&mut self, variable: impl Fn(&str) -> Option<String>) {
        let named = || {
            let host = variable("KUBERNETES_SERVICE_HOST").filter(|host| !host.is_empty())?;
            let port = variable("KUBERNETES_SERVICE_PORT").filter(|port| !port.is_empty());
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            Some(format!("https://{host}:{}", port.as_deref().unwrap_or("443")))
        };
        if self.api_server.is_none() {
            self.api_server = named();
        }
    }

    /// The names of the settings that are set, and need pods to be watched.
    fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        let set = [
            ("terminating", self.terminating != Policy::Show),
            ("not-ready", self.not_ready != Policy::Show),
            ("zones", self.zones),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set && !self.pods).map(|(name, _)| name)
    }

    /// Takes the namespace of the service account where none is set, and looks whether the rest is there.
    ///
    /// # Errors
    /// If pods are to be watched, and it is not known where the API server is, or which namespace is meant.
    pub fn complete(&mut self) -> anyhow::Result<()> {
        if !self.pods {
            for name in self.without_effect() {
                warn!("registry.kubernetes.{name} has no effect without registry.kubernetes.pods=true");
            }
            return Ok(());
        }
        anyhow::ensure!(
            self.api_server.is_some(),
            "registry.kubernetes.pods=true, and this is no pod of a Kubernetes: KUBERNETES_SERVICE_HOST is not set; \
             leave registry.kubernetes.pods out, or set registry.kubernetes.api-server"
        );
        if self.namespaces.is_empty() {
            let path = self.service_account.join("namespace");
            let own = fs::read_to_string(&path).with_context(|| {
                format!(
                    "registry.kubernetes.pods=true: cannot read {}; mount the service account's token into this pod \
                     (chart: kubernetesAware.enabled), or set registry.kubernetes.namespaces",
                    path.display()
                )
            })?;
            self.namespaces.push(own.trim().to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_effect_because_no_pods_are_watched_is_named() {
        let mut options = Options { zones: true, not_ready: Policy::OutOfService, ..Options::default() };
        assert_eq!(options.without_effect().collect::<Vec<_>>(), ["not-ready", "zones"]);
        assert!(options.complete().is_ok());
        options.pods = true;
        assert_eq!((options.without_effect().count(), Options::default().without_effect().count()), (0, 0));
    }

    #[test]
    fn the_api_server_is_the_one_that_kubernetes_names() {
        let found = |set: Option<&str>, host: &str| {
            let mut options = Options { api_server: set.map(str::to_owned), ..Options::default() };
            options.find_api_server(|name| match name {
                "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
                "KUBERNETES_SERVICE_PORT" => Some("6443".to_owned()),
                _ => None,
            });
            options.api_server.unwrap_or_default()
        };
        assert_eq!(found(None, "10.96.0.1"), "https://10.96.0.1:6443");
        assert_eq!(found(None, "fd00::1"), "https://[fd00::1]:6443");
        assert_eq!(found(None, ""), "");
        assert_eq!(found(Some("http://127.0.0.1:1"), "10.96.0.1"), "http://127.0.0.1:1");
    }
}
