//! Until when a certificate is valid.
//!
//! The library that verifies certificates does not tell. So this follows the few elements of RFC 5280 that stand before the time: a
//! certificate that was loaded before has passed that library.

use rustls_pki_types::CertificateDer;
use time::{Date, Month, PrimitiveDateTime, Time};

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version of the certificate, which the first version lacks.
const VERSION: u8 = 0xa0;

/// When a certificate expires, in seconds since 1970; `None` if it cannot be read.
pub(super) fn expires(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut content, _) = element(certificate, SEQUENCE)?;
    if let Some((_, rest)) = element(content, VERSION) {
        content = rest;
    }
    // The serial number, the algorithm of the signature, and the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, content) = element(content, tag)?;
    }
    let (validity, _) = element(content, SEQUENCE)?;
    let (_, not_after) = time(validity)?;
    time(not_after)?.0
}

/// The content of the first element if it has this tag, and what follows it.
fn element(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match *first {
        len @ 0..=0x7f => (usize::from(len), rest),
        more @ 0x81..=0x84 => {
            let (len, rest) = rest.split_at_checked(usize::from(more - 0x80))?;
            (len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if *tag == wanted { rest.split_at_checked(len) } else { None }
}

/// The first time, in seconds since 1970 if it can be read, and what follows it.
fn time(der: &[u8]) -> Option<(Option<i64>, &[u8])> {
    if let Some((text, rest)) = element(der, UTC_TIME) {
        let (year, others) = text.split_at_checked(2)?;
        let year = number(year)?;
        return Some((seconds(if year < 50 { 2000 + year } else { 1900 + year }, others), rest));
    }
    let (text, rest) = element(der, GENERALIZED_TIME)?;
    let (year, others) = text.split_at_checked(4)?;
    Some((seconds(number(year)?, others), rest))
}

/// The seconds since 1970 of a year and the text after it: month, day, hour, minute and second of two digits each, and a Z.
fn seconds(year: i32, others: &[u8]) -> Option<i64> {
    let others = others.strip_suffix(b"Z").filter(|digits| digits.len() == 10)?;
    let mut two = others.chunks(2).map(|digits| u8::try_from(number(digits)?).ok());
    let mut next = || two.next().flatten();
    let date = Date::from_calendar_date(year, Month::try_from(next()?).ok()?, next()?).ok()?;
    let time = Time::from_hms(next()?, next()?, next()?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

fn number(digits: &[u8]) -> Option<i32> {
    str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SerialNumber, date_time_ymd};

    use super::*;

    fn certificate(year: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["registry".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 2, 1);
        // A long serial number, so that lengths of several bytes are read, too.
        params.serial_number = Some(SerialNumber::from(vec![0x7f; 200]));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms() {
        assert_eq!(expires(&certificate(2001)), Some(980_985_600));
        assert_eq!(expires(&certificate(2049)), Some(2_495_750_400));
        assert_eq!(expires(&certificate(2100)), Some(4_105_123_200), "from 2050 on, the year has four digits");
        assert_eq!(expires(&certificate(1999)), Some(917_827_200));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = certificate(2049);
        for len in 0..100 {
            assert_eq!(expires(&CertificateDer::from(&whole[..len])), None, "cut after {len} bytes");
        }
        assert_eq!(seconds(2024, b"0230120000Z"), None, "there is no such day");
        assert_eq!(seconds(2024, b"022912000Z"), None);
        assert_eq!(seconds(2024, b"0229120000Z"), Some(1_709_208_000));
    }
}
