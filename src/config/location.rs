//! [`Location`]: what an entry of `spring.config.location` or `spring.config.import` names.

use std::path::{Path, PathBuf};

/// A place of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// Whether nothing needs to be there.
    pub(super) optional: bool,
    pub(super) place: Place,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file, of the kind that an extension in brackets says (`.env[.properties]`), or its own.
    File(PathBuf, Option<String>),
    /// A directory with files called `application`.
    Directory(PathBuf),
    /// Every directory in one (`config/*/`).
    Directories(PathBuf),
    /// A directory with a file for each value (`configtree:`).
    Tree(PathBuf),
    /// Every such directory in one (`configtree:/etc/secrets/*/`).
    Trees(PathBuf),
    /// A variable of the environment that holds a file's text (`env:`).
    Variable(String, Option<String>),
    /// What this server does not read (`configserver:`, `classpath:`).
    Elsewhere(String),
}

impl Location {
    /// Reads `optional:file:./config/`. What has no scheme is beside the file that names it, as in Spring; any other path is relative to
    /// the working directory.
    pub(super) fn parse(text: &str, working: &Path, beside: &Path) -> Self {
        let (text, optional) = text.strip_prefix("optional:").map_or((text, false), |text| (text, true));
        let place = match scheme(text) {
            Some(("configtree", path)) => tree(&working.join(relative(without_file(path)))),
            Some(("file", path)) => file(without_file(path), working),
            Some(("env", name)) => {
                let (name, extension) = hint(name);
                Place::Variable(name.to_owned(), extension)
            }
            Some((scheme, _)) => Place::Elsewhere(scheme.to_owned()),
            None => file(text, beside),
        };
        Self { optional, place }
    }

    /// The locations of a list, in groups: of a group (`;`), profiles win over what is for all; of two (`,`), the later one wins.
    pub(super) fn groups(text: &str, working: &Path) -> Vec<Vec<Self>> {
        let parse = |one: &str| Self::parse(one, working, working);
        let group = |group: &str| entries(group, ';').map(parse).collect();
        entries(text, ',').map(group).collect()
    }
}

/// The entries of a list that say something.
pub(super) fn entries(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|entry| !entry.is_empty())
}

fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '*'));
    is_scheme.then_some((scheme, rest))
}

/// `file:` before a path, and the two slashes of a URL.
fn without_file(path: &str) -> &str {
    let path = path.strip_prefix("file:").unwrap_or(path);
    path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

fn hint(path: &str) -> (&str, Option<String>) {
    let hinted = path.strip_suffix(']').and_then(|path| path.rsplit_once("[."));
    hinted.map_or((path, None), |(path, extension)| (path, Some(extension.to_owned())))
}

fn file(path: &str, base: &Path) -> Place {
    let (path, extension) = hint(path);
    if let Some(above) = path.strip_suffix("*/") {
        return Place::Directories(base.join(relative(above)));
    }
    let is_directory = path.ends_with('/') || (extension.is_none() && base.join(relative(path)).is_dir());
    let joined = base.join(relative(path));
    if is_directory { Place::Directory(joined) } else { Place::File(joined, extension) }
}

fn tree(path: &Path) -> Place {
    let text = path.to_string_lossy();
    match text.strip_suffix("*/") {
        Some(above) => Place::Trees(PathBuf::from(above)),
        None => Place::Tree(path.to_owned()),
    }
}

/// Without what changes nothing, so that paths read well.
fn relative(path: &str) -> &str {
    path.trim_start_matches("./")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_as_spring_reads_them() {
        let parse = |text| Location::parse(text, Path::new("/srv/app"), Path::new("/etc/app"));
        let file = |path: &str, extension: Option<&str>| Place::File(path.into(), extension.map(str::to_owned));
        for (text, optional, place) in [
            ("optional:file:./a.yml", true, file("/srv/app/a.yml", None)),
            ("file:/x/a.yml", false, file("/x/a.yml", None)),
            ("file:///x/a.yml", false, file("/x/a.yml", None)),
            ("a.yml", false, file("/etc/app/a.yml", None)),
            ("optional:file:.env[.properties]", true, file("/srv/app/.env", Some("properties"))),
            ("file:conf/", false, Place::Directory("/srv/app/conf".into())),
            ("optional:file:./config/*/", true, Place::Directories("/srv/app/config".into())),
            ("configtree:./secrets/", false, Place::Tree("/srv/app/secrets/".into())),
            ("configtree:/etc/secrets/*/", false, Place::Trees("/etc/secrets/".into())),
            ("optional:env:CONF[.yaml]", true, Place::Variable("CONF".to_owned(), Some("yaml".to_owned()))),
            ("configserver:http://config:8888", false, Place::Elsewhere("configserver".to_owned())),
            ("classpath*:/a.yml", false, Place::Elsewhere("classpath*".to_owned())),
        ] {
            assert_eq!(parse(text), Location { optional, place }, "{text}");
        }
        let groups = Location::groups("file:a.yml;file:b.yml, file:c.yml,", Path::new("/"));
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }
}
