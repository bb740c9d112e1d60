//! Invariants of the source tree, checked here so that nobody has to remember them.

mod imports;

use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

/// The modules in the order of dependency: each uses only those before it (and itself).
const LAYERS: [&str; 19] = [
    "time",
    "metrics",
    "limits",
    "log_levels",
    "tls",
    "model",
    "codec",
    "registry",
    "snapshot",
    "replication",
    "kubernetes",
    "console",
    "http",
    "tasks",
    "telemetry",
    "server",
    "config",
    "commands",
    "main",
];

/// Layers that decide and never wait: no `async`, no `.await`.
const SYNCHRONOUS: [&str; 7] = ["time", "metrics", "limits", "log_levels", "model", "codec", "registry"];

struct Source {
    path: PathBuf,
    layer: usize,
    text: String,
}

impl Source {
    /// Its module's path.
    fn module(&self) -> String {
        let inside = self.path.strip_prefix(root().join("src")).unwrap().with_extension("");
        let names: Vec<_> = inside.iter().map(|name| name.to_str().unwrap()).collect();
        names.join("::")
    }
}

#[test]
fn modules_use_only_those_before_them() {
    for source in sources() {
        for used in crate_paths(&source.text) {
            let Some(used_layer) = LAYERS.iter().position(|layer| *layer == used) else { continue };
            assert!(
                used_layer <= source.layer,
                "{} is in `{}` and must not use `crate::{used}`",
                source.path.display(),
                LAYERS[source.layer]
            );
        }
    }
}

#[test]
fn modules_of_a_layer_do_not_import_each_other_in_a_circle() {
    let sources = sources();
    let modules: Vec<(String, String)> = sources
        .iter()
        .filter(|source| source.path.file_stem().is_some_and(|stem| stem != "tests"))
        .map(|source| (source.module(), code(&source.text)))
        .collect();
    let circle = Imports::read(modules.iter().map(|(module, code)| (module.as_str(), code.clone()))).circle();
    assert_eq!(circle, None);
}

#[test]
fn the_core_is_synchronous() {
    for source in sources().into_iter().filter(|source| SYNCHRONOUS.contains(&LAYERS[source.layer])) {
        for word in ["async ", ".await"] {
            assert!(!code(&source.text).contains(word), "{} holds `{word}`", source.path.display());
        }
    }
}

#[test]
fn dashmap_stays_in_its_file() {
    for source in sources().into_iter().filter(|source| code(&source.text).contains("dashmap")) {
        assert!(source.path.ends_with("registry/store.rs"), "{} names DashMap", source.path.display());
    }
}

#[test]
fn each_layer_knows_only_its_tools() {
    let forbidden = [
        ("model", "serde"),
        ("registry", "axum"),
        ("registry", "reqwest"),
        ("replication", "axum"),
        ("console", "axum"),
        ("console", "http"),
        ("http", "reqwest"),
    ];
    for source in sources() {
        for (layer, tool) in forbidden {
            if LAYERS[source.layer] == layer {
                let used = code(&source.text).contains(&format!("{tool}::"));
                assert!(!used, "{} is in `{layer}` and must not use {tool}", source.path.display());
            }
        }
    }
}

#[test]
fn every_module_is_in_a_layer() {
    let root = root().join("src");
    for source in sources() {
        let inside = source.path.strip_prefix(&root).unwrap();
        assert!(source.layer < LAYERS.len(), "{} is in no layer", inside.display());
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join("src"), &mut found);
    assert!(found.len() > 20, "the walk over src found next to nothing");
    found
}

fn collect(directory: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_no_module(&path) {
            let inside = path.strip_prefix(root().join("src")).unwrap();
            let first =
                inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let layer = LAYERS.iter().position(|layer| *layer == first).unwrap_or(LAYERS.len());
            let text = fs::read_to_string(&path).unwrap();
            found.push(Source { path, layer, text });
        }
    }
}

/// The crate's root, and what runs before it is built.
fn is_no_module(path: &Path) -> bool {
    path.ends_with("src/lib.rs") || path.ends_with("src/build.rs")
}

/// The text without its comments and its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first names of `crate::…` paths, those of `use crate::{…}` among them.
fn crate_paths(text: &str) -> Vec<String> {
    let code = code(text);
    let mut names = Vec::new();
    for after in code.split("crate::").skip(1) {
        if let Some(list) = after.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for character in list.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut name)),
                    _ if depth == 0 => name.push(character),
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(after.to_owned());
        }
    }
    let first = |name: String| name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    names.into_iter().map(first).collect()
}
