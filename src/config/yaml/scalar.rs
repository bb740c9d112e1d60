//! Plain scalars of YAML 1.1, as the text that Java makes of what `SnakeYAML` reads.

/// The text of a plain scalar: `yes` is `true`, `5_000` and `0x1388` are `5000`, `~` is nothing, `1e3` is `1000.0`.
pub(super) fn plain(text: &str) -> String {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => String::new(),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => "true".to_owned(),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => "false".to_owned(),
        _ => integer(text).or_else(|| float(text)).unwrap_or_else(|| text.to_owned()),
    }
}

/// The name that a plain scalar is as a key: of what is no text, in brackets.
pub(super) fn key(text: &str) -> String {
    let read = plain(text);
    if read == text && integer(text).is_none() && !matches!(text, "true" | "false") {
        read
    } else {
        format!("[{read}]")
    }
}

/// An integer in decimal digits: of one in base 2, 8, 10, 16 or 60, with underscores.
fn integer(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let first = digits.chars().next().filter(char::is_ascii_digit)?;
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let radix = |digits: &str, radix| i128::from_str_radix(digits, radix).ok().map(|number| number.to_string());
    let unsigned = if plain == "0" {
        plain
    } else if let Some(binary) = plain.strip_prefix("0b") {
        radix(binary, 2)?
    } else if let Some(hexadecimal) = plain.strip_prefix("0x") {
        radix(hexadecimal, 16)?
    } else if first == '0' {
        radix(&plain, 8)?
    } else if plain.contains(':') {
        base_60(&plain)?
    } else if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        plain
    } else {
        return None;
    };
    Some(if unsigned == "0" { unsigned } else { format!("{sign}{unsigned}") })
}

/// `1:30` is 90: hours and minutes, or minutes and seconds.
fn base_60(text: &str) -> Option<String> {
    let mut sum = 0_i128;
    for (place, part) in text.split(':').enumerate() {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=if place == 0 { 9 } else { 2 }).contains(&part.len());
        let number: i128 = if digits { part.parse().ok()? } else { return None };
        if place > 0 && number > 59 {
            return None;
        }
        sum = sum.checked_mul(60)?.checked_add(number)?;
    }
    Some(sum.to_string())
}

/// A number with a point or an exponent, as `Double.toString` writes it.
fn float(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(format!("{}Infinity", if text.starts_with('-') { "-" } else { "" })),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some("NaN".to_owned()),
        _ => {}
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let begins = |part: &str| part.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let is_exponent = |part: &str| {
        let part = part.strip_prefix(['-', '+']).unwrap_or(part);
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_float = digits(whole)
        && fraction.is_none_or(digits)
        && (begins(whole) || (whole.is_empty() && unsigned == text && fraction.is_some_and(begins)))
        && (fraction.is_some() || exponent.is_some())
        && exponent.is_none_or(is_exponent);
    let number: String = text.chars().filter(|c| *c != '_').collect();
    if is_float { number.parse().ok().map(java_double) } else { None }
}

fn java_double(number: f64) -> String {
    let size = number.abs();
    if number.is_infinite() {
        return format!("{}Infinity", if number < 0.0 { "-" } else { "" });
    }
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_what_java_makes_of_them() {
        for (text, read) in [
            ("5_000", "5000"),
            ("0x1388", "5000"),
            ("0b101", "5"),
            ("017", "15"),
            ("0", "0"),
            ("-0", "0"),
            ("-12", "-12"),
            ("+7", "7"),
            ("1:30", "90"),
            (
                "12345678901234567890123456789012345678901234567890",
                "12345678901234567890123456789012345678901234567890",
            ),
            ("0.85", "0.85"),
            ("1e3", "1000.0"),
            ("1_0.5", "10.5"),
            (".5", "0.5"),
            ("1e7", "1.0E7"),
            ("1.5e-5", "1.5E-5"),
            ("123e456", "Infinity"),
            ("-.inf", "-Infinity"),
            ("off", "false"),
            ("Yes", "true"),
            ("~", ""),
            ("089", "089"),
            ("1.2.3", "1.2.3"),
            ("1:90", "1:90"),
            ("5s", "5s"),
            ("0xZ", "0xZ"),
            ("1.2.3.4:80", "1.2.3.4:80"),
            ("2024-01-01", "2024-01-01"),
            ("y", "y"),
            ("_1", "_1"),
        ] {
            assert_eq!(plain(text), read, "{text}");
        }
        assert_eq!(["a", "1", "on", "true"].map(key), ["a", "[1]", "[true]", "[true]"]);
    }
}
