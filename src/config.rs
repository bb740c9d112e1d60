//! Settings: where they come from, and what they are called.
//!
//! The interface is Spring's property names, so that what an operator has applies as it is. Sources, later wins: defaults, files
//! ([`files`]), the environment, `SPRING_APPLICATION_JSON`, the command line. A library layers them and remembers who said what; what is
//! ours is one function that makes two spellings of a name equal ([`name::canonical`]) and one table of what there is
//! ([`keys::GROUPS`]), of which `--help`, `deploy/configuration.md` and the errors are made.

mod draft;
mod effective;
mod error;
mod families;
mod files;
mod keys;
mod layer;
mod name;
mod placeholders;
mod profiles;
mod report;
mod useless;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use figment::Figment;

pub use error::{ConfigError, Notice, Unheeded};
pub use report::table;

use crate::server::Settings;
use draft::{Draft, Missing};
use effective::Effective;
use families::{FAMILIES, Sense};
use files::Locations;
use layer::{Layer, SERVICE_URLS};
use name::canonical;

/// What the process is asked to do.
#[derive(Debug)]
pub enum Command {
    /// To serve, with these settings.
    Serve(Box<Loaded>),
    /// To say something, and end: how it is used, or what it would do.
    Say(String),
    /// To say what it is.
    Version,
}

/// Settings that were read, and what is to be said of them.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Keys that are not heeded.
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
    let mut from_arguments = Layer::new("the command line");
    let mut only_check = false;
    for (place, argument) in arguments.into_iter().enumerate() {
        let argument = argument.to_string_lossy().into_owned();
        match argument.strip_prefix("--").map(|option| option.split_once('=').unwrap_or((option, "true"))) {
            Some(("help", _)) => return Ok(Command::Say(report::help())),
            Some(("version", _)) => return Ok(Command::Version),
            Some((name, value)) if !name.is_empty() => from_arguments.set(name, value),
            None if place == 0 && argument == "check-config" => only_check = true,
            // Without what it says: it may be a password whose dashes were forgotten.
            _ => return Err(ConfigError::Argument(argument.split('=').next().unwrap_or_default().to_owned())),
        }
    }
    let layers = layers(from_arguments, &environment, directory)?;
    let effective = effective(&layers);
    let loaded = apply(&effective)?;
    Ok(if only_check {
        Command::Say(report::effective(&effective, &loaded.notices))
    } else {
        Command::Serve(Box::new(loaded))
    })
}

/// Every source, lowest first, placeholders resolved.
fn layers(
    from_arguments: Layer,
    environment: &BTreeMap<String, String>,
    directory: &Path,
) -> Result<Vec<Layer>, ConfigError> {
    let mut from_environment = Layer::new("the environment");
    for (name, value) in environment.iter().filter(|(name, _)| is_ours(name)) {
        from_environment.set(name, value);
    }
    let mut from_json = Layer::new("SPRING_APPLICATION_JSON");
    let json = from_arguments.get("springapplicationjson").or_else(|| from_environment.get("springapplicationjson"));
    if let Some(text) = json {
        let said = files::json(text).map_err(|why| ConfigError::File { path: from_json.origin.clone(), why })?;
        said.iter().for_each(|(name, value)| from_json.set(name, value));
    }
    let above = [&from_environment, &from_json, &from_arguments];
    let locations = Locations::of(&above, directory);
    // Which profiles are active may be said by a file, in what is for all profiles.
    let for_all = locations.read(None)?;
    let active = profiles::active(&for_all.iter().chain(above).collect::<Vec<_>>());
    let mut layers = locations.read(Some(&active))?;
    layers.extend([from_environment, from_json, from_arguments]);
    placeholders::resolve(&mut layers, environment)?;
    Ok(layers)
}

