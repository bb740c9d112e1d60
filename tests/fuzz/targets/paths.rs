//! Methods, paths and queries, one request a line: `PUT /eureka/apps/A/b?status=UP`. They go to an open registry, to one below a
//! context path, and to one with users.

#![no_main]

use eureka_registry::http::security::User;
use eureka_registry_fuzz::Subject;
use libfuzzer_sys::fuzz_target;

const BODIES: [&[u8]; 2] = [b"", b"{}"];

fuzz_target!(|input: &str| {
    let open = Subject::default();
    let below = Subject::with(|options| options.context_path = "/registry".to_owned());
    let guarded = Subject::with(|options| {
        options.security.users = vec![User { name: "a".to_owned(), password: "b".parse().unwrap(), roles: Vec::new() }];
    });
    let certified = Subject::with(|options| options.security.peers_need_certificate = true);
    for (number, line) in input.lines().take(8).enumerate() {
        let Some((method, path)) = line.split_once(' ') else { continue };
        let body = BODIES[number % BODIES.len()];
        let Some(answer) = open.send(method, path, &[("content-type", b"application/json")], body) else { continue };
        if answer.status == 405 {
            assert!(!answer.header("allow").is_empty());
        }
        below.send(method, path, &[], body);
        let refused = guarded.send(method, path, &[], body).unwrap();
        let path = path.split('?').next().unwrap_or_default();
        let is_health = path.contains("/actuator/health");
        assert!(refused.status == 401 || is_health, "{method} {path} was answered {}", refused.status);
        let replication = [("x-netflix-discovery-replication", &b"true"[..])];
        let answer = certified.send(method, path, &replication, b"{\"replicationList\":[]}").unwrap();
        let changes = !["GET", "HEAD", "OPTIONS"].contains(&method);
        assert!(!changes || !answer.status.is_success(), "{method} {path} was answered {}", answer.status);
    }
    for subject in [&open, &guarded, &certified] {
        assert!(subject.registry.len() <= 1, "nobody registered anything");
    }
    assert_eq!(guarded.registry.version(), certified.registry.version(), "nothing was changed there");
    open.assert_readable();
});
