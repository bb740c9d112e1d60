//! [`Parameters`]: what the address of the page asks for, and the links that ask for something else.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::api::query::CONDITIONS;

/// The characters that are not encoded in a URL.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A part of a URL.
pub(super) fn encode(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, UNRESERVED)
}

/// The parameters of a query that are not empty.
pub(super) struct Parameters(pub(super) Vec<(String, String)>);

/// A column of the list: its title, the order that its title leads to (empty if there is none), and its class.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) sort: &'static str,
    pub(super) class: &'static str,
}

const fn column(title: &'static str, sort: &'static str, class: &'static str) -> Column {
    Column { title, sort, class }
}

/// The columns of the list of instances.
pub(super) const INSTANCE_COLUMNS: [Column; 9] = [
    column("Status", "status", "state"),
    column("Application", "application", "application"),
    column("Instance", "instanceId", "instance"),
    column("Address", "", "address"),
    column("Zone", "zone", "zone"),
    column("Version", "version", "version"),
    column("Registered", "registered", "registered n"),
    column("Last renewal", "lastRenewal", "renewal n"),
    column("Links", "", "links"),
];

/// The columns of the list of applications.
pub(super) const APPLICATION_COLUMNS: [Column; 5] = [
    column("Application", "application", "name"),
    column("UP", "instances", "up"),
    column("What is wrong", "trouble", "problem"),
    column("Zones", "", "zones"),
    column("Versions", "", "versions"),
];

/// Filters of instances that are one click away: the words, the parameter and its value.
pub(super) const QUICK: [(&str, &str, &str); 3] =
    [("not UP", "up", "false"), ("overridden", "overridden", "true"), ("expired", "expired", "true")];

impl Parameters {
    /// The value of a parameter; empty if it is missing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether the list is one of instances. `view` says it; otherwise, each condition that only instances have does.
    pub(super) fn is_about_instances(&self) -> bool {
        match self.get("view") {
            "applications" => false,
            "instances" => true,
            _ => CONDITIONS.iter().any(|name| *name != "q" && !self.get(name).is_empty()),
        }
    }

    /// Whether there is a condition that instances can fulfil.
    pub(super) fn has_conditions(&self) -> bool {
        CONDITIONS.iter().any(|name| !self.get(name).is_empty())
    }

    /// Whether the list has less than everything.
    pub(super) fn is_narrowed(&self) -> bool {
        self.has_conditions() || !self.get("trouble").is_empty()
    }

    /// Whether a parameter has this value.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == value
    }

    /// Whether the instances of an application are shown below it.
    pub(super) fn is_open(&self, app: &str) -> bool {
        self.0.iter().any(|(name, value)| name == "open" && value.eq_ignore_ascii_case(app))
    }

    /// A link that shows the instances of an application below it, or no longer does.
    pub(super) fn toggled(&self, app: &str) -> String {
        let kept = self.0.iter().filter(|(name, value)| name != "open" || !value.eq_ignore_ascii_case(app));
        let mut all: Vec<String> = kept.map(|(name, value)| pair(name, value)).collect();
        if !self.is_open(app) {
            all.push(pair("open", app));
        }
        link(&all)
    }

    /// A link to the first page of the list with another value of a parameter; an empty value removes the parameter.
    pub(super) fn with(&self, name: &str, value: impl fmt::Display) -> String {
        let kept = self.0.iter().filter(|(known, _)| known != name && known != "offset");
        let kept = kept.map(|(name, value)| (name.as_str(), value.clone()));
        let value = value.to_string();
        let all = kept.chain(Some((name, value)).filter(|(_, value)| !value.is_empty()));
        let encoded: Vec<String> = all.map(|(name, value)| pair(name, &value)).collect();
        link(&encoded)
    }

    /// A link that adds a condition, or removes it if the list has it already.
    pub(super) fn with_or_without(&self, name: &str, value: &str) -> String {
        self.with(name, if self.is(name, value) { "" } else { value })
    }

    /// A link to the same list without any condition.
    pub(super) fn cleared(&self) -> &'static str {
        if self.is_about_instances() { "?view=instances" } else { "./" }
    }

    /// The order of the list as a column has it in `aria-sort`; `None` if it is sorted by another one.
    pub(super) fn order_of(&self, column: &Column) -> Option<&'static str> {
        let by = match (self.get("sort"), self.is_about_instances()) {
            ("", true) => "application",
            ("", false) => "trouble",
            (by, _) => by,
        };
        let (name, order) = by.strip_prefix('-').map_or((by, "ascending"), |name| (name, "descending"));
        (!name.is_empty() && name == column.sort).then_some(order)
    }

    /// A link that sorts by a column, or the other way round if the list is sorted by it already.
    pub(super) fn sorted_by(&self, column: &Column) -> String {
        let sign = if self.order_of(column) == Some("ascending") { "-" } else { "" };
        self.with("sort", format_args!("{sign}{}", column.sort))
    }

    /// The query of the API that has all instances that were found, in a format.
    pub(super) fn as_file(&self, format: &str) -> String {
        let names = CONDITIONS.iter().copied().chain(["sort"]).filter(|name| !self.get(name).is_empty());
        let mut all: Vec<String> = names.map(|name| pair(name, self.get(name))).collect();
        all.push(pair("format", format));
        if format == "json" {
            all.push(pair("limit", "1000"));
        }
        all.join("&")
    }
}

fn pair(name: &str, value: &str) -> String {
    format!("{}={}", encode(name), encode(value))
}

fn link(pairs: &[String]) -> String {
    if pairs.is_empty() { "./".to_owned() } else { format!("./?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Parameters {
        Parameters(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn links_keep_the_filters() {
        let query = of(&[("q", "a b"), ("zone", "z&1"), ("offset", "100")]);
        assert_eq!(query.with("status", "UP"), "./?q=a%20b&zone=z%261&status=UP");
        assert_eq!(query.with("offset", 200), "./?q=a%20b&zone=z%261&offset=200");
        assert_eq!(query.with("q", ""), "./?zone=z%261");
        assert_eq!(of(&[]).with("q", ""), "./");
        assert_eq!(query.with_or_without("zone", "z&1"), "./?q=a%20b");
        assert_eq!(query.as_file("csv"), "q=a%20b&zone=z%261&format=csv");
    }

    #[test]
    fn a_title_sorts_by_its_column_and_then_the_other_way_round() {
        let [status, application, ..] = &INSTANCE_COLUMNS;
        let links = |query: &Parameters| [status, application].map(|column| query.sorted_by(column));
        assert_eq!(
            links(&of(&[("view", "instances")])),
            ["./?view=instances&sort=status", "./?view=instances&sort=-application"]
        );
        assert_eq!(
            links(&of(&[("zone", "a"), ("sort", "-status")])),
            ["./?zone=a&sort=status", "./?zone=a&sort=application"]
        );
        let orders = |query: &Parameters| APPLICATION_COLUMNS.map(|column| query.order_of(&column));
        assert_eq!(orders(&of(&[])), [None, None, Some("ascending"), None, None]);
        assert_eq!(orders(&of(&[("sort", "-instances")])), [None, Some("descending"), None, None, None]);
    }
}
