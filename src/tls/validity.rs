//! Until when a certificate is valid.

use rustls_pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// When a certificate expires, in seconds since 1970; `None` if it cannot be read.
pub(super) fn expires(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, read) = parse_x509_certificate(certificate).ok()?;
    Some(read.validity().not_after.timestamp())
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
    }
}
