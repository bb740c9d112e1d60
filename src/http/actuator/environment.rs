//! `/actuator/env` and `/actuator/configprops`: the settings and where each comes from, in Spring Boot's JSON.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::options::{ShowDetails, Values};
use super::respond::actuator;
use super::settings::{Bean, Property, PropertySource};
use crate::http::ApiError;
use crate::http::state::AppState;
use crate::registry::Caller;

/// What stands for a value that the caller may not see.
const MASK: &str = "******";

/// Maximum bytes of a pattern, and of what is made of it.
const LONGEST_PATTERN: usize = 200;
const LARGEST_PATTERN: usize = 64 * 1024;

/// `GET /actuator/env`. With `pattern`, only the keys in which the regular expression is found, as in Spring; every source is listed.
pub(super) async fn all(
    State(app): State<Arc<AppState>>,
    Query(parameters): Query<Vec<(String, String)>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let pattern = parameters.iter().rev().find(|(name, _)| name == "pattern").map(|(_, pattern)| pattern);
    let pattern = pattern.filter(|pattern| !pattern.trim().is_empty()).map(|pattern| parsed(pattern)).transpose()?;
    let asked = |property: &&Property| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&property.name));
    let environment = &app.options.actuator.environment;
    let shows = shows_values(&app, &caller, app.options.actuator.env.as_ref());
    let described = |source: &PropertySource| {
        let properties: Map<String, Value> = source
            .properties
            .iter()
            .filter(asked)
            .map(|property| (property.name.clone(), value_of(property, shows)))
            .collect();
        json!({ "name": source.name, "properties": properties })
    };
    let body = json!({
        "activeProfiles": environment.profiles,
        "defaultProfiles": ["default"],
        "propertySources": environment.sources.iter().map(described).collect::<Vec<_>>(),
    });
    Ok(actuator(StatusCode::OK, &body))
}

/// Reads a regular expression. It is matched in linear time. Java's look-around and back references are refused, since those are not.
fn parsed(pattern: &str) -> Result<Regex, ApiError> {
    if pattern.len() > LONGEST_PATTERN {
        return Err(ApiError::BadParameter(format!("pattern: at most {LONGEST_PATTERN} bytes")));
    }
    RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build().map_err(|_wrong| {
        ApiError::BadParameter(
            "pattern: expected a regular expression without look-around and back references".to_owned(),
        )
    })
}

/// `GET /actuator/env/{name}`: a key in each source. It is found under any spelling.
pub(super) async fn one(
    State(app): State<Arc<AppState>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let environment = &app.options.actuator.environment;
    let shows = shows_values(&app, &caller, app.options.actuator.env.as_ref());
    let mut found = None;
    let mut sources = Vec::new();
    for source in &environment.sources {
        let mut described = json!({ "name": source.name });
        let property = source.properties.iter().find(|property| relaxed(&property.name).eq(relaxed(&name)));
        if let Some(property) = property {
            let value = value_of(property, shows);
            found.get_or_insert_with(|| json!({ "source": source.name, "value": value["value"] }));
            described["property"] = value;
        }
        sources.push(described);
    }
    let Some(property) = found else { return ApiError::NotFound("no such key").into_response() };
    let body = json!({
        "property": property,
        "activeProfiles": environment.profiles,
        "defaultProfiles": ["default"],
        "propertySources": sources,
    });
    actuator(StatusCode::OK, &body)
}

/// `GET /actuator/configprops`
pub(super) async fn settings(State(app): State<Arc<AppState>>, Extension(caller): Extension<Caller>) -> Response {
    beans(&app, &caller, "").unwrap_or_else(|| actuator(StatusCode::OK, &json!({ "contexts": {} })))
}

