//! The command `health`, against a running server.

use tokio::process::Command;

use crate::support::{NEVER, TestServer, wait_for};

/// Runs it: its exit code, and what it printed.
async fn health(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eureka-registry"));
    // What a server would read, and this must not.
    command.env("SERVER_PORT", "not-a-port").arg("health").args(arguments);
    let output = command.output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_server_is_well_until_it_begins_to_stop() {
    let mut server = TestServer::with(|settings| settings.server.lame_duck = NEVER).await;
    let url = format!("http://{}/actuator/health/readiness", server.address);
    assert_eq!(health(&["--url", &url]).await, (0, "{\"status\":\"UP\"}\n".to_owned()));
    server.begin_to_stop();
    let (_, said) = wait_for("a server that is not ready", async || {
        let (code, said) = health(&["--url", &url]).await;
        (code == 1).then_some((code, said))
    })
    .await;
    assert!(said.contains("503"), "{said}");
}

#[tokio::test]
async fn a_wrong_argument_is_named() {
    let (code, said) = health(&["--port=8761"]).await;
    assert_eq!(
        (code, said.as_str()),
        (64, "eureka-registry health: argument --port=8761: expected --url URL or --ca FILE\n")
    );
}
