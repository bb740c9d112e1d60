//! `migrate-check` at servers of ours, and at listeners that answer badly. The rules have tests of their own beside them, and
//! `compat/peers` has real Java servers.

use std::process::Stdio;
use std::time::Duration;

use eureka_registry::commands::migrate_check::{self, Options, Outcome};
use eureka_registry::http::security::User;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

use crate::support::{DEADLINE, TestServer};

fn url(server: &TestServer) -> String {
    format!("--url=http://{}/eureka/", server.address)
}

fn options(arguments: &[&str]) -> Options {
    Options::parse(arguments.iter().map(|argument| (*argument).to_owned()), |_| None).unwrap()
}

/// What a check prints, and what its exit code says.
async fn check(arguments: &[&str]) -> anyhow::Result<(String, Outcome)> {
    let mut said = String::new();
    let say = |text: String| said.push_str(&text);
    let never = std::future::pending();
    let outcome = tokio::time::timeout(DEADLINE, migrate_check::run(&options(arguments), [], never, say)).await??;
    Ok((said, outcome))
}

async fn findings(arguments: &[&str]) -> (Value, Outcome) {
    let (said, outcome) = check(&[arguments, &["--format=json"]].concat()).await.unwrap();
    (serde_json::from_str(&said).unwrap(), outcome)
}

fn severity<'a>(report: &'a Value, id: &str) -> Option<&'a str> {
    let all = report["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["id"] == id)?["severity"].as_str()
}

#[tokio::test]
async fn a_server_is_read_and_nothing_has_to_be_done() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    let (report, outcome) = findings(&[&url(&server)]).await;
    assert_eq!(outcome, Outcome::Nothing, "{report:#}");
    for id in ["server", "xml", "delta", "hash-code", "users", "peers", "health", "instances"] {
        assert_eq!(severity(&report, id), Some("same"), "{id}: {report:#}");
    }
    assert_eq!(report["instances"], 1);
    let (text, _) = check(&[&url(&server)]).await.unwrap();
    assert!(
        text.contains("0 to do before you move") && text.contains("1 instance of 1 application registered: 1 UP."),
        "{text}"
    );
    assert!(text.contains("The server is a eureka-registry already."), "{text}");
    assert!(text.contains("# Not read\nthe dashboard (/): it is another page than a Java server's"), "{text}");
}

#[tokio::test]
async fn a_server_with_users_is_read_with_its_user_only() {
    let server = TestServer::with(|settings| {
        let (name, password) = ("eureka".to_owned(), "{noop}secret".parse().unwrap());
        settings.http.security.users.push(User { name, password, roles: Vec::new() });
    })
    .await;
    let refused = check(&[&url(&server)]).await.unwrap_err().to_string();
    assert!(refused.contains("401: it asks for a user"), "{refused}");
    let (report, outcome) = findings(&[&format!("--url=http://eureka:secret@{}/eureka/", server.address)]).await;
    assert_eq!((severity(&report, "users"), outcome), (Some("act"), Outcome::Act));
    assert!(!report.to_string().contains("secret"));
}

#[tokio::test]
async fn servers_that_do_not_know_the_same_disagree() {
    let (one, two) = (TestServer::start().await, TestServer::start().await);
    one.register("ORDERS", "orders:1").await;
    for server in [&one, &two] {
        server.register("BILLING", "b-1").await;
    }
    let (report, outcome) = findings(&[&url(&one), &url(&two)]).await;
    assert_eq!(outcome, Outcome::Act);
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|finding| finding["id"] == "peers-disagree").unwrap();
    let expected = format!("ORDERS/orders:1 registered: yes here, no at http://{}/eureka/", two.address);
    assert_eq!(found["about"], serde_json::json!([expected]));
}

/// A listener that gives each connection the same answer, and then keeps it open.
async fn listener(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("--url=http://{}/eureka/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let _request = connection.read(&mut [0; 4096]).await;
            let _sent = connection.write_all(answer.as_bytes()).await;
            open.push(connection);
        }
    });
    url
}

