//! The recorded exchanges of the real Java server, replayed.
//!
//! Each file of `tests/golden` is one scenario, replayed against a fresh server. tests/golden/README.md says how an answer is
//! compared with the recorded one: status; on a 2xx answer with a body the media type, the encoding and the body as a tree, times
//! made by the server compared by type and by zero or not; the body of a 409; the one-line texts of a refused registration.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{Answer, TestServer};

/// Where an answer may differ from the recorded one. Ours is better in all rows but one.
struct Better {
    scenario: &'static str,
    /// The method and the path of the requests. The path `*` is any.
    request: (&'static str, &'static str),
    /// The recorded answer without the fault.
    correction: Correction,
    reason: &'static str,
}

const BETTER: &[Better] = &[
    Better {
        scenario: "heartbeat",
        request: ("PUT", "/apps/ORDERS/orders-1?lastDirtyTimestamp=abc"),
        correction: Correction::Status(400),
        reason: "bad input is not the server's failure",
    },
    Better {
        scenario: "status_override",
        request: ("PUT", "/apps/ORDERS/orders-1/status"),
        correction: Correction::Status(400),
        reason: "a missing value is bad input",
    },
    Better {
        scenario: "status_override",
        request: ("PUT", "/apps/ORDERS/orders-1/status?value=BOGUS"),
        correction: Correction::Status(400),
        reason: "an unknown value is bad input",
    },
    Better {
        scenario: "replication",
        request: ("POST", "/peerreplication/batch/"),
        correction: Correction::Status(400),
        reason: "a batch without its list is bad input",
    },
    Better {
        scenario: "routing",
        request: ("GET", "/status"),
        correction: Correction::Status(200),
        reason: "the Java server fails to write its status as JSON",
    },
    Better {
        scenario: "routing",
        request: ("GET", "/status"),
        correction: Correction::Values,
        reason: "the numbers and addresses are of the machine that was recorded",
    },
    Better {
        scenario: "single_instance_xml_status",
        request: ("GET", "*"),
        correction: Correction::Text("<status>DOWN</status>", "<status>OUT_OF_SERVICE</status>"),
        reason: "XML of one instance says its status, not DOWN for OUT_OF_SERVICE",
    },
    Better {
        scenario: "mixed_accept",
        request: ("GET", "*"),
        correction: Correction::Media,
        reason: "an answer is what its Content-Type says",
    },
];

/// What is wrong with a recorded answer.
#[derive(Clone, Copy, Debug)]
enum Correction {
    /// The status. The recorded body belongs to the fault, and is not compared.
    Status(u16),
    /// A text in the body, and the right one.
    Text(&'static str, &'static str),
    /// The values in the body, which were recorded on another machine. Only the names are compared.
    Values,
    /// The body is JSON although the `Content-Type` says XML. The same request is answered correctly if it accepts only XML.
    Media,
}

/// Times that the server makes.
const TIMES: [&str; 6] = [
    "registrationTimestamp",
    "lastRenewalTimestamp",
    "evictionTimestamp",
    "serviceUpTimestamp",
    "lastUpdatedTimestamp",
    "lastDirtyTimestamp",
];

#[derive(Deserialize)]
struct Scenario {
    name: String,
    steps: Vec<Step>,
}

#[derive(Clone, Deserialize)]
struct Step {
    request: Request,
    response: Recorded,
}

#[derive(Clone, Deserialize)]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

#[derive(Clone, Deserialize)]
struct Recorded {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

#[tokio::test]
async fn every_recorded_exchange_is_answered_alike() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut steps, mut used, mut differences) = (0, vec![0; BETTER.len()], Vec::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let scenario: Scenario = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let server = TestServer::start().await;
        for (number, step) in scenario.steps.iter().enumerate() {
            let answer = send(&server, &step.request).await;
            steps += 1;
            let Err(mut difference) = compare(&scenario, step, &answer) else { continue };
            let mut good = false;
            for row in better(&scenario.name, &step.request) {
                let Some(step) = corrected(&server, step, BETTER[row].correction, &answer).await else { continue };
                match compare(&scenario, &step, &answer) {
                    Ok(()) => (good, used[row]) = (true, used[row] + 1),
                    Err(still) => difference = still,
                }
            }
            if good {
                continue;
            }
            differences.push(format!(
                "{} step {number}: {} {}: {difference}",
                scenario.name, step.request.method, step.request.path
            ));
        }
        server.stop().await.unwrap();
    }
    assert!(steps > 250, "only {steps} steps were found");
    assert!(differences.is_empty(), "{} of {steps} steps differ:\n{}", differences.len(), differences.join("\n"));
    let idle: Vec<_> = BETTER.iter().zip(&used).filter(|(_, used)| **used == 0).map(|(row, _)| row.reason).collect();
    assert!(idle.is_empty(), "no answer is better, though it is listed that {idle:?}");
    println!("{steps} steps answered alike, {} of them as listed here", used.iter().sum::<u32>());
}