/// What holds, by name, when all sources have been heard.
fn effective(layers: &[Layer]) -> BTreeMap<String, Effective> {
    let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
    let merged: BTreeMap<String, String> = figment.extract().unwrap_or_default();
    let effective = merged.into_iter().map(|(slot, value)| {
        let origin = figment.find_metadata(&slot).map_or_else(String::new, |metadata| metadata.name.to_string());
        let written = layers.iter().rev().find_map(|layer| layer.written(&slot)).unwrap_or(&slot).to_owned();
        (slot, Effective { written, value: value.trim().to_owned(), origin })
    });
    effective.collect()
}

/// The settings that follow, or what is wrong with them.
fn apply(effective: &BTreeMap<String, Effective>) -> Result<Loaded, ConfigError> {
    let mut draft = Draft::default();
    let mut notices = Vec::new();
    for (slot, Effective { written, value, origin }) in effective {
        let invalid = |expected| ConfigError::Invalid {
            key: written.clone(),
            value: report::shown(slot, value),
            origin: origin.clone(),
            expected,
        };
        if slot.starts_with("serversslkeystore") || slot.starts_with("serverssltruststore") {
            return Err(ConfigError::KeyStore { key: written.clone(), origin: origin.clone() });
        }
        draft.written.clone_from(written);
        let sense = match keys::keys().find(|key| canonical(key.name) == *slot) {
            Some(key) => (key.set)(&mut draft, value).map(|()| Sense::Known),
            None => match FAMILIES.iter().find_map(|family| Some((family, slot.strip_prefix(family.prefix)?))) {
                Some((family, rest)) => (family.set)(&mut draft, rest, value),
                None => Ok(Sense::Unknown),
            },
        };
        let what = match sense.map_err(invalid)? {
            Sense::Known => continue,
            Sense::Useless => Unheeded::Useless("it belongs to something that is not here"),
            Sense::Unknown if is_of_spring_itself(slot) => continue,
            Sense::Unknown => unheeded(slot),
        };
        notices.push(Notice { key: written.clone(), origin: origin.clone(), what });
    }
    let settings = draft.finish().map_err(|Missing { given, wanted }| ConfigError::Missing { given, wanted })?;
    Ok(Loaded { settings, notices })
}

/// Whether a variable of the environment is for this process: most are somebody else's.
fn is_ours(name: &str) -> bool {
    let slot = canonical(name);
    // Kubernetes tells of a Service by variables that begin with its name, and ours is called `registry`.
    let of_a_service = ["SERVICE_HOST", "SERVICE_PORT", "_PORT"].iter().any(|part| name.contains(part));
    let ours = ["EUREKA_", "REGISTRY_"].iter().any(|prefix| name.starts_with(prefix));
    keys::keys().any(|key| canonical(key.name) == slot)
        || FAMILIES.iter().any(|family| slot.starts_with(family.prefix))
        || is_of_spring_itself(&slot)
        || slot.starts_with(SERVICE_URLS)
        || slot.starts_with("serverssl")
        || (ours && !of_a_service)
}

/// Keys that say which documents and files are read, and with what.
fn is_of_spring_itself(slot: &str) -> bool {
    ["springprofiles", "springconfig", "springapplicationjson"].iter().any(|prefix| slot.starts_with(prefix))
}

/// What to say of a key that is not in the table.
fn unheeded(slot: &str) -> Unheeded {
    if let Some(reason) = useless::reason(slot) {
        return Unheeded::Useless(reason);
    }
    let ours = ["eureka", "registry", "serverssl", "springsecurity"].iter().any(|prefix| slot.starts_with(prefix));
    let nearest = nearest(slot);
    if ours || nearest.is_some() {
        Unheeded::Unknown(nearest)
    } else {
        Unheeded::Useless("this server has nothing of the kind")
    }
}

/// The known key spelt most like this one, if it is spelt like one at all.
fn nearest(slot: &str) -> Option<&'static str> {
    let distance = |key: &&keys::Key| strsim::damerau_levenshtein(&canonical(key.name), slot);
    let key = keys::keys().min_by_key(distance)?;
    (distance(&key) <= slot.len() / 5).then_some(key.name)
}
