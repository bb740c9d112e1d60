//! `--help`, and the tables of `deploy/configuration.md`.

use super::classes::{self, Class};
use super::families::FAMILIES;
use super::keys::GROUPS;

const USAGE: &str = "\
A Eureka-compatible service registry.

Usage: eureka-registry [--KEY=VALUE ...]        serves
       eureka-registry check-config [OPTIONS]   prints what the configuration comes to, and starts nothing
       eureka-registry smoke-test --url=URL     registers, reads and removes at a running registry
       eureka-registry --help [--all] | -h      this text; with --all, every key
       eureka-registry --version | -V

Options of check-config:
  --file FILE      the settings of this file, instead of application.yml
  --format json    for programs
  --strict         exit code 1 if there is a warning
  --all            the keys that have their defaults, too
  --KEY=VALUE      as when it serves

Keys are those of a Spring Cloud Eureka server. Each can stand
  in application.yml, .yaml or .properties, here, in config/ or in a directory of config/;
  in the environment: server.port as SERVER_PORT;
  in JAVA_OPTS and its kin as -Dserver.port=8080; in SPRING_APPLICATION_JSON; or here as --server.port=8080. Later ones win.

";

const FILES: &str = "\
Which files are read
  --spring.config.location=PLACES
      Files, or directories that end with a slash, instead of the above, comma separated; optional: before one needs none.
  --spring.config.additional-location=PLACES
      Files or directories that win over the above.
  --spring.config.import=PLACES
      More of them, and of configtree:/etc/secrets/ (a directory with a file for each key). A file can hold this key, too.
  --spring.config.name=NAME
      Name of the files. Default: application.
  --spring.profiles.active=PROFILES
      Active profiles: application-PROFILE.yml is read, too, and documents with spring.config.activate.on-profile.
  --spring.profiles.include=PROFILES, --spring.profiles.default=PROFILES, --spring.profiles.group.NAME=PROFILES
      Profiles that are always active, that are active if no other is, and that NAME stands for.
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