async fn send(server: &TestServer, request: &Request) -> Answer {
    let headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = request.body.as_deref().unwrap_or_default();
    server.send(&request.method, &format!("/eureka{}", request.path), &headers, body.as_bytes()).await
}

/// The rows of [`BETTER`] for a request.
fn better(scenario: &str, request: &Request) -> Vec<usize> {
    let fits = |row: &usize| {
        let Better { scenario: listed, request: (method, path), .. } = BETTER[*row];
        listed == scenario && method == request.method && (path == "*" || path == request.path)
    };
    (0..BETTER.len()).filter(fits).collect()
}

/// The step as a server without the fault would have been recorded; `None` if there is no fault.
async fn corrected(server: &TestServer, step: &Step, correction: Correction, answer: &Answer) -> Option<Step> {
    let mut step = step.clone();
    let recorded = &mut step.response;
    match correction {
        Correction::Status(status) => {
            let is_good = if status == 400 { is_one_line(answer) } else { is_status(answer) };
            if recorded.status == status || !is_good {
                return None;
            }
            recorded.status = status;
            recorded.headers = answer.headers.iter().cloned().collect();
            recorded.body = Some(answer.text());
        }
        Correction::Text(wrong, right) => {
            let body = recorded.body.as_mut().filter(|body| body.contains(wrong))?;
            *body = body.replace(wrong, right);
        }
        Correction::Values => {
            let (mut theirs, mut ours) = (BTreeSet::new(), BTreeSet::new());
            names(&tree(recorded.body.as_deref()?, false).ok()?, &mut theirs);
            names(&tree(&answer.text(), false).ok()?, &mut ours);
            if theirs != ours {
                return None;
            }
            recorded.body = Some(answer.text());
        }
        Correction::Media => {
            let (_, said) = recorded.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
            if said != "application/xml" || !recorded.body.as_ref()?.starts_with('{') {
                return None;
            }
            step.request.headers.insert("Accept".to_owned(), "application/xml".to_owned());
            recorded.body = Some(send(server, &step.request).await.text());
        }
    }
    Some(step)
}

/// The names in a body, but for those of the Java virtual machine.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    const OF_JAVA: [&str; 3] = ["current-memory-usage", "total-avail-memory", "management.port"];
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| !OF_JAVA.contains(&name.as_str())) {
                if !name.starts_with(['#', '@']) {
                    found.insert(name.clone());
                }
                names(member, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| names(element, found)),
        _ => {}
    }
}

/// The server's status as JSON.
fn is_status(answer: &Answer) -> bool {
    let said: Result<Value, _> = serde_json::from_slice(&answer.body);
    answer.header("content-type") == Some("application/json") && said.is_ok_and(|said| said["generalStats"].is_object())
}

/// An error is one short line.
fn is_one_line(answer: &Answer) -> bool {
    let text = answer.text();
    !text.is_empty() && text.len() < 400 && text.trim_end().lines().count() == 1
}

fn compare(scenario: &Scenario, step: &Step, answer: &Answer) -> Result<(), String> {
    let recorded = &step.response;
    if answer.status != recorded.status {
        return Err(format!("status {} instead of {}: {}", answer.status, recorded.status, answer.text()));
    }
    let expected = recorded.body.as_deref().unwrap_or_default();
    if recorded.status == 400 && !expected.starts_with(['{', '<']) {
        return same("body", answer.text().as_str(), expected);
    }
    if !(200..300).contains(&recorded.status) && recorded.status != 409 {
        return Ok(());
    }
    if expected.is_empty() {
        return if step.request.method == "HEAD" || answer.body.is_empty() {
            Ok(())
        } else {
            Err(format!("a body where there was none: {}", answer.text()))
        };
    }
    for header in ["content-type", "content-encoding"] {
        let expected = recorded.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header));
        same(header, answer.header(header).unwrap_or_default(), expected.map_or("", |(_, value)| value))?;
    }
    let actual = if answer.header("content-encoding") == Some("gzip") { gunzip(&answer.body) } else { answer.text() };
    let sent_dirty = scenario.steps.iter().any(|step| {
        let sent = |text: &str| text.contains("lastDirtyTimestamp");
        sent(&step.request.path) || step.request.body.as_deref().is_some_and(sent)
    });
    let (expected, actual) = (tree(expected, sent_dirty)?, tree(&actual, sent_dirty)?);
    if expected == actual { Ok(()) } else { Err(format!("body\n  got      {actual}\n  expected {expected}")) }
}

