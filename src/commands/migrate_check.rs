//! `eureka-registry migrate-check`: what moving from a running Java server to this one will change.
//!
//! It reads a server into a survey, from which rules make findings; and with `--watch`, beside a cluster of both
//! kinds, it compares servers until it is stopped. Reading changes nothing at a server, and repeats nothing.

mod compare;
mod finding;
mod lasting;
mod outcome;
mod pages;
mod reading;
mod report;
mod rules;
mod server;
mod survey;
mod watch;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};

use super::argument;
use crate::config;
use crate::replication::ServiceUrl;
use crate::replication::options::Credentials;
use crate::time::Clock;
use finding::Severity;
pub use outcome::Outcome;
use server::{Caller, Files};
use watch::Pace;

/// What `migrate-check --help` prints.
pub const HELP: &str = "\
Reads a running Java server, and says what will be the same, what will differ, and what to do before you move. It changes nothing.

Usage: eureka-registry migrate-check --url=URL [--config=FILE] [OPTIONS]
       eureka-registry migrate-check --watch --url=URL --with=URL [OPTIONS]

Options:
  --url URL        a server to read, as in defaultZone, with user and password if it wants them; each further one is compared with it
  --config FILE    the Java server's configuration file; with --KEY=VALUE for what it is started with, such as the active profiles
  --watch          compares the servers until Ctrl-C, and reports each difference that lasts and its end
  --with URL       a server that takes the Java server's place; needs --watch
  --every 5s       the pause between two comparisons; also --for 10m (the end of the watch) and --grace 60s (what may last)
  --ca FILE        the PEM file with the authority that signed the servers' certificates; else those of the system are trusted
  --certificate FILE, --certificate-private-key FILE    PEM files with a certificate and its key, for servers that ask for one
  --timeout 10s    the maximum time of a call
  --format json    prints JSON: one object, or one a line with --watch
The user may also be in REGISTRY_DISCOVERY_USERNAME and REGISTRY_DISCOVERY_PASSWORD. Exit codes: 0 if there is nothing to do, 1 if there
is, 2 if a server cannot be read.
";

/// What is read, and how.
#[derive(Clone)]
pub struct Options {
    /// The servers; with `--watch` those of `--with` behind them. The others are compared with the first.
    pub urls: Vec<ServiceUrl>,
    /// The user of servers whose URL has none.
    credentials: Option<Credentials>,
    files: Files,
    /// The Java server's configuration file.
    config: Option<PathBuf>,
    /// Further keys that are read with it.
    keys: Vec<(String, String)>,
    /// Maximum time of a call.
    timeout: Duration,
    /// Whether to print JSON.
    as_json: bool,
    /// How to watch; `None` to check once.
    pace: Option<Pace>,
}

impl fmt::Debug for Options {
    /// Without further keys, which may be passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("urls", &self.urls).field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl Options {
    /// Reads the arguments, each as `--name=value` or `--name value`; and the user from `environment`, as `smoke-test` does. A key with
    /// a dot in it belongs to the configuration.
    ///
    /// # Errors
    /// If an argument is not understood, or a URL is missing.
    pub fn parse(
        arguments: impl IntoIterator<Item = String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let second = Duration::from_secs(1);
        let (mut urls, mut with, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let (mut files, mut certificate, mut key) = (Files::default(), None, None);
        let (mut config, mut timeout, mut as_json, mut is_watch) = (None, 10 * second, false, false);
        let mut pace = Pace { every: 5 * second, grace: 60 * second, length: None };
        let mut only_watch = None;
        let mut arguments: VecDeque<String> = arguments.into_iter().collect();
        while let Some(argument) = arguments.pop_front() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            if name == "--watch" && value.is_none() {
                is_watch = true;
                continue;
            }
            let known = [
                "--url",
                "--with",
                "--ca",
                "--certificate",
                "--certificate-private-key",
                "--config",
                "--timeout",
                "--format",
                "--every",
                "--grace",
                "--for",
            ];
            let is_key = name.strip_prefix("--").is_some_and(|key| key.contains('.')) && !name.contains("://");
            ensure!(
                is_key || known.contains(&&*name),
                "argument {}: expected --url=http://HOST:PORT/eureka/, --config=FILE, --watch, --with=URL, --every=TIME, \
                 --grace=TIME, --for=TIME, --ca=FILE, --certificate=FILE, --certificate-private-key=FILE, --timeout=TIME, --format=json or \
                 --KEY=VALUE of the configuration",
                argument::shown(&name)
            );
            let value = value.or_else(|| arguments.pop_front()).with_context(|| format!("{name} has no value"))?;
            if matches!(&*name, "--with" | "--every" | "--grace" | "--for") {
                only_watch.get_or_insert_with(|| name.clone());
            }
            let time = || config::duration(&value).map_err(|expected| anyhow!("{name}={value}: expected {expected}"));
            match &*name {
                "--url" => urls.push(service_url(&name, &value)?),
                "--with" => with.push(service_url(&name, &value)?),
                "--ca" => files.ca = Some(value),
                "--certificate" => certificate = Some(value),
                "--certificate-private-key" => key = Some(value),
                "--config" => config = Some(PathBuf::from(value)),
                "--timeout" => timeout = time()?,
                "--every" => pace.every = time()?,
                "--grace" => pace.grace = time()?,
                "--for" => pace.length = Some(time()?),
                "--format" => {
                    as_json = match &*value {
                        "json" => true,
                        "text" => false,
                        _ => bail!("--format={value}: expected json or text"),
                    }
                }
                _ => keys.push((name.trim_start_matches("--").to_owned(), value)),
            }
        }
        ensure!(!urls.is_empty(), "--url=http://HOST:PORT/eureka/ is missing");
        if let Some(name) = only_watch.filter(|_| !is_watch) {
            bail!("{name} needs --watch");
        }
        ensure!(config.is_some() || keys.is_empty(), "--KEY=VALUE needs --config=FILE");
        files.certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (_, _) => bail!("--certificate and --certificate-private-key belong together"),
        };
        urls.extend(with);
        ensure!(!is_watch || urls.len() > 1, "--watch needs two servers: --url=URL and --with=URL");
        let password = environment("REGISTRY_DISCOVERY_PASSWORD").unwrap_or_default();
        let credentials = environment("REGISTRY_DISCOVERY_USERNAME").map(|username| Credentials { username, password });
        Ok(Self { urls, credentials, files, config, keys, timeout, as_json, pace: is_watch.then_some(pace) })
    }
}

