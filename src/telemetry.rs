//! Logs.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Writes logs of `filter` to standard output, a line each, in colours if somebody watches.
pub fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_not_a_filter| EnvFilter::new("info"));
    let terminal = std::io::stdout().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(terminal).init();
}
