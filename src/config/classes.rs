//! Keys of Eureka servers that this server does not read, and what that costs. They are accepted, so that an existing configuration
//! applies as it is, and said; each with the reason, so that nobody wonders (src/PROTOCOL.md, section 12).

mod eureka;
mod management;
mod rule;
mod server;
mod spring;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use rule::{Class, Rule};

use super::name::canonical;

/// Every rule.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    [eureka::RULES, server::RULES, management::RULES, spring::RULES].into_iter().flatten()
}

/// The rules by the one forms of the whole names, and of the beginnings, the longest first.
struct Index {
    whole: HashMap<String, &'static Rule>,
    beginnings: Vec<(String, &'static Rule)>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { whole: HashMap::new(), beginnings: Vec::new() };
    for rule in rules() {
        for key in rule.keys {
            match key.strip_suffix('*') {
                Some(beginning) => index.beginnings.push((canonical(beginning), rule)),
                None => drop(index.whole.insert(canonical(key), rule)),
            }
        }
    }
    index.beginnings.sort_by_key(|(beginning, _)| std::cmp::Reverse(beginning.len()));
    index
});

/// The rule for a key in its one form, if there is one.
pub(super) fn rule(slot: &str) -> Option<&'static Rule> {
    let begins = || INDEX.beginnings.iter().find(|(beginning, _)| slot.starts_with(beginning)).map(|(_, rule)| *rule);
    INDEX.whole.get(slot).copied().or_else(begins)
}

/// Whether a value switches something off, so that nothing is lost where it is not there.
pub(super) fn is_off(value: &str) -> bool {
    matches!(value.trim().to_lowercase().as_str(), "" | "false" | "off" | "no" | "none" | "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_a_whole_name_before_it() {
        for (key, class) in [
            ("eureka.server.remote-region-urls", Class::Function),
            ("eureka.server.remote-region-read-timeout-ms", Class::Harmless),
            ("spring.security.oauth2.resourceserver.jwt.issuer-uri", Class::Protection),
            ("spring.security.oauth2.authorizationserver.issuer", Class::Function),
            ("management.metrics.tags.region", Class::Function),
            ("management.metrics.enable.jvm", Class::Harmless),
        ] {
            assert_eq!(rule(&canonical(key)).map(|rule| rule.class), Some(class), "{key}");
        }
        assert!(rule("nothing").is_none());
    }
}
