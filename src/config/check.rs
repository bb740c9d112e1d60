//! `check-config`: what the settings come to, for a person or for a program.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::apply::Set;
use super::error::{Notice, Unheeded};
use super::keys;
use super::load::Facts;

/// For a person: what is set, what somebody should look at, what has no effect, and with `all` what has its default.
pub(super) fn text(set: &[Set], notices: &[Notice], facts: &Facts, all: bool) -> String {
    let mut text = format!("# Active profiles: {}\n", facts.profiles.join(", "));
    text.push_str(&format!(
        "# Files, later ones win: {}\n",
        if facts.files.is_empty() { "none".to_owned() } else { facts.files.join(", ") }
    ));
    for (key, variable) in &facts.java_options {
        text.push_str(&format!("# {variable} sets {key}\n"));
    }
    let line = |one: &Set| format!("{}={}    # {}\n", one.key.unwrap_or(&one.written), one.shown, one.origin);
    if set.is_empty() {
        text.push_str("\n# Every key has its default; --all lists them\n");
    }
    let (differing, same): (Vec<_>, Vec<_>) = set.iter().partition(|one| one.differs);
    section(&mut text, "Set", differing.into_iter().map(line));
    section(&mut text, "Set to the default", same.into_iter().map(line));
    let (warnings, others): (Vec<_>, Vec<_>) = notices.iter().partition(|notice| notice.what.is_warning());
    let said = |Notice { key, origin, what }: &Notice| format!("# {key} ({origin}): {}\n", what.words());
    section(&mut text, "Warnings", warnings.into_iter().map(said));
    section(&mut text, "No effect, and nothing lost", others.into_iter().map(said));
    if all {
        let is_set = |name: &str| set.iter().any(|one| one.key == Some(name));
        let rest = keys::keys().filter(|key| !is_set(key.name));
        section(&mut text, "Defaults", rest.map(|key| format!("{}={}    # default\n", key.name, key.default)));
    }
    text
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: String = lines.collect();
    if !lines.is_empty() {
        text.push_str(&format!("\n# {title}\n{lines}"));
    }
}

/// For a program: one JSON object.
pub(super) fn json(set: &[Set], notices: &[Notice], facts: &Facts) -> String {
    let by_key: BTreeMap<&str, &Set> = set.iter().filter_map(|one| Some((one.key?, one))).collect();
    let of_table = keys::keys().map(|key| match by_key.get(key.name) {
        Some(one) => setting(key.name, key.default, one),
        None => json!({ "key": key.name, "value": key.default, "default": key.default, "origin": "default" }),
    });
    let others = set.iter().filter(|one| one.key.is_none()).map(|one| setting(&one.written, "", one));
    let notices = notices.iter().map(|Notice { key, origin, what }| {
        let kind = match what {
            Unheeded::Harmless(_) => "harmless",
            Unheeded::Missing(_) => "missing",
            Unheeded::Unknown(_) => "unknown",
        };
        json!({ "key": key, "origin": origin, "kind": kind, "warning": what.is_warning(), "why": what.words() })
    });
    let whole = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "profiles": facts.profiles,
        "files": facts.files,
        "settings": of_table.chain(others).collect::<Vec<_>>(),
        "notices": notices.collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn setting(name: &str, default: &str, one: &Set) -> Value {
    json!({ "key": name, "value": one.shown, "default": default, "origin": one.origin, "written": one.written })
}
