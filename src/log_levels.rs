//! Log levels while the process runs ([`LogLevels`]): what the configuration says, and what was set since then.
//!
//! There is one log in a process, so there is one of these ([`CURRENT`]). It knows no subscriber: the log registers how it takes a
//! new filter.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;

/// The levels of this process's log.
pub static CURRENT: LogLevels = LogLevels::new();

/// From the quietest to the most talkative, as `/actuator/loggers` lists them.
pub const LEVELS: [&str; 6] = ["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// What the root logger is called.
pub const ROOT: &str = "ROOT";

/// The parts of this server whose levels can be set, beside the root. No others: a list that callers can make longer has no bound.
pub const PARTS: [&str; 9] = [
    "eureka_registry",
    "eureka_registry::config",
    "eureka_registry::http",
    "eureka_registry::registry",
    "eureka_registry::replication",
    "eureka_registry::server",
    "eureka_registry::snapshot",
    "eureka_registry::start",
    "eureka_registry::tls",
];

/// Makes the log use a filter, and returns whether it could.
type Apply = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The level of a logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// What was set for this logger itself.
    pub configured: Option<&'static str>,
    /// What holds: its own level, or that of the logger above it.
    pub effective: &'static str,
}

/// Why a level was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSet {
    /// There is no such logger.
    #[error("there is no such logger")]
    UnknownLogger,
    /// There is no such level.
    #[error("there is no such level")]
    UnknownLevel,
    /// The log did not take it.
    #[error("the log does not take the level")]
    Refused,
}

/// Log levels.
#[derive(Debug)]
pub struct LogLevels(Mutex<State>);

struct State {
    /// The filter of the configuration.
    configured: String,
    /// What was set since then, by logger.
    set: BTreeMap<&'static str, &'static str>,
    apply: Option<Apply>,
}

impl fmt::Debug for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("State").field("filter", &self.filter(&self.set)).finish_non_exhaustive()
    }
}

impl State {
    /// The filter with what was set. Of two directives for one logger, the later one counts.
    fn filter(&self, set: &BTreeMap<&'static str, &'static str>) -> String {
        let mut filter = self.configured.clone();
        for (logger, level) in set {
            match *logger {
                ROOT => filter.push_str(&format!(",{level}")),
                part => filter.push_str(&format!(",{part}={level}")),
            }
        }
        filter
    }

    fn level(&self, logger: &str) -> Level {
        let mut level = Level { configured: None, effective: "INFO" };
        let (filter, mut nearest) = (self.filter(&self.set), None);
        for directive in filter.split(',') {
            // Directives for spans and fields are no loggers.
            let (target, word) = directive.split_once('=').unwrap_or((ROOT, directive));
            let Some(found) = of_word(word) else { continue };
            let is_above = target == ROOT || logger == target || logger.starts_with(&format!("{target}::"));
            let depth = if target == ROOT { 0 } else { target.len() };
            if is_above && nearest.is_none_or(|nearest| depth >= nearest) {
                (nearest, level.effective) = (Some(depth), found);
            }
            if target == logger {
                level.configured = Some(found);
            }
        }
        level
    }
}

impl Default for LogLevels {
    fn default() -> Self {
        Self::new()
    }
}

impl LogLevels {
    /// Those of a log that shows `info`.
    pub const fn new() -> Self {
        Self(Mutex::new(State { configured: String::new(), set: BTreeMap::new(), apply: None }))
    }

    /// The log begins with this filter, and takes others by `apply`.
    pub fn begin(&self, filter: &str, apply: impl Fn(&str) -> bool + Send + Sync + 'static) {
        *self.0.lock() = State { configured: filter.to_owned(), set: BTreeMap::new(), apply: Some(Box::new(apply)) };
    }

    /// The level of a logger; `None` if there is none of this name.
    pub fn of(&self, logger: &str) -> Option<Level> {
        known(logger).map(|logger| self.0.lock().level(logger))
    }

    /// All loggers, the root first.
    pub fn all(&self) -> Vec<(&'static str, Level)> {
        let state = self.0.lock();
        [ROOT].into_iter().chain(PARTS).map(|logger| (logger, state.level(logger))).collect()
    }