/// `GET /actuator/configprops/{prefix}`
pub(super) async fn settings_below(
    State(app): State<Arc<AppState>>,
    Path(prefix): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Response {
    beans(&app, &caller, &prefix).unwrap_or_else(|| ApiError::NotFound("no keys begin so").into_response())
}

/// The beans whose prefix begins so; `None` if there are none.
fn beans(app: &AppState, caller: &Caller, prefix: &str) -> Option<Response> {
    let environment = &app.options.actuator.environment;
    let shows = shows_values(app, caller, app.options.actuator.configprops.as_ref());
    let chosen = environment.beans.iter().filter(|bean| bean.prefix.starts_with(prefix));
    let beans: Map<String, Value> = chosen.map(|bean| (bean.prefix.clone(), described(bean, shows))).collect();
    if beans.is_empty() {
        return None;
    }
    let contexts = Map::from_iter([(environment.application.clone(), json!({ "beans": beans }))]);
    Some(actuator(StatusCode::OK, &json!({ "contexts": contexts })))
}

fn described(bean: &Bean, shows: bool) -> Value {
    let (mut properties, mut inputs) = (Map::new(), Map::new());
    for property in &bean.properties {
        let value = if shows { typed(&property.value) } else { MASK.into() };
        let input = match &property.origin {
            Some(origin) => json!({ "value": value, "origin": origin }),
            None => json!({}),
        };
        let path: Vec<String> = property.name.split('.').map(camel_case).collect();
        insert(&mut inputs, &path, input);
        // As in Spring, what is set to nothing by default is left out.
        if property.origin.is_some() || !property.value.is_empty() {
            insert(&mut properties, &path, value);
        }
    }
    json!({ "prefix": bean.prefix, "properties": properties, "inputs": inputs })
}

/// Inserts a value below the names of a path. Where a value stands in the way, the rest of the path is one name.
fn insert(map: &mut Map<String, Value>, path: &[String], value: Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        map.insert(first.clone(), value);
        return;
    }
    if let Value::Object(below) = map.entry(first.clone()).or_insert_with(|| json!({})) {
        insert(below, rest, value);
    } else {
        map.insert(path.join("."), value);
    }
}

/// `enable-self-preservation` as Java writes it.
fn camel_case(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        name + &capital + letters.as_str()
    })
}

/// Numbers and truth values as such.
fn typed(value: &str) -> Value {
    match (value.parse::<bool>(), value.parse::<i64>()) {
        (Ok(value), _) => value.into(),
        // Not what only begins like a number, or has zeros before it.
        (_, Ok(number)) if number.to_string() == value => number.into(),
        _ => value.into(),
    }
}

fn value_of(property: &Property, shows: bool) -> Value {
    let value = if shows { property.value.as_str() } else { MASK };
    match &property.origin {
        Some(origin) => json!({ "value": value, "origin": origin }),
        None => json!({ "value": value }),
    }
}

/// As in Spring, `when-authorized` shows values to nobody where there are no users.
fn shows_values(app: &AppState, caller: &Caller, values: Option<&Values>) -> bool {
    values.is_some_and(|values| match values.show {
        ShowDetails::Never => false,
        ShowDetails::Always => true,
        ShowDetails::WhenAuthorized => {
            caller.user.as_ref().is_some_and(|user| app.security.has_role(user, &values.roles))
        }
    })
}

/// A name without what differs between its spellings.
fn relaxed(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, '.' | '-' | '_' | '[' | ']')).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_nested_as_java_names_them() {
        let property = |name: &str, value: &str, origin: Option<&str>| Property {
            name: name.to_owned(),
            value: value.to_owned(),
            origin: origin.map(str::to_owned),
        };
        let bean = Bean {
            prefix: "eureka.client".to_owned(),
            properties: vec![
                property("service-url.defaultZone", "http://a/", Some("application.yml:3")),
                property("fetch-registry", "true", None),
                property("some.size", "010", None),
                property("some.size.of", "7", None),
                property("zone", "", None),
            ],
        };
        let expected = json!({
            "prefix": "eureka.client",
            "properties": {
                "serviceUrl": { "defaultZone": "http://a/" },
                "fetchRegistry": true,
                "some": { "size": "010", "size.of": 7 },
            },
            "inputs": {
                "serviceUrl": { "defaultZone": { "value": "http://a/", "origin": "application.yml:3" } },
                "fetchRegistry": {},
                "some": { "size": { "of": {} } },
                "zone": {},
            },
        });
        assert_eq!(described(&bean, true), expected);
        let masked = described(&bean, false);
        assert_eq!(masked["properties"]["fetchRegistry"], MASK);
        assert_eq!(masked["inputs"]["serviceUrl"]["defaultZone"]["value"], MASK);
    }
}
