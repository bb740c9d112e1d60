//! [`Domains`]: the names of the headless Service.

/// The names of the Service: as configured, in this replica's own host name, and in full as it resolved.
#[derive(Debug, Default)]
pub(super) struct Domains {
    configured: Option<String>,
    own: Option<String>,
    resolved: Option<String>,
}

impl Domains {
    pub(super) fn new(own_host: Option<&str>, service: Option<&str>) -> Self {
        let configured = service.map(plain);
        let first = |name: &str| name.split('.').next().map(str::to_owned);
        let own = own_host.map(plain).and_then(|host| Some(host.split_once('.')?.1.to_owned()));
        let own = own.filter(|own| configured.as_deref().is_some_and(|service| first(service) == first(own)));
        Self { configured, own, resolved: None }
    }

    pub(super) fn resolved_as(&mut self, service: &str) {
        self.resolved = Some(plain(service));
    }

    pub(super) fn resolved(&self) -> Option<&str> {
        self.resolved.as_deref()
    }

    /// The first label of a name that stands directly under the Service, by any of its names or a shorter form of one.
    pub(super) fn pod<'a>(&self, host: &'a str) -> Option<&'a str> {
        let (pod, domain) = host.split_once('.')?;
        let is_it = |service: &String| {
            service == domain || service.strip_prefix(domain).is_some_and(|rest| rest.starts_with('.'))
        };
        let known = [&self.configured, &self.own, &self.resolved];
        (!pod.is_empty() && known.into_iter().flatten().any(is_it)).then_some(pod)
    }
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
