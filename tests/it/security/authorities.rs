//! Authorities that disappear, certificates that are revoked, and names of peers.

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::*;

impl Authority {
    /// A list that revokes the certificates with these serial numbers.
    fn revoke(&self, serials: &[u64]) {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(2999, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        fs::write(self.directory.join("ca.crl"), list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
    }

    /// A client with a certificate of this serial number and name.
    fn client_named(&self, serial: u64, name: &str) -> reqwest::Client {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        self.client_with(Some((vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())))
    }
}

/// The states of a trust file while a Secret is changed carelessly.
#[tokio::test]
async fn authorities_that_disappear_or_break_stay_trusted() {
    let authority = Authority::new();
    authority.write(false);
    let (path, good) = (authority.directory.join("ca.crt"), authority.issuer.pem());
    for client_auth in [ClientAuth::None, ClientAuth::Want] {
        fs::write(&path, &good).unwrap();
        let tls = tls::Tls::load(authority.options(client_auth)).unwrap();
        for broken in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")] {
            match broken {
                None => fs::remove_file(&path).unwrap(),
                Some(text) => fs::write(&path, text).unwrap(),
            }
            let before = tls.generation();
            tls.refresh();
            assert!(tls.has_authorities(), "{client_auth:?} {broken:?}");
            assert_eq!(tls.generation(), before, "{client_auth:?} {broken:?}: nothing else is used");
            authority.write(false);
            tls.refresh();
            assert!(tls.has_authorities() && tls.generation() == before + 1, "a new certificate is used meanwhile");
        }
        fs::write(&path, Authority::new().issuer.pem()).unwrap();
        let before = tls.generation();
        tls.refresh();
        assert_eq!(tls.generation(), before + 1, "other authorities are used");
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_once_the_list_has_it() {
    let authority = Authority::new();
    authority.write(false);
    let mut options = authority.options(ClientAuth::Need);
    options.revoked = Some(authority.directory.join("ca.crl"));
    assert!(tls::Tls::load(options.clone()).is_err(), "a list that is configured has to be there");
    authority.revoke(&[8]);
    let server = TestServer::with(|settings| settings.server.tls = Some(options.clone())).await;
    let url = format!("https://{}/eureka/apps", server.address);
    assert_eq!(authority.client_named(7, "a").get(&url).send().await.unwrap().status(), 200);
    assert!(authority.client_named(8, "a").get(&url).send().await.is_err());
    server.stop().await.unwrap();

    let tls = tls::Tls::load(options).unwrap();
    for broken in ["", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"] {
        fs::write(authority.directory.join("ca.crl"), broken).unwrap();
        tls.refresh();
        assert_eq!(tls.generation(), 0, "what cannot be used is not used");
    }
    fs::remove_file(authority.directory.join("ca.crl")).unwrap();
    tls.refresh();
    assert_eq!(tls.generation(), 0);
    authority.revoke(&[7, 8]);
    tls.refresh();
    assert_eq!(tls.generation(), 1, "a new list is read");
}

#[tokio::test]
async fn only_certificates_with_a_peers_name_replicate() {
    let authority = Authority::new();
    authority.write(false);
    let mut options = authority.options(ClientAuth::Want);
    options.peer_names =
        ["registry.example", "registry-1.registry", "registry-2.registry.team"].map(String::from).into();
    let server = TestServer::with(|settings| {
        settings.server.tls = Some(options.clone());
        settings.http.security.peers_need_certificate = true;
    })
    .await;
    let url = |path: &str| format!("https://{}/eureka/{path}", server.address);
    for (name, status) in [
        ("orders.example", 403),
        ("registry.example", 200),
        ("registry-1.registry", 200),
        ("*.registry.other", 403),
        ("*.registry.team", 200),
        ("evil.registry.example", 403),
    ] {
        let client = authority.client_named(1, name);
        let batch = client.post(url("peerreplication/batch/")).header("Content-Type", "application/json");
        assert_eq!(batch.body("{\"replicationList\":[]}").send().await.unwrap().status(), status, "{name}");
        assert_eq!(client.get(url("apps")).send().await.unwrap().status(), 200, "{name}");
    }
    server.stop().await.unwrap();
    options.peer_names = vec!["no name".to_owned()];
    assert!(tls::Tls::load(options).unwrap_err().to_string().contains("registry.security.peer-names"));
}
