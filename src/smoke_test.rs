//! `eureka-registry smoke-test`: asks a running registry whether it does its work, as `helm test` does.
//!
//! It registers an instance through the name of `--url=http://registry:8761/eureka/`, reads it from every replica behind
//! the name, and removes it. The image has no shell and no curl, so the binary does it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hickory_resolver::TokioResolver;
use reqwest::{Certificate, Client, Method, StatusCode, Url};
use tokio::time::{sleep, timeout};

/// The time a change may take until every replica shows it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The service URL, as in `defaultZone`, with user information where there is authentication.
    pub url: Url,
    /// A PEM file with the authority that signed the registry's certificate: with https the only one that is trusted.
    pub ca: Option<String>,
}

impl Options {
    /// Reads `--url=` and `--ca=`.
    ///
    /// # Errors
    /// If an argument is another one, or there is no URL with a host.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let (mut url, mut ca) = (None, None);
        for argument in arguments {
            if let Some(text) = argument.strip_prefix("--url=") {
                url = Some(Url::parse(text).with_context(|| format!("--url={text}"))?);
            } else if let Some(path) = argument.strip_prefix("--ca=") {
                ca = Some(path.to_owned());
            } else {
                bail!("argument {argument}: expected --url=http://HOST:PORT/eureka/ or --ca=FILE");
            }
        }
        let mut url = url.context("--url=http://HOST:PORT/eureka/ is missing")?;
        ensure!(url.has_host(), "--url={url} has no host");
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self { url, ca })
    }
}

/// One replica: its address, and a client that goes there whatever the name says.
struct Replica {
    address: SocketAddr,
    client: Client,
}

/// Registers, reads from every replica, removes; tells each step to `say`.
///
/// # Errors
/// If the name has no address, a replica does not answer as it must, or a change takes more than ten seconds.
pub async fn run(options: &Options, instance: &str, say: impl Fn(String)) -> anyhow::Result<()> {
    let replicas = replicas(options).await?;
    let first = &replicas[0];
    let application = options.url.join("apps/SMOKE-TEST")?;
    let location = options.url.join(&format!("apps/SMOKE-TEST/{instance}"))?;

    let registered = first
        .client
        .post(application)
        .header("content-type", "application/json")
        .body(registration(instance))
        .send()
        .await
        .with_context(|| format!("register at {}", first.address))?;
    ensure!(registered.status() == StatusCode::NO_CONTENT, "register at {}: {}", first.address, registered.status());
    say(format!("registered {instance} at {}", first.address));

    for replica in &replicas {
        wait_for(replica, &location, StatusCode::OK).await?;
        say(format!("read from {}", replica.address));
    }
    let removed = first.client.delete(location.clone()).send().await?;
    ensure!(removed.status() == StatusCode::OK, "remove at {}: {}", first.address, removed.status());
    for replica in &replicas {
        wait_for(replica, &location, StatusCode::NOT_FOUND).await?;
        say(format!("gone from {}", replica.address));
    }
    Ok(())
}

/// The replicas behind the name. Names are looked up here because a static binary has no system resolver.
async fn replicas(options: &Options) -> anyhow::Result<Vec<Replica>> {
    let host = options.url.host_str().context("a URL without a host")?;
    let port = options.url.port_or_known_default().context("a URL without a port")?;
    let addresses = match host.trim_matches(['[', ']']).parse() {
        Ok(address) => vec![address],
        Err(_not_an_address) => {
            let resolver = TokioResolver::builder_tokio()?.build()?;
            resolver.lookup_ip(host).await.with_context(|| format!("look up {host}"))?.iter().collect()
        }
    };
    ensure!(!addresses.is_empty(), "{host} has no address");
    // An error says that one is installed already: then that one serves.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let certificates = match &options.ca {
        Some(path) => Certificate::from_pem_bundle(&std::fs::read(path).with_context(|| path.clone())?)?,
        None => Vec::new(),
    };
    addresses
        .into_iter()
        .map(|address| {
            let address = SocketAddr::new(address, port);
            let client = Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .resolve(host, address)
                .tls_certs_only(certificates.clone())
                .build()?;
            Ok(Replica { address, client })
        })
        .collect()
}

/// Polls until the replica answers for the instance with `expected`.
async fn wait_for(replica: &Replica, location: &Url, expected: StatusCode) -> anyhow::Result<()> {
    let answered = timeout(PATIENCE, async {
        loop {
            let answer = replica.client.request(Method::GET, location.clone()).send().await?;
            if answer.status() == expected {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
    });
    match answered.await {
        Ok(result) => result.map_err(|error: reqwest::Error| error.into()),
        Err(_elapsed) => bail!("{} does not answer {expected} for the instance", replica.address),
    }
}

/// An instance as a client would register it.
fn registration(instance: &str) -> String {
    serde_json::json!({"instance": {
        "instanceId": instance,
        "hostName": "smoke-test",
        "app": "SMOKE-TEST",
        "ipAddr": "127.0.0.1",
        "status": "UP",
        "vipAddress": "smoke-test",
        "port": {"$": 8080, "@enabled": "true"},
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
    }})
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> anyhow::Result<Options> {
        Options::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn the_url_ends_with_a_slash_whether_given_or_not() {
        for url in ["--url=http://registry:8761/eureka", "--url=http://registry:8761/eureka/"] {
            assert_eq!(parse(&[url]).unwrap().url.as_str(), "http://registry:8761/eureka/");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert!(parse(&[]).unwrap_err().to_string().contains("--url="));
        assert!(parse(&["--url=registry"]).unwrap_err().to_string().contains("--url=registry"));
        assert!(parse(&["--port=1"]).unwrap_err().to_string().contains("--port=1"));
    }
}
