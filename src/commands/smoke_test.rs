//! `eureka-registry smoke-test`: checks that a running registry works; `helm test` runs it.
//!
//! It registers an instance through the name of `--url=http://registry:8761/eureka/`, reads it from every replica behind the
//! name, and removes it; as a user and with a certificate, if the registry asks for them. The image has no shell and no curl, so
//! the binary does it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Identity, Method, StatusCode, Url};
use tokio::time::{sleep, timeout};

use super::{argument, client};

/// The time a change may take until every replica shows it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The settings of the test.
#[derive(Clone)]
pub struct Options {
    /// The service URL, as in `defaultZone`.
    pub url: Url,
    /// User and password, if the registry asks for them and the URL does not have them.
    pub credentials: Option<(String, String)>,
    /// A PEM file with the authority that signed the registry's certificate: with https the only one that is trusted.
    pub ca: Option<String>,
    /// PEM files with a certificate and its key, if the registry asks for one.
    pub certificate: Option<(String, String)>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("url", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Options {
    /// Reads `--url=`, `--ca=`, `--certificate=` and `--certificate-private-key=`; and the user from `environment`, where no
    /// list of processes shows its password, under the names by which a replica has it.
    ///
    /// # Errors
    /// If an argument is another one, there is no URL with a host, or a certificate without a key.
    pub fn parse(
        arguments: impl IntoIterator<Item = String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let (mut url, mut ca, mut certificate, mut key) = (None, None, None, None);
        for argument in arguments {
            match argument.split_once('=') {
                Some(("--url", text)) => url = Some(Url::parse(text).context("--url")?),
                Some(("--ca", path)) => ca = Some(path.to_owned()),
                Some(("--certificate", path)) => certificate = Some(path.to_owned()),
                Some(("--certificate-private-key", path)) => key = Some(path.to_owned()),
                _ => bail!(
                    "argument {}: expected --url=http://HOST:PORT/eureka/, --ca=FILE, \
                     --certificate=FILE or --certificate-private-key=FILE",
                    argument::shown(&argument)
                ),
            }
        }
        let mut url = url.context("--url=http://HOST:PORT/eureka/ is missing")?;
        ensure!(url.has_host(), "--url has no host");
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (_, _) => bail!("--certificate and --certificate-private-key belong together"),
        };
        let password = environment("REGISTRY_DISCOVERY_PASSWORD").unwrap_or_default();
        let credentials = environment("REGISTRY_DISCOVERY_USERNAME").map(|user| (user, password));
        Ok(Self { url, credentials, ca, certificate })
    }

    /// The headers with the credentials.
    fn headers(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        if let Some((user, password)) = &self.credentials {
            let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
            let mut value = HeaderValue::try_from(format!("Basic {encoded}"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    /// The certificate that is shown, with its key.
    fn identity(&self) -> anyhow::Result<Option<Identity>> {
        let Some((certificate, key)) = &self.certificate else { return Ok(None) };
        client::identity(certificate, key).map(Some)
    }
}

/// One replica: its address, and a client that always connects to it.
struct Replica {
    address: SocketAddr,
    client: Client,
}

/// Registers, reads from every replica, and removes; passes a line about each step to `say`.
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

/// The replicas behind the name.
async fn replicas(options: &Options) -> anyhow::Result<Vec<Replica>> {
    let (identity, headers) = (options.identity()?, options.headers()?);
    let addresses = client::addresses(&options.url).await?;
    let to = |address| {
        let builder = client::to(&options.url, address, options.ca.as_deref())?;
        let builder = builder.timeout(PATIENCE).default_headers(headers.clone());
        let builder = match &identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        };
        Ok(Replica { address, client: builder.build()? })
    };
    addresses.into_iter().map(to).collect()
}

/// Polls the instance until the replica answers with `expected`.
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
        Options::parse(arguments.iter().map(|argument| (*argument).to_owned()), |_| None)
    }

    #[test]
    fn the_url_ends_with_a_slash_whether_given_or_not() {
        for url in ["--url=http://registry:8761/eureka", "--url=http://registry:8761/eureka/"] {
            assert_eq!(parse(&[url]).unwrap().url.as_str(), "http://registry:8761/eureka/");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_reported() {
        assert!(parse(&[]).unwrap_err().to_string().contains("--url="));
        let error = format!("{:#}", parse(&["--url=u:secret@registry"]).unwrap_err());
        assert!(error.starts_with("--url") && !error.contains("secret"), "{error}");
        assert!(parse(&["--port=1"]).unwrap_err().to_string().contains("argument --port:"));
        let lone = ["--url=https://registry:8761", "--certificate=tls.crt"];
        assert!(parse(&lone).unwrap_err().to_string().contains("--certificate-private-key"));
    }

    #[test]
    fn the_user_is_of_the_environment_with_any_password() {
        let environment = |name: &str| match name {
            "REGISTRY_DISCOVERY_USERNAME" => Some("eureka".to_owned()),
            "REGISTRY_DISCOVERY_PASSWORD" => Some("a/b@c:%d".to_owned()),
            _ => None,
        };
        let options = Options::parse(["--url=http://registry:8761/eureka/".to_owned()], environment).unwrap();
        let encoded = BASE64_STANDARD.encode("eureka:a/b@c:%d");
        assert_eq!(options.headers().unwrap()[AUTHORIZATION], format!("Basic {encoded}"));
        assert!(parse(&["--url=http://registry:8761"]).unwrap().headers().unwrap().is_empty());
    }
}
