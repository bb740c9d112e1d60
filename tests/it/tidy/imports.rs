//! Which module imports which, and whether some import each other in a circle.
//!
//! A module is a file. It imports another one by a `use`, or by a path in its code; through a `pub use` it imports the file where
//! the item is written. A `pub use` itself is no import: it only makes an item available under another path.

use std::collections::{BTreeMap, BTreeSet};

type Path = Vec<String>;

/// A name that a module brings in.
struct Import {
    path: Path,
    name: String,
    is_reexport: bool,
}

/// The imports and paths in a module's code.
struct Module {
    imports: Vec<Import>,
    /// Paths in its code.
    mentioned: Vec<Path>,
}

/// The modules of a crate.
pub(super) struct Imports(BTreeMap<Path, Module>);

impl Imports {
    /// Reads modules: the path of each, and its code without comments and tests.
    pub(super) fn read<'a>(modules: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let read = |(path, code): (&str, String)| (split(path), Module::read(&code));
        Self(modules.into_iter().map(read).collect())
    }

    /// Modules of one layer that import each other in a circle, the first one again at the end.
    pub(super) fn circle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.0.keys().find_map(|module| self.circle_from(module, &mut Vec::new(), &mut done))
    }

    fn circle_from<'a>(
        &'a self,
        module: &'a Path,
        way: &mut Vec<&'a Path>,
        done: &mut BTreeSet<&'a Path>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|passed| *passed == module) {
            return Some(way[start..].iter().chain([&module]).map(|module| module.join("::")).collect());
        }
        if done.contains(module) {
            return None;
        }
        way.push(module);
        let circle = self.imported(module).into_iter().find_map(|next| self.circle_from(next, way, done));
        way.pop();
        done.insert(module);
        circle
    }

    /// The other modules of its layer that a module imports.
    fn imported<'a>(&'a self, module: &'a Path) -> BTreeSet<&'a Path> {
        let Module { imports, mentioned } = &self.0[module];
        let by_use = imports.iter().filter(|import| !import.is_reexport).map(|import| &import.path);
        let paths = by_use.chain(mentioned).filter_map(|path| self.absolute(module, path));
        let written_in = paths.filter_map(|path| self.written_in(&path, 0));
        written_in.filter(|other| *other != module && other[0] == module[0]).collect()
    }

    /// A path from the root of the crate; `None` for one that leads out of it.
    fn absolute(&self, module: &Path, path: &[String]) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let up = path.iter().take_while(|segment| *segment == "super").count();
                Some([&module[..module.len().checked_sub(up)?], &path[up..]].concat())
            }
            _ if self.0.contains_key(&[module, std::slice::from_ref(first)].concat()) => Some([module, path].concat()),
            name => {
                let import = self.0[module].imports.iter().find(|import| import.name == name)?;
                (import.path[0] != name).then(|| self.absolute(module, &[&import.path, rest].concat()))?
            }
        }
    }

    /// The module in whose file the item of a path is written.
    fn written_in(&self, path: &[String], depth: usize) -> Option<&Path> {
        let known = (1..=path.len()).rev().find_map(|len| self.0.get_key_value(&path[..len]))?;
        let (module, Module { imports, .. }) = known;
        let rest = &path[module.len()..];
        let import = rest.first().and_then(|name| imports.iter().find(|import| import.name == *name));
        let elsewhere = import.filter(|_| depth < 10).and_then(|import| {
            let path = self.absolute(module, &import.path)?;
            self.written_in(&[&path, &rest[1..]].concat(), depth + 1)
        });
        elsewhere.or(Some(module))
    }
}

