//! Request headers: content types, `Accept`, and those of replicas. The lines are headers; each request that there is gets them.

#![no_main]

use eureka_registry::http::security::User;
use eureka_registry_fuzz::Subject;
use libfuzzer_sys::fuzz_target;

const INSTANCE: &[u8] = br#"{"instance":{"instanceId":"a","hostName":"h","app":"A","ipAddr":"1","dataCenterInfo":{"@class":"x","name":"MyOwn"}}}"#;

fuzz_target!(|input: &[u8]| {
    let lines = input.split(|byte| *byte == b'\n').take(16);
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, line[colon + 1..].trim_ascii()))
        })
        .collect();
    let open = Subject::default();
    let guarded = Subject::with(|options| {
        options.access_log = true;
        options.security.users =
            vec![User { name: "fuzz".to_owned(), password: "a password".parse().unwrap(), roles: Vec::new() }];
    });
    for (method, path, body) in [
        ("GET", "/eureka/apps", &b""[..]),
        ("GET", "/eureka/apps/delta", b""),
        ("GET", "/eureka/apps/GOOD", b""),
        ("GET", "/eureka/apps/GOOD/good", b""),
        ("GET", "/eureka/vips/good", b""),
        ("GET", "/eureka/status", b""),
        ("GET", "/actuator/health", b""),
        ("GET", "/actuator/prometheus", b""),
        ("POST", "/eureka/apps/A", INSTANCE),
        ("PUT", "/eureka/apps/GOOD/good?lastDirtyTimestamp=1", b"{}"),
        ("POST", "/eureka/peerreplication/batch/", b"{\"replicationList\":[]}"),
    ] {
        let Some(answer) = open.send(method, path, &headers, body) else { return };
        let produces = answer.header("content-type");
        let asked_for_json = headers.len() == 1
            && headers[0].0.eq_ignore_ascii_case("accept")
            && headers[0].1.eq_ignore_ascii_case(b"application/json");
        if asked_for_json && method == "GET" && answer.status == 200 && path.starts_with("/eureka") {
            assert!(produces.starts_with("application/json"), "{produces}");
        }
        let refused = guarded.send(method, path, &headers, body).unwrap();
        let knows = headers.iter().any(|(_, value)| value.trim_ascii().ends_with(b"ZnV6ejphIHBhc3N3b3Jk"));
        assert!(refused.status == 401 || refused.status == 403 || path == "/actuator/health" || knows, "{path}");
    }
    open.assert_readable();
});
