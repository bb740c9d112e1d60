//! How values are written.

use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rand::rngs::{SmallRng, SysRng};
use rand::{RngExt, SeedableRng};

use super::draft::Access;
use crate::http::actuator::ShowDetails;
use crate::http::security::{ForwardHeaders, Password};
use crate::kubernetes::Policy;
use crate::replication::ServiceUrl;
use crate::telemetry::Format;
use crate::tls::ClientAuth;

pub(super) fn log_format(value: &str) -> Result<Format, &'static str> {
    match value.trim().to_lowercase().as_str() {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        "ecs" => Ok(Format::Ecs),
        "logstash" => Ok(Format::Logstash),
        "gelf" => Ok(Format::Gelf),
        _ => Err("text, json, ecs, logstash or gelf"),
    }
}

/// What becomes of an instance whose pod lives, but not well.
pub(super) fn of_pods(value: &str) -> Result<Policy, &'static str> {
    match super::name::canonical(value.trim()).as_str() {
        "show" => Ok(Policy::Show),
        "outofservice" => Ok(Policy::OutOfService),
        _ => Err("show or out-of-service"),
    }
}

/// Names of Kubernetes' namespaces.
pub(super) fn namespaces(value: &str) -> Result<Vec<String>, &'static str> {
    let mut names = list(value)?;
    names.sort_unstable();
    names.dedup();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let sane = |name: &String| name.len() <= 63 && name.chars().all(plain);
    if names.len() <= 32 && names.iter().all(sane) {
        Ok(names)
    } else {
        Err("at most 32 names of namespaces, comma separated")
    }
}

/// The URL of an API server, without the slash at its end.
pub(super) fn api_server(value: &str) -> Result<String, &'static str> {
    let url = value.trim().trim_end_matches('/');
    let is_url =
        ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) && !url.contains(['@', '?', '#', ' ']);
    if is_url { Ok(url.to_owned()) } else { Err("a URL such as https://10.96.0.1:443, without a user") }
}

/// A path.
pub(super) fn directory(value: &str) -> Result<PathBuf, &'static str> {
    let path = value.trim();
    if path.is_empty() { Err("the path of a directory") } else { Ok(path.into()) }
}

pub(super) fn put<T>(slot: &mut T, value: Result<T, &'static str>) -> Result<(), &'static str> {
    *slot = value?;
    Ok(())
}

pub(super) fn parsed<T: FromStr>(value: &str, expected: &'static str) -> Result<T, &'static str> {
    value.trim().parse().map_err(|_not_one| expected)
}

pub(super) fn boolean(value: &str) -> Result<bool, &'static str> {
    match value.trim().to_lowercase().as_str() {
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
    let lower = value.trim().to_lowercase();
    if let Some(iso) = lower.strip_prefix('p') {
        return iso_time(iso).ok_or(EXPECTED);
    }
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_no_number| EXPECTED)?;
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
            // Only seconds may have a fraction.
            let (number, fraction) = rest[..end].split_once('.').filter(|_| unit == "s").unwrap_or((&rest[..end], ""));
            let fraction = if fraction.is_empty() { 0 } else { format!("{fraction:0<3}").get(..3)?.parse().ok()? };
            millis = millis
                .checked_add(number.parse::<u64>().ok()?.checked_mul(millis_in(unit)?)?)?
                .checked_add(fraction)?;
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
    let path = value.trim().trim_end_matches('/');
    if path.is_empty() || path.starts_with('/') { Ok(path.to_owned()) } else { Err("a path that begins with a slash") }
}

/// A path below another one, without slashes around it.
pub(super) fn path_segments(value: &str) -> Result<String, &'static str> {
    let path = value.trim().trim_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    if !path.is_empty() && path.chars().all(plain) { Ok(path.to_owned()) } else { Err("a path such as healthz") }
}

pub(super) fn show_details(value: &str) -> Result<ShowDetails, &'static str> {
    match super::name::canonical(value.trim()).as_str() {
        "never" => Ok(ShowDetails::Never),
        "whenauthorized" => Ok(ShowDetails::WhenAuthorized),
        "always" => Ok(ShowDetails::Always),
        _ => Err("never, when-authorized or always"),
    }
}

pub(super) fn forward_headers(value: &str) -> Result<ForwardHeaders, &'static str> {
    match value.trim().to_lowercase().as_str() {
        "none" => Ok(ForwardHeaders::None),
        "native" => Ok(ForwardHeaders::Native),
        "framework" => Ok(ForwardHeaders::Framework),
        _ => Err("none, native or framework"),
    }
}

