//! Spring's own list of keys: each is classed.

use std::collections::BTreeMap;

use eureka_registry::config;

/// The names, and the lines of Spring Cloud Netflix that have them.
const KEYS: &str = include_str!("spring-keys.txt");

#[test]
fn every_key_of_springs_metadata_is_honoured_or_says_what_it_costs() {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unknown = Vec::new();
    for line in KEYS.lines().filter(|line| !line.starts_with('#')) {
        let key = line.split(' ').next().unwrap();
        match config::class_of(key) {
            Some(class) => *found.entry(class).or_default() += 1,
            None => unknown.push(key),
        }
    }
    assert!(unknown.is_empty(), "class these keys in src/config/classes: {unknown:#?}");
    assert!(found["honoured"] > 90 && found["costs a protection"] > 10, "{found:?}");
    assert_eq!(config::class_of("eureka.server.no-such-key"), None);
}
