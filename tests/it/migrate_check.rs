//! `migrate-check` at servers of ours, and at listeners that answer badly. The rules have tests of their own beside them, and
//! `compat/peers` has real Java servers.

use std::fs;
use std::process::Stdio;

use eureka_registry::commands::migrate_check::{self, Options, Outcome};
use eureka_registry::http::security::User;
use eureka_registry::tls::ClientAuth;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

use crate::security::{Authority, with_users};
use crate::support::{DEADLINE, TestServer};

/// Long enough for the first comparison, which is not waited for when this time is over.
const WATCHED: &str = "--for=5s";

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

/// A server with TLS by this authority and the user `eureka:secret`.
async fn secured(authority: &Authority, client_auth: ClientAuth) -> TestServer {
    let options = authority.options(client_auth);
    TestServer::with(|settings| {
        with_users(settings);
        settings.server.tls = Some(options);
    })
    .await
}

/// Of a check that cannot read the server: why, without the password.
async fn refusal(arguments: &[&str]) -> String {
    let error = format!("{:#}", check(arguments).await.unwrap_err());
    assert!(!error.contains("secret") && !error.contains("guess"), "{error}");
    error
}

#[tokio::test]
async fn a_server_with_tls_of_a_private_authority_is_read() {
    let authority = Authority::new();
    authority.write(false);
    let server = secured(&authority, ClientAuth::None).await;
    let (url, ca) = (format!("--url=https://eureka:secret@{}/eureka/", server.address), authority.ca());
    let (report, outcome) = findings(&[&url, &ca]).await;
    assert_eq!((severity(&report, "tls"), outcome), (Some("act"), Outcome::Act), "{report:#}");
    for id in ["xml", "delta", "health"] {
        assert_eq!(severity(&report, id), Some("same"), "{id}: {report:#}");
    }
    let (text, _) = check(&[&url, &ca]).await.unwrap();
    let begin = format!("# https://{}/eureka/: ", server.address);
    assert!(text.starts_with(&begin), "{text}");
    let with = url.replace("--url", "--with");
    let (watched, outcome) =
        check(&[&url, &ca, "--watch", &with, "--every=10ms", WATCHED, "--format=json"]).await.unwrap();
    assert_eq!(outcome, Outcome::Nothing, "{watched}");
    for said in [text, report.to_string(), watched] {
        assert!(!said.contains("secret"), "{said}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn why_a_server_with_tls_is_not_read_says_what_to_do() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.write(false);
    let server = secured(&authority, ClientAuth::None).await;
    let plain = TestServer::with(with_users).await;
    let (at, ca) = (server.address, authority.ca());
    let url = format!("--url=https://eureka:secret@{at}/eureka/");
    let is_signed =
        format!("https://{at}/eureka/: the certificate of 127.0.0.1 is signed by an authority that is not trusted");
    fs::write(other.directory.join("tls.crt"), "no certificate").unwrap();
    let [empty, nowhere] =
        ["tls.crt", "nowhere.crt"].map(|name| format!("--ca={}", other.directory.join(name).display()));
    for (arguments, why) in [
        (
            &[&*url, &other.ca()][..],
            format!("{is_signed}; no certificate in {} (--ca) is its authority's", &other.ca()[5..]),
        ),
        (&[&url], format!("{is_signed}; name the PEM file of that authority with --ca")),
        (&[&url, &empty], format!("{empty}: there is no certificate in it; expected PEM")),
        (&[&url, &nowhere], format!("{nowhere}: ")),
        (&[&url.replace("secret", "guess"), &ca], "401: it does not accept the user".to_owned()),
        (&[&format!("--url=https://{at}/eureka/"), &ca], "401: it asks for a user".to_owned()),
        (
            &[&format!("--url=https://eureka:secret@{}/eureka/", plain.address), &ca],
            format!(
                "does not speak TLS at port {}; if it serves HTTP there, its URL begins with http://",
                plain.address.port()
            ),
        ),
        (
            &[&url.replace("https", "http"), &ca],
            "the call failed: invalid HTTP version parsed; if it serves TLS there, its URL begins with https://"
                .to_owned(),
        ),
        (&[&url, &ca, "--certificate=a.crt", "--certificate-private-key=a.key"], "a.crt: ".to_owned()),
    ] {
        let said = refusal(arguments).await;
        assert!(said.contains(&why), "{arguments:?}: {said}, not {why}");
    }
    let with = format!("--with=http://eureka:secret@{}/eureka/", plain.address);
    let (watched, outcome) = check(&[&url, &other.ca(), "--watch", &with, "--every=10ms", WATCHED]).await.unwrap();
    assert_eq!(outcome, Outcome::Unread);
    assert!(
        watched.contains(&is_signed.replace(": the", " cannot be read: the")) && !watched.contains("secret"),
        "{watched}"
    );
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_name_an_old_one_and_that_of_an_authority_are_refused_in_words() {
    let authority = Authority::new();
    for (issue, why) in [
        (
            authority.issue_for("elsewhere.example"),
            "certificate not valid for 127.0.0.1; the URL needs a name that is in the certificate",
        ),
        (authority.issue(true), "the certificate of 127.0.0.1 has expired"),
        (
            (authority.issuer.pem(), authority.issuer.key().serialize_pem()),
            "is one of an authority (CA:TRUE), and not one for a server; this server's own calls to it would refuse it, too",
        ),
    ] {
        fs::write(authority.directory.join("tls.crt"), issue.0).unwrap();
        fs::write(authority.directory.join("tls.key"), issue.1).unwrap();
        let server = secured(&authority, ClientAuth::None).await;
        let url = format!("--url=https://eureka:secret@{}/eureka/", server.address);
        let said = refusal(&[&url, &authority.ca()]).await;
        assert!(said.contains(why), "{said}");
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_shown_one() {
    let authority = Authority::new();
    authority.write(false);
    let server = secured(&authority, ClientAuth::Need).await;
    let (url, ca) = (format!("--url=https://eureka:secret@{}/eureka/", server.address), authority.ca());
    let said = refusal(&[&url, &ca]).await;
    assert!(said.contains("name one that it trusts with --certificate and --certificate-private-key"), "{said}");
    let file = |option: &str, name: &str| format!("{option}={}", authority.directory.join(name).display());
    let own = [file("--certificate", "tls.crt"), file("--certificate-private-key", "tls.key")];
    let (report, _) = findings(&[&url, &ca, &own[0], &own[1]]).await;
    assert_eq!(severity(&report, "xml"), Some("same"), "{report:#}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_argument_that_is_none_is_not_shown_since_it_may_have_a_password() {
    for argument in ["https://eureka:secret@localhost:8761/eureka/", "--uri=https://eureka:secret@localhost:8761/"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eureka-registry"));
        let output = command.arg("migrate-check").arg(argument).env_clear().output();
        let output = tokio::time::timeout(DEADLINE, output).await.unwrap().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.code() == Some(64) && said.contains("expected --url"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
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
    // What is answered is read in time on every machine, and only what is not answered is waited for.
    let (long, short) = ("--timeout=60s", "--timeout=300ms");
    for (answer, timeout, why) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<html>hi</html>", long, "not the list of a Eureka server"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 900000000000\r\n\r\n{", long, "larger than"),
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", long, "401: it asks for a user"),
        ("HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n", long, "302: it sends elsewhere"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"applications\":", short, "no answer in time"),
        ("", short, "no answer in time"),
    ] {
        let error = check(&[&listener(answer).await, timeout]).await.unwrap_err().to_string();
        assert!(error.contains(why), "{answer}: {error}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_beside_the_list_is_said_and_fails_nothing() {
    let list =
        "HTTP/1.1 200 OK\r\ncontent-length: 35\r\nconnection: close\r\n\r\n{\"applications\":{\"application\":[]}}";
    let (report, _) = findings(&[&listener(list).await, "--timeout=60s"]).await;
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
    let (said, outcome) = check(&[&url(&one), "--watch", &with, "--every=10ms", WATCHED]).await.unwrap();
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
        let status = tokio::time::timeout(DEADLINE, command.status()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}
