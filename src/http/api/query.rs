//! The parameters of `/api/v1`, which the page shares.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query as Extracted;

use crate::console::Term;
use crate::console::applications::{Asked, Order as ApplicationOrder, Query as ApplicationQuery, Trouble};
use crate::console::instances::{Filter, Order, Query, SOME};
use crate::http::ApiError;
use crate::model::InstanceStatus;

/// The maximum number of instances in one answer.
const MOST: usize = 1000;
/// The maximum number of instances in a table.
const MOST_IN_TABLE: usize = 10_000;
/// The maximum number of characters of a search.
const MOST_SEARCH: usize = 200;

/// The query's parameters as they were sent. If a name is repeated, the last value counts; an empty value counts as none.
pub(crate) type Parameters = Extracted<Vec<(String, String)>>;

/// The parameters that are not empty.
pub(crate) fn said(parameters: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.trim()));
    parameters.filter(|(_, value)| !value.is_empty())
}

/// The conditions by which instances are chosen.
pub(crate) const CONDITIONS: [&str; 10] =
    ["q", "application", "status", "zone", "version", "overdue", "expired", "restored", "overridden", "up"];

/// Reads the filters, the order and the part of the answer.
pub(crate) fn instances(parameters: &[(String, String)]) -> Result<Query, ApiError> {
    read(parameters, SOME, MOST)
}

/// The same for a table, which has all instances.
pub(super) fn table(parameters: &[(String, String)]) -> Result<Query, ApiError> {
    read(parameters, MOST_IN_TABLE, MOST_IN_TABLE)
}

fn read(parameters: &[(String, String)], some: usize, most: usize) -> Result<Query, ApiError> {
    let mut query = Query { limit: some, ..Query::default() };
    for (name, value) in said(parameters) {
        match name {
            "sort" => (query.order, query.descending) = sorted(&Order::NAMES, value)?,
            "offset" => query.offset = number(name, value, usize::MAX)?,
            "limit" => query.limit = number(name, value, most)?,
            // Unknown parameters are ignored, since the page has others.
            _ => drop(condition(&mut query.filter, name, value)?),
        }
    }
    Ok(query)
}

/// Reads the filters and the order of applications. Unknown parameters are ignored, as above.
pub(crate) fn applications(parameters: &[(String, String)]) -> Result<ApplicationQuery, ApiError> {
    let mut query = ApplicationQuery::default();
    for (name, value) in said(parameters) {
        match name {
            "trouble" if value == "any" => query.trouble = Some(Asked::Any),
            "trouble" => {
                let known = Trouble::ALL.into_iter().find(|trouble| trouble.name() == value);
                let names = || format!("any, {}", Trouble::ALL.map(Trouble::name).join(", "));
                query.trouble = Some(Asked::Only(known.ok_or_else(|| expected(name, value, names()))?));
            }
            "sort" => (query.order, query.descending) = sorted(&ApplicationOrder::NAMES, value)?,
            "offset" => query.offset = number(name, value, usize::MAX)?,
            "limit" => query.limit = Some(number(name, value, MOST)?),
            _ => drop(condition(&mut query.filter, name, value)?),
        }
    }
    Ok(query)
}

/// Reads an order: a name, which a `-` reverses.
fn sorted<O: Copy, const N: usize>(names: &[(&str, O); N], value: &str) -> Result<(O, bool), ApiError> {
    let (descending, order) = value.strip_prefix('-').map_or((false, value), |order| (true, order));
    let known = names.iter().find(|(name, _)| *name == order);
    let all = || names.map(|(name, _)| name).join(", ");
    let (_, order) = known.ok_or_else(|| expected("sort", value, all()))?;
    Ok((*order, descending))
}

/// Adds a condition, whose value is not empty. Returns whether there is such a condition.
pub(super) fn condition(filter: &mut Filter, name: &str, value: &str) -> Result<bool, ApiError> {
    match name {
        "q" => filter.terms = Term::all(search(value)?),
        "application" => filter.application = Some(value.to_uppercase()),
        "status" => {
            let status = InstanceStatus::from_name(&value.to_uppercase());
            let names = || InstanceStatus::ALL.map(InstanceStatus::name).join(", ");
            filter.status = Some(status.ok_or_else(|| expected(name, value, names()))?);
        }
        "zone" => filter.zone = Some(value.to_owned()),
        "version" => filter.version = Some(value.to_owned()),
        "overdue" => filter.overdue = Some(truth(name, value)?),
        "expired" => filter.expired = Some(truth(name, value)?),
        "restored" => filter.restored = Some(truth(name, value)?),
        "overridden" => filter.overridden = Some(truth(name, value)?),
        "up" => filter.up = Some(truth(name, value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn truth(name: &str, value: &str) -> Result<bool, ApiError> {
    value.parse().map_err(|_neither| expected(name, value, "true or false"))
}

/// The text of a search, if it is not too long.
pub(super) fn search(text: &str) -> Result<&str, ApiError> {
    let is_short = text.len() <= MOST_SEARCH || text.chars().count() <= MOST_SEARCH;
    is_short.then_some(text).ok_or_else(|| ApiError::BadParameter(format!("q: at most {MOST_SEARCH} characters")))
}

/// A number up to `most`.
pub(crate) fn number<N: FromStr + PartialOrd + Display + Copy>(
    name: &str,
    value: &str,
    most: N,
) -> Result<N, ApiError> {
    let number = value.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| expected(name, value, format_args!("a number from 0 to {most}")))
}

pub(super) fn expected(name: &str, value: &str, what: impl Display) -> ApiError {
    ApiError::BadParameter(format!("{name}={value}: expected {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_parameter_is_reported_in_one_line() {
        let error = |name: &str, value: &str| match instances(&[(name.to_owned(), value.to_owned())]) {
            Err(ApiError::BadParameter(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(error("limit", "1001"), "limit=1001: expected a number from 0 to 1000");
        assert_eq!(error("status", "UPP"), "status=UPP: expected DOWN, OUT_OF_SERVICE, STARTING, UNKNOWN, UP");
        assert_eq!(error("overdue", "yes"), "overdue=yes: expected true or false");
        assert!(error("sort", "--zone").starts_with("sort=--zone: expected application, "));
        assert!(instances(&[("limit".to_owned(), " ".to_owned()), ("other".to_owned(), "1".to_owned())]).is_ok());
    }
}
