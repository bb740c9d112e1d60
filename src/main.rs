//! The `eureka-registry` binary.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use eureka_registry::commands::{health, migrate_check, smoke_test};
use eureka_registry::config::{self, Command, Loaded, Notice, Unheeded};
use eureka_registry::limits::Limits;
use eureka_registry::server::Server;
use eureka_registry::server::{ServiceManager, Settings, Stop};
use eureka_registry::telemetry::{self, START};
use eureka_registry::time::Clock;
use rand::rngs::{SmallRng, SysRng};
use rand::{Rng, SeedableRng};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tracing::{error, info, warn};

// Elsewhere, where people try it out, the system's allocator is good enough.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads for what takes long: full answers and pages.
const BLOCKING_THREADS: usize = 2;

/// The settings cannot be read (`EX_USAGE`).
const BAD_CONFIGURATION: u8 = 64;

#[expect(clippy::print_stderr, reason = "output for a terminal, before logging starts")]
fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("smoke-test") => return command("smoke-test", async |arguments| smoke_test(arguments).await.map(|()| 0)),
        Some("health") => return command("health", async |arguments| health(arguments).await.map(|()| 0)),
        Some("migrate-check") => return command("migrate-check", migrate_check),
        _ => {}
    }
    match config::parse(std::env::args_os().skip(1), std::env::vars_os(), Path::new(".")) {
        Ok(Command::Say(text)) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Ok(Command::Check { text, failed }) => {
            say(&text);
            if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Ok(Command::Version) => {
            say(concat!("eureka-registry ", env!("CARGO_PKG_VERSION"), "\n"));
            ExitCode::SUCCESS
        }
        Ok(Command::Serve(loaded)) => serve(*loaded),
        Err(error) => {
            eprintln!("eureka-registry: {error}");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

/// Prints to standard output, and returns whether somebody reads it: a pipe to `head` does not, after some lines, and that is no error.
fn say(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Runs a command that asks a running registry, with the arguments after its name; it returns its exit code.
#[expect(clippy::print_stderr, reason = "what a person or a health check reads")]
fn command(name: &str, run: impl AsyncFnOnce(Vec<String>) -> Result<u8, Failure>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .map_err(|error| Failure::Ran(error.into()))
        .and_then(|runtime| runtime.block_on(run(std::env::args().skip(2).collect())));
    let (code, error) = match done {
        Ok(code) => return ExitCode::from(code),
        Err(Failure::Usage(error)) => (ExitCode::from(BAD_CONFIGURATION), error),
        Err(Failure::Unread(error)) => (ExitCode::from(migrate_check::Outcome::Unread.code()), error),
        Err(Failure::Ran(error)) => (ExitCode::FAILURE, error),
    };
    eprintln!("eureka-registry {name}: {error:#}");
    code
}

/// Why a command failed.
enum Failure {
    /// Its arguments.
    Usage(anyhow::Error),
    /// What it found.
    Ran(anyhow::Error),
    /// A server cannot be read.
    Unread(anyhow::Error),
}

/// A variable of the environment, if it is text.
fn variable(name: &str) -> Option<String> {
    let mut variables = std::env::vars_os();
    variables.find_map(|(found, value)| if found == name { value.into_string().ok() } else { None })
}

async fn smoke_test(arguments: Vec<String>) -> Result<(), Failure> {
    let options = smoke_test::Options::parse(arguments, variable).map_err(Failure::Usage)?;
    let random = SmallRng::try_from_rng(&mut SysRng).map_err(|error| Failure::Ran(error.into()))?.next_u64();
    let instance = format!("smoke-test-{random:016x}");
    // It goes on if nobody reads: its instance has to be cancelled.
    let said = |step: String| {
        say(&format!("{step}\n"));
    };
    smoke_test::run(&options, &instance, said).await.map_err(Failure::Ran)
}

async fn health(arguments: Vec<String>) -> Result<(), Failure> {
    let options = health::Options::parse(arguments).map_err(Failure::Usage)?;
    say(&format!("{}\n", health::run(&options).await.map_err(Failure::Ran)?));
    Ok(())
}

async fn migrate_check(arguments: Vec<String>) -> Result<u8, Failure> {
    if arguments.iter().any(|argument| matches!(&**argument, "--help" | "-h")) {
        say(migrate_check::HELP);
        return Ok(0);
    }
    let options = migrate_check::Options::parse(arguments, variable).map_err(Failure::Usage)?;
    let ran = |error: std::io::Error| Failure::Ran(error.into());
    let mut terminate = signal(SignalKind::terminate()).map_err(ran)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ran)?;
    let unread = Notify::new();
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = unread.notified() => {}
        }
    };
    let run = migrate_check::run(&options, std::env::vars_os(), stop, |line| {
        if !say(&format!("{line}\n")) {
            unread.notify_one();
        }
    });
    Ok(Box::pin(run).await.map_err(Failure::Unread)?.code())
}

fn serve(loaded: Loaded) -> ExitCode {
    let _logs = telemetry::init(&loaded.settings.logs);
    say_what_is_configured(&loaded);
    match run(loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Logs what an operator reads first: the sources of the settings, the peers, the users, and the differences from the Java
/// server.
fn say_what_is_configured(Loaded { settings, notices, facts }: &Loaded) {
    let files = if facts.files.is_empty() { "none".to_owned() } else { facts.files.join(", ") };
    let (version, profiles) = (env!("CARGO_PKG_VERSION"), facts.profiles.join(", "));
    info!(target: START, "eureka-registry {version}, active profiles: {profiles}, files: {files}");
    for (key, variable) in &facts.java_options {
        info!(target: START, "{key} is set by {variable}");
    }
    info!(target: START, "{}", peers(settings));
    let users: Vec<&str> = settings.http.security.users.iter().map(|user| user.name.as_str()).collect();
    if !users.is_empty() {
        info!(target: START, "users: {}", users.join(", "));
    }
    for Notice { key, origin, what } in notices.iter().filter(|notice| notice.what.is_warning()) {
        match what {
            Unheeded::Unknown(Some(nearest)) => {
                warn!(target: START, key, origin, nearest, "unknown key: is another one meant?");
            }
            Unheeded::Unknown(None) => warn!(target: START, key, origin, "unknown key"),
            Unheeded::Missing(why) | Unheeded::Harmless(why) => {
                warn!(target: START, origin, "{key}: {why}");
            }
        }
    }
    let harmless = notices.iter().filter(|notice| !notice.what.is_warning()).count();
    if harmless > 0 {
        let keys = if harmless == 1 { "1 key has" } else { &format!("{harmless} keys have") };
        info!(target: START, "{keys} no effect here, and nothing is lost; `eureka-registry check-config` says why");
    }
}

/// The peers, in words.
fn peers(settings: &Settings) -> String {
    let replication = &settings.replication;
    let urls: Vec<String> = replication.service_urls.iter().map(ToString::to_string).collect();
    match (&replication.discovery_service, urls.is_empty()) {
        (None, true) => "standalone: there are no peers".to_owned(),
        (None, false) => format!("fixed peers: {}", urls.join(", ")),
        (Some(service), true) => format!("peers: the replicas of the Service {service}"),
        (Some(service), false) => format!("peers: the replicas of the Service {service}, and {}", urls.join(", ")),
    }
}

fn run(mut loaded: Loaded) -> anyhow::Result<()> {
    // Memory that one thread allocated and another one frees can be used again only by the first. Large answers are made by few
    // threads, so that not every thread keeps the memory of one.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().max_blocking_threads(BLOCKING_THREADS).enable_all().build()?;
    loaded.settings.limits = Limits::detect();
    loaded.settings.kubernetes.find_api_server(variable);
    let done = runtime.block_on(Box::pin(serve_until_told(loaded)));
    // What a second Ctrl-C left behind is not waited for.
    runtime.shutdown_background();
    done
}

/// Serves until SIGTERM or Ctrl-C. A second signal by Ctrl-C ends everything that still goes on.
async fn serve_until_told(loaded: Loaded) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let service_manager = ServiceManager::at(std::env::var_os("NOTIFY_SOCKET"));
    let start = Box::pin(Server::start(loaded.settings, Clock::system(), SmallRng::try_from_rng(&mut SysRng)?));
    let server = tokio::select! {
        started = start => started?,
        _ = interrupt.recv() => {
            info!("SIGINT before the port was open: stopped");
            return Ok(());
        }
    };
    service_manager.ready();
    let (stop, told) = oneshot::channel();
    let mut running = Box::pin(server.run(async { told.await.unwrap_or(Stop::LameDuck) }));
    let asked = tokio::select! {
        done = &mut running => return done,
        _ = terminate.recv() => Stop::LameDuck,
        _ = interrupt.recv() => Stop::Interrupt,
    };
    info!("{}", if asked == Stop::Interrupt { "SIGINT" } else { "SIGTERM" });
    service_manager.stopping();
    // It is received: what receives it still runs.
    let _received = stop.send(asked);
    tokio::select! {
        done = running => done,
        _ = interrupt.recv() => anyhow::bail!("SIGINT while stopping: stopped without waiting for requests and peers"),
    }
}
