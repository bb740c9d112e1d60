//! Settings: where they come from, and what they are called.
//!
//! The interface is Spring's property names, so that what an operator has applies as it is. Sources, later wins: defaults, files
//! ([`files`]), the environment, `-D` in the variables that are for Java ([`java_options`]), `SPRING_APPLICATION_JSON`, the command line.
//! Two spellings of a name are made equal by one function ([`name::canonical`]), and one table says what there is ([`keys::GROUPS`]), of
//! which `--help`, `deploy/configuration.md` and the errors are made. What a Java server reads and this one does not is in another
//! table, with what that costs ([`classes`]).

mod apply;
mod check;
mod classes;
mod draft;
mod environment;
mod error;
mod families;
mod files;
mod java_options;
mod keys;
mod load;
mod location;
mod name;
mod placeholders;
mod profiles;
mod properties;
mod report;
mod shown;
mod source;
mod system;
#[cfg(test)]
mod tests;
mod values;
mod yaml;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use apply::class_of;
pub use error::{ConfigError, Notice, Unheeded};
pub use load::Facts;
pub use report::table;

use crate::server::Settings;
use load::Surroundings;
use source::{Kind, Source};

/// What the process is asked to do.
#[derive(Debug)]
pub enum Command {
    /// To serve, with these settings.
    Serve(Box<Loaded>),
    /// To say something, and end.
    Say(String),
    /// To say what the settings come to, and end.
    Check {
        /// What is to be said.
        text: String,
        /// Whether warnings are there and are to fail the check.
        failed: bool,
    },
    /// To say what it is.
    Version,
}

/// Settings that were read, and what is to be said of them.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Keys that have no effect.
    pub notices: Vec<Notice>,
    /// Where the settings come from.
    pub facts: Facts,
}

/// What a file comes to, for somebody who wants to know it before a server is started with it.
#[derive(Debug)]
pub struct Examined {
    /// The settings.
    pub settings: Settings,
    /// Keys that have no effect.
    pub notices: Vec<Notice>,
    /// The keys that are honoured, as they are written.
    pub honoured: Vec<String>,
}

/// Reads the settings that a server would have beside a file in place of `application.yml`, with this environment and these further
/// keys.
///
/// # Errors
/// What would keep the server from starting.
pub fn examine(
    file: &Path,
    keys: impl IntoIterator<Item = (String, String)>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    directory: &Path,
) -> Result<Examined, ConfigError> {
    let mut arguments = Source::new(Kind::Arguments, "the command line");
    arguments.set("spring.config.location", &format!("file:{}", file.display()));
    keys.into_iter().for_each(|(key, value)| arguments.set(&key, &value));
    let surroundings = Surroundings::new(arguments, readable(environment), directory);
    let (sources, _facts, mut notices) = surroundings.read()?;
    let applied = apply::apply(&sources, &surroundings)?;
    notices.extend(applied.notices);
    Ok(Examined {
        settings: applied.settings,
        notices,
        honoured: applied.set.into_iter().map(|one| one.written).collect(),
    })
}

/// A duration as settings have it: a number with ms, s, m, h or d; without a unit, milliseconds.
///
/// # Errors
/// The form that was expected.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    values::some_time(text)
}

fn readable(environment: impl IntoIterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    };
    environment.into_iter().map(text).collect()
}

/// What is asked of `check-config`.
#[derive(Clone, Copy, Debug, Default)]
struct Check {
    json: bool,
    all: bool,
    strict: bool,
}

/// The arguments.
struct Arguments {
    source: Source,
    check: Option<Check>,
    help: bool,
    all: bool,
    version: bool,
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
    let environment = readable(environment);
    let arguments = read_arguments(arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned()))?;
    if arguments.help {
        return Ok(Command::Say(report::help(arguments.all)));
    }
    if arguments.version {
        return Ok(Command::Version);
    }
    let surroundings = Surroundings::new(arguments.source, environment, directory);
    let (sources, mut facts, mut notices) = surroundings.read()?;
    let mut applied = apply::apply(&sources, &surroundings)?;
    notices.extend(applied.notices);
    facts.java_options = applied.java_options;
    Ok(match arguments.check {
        Some(check) => {
            let failed = check.strict && notices.iter().any(|notice| notice.what.is_warning());
            let text = if check.json {
                check::json(&applied.set, &notices, &facts)
            } else {
                check::text(&applied.set, &notices, &facts, check.all)
            };
            Command::Check { text, failed }
        }
        None => {
            let Settings { http, replication, .. } = &mut applied.settings;
            // Nobody can read it otherwise.
            if http.actuator.env.is_some() || http.actuator.configprops.is_some() {
                let name = &replication.application_name;
                let environment = environment::environment(name, &sources, &applied.set, &facts, &surroundings);
                http.actuator.environment = Arc::new(environment);
            }
            Command::Serve(Box::new(Loaded { settings: applied.settings, notices, facts }))
        }
    })
}

fn read_arguments(arguments: impl Iterator<Item = String>) -> Result<Arguments, ConfigError> {
    let source = Source::new(Kind::Arguments, "the command line");
    let mut read = Arguments { source, check: None, help: false, all: false, version: false };
    let mut arguments = arguments.enumerate().peekable();
    while let Some((place, argument)) = arguments.next() {
        let option = argument.strip_prefix("--").map(|option| option.split_once('=').unwrap_or((option, "true")));
        match (option, &mut read.check) {
            (None, check) if place == 0 && argument == "check-config" => *check = Some(Check::default()),
            (None, _) if argument == "-h" => read.help = true,
            (None, _) if argument == "-V" => read.version = true,
            (Some(("help", _)), _) => read.help = true,
            (Some(("version", _)), _) => read.version = true,
            (Some(("all", _)), check) => {
                read.all = true;
                check.iter_mut().for_each(|check| check.all = true);
            }
            (Some(("strict", _)), Some(check)) => check.strict = true,
            (Some((name @ ("format" | "file"), value)), Some(check)) => {
                let beside = if argument.contains('=') { None } else { arguments.next() };
                let value = beside.map_or_else(|| value.to_owned(), |(_, value)| value);
                match (name, value.as_str()) {
                    ("file", path) => read.source.set("spring.config.location", &format!("file:{path}")),
                    ("format", "json") => check.json = true,
                    ("format", "text") => check.json = false,
                    _ => return Err(ConfigError::Argument(format!("--format={value}"))),
                }
            }
            (Some((name, value)), _) if !name.is_empty() => read.source.set(name, value),
            // Without what it says: it may be a password whose dashes were forgotten.
            _ => return Err(ConfigError::Argument(argument.split('=').next().unwrap_or_default().to_owned())),
        }
    }
    Ok(read)
}
