//! The configuration: a file (YAML, or properties if the first byte says so), arguments, and variables of the environment, parted by
//! lines of `---8<---`.

#![no_main]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use eureka_registry::config::{self, Command};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "s3cret-of-the-fuzzer";

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let directory = base.join(format!("eureka-registry-fuzz-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
});

fuzz_target!(|input: &str| {
    let mut parts = input.split("---8<---\n");
    let (file, arguments, environment) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (yaml, properties) = (DIRECTORY.join("application.yml"), DIRECTORY.join("application.properties"));
    let (name, other, text) = match file.strip_prefix('!') {
        Some(text) => (&properties, &yaml, text),
        None => (&yaml, &properties, file),
    };
    let _was_not_there = fs::remove_file(other);
    fs::write(name, text).unwrap();
    // The fuzzer must not choose where files are looked for.
    let looks_elsewhere = |line: &str| {
        let plain: String = line.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        plain.contains("springconfig")
    };
    if looks_elsewhere(input) {
        return;
    }
    let environment = environment.lines().filter_map(|line| line.split_once('='));
    let environment: Vec<(OsString, OsString)> = environment
        .map(|(name, value)| (name.into(), value.into()))
        .chain([("SPRING_SECURITY_USER_PASSWORD".into(), SECRET.into())])
        .collect();
    for first in [None, Some("check-config")] {
        let arguments = first.into_iter().chain(arguments.lines()).map(OsString::from);
        let said = match config::parse(arguments, environment.iter().cloned(), &DIRECTORY) {
            Ok(Command::Say(text) | Command::Check { text, .. }) => text,
            Ok(Command::Serve(loaded)) => format!("{:?}", loaded.notices),
            Ok(Command::Version) => String::new(),
            Err(error) => error.to_string(),
        };
        // A placeholder that puts the secret into another key publishes it.
        assert!(
            input.contains("${") || input.contains(SECRET) || !said.contains(SECRET),
            "it tells the password: {said}"
        );
    }
});
