//! Settings: where they come from, and what they are called.
//!
//! The interface is Spring's property names, so that what an operator has applies as it is. Sources, later wins:
//! defaults, files ([`files`]), the environment, the command line. A library layers them and remembers who said what; what is ours is one
//! function that makes two spellings of a name equal ([`canonical`]) and one table of what there is ([`keys::KEYS`]), of
//! which `--help`, the README and the errors are made.

mod files;
mod keys;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

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
    /// A file that cannot be read, or is no YAML.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A placeholder for which there is no value.
    #[error("{origin}: there is no value for ${{{name}}}, and no default")]
    Placeholder {
        /// What it asks for.
        name: String,
        /// Where it stands.
        origin: String,
    },
    /// A setting that asks for protection which this version does not have: better not to start than to start without.
    #[error("{key} ({origin}): this version has neither authentication nor TLS; put a proxy in front that has")]
    Unprotected {
        /// The key as it was written.
        key: String,
        /// Where it was found.
        origin: String,
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

/// Reads the settings of the command line's arguments, without the program's name, of the environment, and of the files
/// in a directory.
///
/// # Errors
/// If a value, an argument or a file is not understood.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    directory: &Path,
) -> Result<Command, ConfigError> {
    let environment: BTreeMap<String, String> = environment
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let mut from_arguments = Layer::new("the command line".to_owned());
    for argument in arguments {
        let argument = argument.to_string_lossy().into_owned();
        match argument.strip_prefix("--").map(|option| option.split_once('=').unwrap_or((option, "true"))) {
            Some(("help", _)) => return Ok(Command::Help(help())),
            Some(("version", _)) => return Ok(Command::Version),
            Some((name, value)) if !name.is_empty() => from_arguments.set(name, value),
            _ => return Err(ConfigError::Argument(argument)),
        }
    }
    let mut from_environment = Layer::new("the environment".to_owned());
    for (name, value) in &environment {
        from_environment.set_variable(name, value);
    }
    let mut layers = from_files(directory, &from_arguments, &from_environment)?;
    layers.extend([from_environment, from_arguments]);
    resolve_placeholders(&mut layers, &environment)?;
    let notices = layers.iter().flat_map(|layer| &layer.notices).cloned().collect();
    if let Some((key, origin)) = layers.iter().find_map(|layer| Some((layer.unprotected.clone()?, &layer.origin))) {
        return Err(ConfigError::Unprotected { key, origin: origin.clone() });
    }
    let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer.provider()));
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

