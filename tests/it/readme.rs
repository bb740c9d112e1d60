//! The pages are up to date: their generated tables are those of the code, and what they name exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eureka_registry::replication::ServiceUrl;
use tokio::time::{Instant, sleep};

use crate::support::api_server::ApiServer;
use crate::support::{DEADLINE, DataDir, TestServer};

/// What to do when a generated table is out of date.
const REGENERATE: &str = "run `UPDATE_README=1 cargo test --test it readme` and commit the page";
/// Maximum number of words of the README, so that it is read to its end.
const MOST_WORDS: usize = 1_800;
/// Maximum bytes of each picture of the README.
const LARGEST_PICTURE: u64 = 150_000;
/// Labels whose values depend on the cluster or are too many for a table. All values of any other label are listed.
const UNLISTED_LABELS: [&str; 10] =
    ["application", "commit", "method", "node", "outcome", "peer", "status", "uri", "version", "watched_namespace"];

#[test]
fn the_configuration_table_is_that_of_the_code() {
    assert_generated("deploy/configuration.md", "configuration", &eureka_registry::config::table());
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "the metrics of the process are read from /proc")]
async fn the_metrics_table_is_that_of_a_scrape() {
    let peer = TestServer::start().await;
    let peer_url = format!("http://{}/eureka/", peer.address);
    let (data, kubernetes) = (DataDir::new("metrics"), ApiServer::start().await);
    let server = TestServer::with(|settings| {
        settings.snapshot.directory = Some(data.path.clone());
        settings.replication.service_urls = vec![ServiceUrl::parse(&peer_url).unwrap()];
        settings.http.metrics_by_application = true;
        settings.kubernetes.pods = true;
        settings.kubernetes.api_server = Some(format!("http://{}", kubernetes.address));
        settings.kubernetes.namespaces = vec!["shop".to_owned()];
    })
    .await;
    server.register("ORDERS", "orders-1").await;
    let begun = Instant::now();
    // Some metrics have no sample until the peer has been compared with.
    let families = loop {
        let families = Family::all(&server.send("GET", "/actuator/prometheus", &[], b"").await.text());
        let empty: Vec<_> = families.iter().filter(|family| !family.has_sample).map(|family| &family.name).collect();
        if empty.is_empty() {
            break families;
        }
        assert!(begun.elapsed() < DEADLINE, "no samples of {empty:?}");
        sleep(Duration::from_millis(20)).await;
    };
    assert!(families.len() > 30, "only {} metrics were found", families.len());
    let rows = families.iter().map(Family::row);
    let table =
        format!("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n{}", rows.collect::<String>());
    assert_generated("deploy/metrics.md", "metrics", &table);
    server.stop().await.unwrap();
    peer.stop().await.unwrap();
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_an_alert() {
    let (alerts, page) = (read("deploy/chart/files/alerts.yaml"), read("deploy/runbooks.md"));
    let after = |text: &str, mark: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.trim_start().strip_prefix(mark).map(str::to_owned)).collect()
    };
    let names = after(&alerts, "- alert: ");
    assert!(names.len() > 20, "only {} alerts were found", names.len());
    assert_eq!(after(&page, "## "), names, "the sections of the page, in the order of the alerts");
    let anchor = |name: &String| format!("deploy/runbooks.md#{}", name.to_lowercase());
    assert_eq!(after(&alerts, "runbook_url: "), names.iter().map(anchor).collect::<Vec<_>>());
    for section in page.split("\n## ").skip(1) {
        for part in ["**What it means.**", "**What clients feel.**", "**What to look at.**", "**What to do.**"] {
            assert_eq!(section.matches(part).count(), 1, "{part} of {section}");
        }
    }
    for link in page.split("](#").skip(1).filter_map(|link| link.split(')').next()) {
        assert!(names.iter().any(|name| name.to_lowercase() == link), "there is no section {link}");
    }
}

#[test]
fn the_readme_is_short() {
    let words = read("README.md").split_whitespace().count();
    assert!(words < MOST_WORDS, "README.md has {words} words: move details to a page below deploy/");
}

#[test]
fn the_pictures_of_the_readme_are_there_and_small() {
    let readme = read("README.md");
    let sources = ["src=\"", "srcset=\""].into_iter().flat_map(|attribute| readme.split(attribute).skip(1));
    let pictures: BTreeSet<&str> = sources.filter_map(|after| after.split('"').next()).collect();
    assert_eq!(pictures.len(), 2, "a light and a dark one: {pictures:?}");
    for picture in pictures {
        let size = fs::metadata(root().join(picture)).map_or(u64::MAX, |file| file.len());
        assert!(size <= LARGEST_PICTURE, "{picture} is missing or too large: {size} bytes");
    }
}

