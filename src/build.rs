//! Passes the commit to the crate: `GIT_COMMIT` from the environment, or from git if this is a checkout.
//!
//! Git is asked only for release builds: during development, everything would be built again after each commit.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script what it needs in the environment")]

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    println!("cargo::rerun-if-env-changed=GIT_COMMIT");
    let given = env::var("GIT_COMMIT").ok().filter(|commit| !commit.is_empty());
    let released = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if let Some(commit) = given.or_else(|| if released { commit() } else { None }) {
        println!("cargo::rustc-env=GIT_COMMIT={commit}");
    }
}

/// The commit that is checked out here, and not in some directory above.
fn commit() -> Option<String> {
    let root = env::var("CARGO_MANIFEST_DIR").ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&root).canonicalize().ok()? {
        return None;
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}
