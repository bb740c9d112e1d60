//! Instances as CSV, for people who go on in a spreadsheet.

use super::instances::Instance;

/// The names of the columns: those of the fields in the API.
const COLUMNS: &str = "application,instanceId,status,overriddenStatus,hostName,ipAddr,port,securePort,zone,version,registeredAt,\
                       lastRenewalAt,overdue,expired,restored,homePageUrl\r\n";

/// A table with a line of headers, as RFC 4180 describes it.
pub(crate) fn table(instances: &[Instance]) -> String {
    let mut out = COLUMNS.to_owned();
    for instance in instances {
        let number = |number: Option<i32>| number.map(|number| number.to_string()).unwrap_or_default();
        let fields = [
            instance.application.as_str(),
            &instance.instance_id,
            instance.status,
            instance.overridden_status.unwrap_or_default(),
            &instance.host_name,
            &instance.ip_addr,
            &number(instance.port),
            &number(instance.secure_port),
            instance.zone.as_deref().unwrap_or_default(),
            instance.version.as_deref().unwrap_or_default(),
            &instance.registered_at.to_string(),
            &instance.last_renewal_at.to_string(),
            word(instance.overdue),
            word(instance.expired),
            word(instance.restored),
            instance.home_page_url.as_deref().unwrap_or_default(),
        ];
        for (at, text) in fields.into_iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            field(text, &mut out);
        }
        out.push_str("\r\n");
    }
    out
}

fn word(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}

/// Writes a field. Clients may send any text, and a spreadsheet runs one that begins like a formula: such a text gets an apostrophe
/// before it, which makes it a text.
fn field(text: &str, out: &mut String) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let needs_quotes = is_formula || text.contains(['"', ',', ';', '\t', '\r', '\n']);
    if !needs_quotes {
        out.push_str(text);
        return;
    }
    out.push('"');
    if is_formula {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_a_formula_or_breaks_the_table() {
        for (text, written) in [
            ("orders-1", "orders-1"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+1", "\"'+1\""),
            ("-1+1", "\"'-1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "\"'＝1\""),
        ] {
            let mut out = String::new();
            field(text, &mut out);
            assert_eq!(out, written, "{text:?}");
        }
    }
}
