//! The private key of a certificate.

use pkcs8::PrivateKeyInfoRef;
use rustls_pki_types::pem::{Error, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use sec1::EcPrivateKey;
use sec1::der::asn1::OctetStringRef;
use sec1::der::{Decode, Encode};
use x509_parser::parse_x509_certificate;

/// Reads the key of a certificate from PEM.
///
/// A key on an elliptic curve that Java's `keytool` made has no public half, which RFC 5915 allows. ring, which signs with it, wants one,
/// and refuses it if it does not belong to the key. So it is taken from the certificate.
///
/// # Errors
/// If there is no key in it.
pub(crate) fn private_key(
    pem: &[u8],
    certificate: Option<&CertificateDer<'_>>,
) -> Result<PrivateKeyDer<'static>, Error> {
    let key = PrivateKeyDer::from_pem_slice(pem)?;
    let completed = certificate.and_then(|certificate| completed(&key, certificate));
    Ok(completed.unwrap_or(key))
}

/// The key with the public half that is in the certificate; `None` if it has one, or needs none.
fn completed(key: &PrivateKeyDer<'_>, certificate: &CertificateDer<'_>) -> Option<PrivateKeyDer<'static>> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let public = &certificate.public_key().subject_public_key.data;
    match key {
        PrivateKeyDer::Pkcs8(key) => {
            let mut info = PrivateKeyInfoRef::from_der(key.secret_pkcs8_der()).ok()?;
            let whole = with_public_half(info.private_key.as_bytes(), public)?;
            info.private_key = OctetStringRef::new(&whole).ok()?;
            Some(PrivatePkcs8KeyDer::from(info.to_der().ok()?).into())
        }
        PrivateKeyDer::Sec1(key) => {
            Some(PrivateSec1KeyDer::from(with_public_half(key.secret_sec1_der(), public)?).into())
        }
        PrivateKeyDer::Pkcs1(_) | _ => None,
    }
}

fn with_public_half(key: &[u8], public: &[u8]) -> Option<Vec<u8>> {
    let key = EcPrivateKey::from_der(key).ok().filter(|key| key.public_key.is_none())?;
    EcPrivateKey { public_key: Some(public), ..key }.to_der().ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
    use rustls::crypto::ring::sign::any_supported_type;

    use super::*;

    fn certificate(key: &KeyPair) -> CertificateDer<'static> {
        CertificateParams::new(vec!["registry".to_owned()]).unwrap().self_signed(key).unwrap().der().clone()
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
    }

    /// A key as Java writes it, by itself and in PKCS#8.
    fn of_java(key: &KeyPair) -> [String; 2] {
        let der = key.serialize_der();
        let mut info = PrivateKeyInfoRef::from_der(&der).unwrap();
        let whole = EcPrivateKey::from_der(info.private_key.as_bytes()).unwrap();
        let parameters = info.algorithm.parameters_oid().unwrap().into();
        let half = EcPrivateKey { public_key: None, ..whole.clone() }.to_der().unwrap();
        let named = EcPrivateKey { public_key: None, parameters: Some(parameters), ..whole }.to_der().unwrap();
        info.private_key = OctetStringRef::new(&half).unwrap();
        [pem("EC PRIVATE KEY", &named), pem("PRIVATE KEY", &info.to_der().unwrap())]
    }

    #[test]
    fn a_key_of_java_is_completed_from_its_certificate() {
        for curve in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
            let (own, other) = (KeyPair::generate_for(curve).unwrap(), KeyPair::generate_for(curve).unwrap());
            for text in of_java(&own) {
                let usable = |certificate: Option<&CertificateDer<'_>>| {
                    any_supported_type(&private_key(text.as_bytes(), certificate).unwrap()).is_ok()
                };
                assert!(usable(Some(&certificate(&own))), "{text}");
                assert!(!usable(Some(&certificate(&other))), "the certificate is another key's");
                assert!(!usable(None), "it has no public half");
            }
        }
    }

    #[test]
    fn a_whole_key_stays_as_it_is() {
        for kind in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let key = KeyPair::generate_for(kind).unwrap();
            let read = private_key(key.serialize_pem().as_bytes(), Some(&certificate(&key))).unwrap();
            assert_eq!(read.secret_der(), key.serialize_der());
        }
        assert!(private_key(b"-----BEGIN CERTIFICATE-----", None).is_err());
    }
}