    /// Sets the level of a logger until the process ends; without a level, it is again what the configuration says.
    ///
    /// # Errors
    /// If there is no such logger or level, or the log does not take it. Nothing has changed then.
    pub fn set(&self, logger: &str, level: Option<&str>) -> Result<(), NotSet> {
        let logger = known(logger).ok_or(NotSet::UnknownLogger)?;
        let level = level.map(|word| of_word(word).ok_or(NotSet::UnknownLevel)).transpose()?;
        let mut state = self.0.lock();
        let mut set = state.set.clone();
        match level {
            Some(level) => _ = set.insert(logger, level),
            None => _ = set.remove(logger),
        }
        if state.apply.as_ref().is_some_and(|apply| !apply(&state.filter(&set))) {
            return Err(NotSet::Refused);
        }
        state.set = set;
        Ok(())
    }
}

fn known(logger: &str) -> Option<&'static str> {
    [ROOT]
        .into_iter()
        .chain(PARTS)
        .find(|known| *known == logger || (*known == ROOT && logger.eq_ignore_ascii_case(ROOT)))
}

fn of_word(level: &str) -> Option<&'static str> {
    LEVELS.into_iter().find(|known| known.eq_ignore_ascii_case(level.trim()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn levels(filter: &str) -> (LogLevels, Arc<Mutex<Vec<String>>>) {
        let (levels, taken) = (LogLevels::new(), Arc::<Mutex<Vec<String>>>::default());
        let log = Arc::clone(&taken);
        levels.begin(filter, move |filter| {
            log.lock().push(filter.to_owned());
            true
        });
        (levels, taken)
    }

    #[test]
    fn a_logger_has_its_own_level_or_that_of_the_one_above() {
        let (levels, _) =
            levels("warn,eureka_registry=info,eureka_registry::registry=debug,eureka_registry::start=info");
        let of = |logger| levels.of(logger).unwrap();
        assert_eq!(of(ROOT), Level { configured: Some("WARN"), effective: "WARN" });
        assert_eq!(of("eureka_registry::registry"), Level { configured: Some("DEBUG"), effective: "DEBUG" });
        assert_eq!(of("eureka_registry::http"), Level { configured: None, effective: "INFO" });
        assert_eq!(levels.of("com.netflix"), None);
        assert_eq!(levels.all().len(), PARTS.len() + 1);
    }

    #[test]
    fn a_level_is_set_and_taken_back() {
        let (levels, taken) = levels("info,eureka_registry::start=info");
        assert_eq!(levels.set("eureka_registry::replication", Some("debug")), Ok(()));
        assert_eq!(levels.set("root", Some("WARN")), Ok(()));
        let of = |logger| levels.of(logger).unwrap().effective;
        assert_eq!(
            (of("eureka_registry::replication"), of("eureka_registry::http"), of(ROOT)),
            ("DEBUG", "WARN", "WARN")
        );
        assert_eq!(levels.set("eureka_registry::replication", None), Ok(()));
        assert_eq!(levels.of("eureka_registry::replication"), Some(Level { configured: None, effective: "WARN" }));
        let filters = [
            "info,eureka_registry::start=info,eureka_registry::replication=DEBUG",
            "info,eureka_registry::start=info,WARN,eureka_registry::replication=DEBUG",
            "info,eureka_registry::start=info,WARN",
        ];
        assert_eq!(*taken.lock(), filters);
    }

    #[test]
    fn what_is_unknown_changes_nothing() {
        let (levels, taken) = levels("info");
        assert_eq!(levels.set("nobody", Some("debug")), Err(NotSet::UnknownLogger));
        assert_eq!(levels.set(ROOT, Some("loud")), Err(NotSet::UnknownLevel));
        assert!(taken.lock().is_empty());
        levels.begin("info", |_| false);
        assert_eq!(levels.set(ROOT, Some("debug")), Err(NotSet::Refused));
        assert_eq!(levels.of(ROOT), Some(Level { configured: Some("INFO"), effective: "INFO" }));
    }
}