pub(super) fn name(value: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = value.trim().trim_end_matches('.');
    if !name.is_empty() && name.chars().all(plain) { Ok(name.to_owned()) } else { Err("a host name") }
}

/// A name that people read: any text.
pub(super) fn label(value: &str) -> Result<String, &'static str> {
    let label = value.trim();
    if label.is_empty() || label.chars().any(char::is_control) { Err("a name") } else { Ok(label.to_owned()) }
}

/// An IP address, or the first one of a host name; of IPv4, if there is one, as Java prefers it.
pub(super) fn address(value: &str) -> Result<IpAddr, &'static str> {
    const EXPECTED: &str = "an IP address, or a host name that resolves";
    let value = value.trim();
    if value.is_empty() {
        return Err(EXPECTED);
    }
    if let Ok(address) = value.parse() {
        return Ok(address);
    }
    let found = (value, 0).to_socket_addrs().map_err(|_unknown| EXPECTED)?;
    let found: Vec<IpAddr> = found.map(|found| found.ip()).collect();
    found.iter().find(|address| address.is_ipv4()).or_else(|| found.first()).copied().ok_or(EXPECTED)
}

pub(super) fn port(value: &str) -> Result<u16, &'static str> {
    parsed(value, "a port from 0 to 65535")
}

/// A port, or −1 for none.
pub(super) fn management_port(value: &str) -> Result<i32, &'static str> {
    const EXPECTED: &str = "a port from 0 to 65535, or -1";
    let port: i32 = parsed(value, EXPECTED)?;
    if (-1..=i32::from(u16::MAX)).contains(&port) { Ok(port) } else { Err(EXPECTED) }
}

/// How many connections; −1 is as many as there are file descriptors.
pub(super) fn connections(value: &str) -> Result<usize, &'static str> {
    const UNLIMITED: usize = 1 << 20;
    if value.trim() == "-1" { Ok(UNLIMITED) } else { positive(value) }
}

/// A time above zero; a negative one is Tomcat's for no limit, which is a day here.
pub(super) fn time_or_never(value: &str) -> Result<Duration, &'static str> {
    const NEVER: Duration = Duration::from_secs(24 * 3600);
    if value.trim().starts_with('-') && time(value.trim().trim_start_matches('-')).is_ok() {
        Ok(NEVER)
    } else {
        some_time(value)
    }
}

/// Whether an endpoint may be asked, in the words of `management.endpoint.ID.access`.
pub(super) fn access(value: &str) -> Result<Access, &'static str> {
    match super::name::canonical(value.trim()).as_str() {
        "none" => Ok(Access::None),
        "readonly" => Ok(Access::ReadOnly),
        "unrestricted" => Ok(Access::Unrestricted),
        _ => Err("none, read-only or unrestricted"),
    }
}

/// A password that nobody has.
pub(super) fn nobodys_password() -> Result<Password, &'static str> {
    let mut rng = SmallRng::try_from_rng(&mut SysRng).map_err(|_no_randomness| "a password that is not empty")?;
    Ok(Password::Plain(format!("{:032x}{:032x}", rng.random::<u128>(), rng.random::<u128>())))
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
    let filter = match log_level(value) {
        Ok(level) => level.to_owned(),
        Err(_no_level) => value.trim().to_lowercase(),
    };
    if filter.is_empty() {
        return Err("a log level, or a filter");
    }
    let known: Result<tracing_subscriber::filter::EnvFilter, _> = filter.parse();
    known.map(|_| filter).map_err(|_no_filter| "a log level, or a filter")
}

/// A file, also as `file:/tls/tls.crt`.
pub(super) fn file(value: &str) -> Result<PathBuf, &'static str> {
    let value = value.trim();
    let path = value.strip_prefix("file:").unwrap_or(value);
    if path.is_empty() || path.starts_with("classpath:") || path.starts_with("-----BEGIN") {
        return Err("the path of a PEM file");
    }
    Ok(path.into())
}

pub(super) fn client_auth(value: &str) -> Result<ClientAuth, &'static str> {
    match value.trim().to_lowercase().as_str() {
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
    Ok(match value.trim().to_lowercase().as_str() {
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
            ["60000", "60s", "1m", "60000ms", "PT1M", "PT60S", "pt0h1m", "PT60.0S"].map(time),
            [Ok(Duration::from_secs(60)); 8]
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
