//! Settings: where they come from, and what they are called.
//!
//! The interface is Spring's property names, so that what an operator has applies as it is. Sources, later wins:
//! defaults, the environment, the command line. A library layers them and remembers who said what; what is ours is one
//! function that makes two spellings of a name equal ([`canonical`]) and one table of what there is ([`keys::KEYS`]), of
//! which `--help`, the README and the errors are made.

mod keys;

use std::collections::BTreeMap;
use std::ffi::OsString;

use figment::Figment;
use figment::providers::Serialized;
use thiserror::Error;

use crate::server::Settings;
use keys::{KEYS, Key};

/// Why the settings cannot be read. The process ends with code 64 and has started nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A value that is none of its key's.
    #[error("{key}={value} ({origin}): expected {expected}")]
    Invalid {
        /// The key, by its Spring name.
        key: &'static str,
        /// The value, as it was found.
        value: String,
        /// Where it was found.
        origin: String,
        /// What would have been understood.
        expected: &'static str,
    },
    /// An argument that is no `--key=value`.
    #[error("argument {0}: expected --key=value, --help or --version")]
    Argument(String),
}

/// Something to say of the settings that keeps nothing from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The key as it was written.
    pub key: String,
    /// Where it was found.
    pub origin: String,
    /// The known key that is spelt most like it.
    pub nearest: Option<&'static str>,
}

/// What the process is asked to do.
#[derive(Debug)]
pub enum Command {
    /// To serve, with these settings.
    Serve(Box<Loaded>),
    /// To say how it is used: the text.
    Help(String),
    /// To say what it is.
    Version,
}

/// Settings that were read, and what is to be said of them.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Keys of ours, by their beginning, that are not known.
    pub notices: Vec<Notice>,
}

/// Reads the settings of the command line's arguments, without the program's name, and the environment.
///
/// # Errors
/// If a value or an argument is not understood.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Command, ConfigError> {
    let mut from_arguments = Layer::new("the command line");
    for argument in arguments {
        let argument = argument.to_string_lossy().into_owned();
        match argument.strip_prefix("--").map(|option| option.split_once('=').unwrap_or((option, "true"))) {
            Some(("help", _)) => return Ok(Command::Help(help())),
            Some(("version", _)) => return Ok(Command::Version),
            Some((name, value)) if !name.is_empty() => from_arguments.set(name, value),
            _ => return Err(ConfigError::Argument(argument)),
        }
    }
    let mut from_environment = Layer::new("the environment");
    for (name, value) in environment {
        from_environment.set_variable(&name.to_string_lossy(), &value.to_string_lossy());
    }
    let notices = from_environment.notices.iter().chain(&from_arguments.notices).cloned().collect();
    let figment = Figment::new().merge(from_environment.provider()).merge(from_arguments.provider());
    let mut settings = Settings::default();
    for key in KEYS {
        let slot = canonical(key.name);
        let Ok(value) = figment.extract_inner::<String>(&slot) else { continue };
        let origin = figment.find_metadata(&slot).map_or_else(String::new, |metadata| metadata.name.to_string());
        (key.set)(&mut settings, value.trim()).map_err(|expected| ConfigError::Invalid {
            key: key.name,
            value: value.clone(),
            origin,
            expected,
        })?;
    }
    Ok(Command::Serve(Box::new(Loaded { settings, notices })))
}

/// The one form of all spellings of a name: lower case, without what separates words or parts of it. So
/// `eureka.server.enable-self-preservation`, `eureka.server.enableSelfPreservation`,
/// `EUREKA_SERVER_ENABLESELFPRESERVATION` and `EUREKA_SERVER_ENABLE_SELF_PRESERVATION` are one (Spring's relaxed
/// binding).
fn canonical(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '.' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// What one source says.
struct Layer {
    origin: &'static str,
    values: BTreeMap<String, String>,
    notices: Vec<Notice>,
}

impl Layer {
    fn new(origin: &'static str) -> Self {
        Self { origin, values: BTreeMap::new(), notices: Vec::new() }
    }

    fn set(&mut self, name: &str, value: &str) {
        let slot = canonical(name);
        if !KEYS.iter().any(|key| canonical(key.name) == slot) {
            let nearest = nearest(&slot);
            self.notices.push(Notice { key: name.to_owned(), origin: self.origin.to_owned(), nearest });
        }
        self.values.insert(slot, value.to_owned());
    }

    /// A variable of the environment: most are somebody else's.
    fn set_variable(&mut self, name: &str, value: &str) {
        let slot = canonical(name);
        let known = KEYS.iter().any(|key| canonical(key.name) == slot);
        // Kubernetes tells of a Service by variables that begin with its name, and ours is called `registry`.
        let of_a_service = ["SERVICE_HOST", "SERVICE_PORT", "_PORT"].iter().any(|part| name.contains(part));
        let ours = name.starts_with("EUREKA_") || name.starts_with("REGISTRY_");
        if known || (ours && !of_a_service) {
            self.set(name, value);
        }
    }

    fn provider(&self) -> impl figment::Provider {
        Named { origin: self.origin, values: Serialized::defaults(self.values.clone()) }
    }
}

/// A layer under the name of its source.
struct Named {
    origin: &'static str,
    values: Serialized<BTreeMap<String, String>>,
}

impl figment::Provider for Named {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named(self.origin)
    }

    fn data(&self) -> Result<figment::value::Map<figment::Profile, figment::value::Dict>, figment::Error> {
        self.values.data()
    }
}

