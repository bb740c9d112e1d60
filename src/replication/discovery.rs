//! [`Discovery`]: the names under a headless Service.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use thiserror::Error;

/// After this many ordinals in a row that do not exist, no further ones are asked for.
const ORDINALS_MISSING: u16 = 3;
/// Replicas that are looked for.
const MOST_ENDPOINTS: u16 = 100;
/// Domains of the search list in which a name is looked for.
const MOST_DOMAINS: usize = 8;
/// How long a look may take.
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// What stands in the place of an ordinal in a name that no replica has. Where it resolves the domain has an answer for every
/// name, and ordinals prove nothing.
const NOBODY: &str = "no-replica";

/// What was asked for does not exist, or could not be found out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// There is no such name: an answer.
    #[error("there is no such name")]
    NoSuchName,
    /// There is such a name, and nothing of the kind that was asked for: an answer.
    #[error("the name has no records")]
    NoRecords,
    /// Nobody answered: not an answer.
    #[error("the name servers did not answer: {0}")]
    NoAnswer(String),
}

impl From<NetError> for LookupError {
    fn from(error: NetError) -> Self {
        if error.is_nx_domain() {
            Self::NoSuchName
        } else if error.is_no_records_found() {
            Self::NoRecords
        } else {
            Self::NoAnswer(error.to_string())
        }
    }
}

/// Who is behind a Service: at least one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The Service's name in full, as it resolved.
    pub service: String,
    /// The replicas: by their names, or by their addresses where these are all that name servers say.
    pub endpoints: BTreeSet<Endpoint>,
}

/// One name and port under the Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host's name, or its address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Endpoints being looked up.
pub type LookingUp<'a> = Pin<Box<dyn Future<Output = Result<Found, LookupError>> + Send + 'a>>;

/// Who is behind a headless Service.
pub trait PeerDiscovery: Send + Sync + std::fmt::Debug {
    /// The replicas behind the Service; `port` is for those whose port nobody says.
    fn endpoints<'a>(&'a self, service: &'a str, port: u16) -> LookingUp<'a>;
}

impl PeerDiscovery for Discovery {
    fn endpoints<'a>(&'a self, service: &'a str, port: u16) -> LookingUp<'a> {
        Box::pin(self.look_up(service, port))
    }
}

/// Looks names up, keeping nothing: the answers' own caches (CoreDNS's, say) are enough, and a resolver that remembered that
/// a name did not exist would not see a pod start.
#[derive(Debug)]
pub struct Discovery {
    resolver: TokioResolver,
    /// The domains in which a name is looked for.
    search: Vec<String>,
    /// The first label of this replica's own name: `registry-0`.
    own_pod: Option<String>,
}

impl Discovery {
    /// A look-up by these name servers, or by the system's with its search list, for the replica that peers call by `own_host`.
    ///
    /// # Errors
    /// If the system's configuration cannot be read.
    pub fn new(nameservers: &[SocketAddr], own_host: Option<&str>) -> anyhow::Result<Self> {
        let own_pod = own_host.and_then(|host| host.split('.').next()).map(str::to_ascii_lowercase);
        let mut search = Vec::new();
        let mut builder = if nameservers.is_empty() {
            let (config, options) = read_system_conf().context("cannot read the system's resolver configuration")?;
            search = config.search().iter().map(|domain| domain.to_utf8().trim_end_matches('.').to_owned()).collect();
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options)
        } else {
            let servers = nameservers.iter().map(|address| {
                let mut connection = ConnectionConfig::udp();
                connection.port = address.port();
                NameServerConfig::new(address.ip(), true, vec![connection])
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = Duration::from_secs(1);
        options.attempts = 2;
        Ok(Self { resolver: builder.build().context("cannot make a resolver")?, search, own_pod })
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// If there is no such name, or nobody says.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Ok(vec![address]);
        }
        let mut first = None;
        for name in self.candidates(host) {
            match self.addresses_of(&name).await {
                Ok(found) => return Ok(found),
                Err(error) => _ = first.get_or_insert(error),
            }
        }
        Err(first.unwrap_or(LookupError::NoSuchName))
    }

    async fn addresses_of(&self, whole_name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let found: Vec<IpAddr> = self.resolver.lookup_ip(whole_name).await?.iter().collect();
        if found.is_empty() { Err(LookupError::NoRecords) } else { Ok(found) }
    }

    /// The whole names that a name may stand for: those of the search list, and, where it has a dot, itself. A name without
    /// one is never asked for by itself: it is no top-level domain, and a name server without a way out fails such a
    /// question where "no replica yet" is meant. For the same reason it is the first candidate's failure that counts.
    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut candidates: Vec<String> =
            self.search.iter().take(MOST_DOMAINS).map(|domain| format!("{name}.{domain}.")).collect();
        if name.contains('.') || candidates.is_empty() {
            candidates.push(format!("{name}."));
        }
        candidates
    }