impl Module {
    fn read(code: &str) -> Self {
        let (mut imports, mut rest) = (Vec::new(), String::new());
        let mut lines = code.lines();
        while let Some(line) = lines.next() {
            let Some((is_reexport, first)) = begins_use(line) else {
                rest.push_str(line);
                rest.push('\n');
                continue;
            };
            let mut statement = first.to_owned();
            while !statement.contains(';') {
                let Some(line) = lines.next() else { break };
                statement.push_str(line.trim());
            }
            let statement = statement.split(';').next().unwrap_or_default();
            imports.extend(expand("", statement).iter().map(|path| Import::read(path, is_reexport)));
        }
        let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        let words = rest.split(|c| !is_path(c)).filter(|word| word.contains("::"));
        Self { imports, mentioned: words.map(split).filter(|path| path.len() > 1).collect() }
    }
}

impl Import {
    fn read(path: &str, is_reexport: bool) -> Self {
        let (path, alias) = path.split_once(" as ").map_or((path, None), |(path, alias)| (path, Some(alias.trim())));
        let mut path = split(path);
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = alias.map(str::to_owned).or_else(|| path.last().cloned()).unwrap_or_default();
        Self { path, name, is_reexport }
    }
}

/// What follows `use`, if a line begins with it, and whether it is a `pub use`.
fn begins_use(line: &str) -> Option<(bool, &str)> {
    let line = line.trim_start();
    match line.strip_prefix("pub") {
        None => Some((false, line.strip_prefix("use ")?)),
        Some(rest) => {
            let rest = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
            Some((true, rest.strip_prefix(" use ")?))
        }
    }
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d` and `a::c::e`.
fn expand(before: &str, text: &str) -> Vec<String> {
    let Some((start, rest)) = text.split_once('{') else { return vec![format!("{before}{}", text.trim())] };
    let before = format!("{before}{}", start.trim());
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in inside.chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        if character == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(character);
        }
    }
    parts.iter().filter(|part| !part.trim().is_empty()).flat_map(|part| expand(&before, part)).collect()
}

fn split(path: &str) -> Path {
    path.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| !segment.is_empty()).collect()
}

fn circle(modules: &[(&'static str, &str)]) -> Option<String> {
    let imports = Imports::read(modules.iter().map(|(path, code)| (*path, (*code).to_owned())));
    imports.circle().map(|circle| circle.join(" -> "))
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let expected = Some("a::b -> a::c -> a::b".to_owned());
    for (root, c) in [
        ("mod b;\nmod c;", "use super::b::B;"),
        ("mod b;\nmod c;", "use crate::{\n    a::{b::{B, D}},\n    x::Y,\n};"),
        ("mod b;\nmod c;\npub use b::B;", "use super::B;"),
        ("mod b;\nmod c;\npub(crate) use b::B as Other;", "use super::Other;"),
        ("mod b;\nmod c;", "fn f(_: super::b::B) {}"),
        ("mod b;\nmod c;", "use super::b;\nfn f() { b::g(); }"),
        ("mod b;\nmod c;", "use super::b::{self as other};\nfn f() { other::g(); }"),
    ] {
        assert_eq!(circle(&[("a", root), ("a::b", "use super::c::C;"), ("a::c", c)]), expected, "{root}\n{c}");
    }
    let with_its_child = [("a", "mod b;\nuse b::B;\nstruct A;"), ("a::b", "use super::A;")];
    assert_eq!(circle(&with_its_child).as_deref(), Some("a -> a::b -> a"));
    let of_three =
        [("a::b", "use super::c::C;"), ("a::c", "use super::d::D;"), ("a::d", "use super::b::B;"), ("a", "")];
    assert_eq!(circle(&of_three).as_deref(), Some("a::b -> a::c -> a::d -> a::b"));
}

#[test]
fn imports_without_a_circle_are_accepted() {
    let reexported = [("a", "mod b;\nmod c;\npub use b::B;\npub use c::C;"), ("a::b", "use super::C;"), ("a::c", "")];
    let between_layers = [("a", ""), ("a::b", "use crate::c::C;"), ("c", "use crate::a::b::B;")];
    let itself = [("a", "struct A;\nfn f() -> self::A { A }"), ("a::b", "use super::A;")];
    for modules in [&reexported[..], &between_layers[..], &itself[..]] {
        assert_eq!(circle(modules), None);
    }
}
