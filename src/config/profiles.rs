//! Which profiles are active, and which documents are for them.

use super::layer::Layer;

/// Whether a document that asks for `expression` is for these profiles. A list of expressions, with commas, is for each of
/// them; an expression is a name, or made of others with `!`, `&`, `|` and parentheses (Spring's `Profiles.of`).
pub(super) fn applies(expression: &str, active: &[String]) -> Result<bool, String> {
    let mut any = false;
    for one in expression.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let mut rest = one;
        any |= alternatives(&mut rest, active)?;
        if !rest.trim().is_empty() {
            return Err(format!("profile expression {one:?}: {:?} is left over", rest.trim()));
        }
    }
    Ok(any)
}

fn alternatives(rest: &mut &str, active: &[String]) -> Result<bool, String> {
    let mut any = conjunction(rest, active)?;
    while take(rest, '|') {
        any |= conjunction(rest, active)?;
    }
    Ok(any)
}

fn conjunction(rest: &mut &str, active: &[String]) -> Result<bool, String> {
    let mut all = term(rest, active)?;
    while take(rest, '&') {
        all &= term(rest, active)?;
    }
    Ok(all)
}

fn term(rest: &mut &str, active: &[String]) -> Result<bool, String> {
    let mut negated = false;
    while take(rest, '!') {
        negated = !negated;
    }
    if take(rest, '(') {
        let inside = alternatives(rest, active)?;
        return if take(rest, ')') { Ok(inside != negated) } else { Err("a profile expression lacks a )".to_owned()) };
    }
    let text = rest.trim_start();
    let end = text.find(['!', '&', '|', '(', ')']).unwrap_or(text.len());
    let name = text[..end].trim();
    *rest = &text[end..];
    if name.is_empty() {
        return Err("a profile expression lacks a name".to_owned());
    }
    Ok(active.iter().any(|profile| profile == name) != negated)
}

fn take(rest: &mut &str, wanted: char) -> bool {
    let Some(after) = rest.trim_start().strip_prefix(wanted) else { return false };
    *rest = after;
    true
}

/// The active profiles, in the order in which their files are read: those of `spring.profiles.active`, or of
/// `spring.profiles.default`, with those of `spring.profiles.include` before them and the members of a
/// `spring.profiles.group.*` behind its name. Of the layers, later ones win.
pub(super) fn active(layers: &[&Layer]) -> Vec<String> {
    let said = |slot: &str| layers.iter().rev().find_map(|layer| layer.get(slot));
    let chosen = said("springprofilesactive").or_else(|| said("springprofilesdefault")).unwrap_or("default");
    let included = layers.iter().filter_map(|layer| layer.get("springprofilesinclude"));
    let mut active: Vec<String> = Vec::new();
    for name in included.flat_map(names).chain(names(chosen)) {
        add(name, &said, &mut active);
    }
    active
}

fn add<'a>(name: &str, said: &impl Fn(&str) -> Option<&'a str>, active: &mut Vec<String>) {
    if active.iter().any(|known| known == name) {
        return;
    }
    active.push(name.to_owned());
    if let Some(members) = said(&format!("springprofilesgroup{}", super::name::canonical(name))) {
        names(members).for_each(|member| add(member, said, active));
    }
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_springs() {
        let active = ["peer1".to_owned(), "cloud".to_owned()];
        for (expression, applying) in [
            ("peer1", true),
            ("peer2", false),
            ("!peer2", true),
            ("!!peer1", true),
            ("peer2, peer1", true),
            ("peer1 & cloud", true),
            ("peer1 & !cloud", false),
            ("peer2 | cloud", true),
            ("(peer2 | cloud) & peer1", true),
            ("!(peer1 & cloud)", false),
            ("", false),
        ] {
            assert_eq!(applies(expression, &active), Ok(applying), "{expression}");
        }
        for broken in ["peer1 &", "(peer1", "peer1)", "!", "a & | b"] {
            assert!(applies(broken, &active).is_err(), "{broken}");
        }
    }

    #[test]
    fn groups_stand_for_their_members_and_includes_come_first() {
        let mut layer = Layer::new("test");
        for (name, value) in [
            ("spring.profiles.active", "production,peer1"),
            ("spring.profiles.include", "common"),
            ("spring.profiles.group.production", "db,peer1"),
        ] {
            layer.set(name, value);
        }
        assert_eq!(active(&[&layer]), ["common", "production", "db", "peer1"]);
        assert_eq!(active(&[]), ["default"]);
    }
}