    /// The replicas behind a headless Service. One SRV query names them all, with their ports. Where it names none, the
    /// ordinals of a StatefulSet of the Service's name are tried, and then the addresses of the Service itself; `port` is for
    /// those.
    ///
    /// # Errors
    /// If nobody answers in time, or nobody is there. The first domain of the search list decides which: in it the Service is
    /// expected.
    async fn look_up(&self, service: &str, port: u16) -> Result<Found, LookupError> {
        let looking = async {
            let mut first = None;
            for name in self.candidates(service) {
                match self.endpoints_of(&name, port).await {
                    Ok(endpoints) => return Ok(Found { service: name.trim_end_matches('.').to_owned(), endpoints }),
                    // A name server without a way out fails what is not its own: that says something only of the first name.
                    Err(error @ LookupError::NoAnswer(_)) => return Err(first.unwrap_or(error)),
                    Err(error) => _ = first.get_or_insert(error),
                }
            }
            Err(first.unwrap_or(LookupError::NoSuchName))
        };
        let late = |_| LookupError::NoAnswer(format!("the look took longer than {} s", LONGEST_LOOK.as_secs()));
        tokio::time::timeout(LONGEST_LOOK, looking).await.map_err(late)?
    }

    /// Who is behind a Service of this whole name.
    async fn endpoints_of(&self, service: &str, port: u16) -> Result<BTreeSet<Endpoint>, LookupError> {
        let records = match self.service_records(service).await {
            Ok(found) => return Ok(found),
            Err(error @ LookupError::NoAnswer(_)) => return Err(error),
            Err(error) => error,
        };
        let base = service.split('.').next().unwrap_or(service);
        let of_nobody = self.some_addresses(&format!("{base}-{NOBODY}.{service}")).await?;
        if of_nobody.is_empty() {
            let ordinals = self.ordinals(service, port).await?;
            if !ordinals.is_empty() {
                return Ok(ordinals);
            }
        }
        let addresses = self.some_addresses(service).await?;
        let endpoint = |address: &IpAddr| Endpoint { host: address.to_string(), port };
        let found = addresses.difference(&of_nobody).take(MOST_ENDPOINTS.into());
        let found: BTreeSet<Endpoint> = found.map(endpoint).collect();
        if found.is_empty() { Err(records) } else { Ok(found) }
    }

    /// The addresses of a whole name; none if there are none.
    async fn some_addresses(&self, name: &str) -> Result<BTreeSet<IpAddr>, LookupError> {
        match self.addresses_of(name).await {
            Ok(found) => Ok(found.into_iter().collect()),
            Err(LookupError::NoSuchName | LookupError::NoRecords) => Ok(BTreeSet::new()),
            Err(error @ LookupError::NoAnswer(_)) => Err(error),
        }
    }

    /// The replicas of a StatefulSet, counted from 0. This replica does not ask for its own name: while it is not ready there is
    /// none, a name server would remember that for seconds, and who starts next asks for it.
    async fn ordinals(&self, service: &str, port: u16) -> Result<BTreeSet<Endpoint>, LookupError> {
        let base = service.split('.').next().unwrap_or(service);
        let mut found = BTreeSet::new();
        let mut missing = 0;
        for ordinal in 0..MOST_ENDPOINTS {
            let pod = format!("{base}-{ordinal}");
            if self.own_pod.as_ref() == Some(&pod) {
                continue;
            }
            let host = format!("{pod}.{service}");
            if self.some_addresses(&host).await?.is_empty() {
                missing += 1;
            } else {
                found.insert(Endpoint { host: host.trim_end_matches('.').to_owned(), port });
                missing = 0;
            }
            if missing == ORDINALS_MISSING {
                break;
            }
        }
        Ok(found)
    }

    async fn service_records(&self, service: &str) -> Result<BTreeSet<Endpoint>, LookupError> {
        let lookup = self.resolver.lookup(service, RecordType::SRV).await?;
        let records = lookup.answers().iter().filter_map(|record| {
            let RData::SRV(srv) = &record.data else { return None };
            let host = srv.target.to_utf8().trim_end_matches('.').to_ascii_lowercase();
            Some(Endpoint { host, port: srv.port })
        });
        // Several ports of as many replicas as there may be: who is believed, and which port counts, the membership decides.
        let records: BTreeSet<Endpoint> = records.take(usize::from(MOST_ENDPOINTS) * 10).collect();
        if records.is_empty() { Err(LookupError::NoRecords) } else { Ok(records) }
    }
}
