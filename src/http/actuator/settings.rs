//! The settings as `/actuator/env` and `/actuator/configprops` show them.

/// What the settings of this process were read from. Secrets are masked already: no caller sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The name of the application (`spring.application.name`).
    pub application: String,
    /// The active profiles.
    pub profiles: Vec<String>,
    /// The sources; the first one that has a name wins.
    pub sources: Vec<PropertySource>,
    /// The settings, by the prefix of their keys.
    pub beans: Vec<Bean>,
}

/// A source of settings, such as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertySource {
    /// Its name, as Spring Boot calls it.
    pub name: String,
    /// What it sets.
    pub properties: Vec<Property>,
}

/// A value, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The key as it is written.
    pub name: String,
    /// The value, with the values of its placeholders.
    pub value: String,
    /// Where it is written; `None` where Spring Boot has none.
    pub origin: Option<String>,
}

/// The settings whose keys begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bean {
    /// How the keys begin.
    pub prefix: String,
    /// Their values, defaults included. Names are without the prefix; a default has no origin.
    pub properties: Vec<Property>,
}
