//! What is printed: for a person, and as JSON for a program.

use std::time::Duration;

use serde_json::{Value, json};

use super::finding::{Finding, Severity, count, printable};
use super::lasting::Event;
use super::survey::Survey;
use crate::replication::ServiceUrl;

/// A check for a person.
pub(super) fn text(survey: &Survey, findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(move |finding| finding.severity == severity);
    let [act, differs, same] = Severity::ALL.map(|severity| of(severity).count());
    let mut text = format!(
        "# {}: {act} to do before you move, {differs} different afterwards, {same} the same, {} not read\n",
        survey.url,
        survey.unread.len()
    );
    for (severity, title) in [
        (Severity::Act, "To do before you move"),
        (Severity::Differs, "Different afterwards"),
        (Severity::Same, "The same"),
    ] {
        let lines: String = of(severity).map(finding_text).collect();
        if !lines.is_empty() {
            text.push_str(&format!("\n# {title}\n{lines}"));
        }
    }
    if !survey.unread.is_empty() {
        text.push_str("\n# Not read\n");
        for unread in &survey.unread {
            text.push_str(&format!("{}: {}\n", printable(&unread.what), printable(&unread.why)));
        }
    }
    text
}

fn finding_text(finding: &Finding) -> String {
    let Finding { id, says, todo, about, more, .. } = finding;
    let mut text = format!("{id}: {says}\n");
    if !todo.is_empty() {
        text.push_str(&format!("    {todo}\n"));
    }
    for name in about {
        text.push_str(&format!("    - {name}\n"));
    }
    if *more > 0 {
        text.push_str(&format!("    - and {more} more\n"));
    }
    text
}

/// A check for a program: one JSON object.
pub(super) fn json(survey: &Survey, findings: &[Finding]) -> String {
    let all = findings.iter().map(|finding| {
        json!({
            "id": finding.id,
            "severity": finding.severity.name(),
            "says": finding.says,
            "do": finding.todo,
            "about": finding.about,
            "more": finding.more,
        })
    });
    let unread = survey.unread.iter().map(|unread| json!({ "what": unread.what, "why": unread.why }));
    let whole = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "url": survey.url.to_string(),
        "instances": survey.listing.listed.len() + survey.listing.refused_count,
        "findings": all.collect::<Vec<_>>(),
        "unread": unread.collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

/// What is said of a watch.
#[derive(Debug)]
pub(super) enum News<'a> {
    /// It begins.
    Begin {
        /// How often servers are compared.
        every: Duration,
        /// How long a difference is not reported.
        grace: Duration,
    },
    /// A difference is reported, or its end.
    Difference(&'a Event),
    /// More of them began or ended in this comparison than are reported one by one.
    More(usize),
    /// More differences are there than can be followed.
    Unfollowed(usize),
    /// A server cannot be read any more: why.
    Unreadable(usize, &'a str),
    /// It can be read again.
    Readable(usize),
    /// The end.
    Summary(&'a Summary),
}

/// What a watch came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// How often all servers were read.
    pub(super) rounds: usize,
    /// How many readings of a server failed.
    pub(super) failed: usize,
    /// How many differences were reported.
    pub(super) reported: usize,
    /// How many of them are still there.
    pub(super) standing: usize,
    /// How many servers could not be read at the end.
    pub(super) unreadable: usize,
}

/// One piece of news: a line, with the seconds since the watch began.
pub(super) fn line(news: &News<'_>, servers: &[ServiceUrl], now: Duration, as_json: bool) -> String {
    let secs = now.as_secs();
    if as_json {
        let mut value = news_json(news, servers, now);
        value["at"] = json!(secs);
        return value.to_string();
    }
    format!("{:>5} s  {}", secs, news_text(news, servers, now))
}

fn news_text(news: &News<'_>, servers: &[ServiceUrl], now: Duration) -> String {
    match news {
        News::Begin { every, grace } => {
            let all: Vec<String> = servers.iter().map(ToString::to_string).collect();
            format!(
                "comparing {} every {} s; a difference is reported when it has lasted {} s",
                all.join(", "),
                every.as_secs_f32(),
                grace.as_secs_f32()
            )
        }
        News::Difference(event) => {
            let Event { pair: (left, right), difference, since, ended } = event;
            let lasted = now.saturating_sub(*since).as_secs();
            let (key, field) = (printable(difference.key.as_str()), difference.field.name());
            if *ended {
                return format!(
                    "{key} {field}: the same again at {} and {}, after {lasted} s",
                    servers[*left], servers[*right]
                );
            }
            format!(
                "{key} {field}: {} at {}, {} at {}, for {lasted} s",
                printable(&difference.left.shown),
                servers[*left],
                printable(&difference.right.shown),
                servers[*right]
            )
        }
        News::More(number) => format!("and {number} more"),
        News::Unfollowed(number) => format!("{number} more differences than can be followed"),
        News::Unreadable(server, why) => format!("{} cannot be read: {}", servers[*server], printable(why)),
        News::Readable(server) => format!("{} can be read again", servers[*server]),
        News::Summary(Summary { rounds, failed, reported, standing, unreadable }) => format!(
            "{}, {}, {} reported, {standing} of them still there, {} not readable",
            count(*rounds, "comparison"),
            count(*failed, "failed reading"),
            count(*reported, "difference"),
            count(*unreadable, "server")
        ),
    }
}

fn news_json(news: &News<'_>, servers: &[ServiceUrl], now: Duration) -> Value {
    let url = |server: usize| servers[server].to_string();
    match news {
        News::Begin { every, grace } => {
            let all: Vec<String> = servers.iter().map(ToString::to_string).collect();
            json!({ "event": "begin", "servers": all, "everySecs": every.as_secs_f64(), "graceSecs": grace.as_secs_f64() })
        }
        News::Difference(Event { pair: (left, right), difference, since, ended }) => json!({
            "event": if *ended { "ended" } else { "difference" },
            "instance": difference.key.as_str(),
            "field": difference.field.name(),
            "left": { "server": url(*left), "value": difference.left.shown },
            "right": { "server": url(*right), "value": difference.right.shown },
            "lastedSecs": now.saturating_sub(*since).as_secs(),
        }),
        News::More(number) => json!({ "event": "more", "number": number }),
        News::Unfollowed(number) => json!({ "event": "unfollowed", "number": number }),
        News::Unreadable(server, why) => json!({ "event": "unreadable", "server": url(*server), "why": why }),
        News::Readable(server) => json!({ "event": "readable", "server": url(*server) }),
        News::Summary(Summary { rounds, failed, reported, standing, unreadable }) => json!({
            "event": "summary",
            "comparisons": rounds,
            "failedReadings": failed,
            "differences": reported,
            "standing": standing,
            "unreadable": unreadable,
        }),
    }
}
