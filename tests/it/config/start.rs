//! What the process says first, in its log.

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::Directory;
use crate::support::DEADLINE;

/// Starts the binary beside the files, and gives what it logs up to the first line that begins with `end`, which it has to log;
/// or, if `end` is empty, everything, and how the process ended.
async fn start(
    files: &[(&str, &str)],
    arguments: &[&str],
    environment: &[(&str, &str)],
    end: &str,
) -> (String, Option<ExitStatus>) {
    let directory = Directory::with(files);
    let mut process = Command::new(env!("CARGO_BIN_EXE_eureka-registry"))
        .args(["--server.address=127.0.0.1"].iter().chain(arguments))
        .current_dir(&directory.0)
        .env_clear()
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let said = async {
        let mut text = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            // After the time stands the level.
            let message = line.split_once(' ').map_or(line.as_str(), |(_, rest)| rest.trim_start());
            text.push_str(&format!("{message}\n"));
            if !end.is_empty() && message.contains(end) {
                return (text, None);
            }
        }
        assert!(end.is_empty(), "it did not log {end:?}, but\n{text}");
        (text, Some(process.wait().await.unwrap()))
    };
    tokio::time::timeout(DEADLINE, said).await.unwrap()
}

const HARMLESS: &str = "have no effect here, and nothing is lost; `eureka-registry check-config` says why";

#[tokio::test]
async fn the_first_lines_say_what_is_configured() {
    let files = [
        (
            "application.yml",
            "eureka.client: {fetch-registry: true, registry-fetch-interval-seconds: 5, service-url.defaultZone: 'http://u:hidden@127.0.0.1:1/eureka/'}\n\
             spring.main.banner-mode: off\nspring.boot.admin.context-path: /admin\n",
        ),
        ("application-prod.yml", "spring.security.user: {name: admin, password: hidden}\n"),
    ];
    let environment = [("JAVA_OPTS", "-Xmx1g -Dspring.profiles.active=prod")];
    let (text, _) = start(&files, &["--server.port=0"], &environment, "listening on http://127.0.0.1:").await;
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        &format!(
            "INFO eureka-registry {version}, active profiles: prod, files: ./application.yml, ./application-prod.yml"
        ),
        "INFO spring.profiles.active is set by JAVA_OPTS",
        "INFO fixed peers: http://127.0.0.1:1/eureka/",
        "INFO users: admin",
        &format!("INFO 3 keys {HARMLESS}"),
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }
    assert_eq!(text.matches("no effect").count(), 1, "one line for all of them:\n{text}");
    assert!(!text.contains("fetch-registry") && !text.contains("hidden"), "{text}");
    assert!(text.contains("WARN spring.boot.admin.context-path: there is no Spring Boot Admin here"), "{text}");
}

#[tokio::test]
async fn one_key_without_effect_is_said_and_none_is_not() {
    let first = |yaml: &'static str| async move {
        start(&[("application.yml", yaml)], &["--server.port=0"], &[], "listening on http://").await.0
    };
    let one = first("eureka.client.fetch-registry: false\n").await;
    assert!(one.contains("INFO 1 key has no effect here, and nothing is lost;"), "{one}");
    let none = first("eureka.server.enable-self-preservation: false\n").await;
    assert!(none.contains("INFO standalone: there are no peers\n") && !none.contains("no effect"), "{none}");
}

#[tokio::test]
async fn loggers_of_java_that_are_off_silence_neither_the_start_nor_its_failure() {
    let off =
        [("application.properties", "logging.level.com.netflix.eureka=OFF\nlogging.level.com.netflix.discovery=OFF\n")];
    let (text, _) = start(&off, &["--server.port=0"], &[], "listening on http://").await;
    assert!(text.starts_with("INFO eureka-registry "), "{text}");
    let taken = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let number = taken.local_addr().unwrap().port();
    let (text, status) = start(&off, &[&format!("--server.port={number}")], &[], "").await;
    assert_eq!(status.unwrap().code(), Some(1), "{text}");
    let said = format!(
        "ERROR Port {number} is already in use: stop the process that has it, or choose another with --server.port={}\n",
        number.saturating_add(1)
    );
    assert!(text.ends_with(&said), "{text}");
}
