//! `eureka-registry health`: whether the registry at a URL says that it is well. The image has no shell and no curl, so this is what
//! Docker and Compose call. It reads no configuration and no environment.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};

use super::client;

/// The readiness probe of a registry on the default port.
const DEFAULT_URL: &str = "http://127.0.0.1:8761/actuator/health/readiness";
/// Maximum time for the whole call.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum length of the response that is shown, in bytes.
const SHOWN: usize = 400;

/// What `health` asks.
#[derive(Clone, Debug)]
pub struct Options {
    /// The probe.
    pub url: Url,
    /// A PEM file with the authority that signed the registry's certificate: with https the only one that is trusted.
    pub ca: Option<String>,
}

impl Options {
    /// Reads `--url URL` and `--ca FILE`, each also as one argument with `=`.
    ///
    /// # Errors
    /// If an argument is another one or has no value, or the URL does not begin with `http://` or `https://`.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let (mut url, mut ca) = (DEFAULT_URL.to_owned(), None);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, value) =
                argument.split_once('=').map_or((&*argument, None), |(name, value)| (name, Some(value)));
            let value = value.map(str::to_owned);
            let value = || value.or_else(|| arguments.next()).with_context(|| format!("{name} has no value"));
            match name {
                "--url" => url = value()?,
                "--ca" => ca = Some(value()?),
                _ => bail!("argument {argument}: expected --url URL or --ca FILE"),
            }
        }
        let parsed = Url::parse(&url).with_context(|| format!("--url {url}"))?;
        ensure!(matches!(parsed.scheme(), "http" | "https"), "--url {url}: expected http:// or https://");
        Ok(Self { url: parsed, ca })
    }
}

/// Asks once, and returns what the registry says about itself. Only the first address of a name is asked.
///
/// # Errors
/// If it does not answer within five seconds, or answers with another status than 200.
pub async fn run(options: &Options) -> anyhow::Result<String> {
    let answered = tokio::time::timeout(TIMEOUT, ask(options)).await;
    let (status, text) = answered.with_context(|| format!("no answer within {} s", TIMEOUT.as_secs()))??;
    ensure!(status == StatusCode::OK, "{status}: {text}");
    Ok(text)
}

async fn ask(options: &Options) -> anyhow::Result<(StatusCode, String)> {
    let address = client::addresses(&options.url).await?[0];
    let client = client::to(&options.url, address, options.ca.as_deref())?.redirect(Policy::none()).build()?;
    let mut response = client.get(options.url.clone()).send().await?;
    let mut begin = Vec::new();
    while begin.len() < SHOWN
        && let Some(chunk) = response.chunk().await?
    {
        begin.extend_from_slice(&chunk[..chunk.len().min(SHOWN - begin.len())]);
    }
    // It is shown in terminals and in `docker inspect`.
    let text = String::from_utf8_lossy(&begin).replace(char::is_control, " ");
    Ok((response.status(), text))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn parse(arguments: &[&str]) -> anyhow::Result<Options> {
        Options::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    /// Asks a server that answers with `response`.
    async fn asked(response: &'static str) -> anyhow::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/probe", listener.local_addr().unwrap());
        let serve = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _head = connection.read(&mut [0; 1000]).await.unwrap();
            connection.write_all(response.as_bytes()).await.unwrap();
        };
        let options = parse(&["--url", &url]).unwrap();
        tokio::join!(run(&options), serve).0
    }

    #[tokio::test]
    async fn only_200_is_well() {
        let well = asked("HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"status\":\"UP\"}").await;
        assert_eq!(well.unwrap(), r#"{"status":"UP"}"#);
        let ill =
            asked("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\nconnection: close\r\n\r\na\x1b[1m").await;
        assert_eq!(ill.unwrap_err().to_string(), "503 Service Unavailable: a [1m");
        let elsewhere =
            asked("HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        assert!(elsewhere.unwrap_err().to_string().starts_with("302"));
    }

    #[tokio::test]
    async fn nobody_there_is_not_well() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(run(&parse(&["--url", &url]).unwrap()).await.is_err());
    }

    #[test]
    fn options_are_read_in_both_forms() {
        assert_eq!(parse(&[]).unwrap().url.as_str(), DEFAULT_URL);
        assert_eq!(parse(&["--url", "http://a:1/b"]).unwrap().url.as_str(), "http://a:1/b");
        let options = parse(&["--ca=ca.pem", "--url=https://a/b?c=d"]).unwrap();
        assert_eq!((options.url.as_str(), options.ca.as_deref()), ("https://a/b?c=d", Some("ca.pem")));
    }

    #[test]
    fn wrong_options_are_named() {
        for (arguments, said) in [
            (&["--url"][..], "--url has no value"),
            (&["--port=1"], "--port=1"),
            (&["--url=localhost:8761"], "--url localhost:8761"),
            (&["--url=ftp://a/"], "expected http://"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }
}
