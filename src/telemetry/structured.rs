//! [`Structured`]: lines as Spring Boot's structured formats have them.
//!
//! The members are those of Spring Boot 3.5. What Java has in its diagnostic context (MDC) is here the fields of a line and of the
//! request that it belongs to: in ECS as nested objects, in Logstash's format beside the others, in GELF with an underscore before the
//! name.

use std::fmt::{self, Debug};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Elastic's common schema.
    Ecs,
    /// The format of Logstash's encoder for Logback.
    Logstash,
    /// Graylog's extended format.
    Gelf,
}

/// Writes lines in one of these forms, for the service of this name.
#[derive(Debug)]
pub(super) struct Structured {
    pub(super) shape: Shape,
    pub(super) service: String,
}

/// What every line has.
struct Head<'a> {
    at: OffsetDateTime,
    level: Level,
    logger: &'a str,
    thread: &'a str,
    message: Value,
}

impl<S, N> FormatEvent<S, N> for Structured
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            // The fields of a span were written as JSON when it began.
            if let Some(written) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(Value::Object(of_span)) = serde_json::from_str(&written.fields)
            {
                fields.extend(of_span);
            }
        }
        event.record(&mut Collected(&mut fields));
        let thread = std::thread::current();
        let head = Head {
            at: OffsetDateTime::now_utc(),
            level: *event.metadata().level(),
            logger: event.metadata().target(),
            thread: thread.name().unwrap_or("main"),
            message: fields.remove("message").unwrap_or_else(|| "".into()),
        };
        writeln!(writer, "{}", Value::Object(self.line(head, fields)))
    }
}

impl Structured {
    fn line(&self, head: Head<'_>, fields: Map<String, Value>) -> Map<String, Value> {
        match self.shape {
            Shape::Ecs => self.ecs(head, fields),
            Shape::Logstash => logstash(&head, fields),
            Shape::Gelf => self.gelf(&head, fields),
        }
    }

    fn ecs(&self, head: Head<'_>, fields: Map<String, Value>) -> Map<String, Value> {
        let mut line = Map::new();
        for (name, value) in fields {
            // In this schema, an error is an object.
            nest(&mut line, if name == "error" { "error.message" } else { &name }, value);
        }
        for (name, value) in [
            ("@timestamp", timestamp(head.at).into()),
            ("log.level", head.level.as_str().into()),
            ("log.logger", head.logger.into()),
            ("process.pid", std::process::id().into()),
            ("process.thread.name", head.thread.into()),
            ("service.name", self.service.as_str().into()),
            ("service.version", env!("CARGO_PKG_VERSION").into()),
            ("service.node", json!({})),
            ("message", head.message),
            ("ecs.version", "8.11".into()),
        ] {
            nest(&mut line, name, value);
        }
        line
    }

    fn gelf(&self, head: &Head<'_>, fields: Map<String, Value>) -> Map<String, Value> {
        let mut line: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (format!("_{name}"), value)).collect();
        let (level, severity) = (head.level.as_str(), severity(head.level));
        let seconds = (head.at.unix_timestamp_nanos() / 1_000_000) as f64 / 1000.0;
        line.extend(members(json!({
            "version": "1.1",
            "short_message": head.message,
            "timestamp": seconds,
            "level": severity,
            "_level_name": level,
            "_process_pid": std::process::id(),
            "_process_thread_name": head.thread,
            "host": self.service,
            "_service_version": env!("CARGO_PKG_VERSION"),
            "_log_logger": head.logger,
        })));
        line
    }
}

fn logstash(head: &Head<'_>, fields: Map<String, Value>) -> Map<String, Value> {
    let mut line = fields;
    line.extend(members(json!({
        "@timestamp": timestamp(head.at),
        "@version": "1",
        "message": head.message,
        "logger_name": head.logger,
        "thread_name": head.thread,
        "level": head.level.as_str(),
        "level_value": logback(head.level),
    })));
    line
}

fn members(object: Value) -> Map<String, Value> {
    if let Value::Object(members) = object { members } else { Map::new() }
}

/// Puts a value where its name with dots says; beside the others under its whole name where that place is taken.
fn nest(object: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some((first, rest)) = name.split_once('.')
        && let Value::Object(inner) = object.entry(first).or_insert_with(|| json!({}))
    {
        return nest(inner, rest, value);
    }
    object.insert(name.to_owned(), value);
}

/// A time as ISO 8601 has it, in UTC.
fn timestamp(at: OffsetDateTime) -> String {
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second, nano) = at.to_hms_nano();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nano:09}Z")
}

/// The level as syslog counts.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// The level as Logback counts.
fn logback(level: Level) -> u16 {
    match level {
        Level::ERROR => 40_000,
        Level::WARN => 30_000,
        Level::INFO => 20_000,
        Level::DEBUG => 10_000,
        Level::TRACE => 5_000,
    }
}

/// The fields of a line.
struct Collected<'a>(&'a mut Map<String, Value>);

