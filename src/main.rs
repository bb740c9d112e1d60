//! The `eureka-registry` binary.

use eureka_registry::server::{Server, Settings};
use eureka_registry::time::Clock;
use rand::SeedableRng;
use rand::rngs::SmallRng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let mut settings = Settings::default();
    for argument in std::env::args() {
        if let Some(port) = argument.strip_prefix("--server.port=") {
            settings.server.port = port.parse()?;
        }
        if let Some(address) = argument.strip_prefix("--server.address=") {
            settings.server.address = Some(address.parse()?);
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(settings, Clock::system(), SmallRng::from_os_rng()).await?;
        server
            .run(async {
                let _told = tokio::signal::ctrl_c().await;
            })
            .await
    })
}