/// The known key spelt most like this one, if it is spelt like one at all.
fn nearest(slot: &str) -> Option<&'static str> {
    let distance = |key: &&Key| distance(&canonical(key.name), slot);
    let key = KEYS.iter().min_by_key(distance)?;
    (distance(&key) <= slot.len() / 4).then_some(key.name)
}

/// How many letters have to be added, removed or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

fn help() -> String {
    let mut text = String::from(
        "A Eureka-compatible service registry.\n\n\
         Usage: eureka-registry [--KEY=VALUE ...]\n       eureka-registry --help | --version\n\n\
         Every key can stand in the environment, too: server.port as SERVER_PORT.\n\n",
    );
    for key in KEYS {
        text.push_str(&format!("  --{}={}\n      {}\n", key.name, key.default, key.meaning));
    }
    text
}

/// The keys as a table for the README.
pub fn table() -> String {
    let rows = KEYS.iter().map(|key| format!("| `{}` | `{}` | {} |\n", key.name, key.default, key.meaning));
    format!("| key | default | meaning |\n| --- | --- | --- |\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        match parse(arguments.iter().map(OsString::from), environment)? {
            Command::Serve(loaded) => Ok(*loaded),
            command @ (Command::Help(_) | Command::Version) => panic!("{command:?}"),
        }
    }

    #[test]
    fn every_spelling_of_a_name_is_understood() {
        for argument in [
            "--eureka.server.enable-self-preservation=false",
            "--eureka.server.enableSelfPreservation=false",
            "--EUREKA_SERVER_ENABLESELFPRESERVATION=false",
        ] {
            assert!(!loaded(&[argument], &[]).unwrap().settings.registry.enable_self_preservation, "{argument}");
        }
        for variable in ["EUREKA_SERVER_ENABLESELFPRESERVATION", "EUREKA_SERVER_ENABLE_SELF_PRESERVATION"] {
            assert!(!loaded(&[], &[(variable, "false")]).unwrap().settings.registry.enable_self_preservation);
        }
    }

    #[test]
    fn the_command_line_wins() {
        let loaded = loaded(&["--server.port=2"], &[("SERVER_PORT", "1"), ("SERVER_ADDRESS", "127.0.0.1")]).unwrap();
        assert_eq!(loaded.settings.server.port, 2);
        assert_eq!(loaded.settings.server.address, Some([127, 0, 0, 1].into()));
    }

    #[test]
    fn a_value_that_is_none_names_key_source_and_what_was_expected() {
        let error = loaded(&[], &[("SERVER_PORT", "many")]).unwrap_err();
        assert_eq!(error.to_string(), "server.port=many (the environment): expected a port from 0 to 65535");
        let error = loaded(&["--eureka.server.eviction-interval-timer-in-ms=0"], &[]).unwrap_err();
        assert!(error.to_string().contains("expected a duration above zero"), "{error}");
        assert_eq!(loaded(&["port"], &[]).unwrap_err(), ConfigError::Argument("port".to_owned()));
    }

    #[test]
    fn a_misspelt_key_is_told_with_the_nearest_known_one() {
        let notices = loaded(&["--eureka.server.enable-self-preservatoin=false"], &[]).unwrap().notices;
        assert_eq!(notices[0].nearest, Some("eureka.server.enable-self-preservation"));
        let environment =
            [("PATH", "/bin"), ("REGISTRY_SERVICE_HOST", "10.0.0.1"), ("REGISTRY_PORT", "tcp://10.0.0.1")];
        assert_eq!(loaded(&[], &environment).unwrap().notices, []);
    }

    #[test]
    fn durations_are_milliseconds_or_name_their_unit() {
        let interval = |value: &str| {
            let argument = format!("--eureka.server.eviction-interval-timer-in-ms={value}");
            loaded(&[&argument], &[]).unwrap().settings.registry.eviction_interval.as_millis()
        };
        assert_eq!(["60000", "60s", "1m", "60000ms"].map(interval), [60_000; 4]);
    }

    #[test]
    fn the_defaults_that_are_told_are_the_defaults() {
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            let mut settings = Settings::default();
            (key.set)(&mut settings, key.default).unwrap();
            assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()), "{}", key.name);
        }
    }
}
