//! Everything that comments and pages cite is in the repository: sections and quirks of `src/PROTOCOL.md`, recordings, linked
//! pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that people write: everything in the repository but recordings, generated files and third-party code.
const PLACES: [&str; 8] = ["src", "tests", "compat", "deploy", ".ci", ".cargo", ".github", ""];
const SKIPPED: [&str; 8] = ["target", "node_modules", "vendor", ".venv", "seeds", "corpus", "artifacts", "__pycache__"];

#[test]
fn every_citation_of_the_protocol_leads_to_a_heading() {
    let page = Page::read(&root().join("src/PROTOCOL.md"));
    let (mut cited, mut lost) = (0, Vec::new());
    for (path, text) in texts() {
        // In the page itself, a section is cited without the page's name.
        let citations = citations(&text, path.ends_with("src/PROTOCOL.md"));
        cited += citations.len();
        let wrong = citations.iter().filter(|citation| !page.has(citation));
        lost.extend(wrong.map(|citation| format!("{}: {citation:?}", path.display())));
    }
    assert!(cited > 80, "only {cited} citations were found");
    assert!(lost.is_empty(), "these lead nowhere:\n{}", lost.join("\n"));
}

#[test]
fn made_up_citations_are_noticed() {
    let page = Page::read(&root().join("src/PROTOCOL.md"));
    // Written in parts, so that a search for citations does not find these.
    for text in [
        "// as in src/PROTOCOL.md, section N",
        "// as in src/PROTOCOL.md, sections 2.1 to N",
        "// (quirk N: it never did)",
        "/// wrapped at the end of the line (quirk\n/// N)",
        "quirks 1, 2 and N",
        "[there](src/PROTOCOL.md#quirk-N)",
        "// src/PROTOCOL.md N",
    ] {
        let text = text.replace('N', "999");
        let citations = citations(&text, false);
        assert!(citations.iter().any(|citation| !page.has(citation)), "{text}: {citations:?}");
    }
    let lower_case = format!("// {}, section 2.1", "PROTOCOL.md".to_lowercase());
    assert!(!page.has(&citations(&lower_case, false)[0]));
    let right =
        "src/PROTOCOL.md, sections 2.1 to 2.5, and quirks 1 and 29; [5](PROTOCOL.md#quirk-5), a quirk of 7 times";
    assert!(citations(right, false).iter().all(|citation| page.has(citation)));
    assert_eq!(citations(right, false).len(), 5);
}

#[test]
fn no_number_of_the_protocol_is_given_twice() {
    let page = Page::read(&root().join("src/PROTOCOL.md"));
    let unique: BTreeSet<&Citation> = page.headings.iter().collect();
    assert_eq!(unique.len(), page.headings.len());
}

#[test]
fn the_recordings_that_the_protocol_names_are_there() {
    let text = fs::read_to_string(root().join("src/PROTOCOL.md")).unwrap();
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let names = text.split("golden/").skip(1).map(|after| &after[..after.find(|c| !is_name(c)).unwrap_or(0)]);
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(root().join(format!("tests/golden/{name}.json")).is_file(), "there is no recording `{name}`");
    }
}

