//! How values are written.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::http::actuator::ShowDetails;
use crate::http::security::{ForwardHeaders, Password};
use crate::replication::ServiceUrl;
use crate::telemetry::Format;
use crate::tls::ClientAuth;

pub(super) fn log_format(value: &str) -> Result<Format, &'static str> {
    match value.to_lowercase().as_str() {
        "text" => Ok(Format::Text),
        // Spring Boot's structured formats; ours has the fields of neither, but is as good to collect.
        "json" | "ecs" | "logstash" | "gelf" => Ok(Format::Json),
        _ => Err("text or json"),
    }
}

pub(super) fn put<T>(slot: &mut T, value: Result<T, &'static str>) -> Result<(), &'static str> {
    *slot = value?;
    Ok(())
}

pub(super) fn parsed<T: FromStr>(value: &str, expected: &'static str) -> Result<T, &'static str> {
    value.parse().map_err(|_not_one| expected)
}

pub(super) fn boolean(value: &str) -> Result<bool, &'static str> {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("true or false"),
    }
}

pub(super) fn count(value: &str) -> Result<u32, &'static str> {
    parsed(value, "a number that is not negative")
}

pub(super) fn positive(value: &str) -> Result<usize, &'static str> {
    parsed(value, "a number above zero").and_then(|n: usize| if n > 0 { Ok(n) } else { Err("a number above zero") })
}

pub(super) fn share(value: &str) -> Result<f64, &'static str> {
    let share: f64 = parsed(value, "a share from 0 to 1")?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share from 0 to 1") }
}

/// A number of milliseconds, one with its unit, or ISO-8601 (`PT30S`), as Spring reads them.
pub(super) fn time(value: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "a duration: milliseconds, a number with ms, s, m, h or d, or PT30S";
    let lower = value.to_lowercase();
    if let Some(iso) = lower.strip_prefix('p') {
        return iso_time(iso).ok_or(EXPECTED);
    }
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = parsed(digits, EXPECTED)?;
    let unit = if digits.len() == lower.len() { "ms" } else { &lower[digits.len()..] };
    number.checked_mul(millis_in(unit).ok_or(EXPECTED)?).map(Duration::from_millis).ok_or(EXPECTED)
}

fn millis_in(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

/// What stands behind the `P`: days, then behind a `T` hours, minutes and seconds.
fn iso_time(iso: &str) -> Option<Duration> {
    let (days, clock) = iso.split_once('t').unwrap_or((iso, ""));
    let mut millis = 0_u64;
    for (part, units) in [(days, "d"), (clock, "hms")] {
        let mut rest = part;
        while let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) {
            let unit = rest.get(end..=end).filter(|unit| units.contains(unit))?;
            millis = millis.checked_add(rest[..end].parse::<u64>().ok()?.checked_mul(millis_in(unit)?)?)?;
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (iso.len() > 1).then(|| Duration::from_millis(millis))
}

/// A number of bytes, or one with its unit (`10MB`), of which each is 1024 of the one before.
pub(super) fn data_size(value: &str) -> Result<usize, &'static str> {
    const EXPECTED: &str = "a size above zero: bytes, or a number with KB, MB or GB";
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: usize = parsed(digits, EXPECTED)?;
    let unit: usize = match value[digits.len()..].to_uppercase().as_str() {
        "" | "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return Err(EXPECTED),
    };
    number.checked_mul(unit).filter(|size| *size > 0).ok_or(EXPECTED)
}

pub(super) fn some_time(value: &str) -> Result<Duration, &'static str> {
    let time = time(value)?;
    if time.is_zero() { Err("a duration above zero") } else { Ok(time) }
}

pub(super) fn context_path(value: &str) -> Result<String, &'static str> {
    let path = value.trim_end_matches('/');
    if path.is_empty() || path.starts_with('/') { Ok(path.to_owned()) } else { Err("a path that begins with a slash") }
}

pub(super) fn show_details(value: &str) -> Result<ShowDetails, &'static str> {
    match super::name::canonical(value).as_str() {
        "never" => Ok(ShowDetails::Never),
        "whenauthorized" => Ok(ShowDetails::WhenAuthorized),
        "always" => Ok(ShowDetails::Always),
        _ => Err("never, when-authorized or always"),
    }
}