impl Collected<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Collected<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use tracing::{info_span, warn};
    use tracing_subscriber::fmt::format::JsonFields;

    use super::super::{Queue, Queued};
    use super::*;

    /// Lines of Spring Boot 3.5.6 with `logging.structured.format.console`, and `spring.application.name=eureka-registry`.
    const SPRING: [(Shape, &str); 3] = [
        (
            Shape::Ecs,
            r#"{"@timestamp":"2026-11-27T03:08:22.848753769Z","log":{"level":"INFO","logger":"compat.Server"},"process":{"pid":2906,"thread":{"name":"main"}},"service":{"name":"eureka-registry","node":{}},"message":"No active profile set, falling back to 1 default profile: \"default\"","ecs":{"version":"8.11"}}"#,
        ),
        (
            Shape::Logstash,
            r#"{"@timestamp":"2026-11-27T03:08:22.844883904Z","@version":"1","message":"No active profile set, falling back to 1 default profile: \"default\"","logger_name":"compat.Server","thread_name":"main","level":"INFO","level_value":20000}"#,
        ),
        (
            Shape::Gelf,
            r#"{"version":"1.1","short_message":"No active profile set, falling back to 1 default profile: \"default\"","timestamp":1795748905.704,"level":6,"_level_name":"INFO","_process_pid":2912,"_process_thread_name":"main","host":"eureka-registry","_log_logger":"compat.Server"}"#,
        ),
    ];
    /// Members that Spring Boot writes where the application has a version, which ours always has.
    const VERSION: [&str; 2] = ["/service/version", "/_service_version"];

    fn written(shape: Shape) -> Value {
        let queue = Arc::<Queue>::default();
        let structured = Structured { shape, service: "eureka-registry".to_owned() };
        let logs = tracing_subscriber::fmt().with_writer(Queued(Arc::clone(&queue))).fmt_fields(JsonFields::new());
        tracing::dispatcher::with_default(&logs.event_format(structured).finish().into(), || {
            let _in_span = info_span!("request", http.request.id = "1-2").entered();
            warn!(app.name = "ORDERS", took_us = 17, error = "refused", "said \"{}\"", "\n");
        });
        let lines = queue.lines.lock();
        serde_json::from_slice(&lines.text).unwrap()
    }

    /// The paths of all values in a document, and what kind they are of.
    fn kinds(value: &Value, path: &str, found: &mut BTreeSet<(String, u8)>) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                members.iter().for_each(|(name, value)| kinds(value, &format!("{path}/{name}"), found));
            }
            Value::Object(_) => _ = found.insert((path.to_owned(), 0)),
            Value::Number(_) => _ = found.insert((path.to_owned(), 1)),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => _ = found.insert((path.to_owned(), 2)),
        }
    }

    fn all_kinds(value: &Value) -> BTreeSet<(String, u8)> {
        let mut found = BTreeSet::new();
        kinds(value, "", &mut found);
        found
    }

    #[test]
    fn a_line_has_the_members_of_spring_boots() {
        for (shape, springs) in SPRING {
            let (ours, springs) = (all_kinds(&written(shape)), all_kinds(&serde_json::from_str(springs).unwrap()));
            let lacking: Vec<_> = springs.difference(&ours).collect();
            assert!(lacking.is_empty(), "{shape:?} lacks {lacking:?}");
            let fields = ["app", "took_us", "error", "http", "_app", "_took_us", "_error", "_http"];
            let is_field = |path: &str| fields.iter().any(|field| path[1..].split(['.', '/']).next() == Some(field));
            let more =
                ours.difference(&springs).filter(|(path, _)| !is_field(path) && !VERSION.contains(&path.as_str()));
            assert_eq!(more.collect::<Vec<_>>(), Vec::<&(String, u8)>::new(), "{shape:?} has more");
        }
    }

    #[test]
    fn the_values_are_what_their_readers_expect() {
        let ecs = written(Shape::Ecs);
        assert_eq!((&ecs["log"]["level"], &ecs["message"]), (&json!("WARN"), &json!("said \"\n\"")));
        assert_eq!((&ecs["app"]["name"], &ecs["http"]["request"]["id"]), (&json!("ORDERS"), &json!("1-2")));
        assert_eq!((&ecs["error"]["message"], &ecs["took_us"]), (&json!("refused"), &json!(17)));
        let logstash = written(Shape::Logstash);
        assert_eq!((&logstash["level_value"], &logstash["app.name"]), (&json!(30_000), &json!("ORDERS")));
        let gelf = written(Shape::Gelf);
        assert_eq!((&gelf["level"], &gelf["_http.request.id"]), (&json!(4), &json!("1-2")));
        assert!(gelf["timestamp"].as_f64().unwrap() > 1.7e9, "in seconds");
    }

    #[test]
    fn a_time_is_written_in_utc() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_000_000_042).unwrap();
        assert_eq!(timestamp(at), "2023-11-14T22:13:20.000000042Z");
    }

    #[test]
    fn a_field_cannot_take_the_place_of_what_every_line_has() {
        let mut line = Map::new();
        nest(&mut line, "log", json!("mine"));
        nest(&mut line, "log.level", json!("INFO"));
        assert_eq!(Value::Object(line), json!({ "log": "mine", "log.level": "INFO" }));
    }
}
