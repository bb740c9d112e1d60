//! `--help`, and the tables of `deploy/configuration.md`.

use super::classes::{self, Class};
use super::families::FAMILIES;
use super::keys::GROUPS;

const USAGE: &str = "\
A Eureka-compatible service registry.

Usage: eureka-registry [--KEY=VALUE ...]        serves
       eureka-registry check-config [OPTIONS]   prints what is set and what has no effect, and starts nothing
       eureka-registry migrate-check --url=URL  reads a running Java server and says what to do before you move; --help lists options
       eureka-registry smoke-test --url=URL     registers, reads and cancels an instance at a running registry
       eureka-registry health [--url=URL]       asks a running registry whether it is ready: exit code 0 if it is, else 1
       eureka-registry --help [--all] | -h      prints this text; with --all, every key
       eureka-registry --version | -V

Options of check-config:
  --file FILE      reads this file instead of application.yml
  --format json    prints one JSON object, for programs
  --strict         ends with exit code 1 if there is a warning
  --all            prints the keys that have their defaults, too
  --KEY=VALUE      sets a key, as when it serves

Options of health:
  --url URL        what to ask, instead of http://127.0.0.1:8761/actuator/health/readiness
  --ca FILE        the PEM file with the authority that signed the registry's certificate
It reads no configuration. It asks for at most five seconds.

Exit codes: 0; 1 if it cannot start or a check fails; 64 if a setting cannot be read.

Keys have the names that they have in a Spring Cloud Eureka server. They are read from these places; later ones win:
  files            application.yaml, .yml and .properties in the working directory, in config/ and in each directory of config/
  environment      SERVER_PORT is server.port
  JAVA_OPTS        and the other variables for Java virtual machines: -Dserver.port=8080
  SPRING_APPLICATION_JSON
                   one JSON object
  arguments        --server.port=8080

";

const FILES: &str = "\
Which files are read
  --spring.config.location=PLACES
      Files, or directories that end with a slash, comma separated, instead of the files above. A place that begins with optional:
      may be missing.
  --spring.config.additional-location=PLACES
      Files or directories that win over the files above.
  --spring.config.import=PLACES
      More files; configtree:/etc/secrets/ is a directory with one file for each key. A file can set this key, too.
  --spring.config.name=NAME
      Name of the files. Default: application.
  --spring.profiles.active=PROFILES
      Active profiles. For each, application-PROFILE.yml is read, too, and documents with spring.config.activate.on-profile.
  --spring.profiles.include=PROFILES, --spring.profiles.default=PROFILES, --spring.profiles.group.NAME=PROFILES
      Profiles that are always active, that are active if no other is, and that NAME stands for.

After = stands a key's default.
";

/// What most people set.
const COMMON: [&str; 8] = [
    "server.port",
    "server.address",
    "registry.discovery.service",
    "eureka.client.service-url.defaultZone",
    "eureka.instance.hostname",
    "eureka.server.enable-self-preservation",
    "spring.security.user.name",
    "spring.security.user.password",
];

/// `--help`, with every key or with what most people set.
pub(super) fn help(all: bool) -> String {
    let mut text = format!("{USAGE}{FILES}");
    for group in GROUPS {
        let keys: Vec<_> = group.keys.iter().filter(|key| all || COMMON.contains(&key.name)).collect();
        if !keys.is_empty() {
            text.push_str(&format!("\n{}\n", group.title));
        }
        for key in keys {
            text.push_str(&format!("  --{}={}\n      {}\n", key.name, key.default, key.meaning));
        }
    }
    if !all {
        text.push_str("\nAll keys: eureka-registry --help --all\n");
        return text;
    }
    text.push_str("\nKeys of which there may be several\n");
    for family in FAMILIES {
        text.push_str(&format!("  {}\n      {}\n", family.pattern, family.meaning));
    }
    text
}

/// The settings as the tables of `deploy/configuration.md`.
pub fn table() -> String {
    let mut text = String::new();
    for group in GROUPS {
        text.push_str(&format!("**{}**\n\n| key | default | meaning |\n| --- | --- | --- |\n", group.title));
        for key in group.keys {
            let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
            text.push_str(&format!("| `{}` | {default} | {} |\n", key.name, key.meaning));
        }
        text.push('\n');
    }
    text.push_str("**Keys of which there may be several**\n\n| keys | meaning |\n| --- | --- |\n");
    for family in FAMILIES {
        text.push_str(&format!("| `{}` | {} |\n", family.pattern, family.meaning));
    }
    text.push_str("\n**Keys of a Java server that are missing here**\n\nA `*` stands for any end.\n\n");
    text.push_str("| keys | what is missing | what happens |\n| --- | --- | --- |\n");
    for class in [Class::Protection, Class::Function] {
        for rule in classes::rules().filter(|rule| rule.class == class) {
            let keys: Vec<String> = rule.keys.iter().map(|key| format!("`{key}`")).collect();
            let then = if class == Class::Protection { "the start ends" } else { "a warning" };
            text.push_str(&format!("| {} | {} | {then} |\n", keys.join(", "), rule.why));
        }
    }
    text
}
