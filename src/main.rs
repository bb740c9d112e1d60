//! The `eureka-registry` binary.

use std::path::Path;
use std::process::ExitCode;

use eureka_registry::config::{self, Command, Loaded, Notice, Unheeded};
use eureka_registry::limits::Limits;
use eureka_registry::server::Server;
use eureka_registry::smoke_test;
use eureka_registry::telemetry;
use eureka_registry::time::Clock;
use rand::rngs::{SmallRng, SysRng};
use rand::{Rng, SeedableRng};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

// Elsewhere, where people try it out, the system's allocator will do.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The settings cannot be read (`EX_USAGE`).
const BAD_CONFIGURATION: u8 = 64;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what a terminal is told before there are logs")]
fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("smoke-test") {
        return smoke_test(std::env::args().skip(2));
    }
    match config::parse(std::env::args_os().skip(1), std::env::vars_os(), Path::new(".")) {
        Ok(Command::Say(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("eureka-registry {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Command::Serve(loaded)) => serve(*loaded),
        Err(error) => {
            eprintln!("eureka-registry: {error}");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what a person who tests a release reads")]
fn smoke_test(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let environment = |name: &str| {
        let mut variables = std::env::vars_os();
        variables.find_map(|(found, value)| if found == name { value.into_string().ok() } else { None })
    };
    let options = match smoke_test::Options::parse(arguments, environment) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("eureka-registry smoke-test: {error:#}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let run = async {
        let instance = format!("smoke-test-{:016x}", SmallRng::try_from_rng(&mut SysRng)?.next_u64());
        smoke_test::run(&options, &instance, |step| println!("{step}")).await
    };
    match tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eureka-registry smoke-test: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(loaded: Loaded) -> ExitCode {
    let _logs = telemetry::init(&loaded.settings.logs);
    for notice in &loaded.notices {
        let Notice { key, origin, what } = notice;
        match what {
            Unheeded::Unknown(Some(nearest)) => warn!(key, origin, nearest, "unknown key: is another one meant?"),
            Unheeded::Unknown(None) => warn!(key, origin, "unknown key"),
            Unheeded::Useless(why) => info!(key, origin, why, "this key means nothing here"),
        }
    }
    match run(loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut loaded: Loaded) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    loaded.settings.limits = Limits::detect();
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told_to_stop = async move {
            tokio::select! {
                _ = terminate.recv() => info!("SIGTERM"),
                _ = interrupt.recv() => info!("SIGINT"),
            }
        };
        let server = Server::start(loaded.settings, Clock::system(), SmallRng::try_from_rng(&mut SysRng)?).await?;
        server.run(told_to_stop).await
    })
}