/// The layers of the files that apply, lowest first.
fn from_files(directory: &Path, arguments: &Layer, environment: &Layer) -> Result<Vec<Layer>, ConfigError> {
    let named = |layers: &[&Layer]| -> Vec<String> {
        let active = layers.iter().find_map(|layer| layer.values.get("springprofilesactive"));
        let names = active.into_iter().flat_map(|names| names.split(','));
        names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    let read = |active: &[String]| -> Result<Vec<Layer>, ConfigError> {
        let documents = files::load(directory, active)?.into_iter();
        let layer = |(origin, document): (String, files::Document)| {
            let mut layer = Layer::new(origin);
            document.iter().for_each(|(key, value)| layer.set(key, value));
            layer
        };
        Ok(documents.map(layer).collect())
    };
    let active = named(&[arguments, environment]);
    if !active.is_empty() {
        return read(&active);
    }
    // A file may name the profiles itself.
    let layers = read(&[])?;
    let active = named(&layers.iter().rev().collect::<Vec<_>>());
    if active.is_empty() { Ok(layers) } else { read(&active) }
}

/// Puts values in the place of `${NAME:default}`: of another key, of the environment, or the default.
fn resolve_placeholders(layers: &mut [Layer], environment: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let known: BTreeMap<String, String> =
        layers.iter().flat_map(|layer| layer.values.iter()).map(|(key, value)| (key.clone(), value.clone())).collect();
    for layer in layers {
        for value in layer.values.values_mut() {
            // A value that stands for itself would go on for ever.
            for _ in 0..16 {
                let Some(start) = value.rfind("${") else { break };
                let Some(len) = value[start..].find('}') else { break };
                let inside = &value[start + 2..start + len];
                let (name, default) = inside.split_once(':').map_or((inside, None), |(name, text)| (name, Some(text)));
                let found =
                    environment.get(name).or_else(|| known.get(&canonical(name))).map(String::as_str).or(default);
                let Some(found) = found else {
                    return Err(ConfigError::Placeholder { name: name.to_owned(), origin: layer.origin.clone() });
                };
                let found = found.to_owned();
                value.replace_range(start..=start + len, &found);
            }
        }
    }
    Ok(())
}

/// The one form of all spellings of a name: lower case, without what separates words or parts of it. So
/// `eureka.server.enable-self-preservation`, `eureka.server.enableSelfPreservation`,
/// `EUREKA_SERVER_ENABLESELFPRESERVATION` and `EUREKA_SERVER_ENABLE_SELF_PRESERVATION` are one (Spring's relaxed
/// binding).
fn canonical(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '.' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// How the names of the lists of service URLs begin, one list a zone.
const SERVICE_URLS: &str = "eurekaclientserviceurl";

/// What one source says.
struct Layer {
    origin: String,
    values: BTreeMap<String, String>,
    notices: Vec<Notice>,
    /// A key that asks for protection that there is not.
    unprotected: Option<String>,
}

impl Layer {
    fn new(origin: String) -> Self {
        Self { origin, values: BTreeMap::new(), notices: Vec::new(), unprotected: None }
    }

    fn set(&mut self, name: &str, value: &str) {
        let slot = canonical(name);
        if slot.starts_with(SERVICE_URLS) {
            // Peers are those of all zones, whatever these are called.
            let urls = self.values.entry(format!("{SERVICE_URLS}defaultzone")).or_default();
            urls.push_str(&format!("{}{value}", if urls.is_empty() { "" } else { "," }));
            return;
        }
        let asks_for_protection = slot.starts_with("springsecurityuser")
            || (slot.starts_with("serverssl") && slot != "serversslenabled")
            || (slot == "serversslenabled" && value == "true");
        if asks_for_protection {
            self.unprotected.get_or_insert_with(|| name.to_owned());
        } else if !KEYS.iter().any(|key| canonical(key.name) == slot) && !of_spring_itself(&slot) {
            let nearest = nearest(&slot);
            self.notices.push(Notice { key: name.to_owned(), origin: self.origin.clone(), nearest });
        }
        self.values.insert(slot, value.to_owned());
    }

    /// A variable of the environment: most are somebody else's.
    fn set_variable(&mut self, name: &str, value: &str) {
        let slot = canonical(name);
        let known = KEYS.iter().any(|key| canonical(key.name) == slot)
            || of_spring_itself(&slot)
            || slot.starts_with(SERVICE_URLS);
        let protection = slot.starts_with("springsecurityuser") || slot.starts_with("serverssl");
        // Kubernetes tells of a Service by variables that begin with its name, and ours is called `registry`.
        let of_a_service = ["SERVICE_HOST", "SERVICE_PORT", "_PORT"].iter().any(|part| name.contains(part));
        let ours = name.starts_with("EUREKA_") || name.starts_with("REGISTRY_");
        if known || protection || (ours && !of_a_service) {
            self.set(name, value);
        }
    }

    fn provider(&self) -> impl figment::Provider {
        Named { origin: self.origin.clone(), values: Serialized::defaults(self.values.clone()) }
    }
}

/// A layer under the name of its source.
struct Named {
    origin: String,
    values: Serialized<BTreeMap<String, String>>,
}

impl figment::Provider for Named {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<figment::value::Map<figment::Profile, figment::value::Dict>, figment::Error> {
        self.values.data()
    }
}

/// Keys that say which documents and files are read.
fn of_spring_itself(slot: &str) -> bool {
    matches!(slot, "springprofilesactive" | "springprofiles" | "springconfigactivateonprofile")
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
        match parse(arguments.iter().map(OsString::from), environment, Path::new("/nonexistent"))? {
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
    fn files_profiles_and_placeholders_apply_in_springs_order() {
        let directory = std::env::temp_dir().join(format!("eureka-registry-config-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("config")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
        write("application.properties", "server.port=1\neureka.instance.hostname=plain\n");
        write(
            "application.yml",
            "eureka:\n  server:\n    enableSelfPreservation: false\n    eviction-interval-timer-in-ms: 5000\n  client:\n    serviceUrl:\n      defaultZone: http://${PEER:b}:${server.port}/eureka/\n---\nspring.config.activate.on-profile: peer1\nserver.port: 3\neureka.instance.hostname: ${POD}.registry\n",
        );
        write("config/application.yml", "server.port: 2\n");
        let settings = |arguments: &[&str], environment: &[(&str, &str)]| {
            let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
            match parse(arguments.iter().map(OsString::from), environment, &directory).unwrap() {
                Command::Serve(loaded) => loaded.settings,
                command @ (Command::Help(_) | Command::Version) => panic!("{command:?}"),
            }
        };
        let plain = settings(&[], &[]);
        assert_eq!((plain.server.port, plain.registry.eviction_interval.as_secs()), (2, 5));
        assert!(!plain.registry.enable_self_preservation);
        assert_eq!(plain.replication.service_urls, ["http://b:2/eureka/"]);
        let peer =
            settings(&["--spring.profiles.active=peer1", "--server.port=4"], &[("POD", "registry-0"), ("PEER", "c")]);
        assert_eq!((peer.server.port, peer.replication.hostname.as_deref()), (4, Some("registry-0.registry")));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_service_urls_of_all_zones_are_peers() {
        let arguments = [
            "--eureka.client.serviceUrl.zone-a=http://a:8761/eureka/",
            "--eureka.client.service-url.zone-b=http://u:p@b:8761/eureka , http://c:8761/eureka",
        ];
        let loaded = loaded(&arguments, &[]).unwrap();
        let expected = ["http://a:8761/eureka/", "http://u:p@b:8761/eureka/", "http://c:8761/eureka/"];
        assert_eq!(loaded.settings.replication.service_urls, expected);
        assert_eq!(loaded.notices, []);
    }

    #[test]
    fn protection_that_is_not_there_is_not_promised() {
        for (arguments, environment) in [
            (&["--spring.security.user.name=a"][..], &[][..]),
            (&["--server.ssl.certificate=cert.pem"], &[]),
            (&[], &[("SPRING_SECURITY_USER_PASSWORD", "x")]),
        ] {
            let error = loaded(arguments, environment).unwrap_err();
            assert!(matches!(error, ConfigError::Unprotected { .. }), "{error}");
        }
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