#[tokio::test]
async fn a_bad_answer_ends_the_check_and_says_why() {
    for (answer, why) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<html>hi</html>", "not the list of a Eureka server"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 900000000000\r\n\r\n{", "larger than"),
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", "401: it asks for a user"),
        ("HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n", "302: it sends elsewhere"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"applications\":", "no answer in time"),
        ("", "no answer in time"),
    ] {
        let error = check(&[&listener(answer).await, "--timeout=300ms"]).await.unwrap_err().to_string();
        assert!(error.contains(why), "{answer}: {error}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_beside_the_list_is_said_and_fails_nothing() {
    let list =
        "HTTP/1.1 200 OK\r\ncontent-length: 35\r\nconnection: close\r\n\r\n{\"applications\":{\"application\":[]}}";
    let (report, _) = findings(&[&listener(list).await, "--timeout=5s"]).await;
    let unread: Vec<&str> =
        report["unread"].as_array().unwrap().iter().filter_map(|one| one["what"].as_str()).collect();
    assert_eq!(unread, ["the list as XML", "the status (/eureka/status)", "the dashboard (/)"]);
}

#[tokio::test]
async fn a_watch_reports_a_difference_once_and_its_end() {
    let (one, two) = (TestServer::start().await, TestServer::start().await);
    one.register("ORDERS", "o-1").await;
    let with = format!("--with=http://{}/eureka/", two.address);
    let options = options(&[&url(&one), "--watch", &with, "--every=10ms", "--grace=50ms", "--format=json"]);
    let ((lines, mut said), (stop, stopped)) = (mpsc::unbounded_channel(), oneshot::channel::<()>());
    let stopped = async { stopped.await.unwrap_or_default() };
    let watch = migrate_check::run(&options, [], stopped, |line| lines.send(line).unwrap());
    let act = async {
        let mut next = async || -> Value { serde_json::from_str(&said.recv().await.unwrap()).unwrap() };
        assert_eq!(next().await["event"], "begin");
        let difference = next().await;
        assert_eq!((&difference["event"], &difference["instance"]), (&"difference".into(), &"ORDERS/o-1".into()));
        two.register("ORDERS", "o-1").await;
        assert_eq!(next().await["event"], "ended");
        two.stop().await.unwrap();
        assert_eq!(next().await["event"], "unreadable");
        stop.send(()).unwrap();
        let summary = next().await;
        assert_eq!(
            (&summary["differences"], &summary["standing"], &summary["unreadable"]),
            (&1.into(), &0.into(), &1.into())
        );
    };
    let (outcome, ()) = tokio::time::timeout(DEADLINE, async { tokio::join!(watch, act) }).await.unwrap();
    assert_eq!(outcome.unwrap(), Outcome::Unread);
}

#[tokio::test]
async fn a_watch_of_equal_servers_ends_in_time_with_nothing() {
    let (one, two) = (TestServer::start().await, TestServer::start().await);
    let with = format!("--with=http://{}/eureka/", two.address);
    let (said, outcome) = check(&[&url(&one), "--watch", &with, "--every=10ms", "--for=200ms"]).await.unwrap();
    assert_eq!(outcome, Outcome::Nothing);
    assert!(said.contains("0 differences reported"), "{said}");
}

#[tokio::test]
async fn the_exit_code_says_what_was_found() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    let (url, nobody) = (url(&server), "--url=http://127.0.0.1:1/eureka/".to_owned());
    let odd = [url.clone(), "--config=/nowhere/application.yml".to_owned()];
    for (arguments, code) in [(&[url][..], 0), (&odd[..], 1), (&[nobody][..], 2), (&[][..], 64)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eureka-registry"));
        let command =
            command.arg("migrate-check").args(arguments).env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        let status = tokio::time::timeout(Duration::from_secs(20), command.status()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}