fn same(what: &str, actual: &str, expected: &str) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(format!("{what} {actual:?} instead of {expected:?}")) }
}

pub(crate) fn gunzip(bytes: &[u8]) -> String {
    use std::io::Read;
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// The body as a value for the comparison.
fn tree(text: &str, sent_dirty: bool) -> Result<Value, String> {
    let mut value = if text.starts_with('<') {
        xml_tree(text)?
    } else {
        serde_json::from_str(text).map_err(|e| format!("{e}: {text}"))?
    };
    normalise(&mut value, sent_dirty);
    Ok(value)
}

fn normalise(value: &mut Value, sent_dirty: bool) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let made_by_server = TIMES.contains(&name.as_str())
                    && (name != "lastDirtyTimestamp" || is_made_by_server(member, sent_dirty));
                if made_by_server {
                    *member = shape(member);
                } else {
                    normalise(member, sent_dirty);
                }
            }
        }
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| normalise(element, sent_dirty));
            elements.sort_by_key(Value::to_string);
        }
        _ => {}
    }
}

/// A `lastDirtyTimestamp` that no request sent is the present time; those that recorded requests sent are before 2026.
fn is_made_by_server(value: &Value, sent_dirty: bool) -> bool {
    let text = value.to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    !sent_dirty || digits.parse::<i64>().is_ok_and(|time| time > 1_750_000_000_000 && time % 100_000 != 0)
}

/// A time by its type and by whether it is zero; XML has a text list around it.
fn shape(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(if number.as_i64() == Some(0) { "zero number" } else { "number" }),
        Value::String(text) => Value::from(if text == "0" { "zero text" } else { "text" }),
        Value::Array(elements) => Value::Array(elements.iter().map(shape).collect()),
        Value::Object(members) => Value::Object(members.iter().map(|(k, v)| (k.clone(), shape(v))).collect()),
        other => other.clone(),
    }
}

/// XML as a value: an element is an object of its attributes, its children by name, and its text.
fn xml_tree(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut stack = vec![serde_json::Map::new()];
    let mut names = Vec::new();
    loop {
        match reader.read_event().map_err(|error| format!("{error}: {text}"))? {
            Event::Start(start) => {
                names.push(start.name().as_ref().to_owned());
                let mut element = serde_json::Map::new();
                for attribute in start.attributes() {
                    let attribute = attribute.map_err(|error| error.to_string())?;
                    element.insert(format!("@{}", attribute.key.as_ref()), attribute.value.into_owned().into());
                }
                stack.push(element);
            }
            Event::End(_) => close(&mut stack, &mut names),
            Event::Text(content) => append(&mut stack, &content),
            Event::GeneralRef(reference) => append(&mut stack, &format!("&{};", &*reference)),
            Event::Eof => break,
            _ => {}
        }
    }
    if names.is_empty() { Ok(Value::Object(stack.remove(0))) } else { Err(format!("not closed: {names:?}")) }
}

fn append(stack: &mut [serde_json::Map<String, Value>], text: &str) {
    let element = stack.last_mut().unwrap();
    let before = element.get("#text").and_then(Value::as_str).unwrap_or_default();
    let text = format!("{before}{text}");
    if !text.trim().is_empty() {
        element.insert("#text".to_owned(), text.into());
    }
}

fn close(stack: &mut Vec<serde_json::Map<String, Value>>, names: &mut Vec<String>) {
    let (element, name) = (stack.pop().unwrap(), names.pop().unwrap());
    let parent = stack.last_mut().unwrap();
    let siblings = parent.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(siblings) = siblings {
        siblings.push(Value::Object(element));
    }
}
