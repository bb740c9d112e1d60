//! The process: signals, and what it tells the manager of services that started it.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram as Socket;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, UnixDatagram};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{Client, DEADLINE};

/// Only a test that hangs waits for its end.
const LONG: &str = "--registry.shutdown.lame-duck=1h";

/// A registry in a process of its own, killed when it is dropped.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_eureka-registry"))
            .args(["--server.address=127.0.0.1", "--server.port=0"].iter().chain(arguments))
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line of the log that has this text.
    async fn says(&mut self, text: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        };
        let line = tokio::time::timeout(DEADLINE, found).await.ok().flatten();
        assert!(line.is_some(), "it does not log {text:?}");
        line.unwrap()
    }

    /// The address on which it listens.
    async fn address(&mut self) -> SocketAddr {
        let line = self.says("listening on http://").await;
        line.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    async fn end(&mut self) -> ExitStatus {
        tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("it ends").unwrap()
    }
}

#[tokio::test]
async fn an_interrupt_ends_it_at_once_if_nothing_is_connected() {
    let mut process = Process::start(&[LONG], &[]);
    process.address().await;
    process.signal(Signal::INT);
    assert_eq!(process.end().await.code(), Some(0));
    process.says("stopped").await;
}

#[tokio::test]
async fn an_interrupt_leaves_time_to_what_is_connected_and_a_second_one_does_not() {
    let mut process = Process::start(&[LONG], &[]);
    let mut client = Client::connect(process.address().await).await;
    assert_eq!(client.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    process.signal(Signal::INT);
    assert!(process.says("shutting down").await.contains("lame_duck_ms=3600000"));
    process.signal(Signal::INT);
    process.says("SIGINT while stopping").await;
    assert_eq!(process.end().await.code(), Some(1));
}

#[tokio::test]
async fn sigterm_leaves_time_to_clients_that_are_to_come_and_an_interrupt_ends_it() {
    let mut process = Process::start(&[LONG], &[]);
    let address = process.address().await;
    process.signal(Signal::TERM);
    assert!(process.says("shutting down").await.contains("lame_duck_ms=3600000"));
    assert_eq!(Client::connect(address).await.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    process.signal(Signal::INT);
    assert_eq!(process.end().await.code(), Some(1));
}

#[tokio::test]
async fn an_interrupt_ends_a_start_that_waits_for_a_peer() {
    // It accepts, by its backlog, and never answers.
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("--eureka.client.service-url.defaultZone=http://{}/eureka/", peer.local_addr().unwrap());
    let mut process = Process::start(&[&url, "--registry.sync.timeout=1h"], &[]);
    let _asked = tokio::time::timeout(DEADLINE, peer.accept()).await.expect("it asks the peer").unwrap();
    process.signal(Signal::INT);
    process.says("SIGINT before the port was open").await;
    assert_eq!(process.end().await.code(), Some(0));
}

/// What arrives at a manager's socket.
async fn told(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 64];
    let length = tokio::time::timeout(DEADLINE, socket.recv(&mut bytes)).await.expect("it tells").unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

/// The manager learns that the server is ready when it answers, and that it stops when it still does.
async fn tells(socket: Socket, name: &str) {
    socket.set_nonblocking(true).unwrap();
    let socket = UnixDatagram::from_std(socket).unwrap();
    let mut process = Process::start(&[LONG], &[("NOTIFY_SOCKET", name)]);
    assert_eq!(told(&socket).await, "READY=1");
    let address = process.address().await;
    assert_eq!(Client::connect(address).await.send("GET", "/eureka/apps", &[], b"").await.status, 200);
    process.signal(Signal::TERM);
    assert_eq!(told(&socket).await, "STOPPING=1");
    assert_eq!(Client::connect(address).await.send("GET", "/eureka/apps", &[], b"").await.status, 200);
}

#[tokio::test]
async fn a_service_manager_is_told_by_its_socket() {
    let path = std::env::temp_dir().join(format!("eureka-registry-notify-{}", std::process::id()));
    tells(Socket::bind(&path).unwrap(), path.to_str().unwrap()).await;
    std::fs::remove_file(path).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_service_manager_is_told_by_an_abstract_socket() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("eureka-registry-notify-{}", std::process::id());
    tells(Socket::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(), &format!("@{name}")).await;
}

#[tokio::test]
async fn a_service_manager_that_is_not_there_stops_nobody() {
    let mut process = Process::start(&[LONG], &[("NOTIFY_SOCKET", "/nonexistent/notify")]);
    process.address().await;
    process.says("the service manager cannot be told READY=1").await;
    process.signal(Signal::INT);
    assert_eq!(process.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_command_ends_well_if_nobody_reads_on() {
    for arguments in [&["--help", "--all"][..], &["check-config"], &["--version"], &["migrate-check", "--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let command = Command::new(env!("CARGO_BIN_EXE_eureka-registry"))
            .args(arguments)
            .env_clear()
            .current_dir(std::env::temp_dir())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output();
        let ended = tokio::time::timeout(DEADLINE, command).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.is_empty(), "{arguments:?}: {} {said}", ended.status);
    }
}