pub(super) fn forward_headers(value: &str) -> Result<ForwardHeaders, &'static str> {
    match value.to_lowercase().as_str() {
        "none" => Ok(ForwardHeaders::None),
        "native" => Ok(ForwardHeaders::Native),
        "framework" => Ok(ForwardHeaders::Framework),
        _ => Err("none, native or framework"),
    }
}

pub(super) fn name(value: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = value.trim_end_matches('.');
    if !name.is_empty() && name.chars().all(plain) { Ok(name.to_owned()) } else { Err("a host name") }
}

/// Service URLs.
pub(super) fn service_urls(value: &str) -> Result<Vec<ServiceUrl>, &'static str> {
    const EXPECTED: &str = "URLs such as http://registry-0.registry:8761/eureka/, comma separated";
    ServiceUrl::parse_list(value).map_err(|_unreadable| EXPECTED)
}

pub(super) fn nameservers(value: &str) -> Result<Vec<std::net::SocketAddr>, &'static str> {
    const EXPECTED: &str = "addresses with ports, comma separated: 10.96.0.10:53";
    value.split(',').map(str::trim).filter(|one| !one.is_empty()).map(|one| parsed(one, EXPECTED)).collect()
}

pub(super) fn log_filter(value: &str) -> Result<String, &'static str> {
    let filter = value.to_lowercase();
    let known: Result<tracing_subscriber::filter::EnvFilter, _> = filter.parse();
    known.map(|_| filter).map_err(|_no_filter| "a log level, or a filter")
}

/// A file, also as `file:/tls/tls.crt`.
pub(super) fn file(value: &str) -> Result<PathBuf, &'static str> {
    let path = value.strip_prefix("file:").unwrap_or(value);
    if path.is_empty() || path.starts_with("classpath:") || path.starts_with("-----BEGIN") {
        return Err("the path of a PEM file");
    }
    Ok(path.into())
}

pub(super) fn client_auth(value: &str) -> Result<ClientAuth, &'static str> {
    match value.to_lowercase().as_str() {
        "none" => Ok(ClientAuth::None),
        "want" => Ok(ClientAuth::Want),
        "need" => Ok(ClientAuth::Need),
        _ => Err("none, want or need"),
    }
}

pub(super) fn password(value: &str) -> Result<Password, &'static str> {
    value.parse()
}

pub(super) fn text(value: &str) -> Result<String, &'static str> {
    Ok(value.to_owned())
}

/// Words with commas between them.
pub(super) fn list(value: &str) -> Result<Vec<String>, &'static str> {
    Ok(value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// Paths that are open to everybody.
pub(super) fn open_paths(value: &str) -> Result<Vec<String>, &'static str> {
    let paths = list(value)?;
    let sane = |path: &String| path.starts_with('/') && !path.strip_suffix("/**").unwrap_or(path).contains('*');
    if paths.iter().all(sane) { Ok(paths) } else { Err("paths, whole or with /** at their end, comma separated") }
}

/// A level, in one of the words that Spring Boot has for them; YAML makes `false` of `off`.
pub(super) fn log_level(value: &str) -> Result<&'static str, &'static str> {
    Ok(match value.to_lowercase().as_str() {
        "trace" => "trace",
        "debug" => "debug",
        "info" => "info",
        "warn" => "warn",
        "error" | "fatal" => "error",
        "off" | "false" => "off",
        _ => return Err("trace, debug, info, warn, error or off"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds_or_name_their_unit() {
        assert_eq!(
            ["60000", "60s", "1m", "60000ms", "PT1M", "PT60S", "pt0h1m"].map(time),
            [Ok(Duration::from_secs(60)); 7]
        );
        assert_eq!(time("P1DT1H"), Ok(Duration::from_secs(25 * 3600)));
        for wrong in ["", "s", "1x", "-1s", "P", "PT", "PT1", "1 s", "PTs", "99999999999999999d", "PT1D"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_name_their_unit() {
        assert_eq!(["10485760", "10MB", "10mb", "10240KB"].map(data_size), [Ok(10 << 20); 4]);
        for wrong in ["", "0", "MB", "10XB", "-1", "99999999999999999999GB"] {
            assert!(data_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn open_paths_have_stars_only_at_their_end() {
        assert_eq!(open_paths("/, /actuator/**"), Ok(vec!["/".to_owned(), "/actuator/**".to_owned()]));
        for wrong in ["actuator", "/**/health", "/a*"] {
            assert!(open_paths(wrong).is_err(), "{wrong}");
        }
    }
}