#[test]
fn what_replicas_promise_names_tests_that_exist() {
    let page = read("deploy/replicas.md");
    let scenarios = sources("compat/faults/scenarios", "py");
    let simulation = sources("tests/sim", "rs");
    let code = sources("src", "rs");
    let mut found = 0;
    for name in page.split("--only ").skip(1).filter_map(|after| after.split(['`', ' ']).next()) {
        assert!(scenarios.contains(&format!("def {}(", name.replace('-', "_"))), "there is no scenario {name}");
        found += 1;
    }
    // Names in tables and sentences: scenarios have dashes, tests have underscores.
    let tests = format!("{code}{}", sources("tests/it", "rs"));
    let is_name = |span: &str, mark: char| {
        span.contains(mark) && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == mark)
    };
    for name in code_spans(&page) {
        if is_name(name, '-') && name != "per-application" {
            let function = name.replace('-', "_");
            assert!(scenarios.contains(&format!("def {function}(")), "there is no scenario {name}");
            found += 1;
        }
        if is_name(name, '_') {
            assert!(tests.contains(&format!("fn {name}(")), "there is no test {name}");
            found += 1;
        }
    }
    for name in page.split("invariant \"").skip(1).filter_map(|after| after.split('"').next()) {
        assert!(simulation.contains(&format!("\"{name}\"")), "the simulation has no invariant {name:?}");
        found += 1;
    }
    for name in code_spans(&page).into_iter().filter(|span| span.contains("::tests::")) {
        let test = name.rsplit("::").next().unwrap();
        assert!(code.contains(&format!("fn {test}(")), "there is no test {name}");
        found += 1;
    }
    assert!(found >= 15, "only {found} proofs were found");
}

#[test]
fn what_the_architecture_names_exists() {
    let page = read("src/ARCHITECTURE.md");
    let is_file =
        |span: &&str| span.contains('/') || [".rs", ".md", ".yaml", ".py"].iter().any(|end| span.ends_with(end));
    let mut found = 0;
    for span in code_spans(&page).into_iter().filter(is_file) {
        if span.starts_with('/') || span.contains(' ') || span.contains('*') {
            continue; // A path of a URL, or a command.
        }
        assert!(
            ["src", "."].iter().any(|base| root().join(base).join(span).exists()),
            "ARCHITECTURE.md: {span} is not there"
        );
        found += 1;
    }
    assert!(found > 40, "only {found} files were found");
}

/// One metric in a scrape.
#[derive(Debug, Default)]
struct Family {
    name: String,
    help: String,
    kind: String,
    labels: Vec<(String, BTreeSet<String>)>,
    has_sample: bool,
}

impl Family {
    /// Every metric of a scrape, in its order.
    fn all(text: &str) -> Vec<Self> {
        let mut families: Vec<Self> = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", name, help] => families.push(Self {
                    name: name.to_owned(),
                    help: help.trim_end_matches('.').to_owned(),
                    ..Self::default()
                }),
                ["#", "TYPE", _, kind] => kind.clone_into(&mut families.last_mut().unwrap().kind),
                _ => families.last_mut().unwrap().note(line),
            }
        }
        families
    }

    /// Notes the labels of a sample.
    fn note(&mut self, sample: &str) {
        self.has_sample = true;
        let Some((_, labels)) = sample.rsplit_once(' ').unwrap().0.split_once('{') else { return };
        for label in labels.trim_end_matches('}').split("\",") {
            let (name, value) = label.split_once("=\"").unwrap();
            if name == "le" {
                continue;
            }
            let place = self.labels.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                self.labels.push((name.to_owned(), BTreeSet::new()));
                self.labels.len() - 1
            });
            self.labels[place].1.insert(value.trim_end_matches('"').to_owned());
        }
    }

    /// Its row of the table.
    fn row(&self) -> String {
        let labels = self.labels.iter().map(|(name, values)| {
            if UNLISTED_LABELS.contains(&name.as_str()) {
                return format!("`{name}`");
            }
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            format!("`{name}`: {}", values.join(", "))
        });
        let labels = labels.collect::<Vec<_>>().join("; ");
        format!("| `{}` | {} | {labels} | {}. |\n", self.name, self.kind, self.help)
    }
}

/// Compares the text between the marks of a page with the generated one; writes it if `UPDATE_README` is set.
#[expect(clippy::disallowed_methods, reason = "a switch for people who edit the table")]
fn assert_generated(page: &str, mark: &str, expected: &str) {
    let (begin, end) = (format!("<!-- {mark}:begin -->\n"), format!("<!-- {mark}:end -->"));
    let text = read(page);
    let (before, rest) = text.split_once(&begin).expect("the page marks where the table begins");
    let (found, after) = rest.split_once(&end).expect("the page marks where the table ends");
    if found != expected && std::env::var("UPDATE_README").is_ok() {
        fs::write(root().join(page), format!("{before}{begin}{expected}{end}{after}")).unwrap();
    } else {
        assert!(found == expected, "{page} is out of date: {REGENERATE}; it should have\n{expected}");
    }
}

/// The texts between backticks outside blocks of code.
fn code_spans(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

/// The text of every file with this ending below a directory.
fn sources(directory: &str, extension: &str) -> String {
    let mut text = BTreeMap::new();
    collect(&root().join(directory), extension, &mut text);
    assert!(!text.is_empty(), "{directory} has no .{extension} files");
    text.into_values().collect()
}

fn collect(directory: &Path, extension: &str, found: &mut BTreeMap<PathBuf, String>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            let text = fs::read_to_string(&path).unwrap();
            found.insert(path, text);
        }
    }
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