#[test]
fn every_recording_is_described() {
    let page = fs::read_to_string(root().join("tests/golden/README.md")).unwrap();
    for entry in fs::read_dir(root().join("tests/golden")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let described = file.strip_suffix(".json").is_none_or(|name| page.contains(&format!("`{name}`")));
        assert!(described, "tests/golden/README.md says nothing of {file}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut links = 0;
    for (path, text) in texts().into_iter().filter(|(path, _)| is_page(path)) {
        for after in text.split("](").skip(1) {
            let target = after.split([')', ' ']).next().unwrap();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: {target} is not there", path.display());
            let found = anchor.is_empty() || !is_page(&file) || Page::read(&file).anchors.contains(anchor);
            assert!(found, "{}: {target} has no such heading", path.display());
            links += 1;
        }
    }
    assert!(links > 20, "only {links} links were found");
}

/// The parts of `src/PROTOCOL.md` that a text cites.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Citation {
    Section(String),
    Quirk(String),
    Anchor(String),
    /// Wrong citations: the page's name in lower case, or with a number but without the word "section".
    Unclear(String),
}

/// The headings of a page.
struct Page {
    headings: Vec<Citation>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let titles: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
            .collect();
        let numbered = titles.iter().filter_map(|title| match title.strip_prefix("Quirk ") {
            Some(number) => Some(Citation::Quirk(number.to_owned())),
            None => number(title).map(|(number, _)| Citation::Section(number.to_owned())),
        });
        Self { headings: numbered.collect(), anchors: titles.iter().map(|title| anchor(title)).collect() }
    }

    fn has(&self, citation: &Citation) -> bool {
        match citation {
            Citation::Section(_) | Citation::Quirk(_) => self.headings.contains(citation),
            Citation::Anchor(anchor) => self.anchors.contains(anchor),
            Citation::Unclear(_) => false,
        }
    }
}

/// The anchor of a heading.
fn anchor(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    title.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn citations(text: &str, is_the_page: bool) -> Vec<Citation> {
    let text = in_one_line(text);
    let (page, lower_case) = ("PROTOCOL.md", "PROTOCOL.md".to_lowercase());
    let mut found = Vec::new();
    for (at, name) in text.match_indices(page).chain(text.match_indices(&lower_case)) {
        let after = &text[at + name.len()..];
        let words: String = after.chars().take(20).collect();
        if name != page {
            found.push(Citation::Unclear(format!("{name}{words}")));
        } else if let Some(anchor) = after.strip_prefix('#') {
            let end = anchor.find(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).unwrap_or(anchor.len());
            found.push(Citation::Anchor(anchor[..end].to_owned()));
        } else if let Some(numbers) = after.strip_prefix(", section") {
            found.extend(numbers_of(numbers).map(Citation::Section));
        } else if number(after.trim_start()).is_some() {
            found.push(Citation::Unclear(format!("{name}{words}")));
        }
    }
    let lower = text.to_ascii_lowercase();
    let after = |word: &'static str| lower.split(word).skip(1);
    found.extend(after("quirk").flat_map(numbers_of).map(Citation::Quirk));
    if is_the_page {
        found.extend(after("section").flat_map(numbers_of).map(Citation::Section));
    }
    found
}

/// A text without line breaks and comment markers.
fn in_one_line(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim().trim_start_matches(['/', '!', '#', '*']).trim());
    lines.collect::<Vec<_>>().join(" ")
}

/// The numbers after a word: ` 3`, `s 3 and 4.1`, `s 3, 5 to 7`.
fn numbers_of(after: &str) -> impl Iterator<Item = String> {
    let mut rest = after.strip_prefix('s').unwrap_or(after).strip_prefix(' ').unwrap_or_default();
    let mut numbers = Vec::new();
    while let Some((number, behind)) = number(rest) {
        numbers.push(number.to_owned());
        rest = [", ", " and ", " to ", " or "].iter().find_map(|comma| behind.strip_prefix(comma)).unwrap_or_default();
    }
    numbers.into_iter()
}

/// The number that a text begins with, `4` or `4.1`, and what is behind it.
fn number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].trim_end_matches('.');
    number.starts_with(|c: char| c.is_ascii_digit()).then(|| (number, &text[number.len()..]))
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every text that may cite something, without this file, which has made-up citations.
fn texts() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for place in PLACES {
        collect(&root().join(place), !place.is_empty(), &mut found);
    }
    assert!(found.len() > 200, "the walk over the repository found next to nothing");
    found
}

fn collect(directory: &Path, deep: bool, found: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_data = [".json", ".lock", ".log", "citations.rs"].iter().any(|end| name.ends_with(end));
        if path.is_dir() {
            if deep && !SKIPPED.contains(&name.as_str()) {
                collect(&path, deep, found);
            }
        } else if !is_data && let Ok(text) = fs::read_to_string(&path) {
            found.push((path, text));
        }
    }
}