/// A service URL. What is wrong with it is not shown: it may have a password.
fn service_url(name: &str, text: &str) -> anyhow::Result<ServiceUrl> {
    ServiceUrl::parse(text).map_err(|expected| anyhow!("{name}: expected {expected}"))
}

/// Checks once, or watches until `stop` is ready; passes what it has to say to `say`, in whole lines.
///
/// # Errors
/// If the files of authorities cannot be read, or the first server cannot be read.
pub async fn run(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    stop: impl Future<Output = ()>,
    mut say: impl FnMut(String),
) -> anyhow::Result<Outcome> {
    let caller = Caller::new(&options.files, options.timeout, options.credentials.clone())?;
    let clock = Clock::system();
    if let Some(pace) = options.pace {
        let servers: Vec<_> = options.urls.iter().map(|url| caller.server(url)).collect();
        return Ok(watch::watch(&servers, pace, options.as_json, clock, stop, say).await);
    }
    let config = options.config.as_ref().map(|file| {
        config::examine(file, options.keys.iter().cloned(), environment, Path::new("."))
            .map_err(|error| error.to_string())
    });
    let reading = reading::survey(&caller, &options.urls, config, clock);
    let survey = tokio::select! {
        survey = reading => survey.map_err(|why| anyhow!("{}: {why}", options.urls[0]))?,
        () = stop => bail!("interrupted"),
    };
    let findings = rules::findings(&survey);
    let report = if options.as_json { report::json } else { report::text };
    say(report(&survey, &findings).trim_end().to_owned());
    let is_any = findings.iter().any(|finding| finding.severity == Severity::Act);
    Ok(if is_any { Outcome::Act } else { Outcome::Nothing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> anyhow::Result<Options> {
        Options::parse(arguments.iter().map(|argument| (*argument).to_owned()), |_| None)
    }

    #[test]
    fn options_are_read_in_both_forms() {
        let options = parse(&[
            "--url",
            "http://u:p@java:8761/eureka",
            "--config=application.yml",
            "--spring.profiles.active=peer1",
        ])
        .unwrap();
        assert_eq!(options.urls[0].to_string(), "http://java:8761/eureka/");
        assert_eq!(options.keys, [("spring.profiles.active".to_owned(), "peer1".to_owned())]);
        assert!(options.pace.is_none());
        let options =
            parse(&["--url=http://a:1/", "--watch", "--with=http://b:1/", "--for=10m", "--every", "500ms"]).unwrap();
        let pace = options.pace.unwrap();
        assert_eq!((pace.every, pace.length), (Duration::from_millis(500), Some(Duration::from_secs(600))));
        assert_eq!((pace.grace, options.urls.len()), (Duration::from_secs(60), 2));
    }

    #[test]
    fn wrong_options_are_named_and_no_password_is_shown() {
        for (arguments, said) in [
            (&[][..], "--url="),
            (&["--url"], "--url has no value"),
            (&["--url=u:secret@java"], "--url: expected a URL"),
            (&["--url=http://a:1/", "--port=1"], "argument --port"),
            (&["http://u:secret@a:1/"], "argument that is no option"),
            (&["--http://u:secret@a.example:1/"], "argument --http:"),
            (&["--uri=http://u:secret@a:1/"], "argument --uri:"),
            (&["--url=http://a:1/", "--certificate=a.crt"], "belong together"),
            (&["--url=http://a:1/", "--watch"], "--with"),
            (&["--url=http://a:1/", "--with=http://b:1/"], "--with needs --watch"),
            (&["--url=http://a:1/", "--for=1m"], "--for needs --watch"),
            (&["--url=http://a:1/", "--timeout=soon"], "--timeout=soon"),
            (&["--url=http://a:1/", "--format=xml"], "--format=xml"),
            (&["--url=http://a:1/", "--server.port=1"], "--config"),
        ] {
            let error = format!("{:#}", parse(arguments).unwrap_err());
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
        let shown = format!("{:?}", parse(&["--url=http://u:secret@a:1/"]).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
