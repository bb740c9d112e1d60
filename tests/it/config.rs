//! Configurations as people have them for their Java servers, and what they come to here.

mod kinds;
mod metadata;
mod served;
mod shown;
mod start;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use eureka_registry::config::{self, Command, ConfigError, Loaded, Notice, Unheeded};
use eureka_registry::http::actuator::ShowDetails;
use eureka_registry::kubernetes::{Options, Policy};
use eureka_registry::server::Settings;
use eureka_registry::telemetry::Format;
use eureka_registry::tls::ClientAuth;

/// A directory with files, removed when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn with(files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("eureka-registry-config-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = Self(std::env::temp_dir().join(name));
        for (name, text) in files {
            let path = directory.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn parse(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command, ConfigError> {
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    config::parse(arguments.iter().map(OsString::from), environment, directory)
}

fn loaded(files: &[(&str, &str)], arguments: &[&str], environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let directory = Directory::with(files);
    let Command::Serve(loaded) = parse(&directory.0, arguments, environment)? else { unreachable!("asked to serve") };
    Ok(*loaded)
}

fn settings(files: &[(&str, &str)], arguments: &[&str], environment: &[(&str, &str)]) -> Settings {
    loaded(files, arguments, environment).unwrap().settings
}

fn said(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    match parse(Path::new("/nonexistent"), arguments, environment) {
        Ok(Command::Say(text) | Command::Check { text, .. }) => text,
        other => unreachable!("asked to say something: {other:?}"),
    }
}

fn urls(settings: &Settings) -> Vec<String> {
    settings.replication.service_urls.iter().map(ToString::to_string).collect()
}

#[test]
fn a_standalone_server_of_a_tutorial() {
    let yaml = "
server:
  port: 8761
eureka:
  instance:
    hostname: localhost
  client:
    registerWithEureka: false
    fetchRegistry: false
    serviceUrl:
      defaultZone: http://${eureka.instance.hostname}:${server.port}/eureka/
  server:
    waitTimeInMsWhenSyncEmpty: 0
    enableSelfPreservation: false
";
    let Loaded { settings, notices, .. } = loaded(&[("application.yml", yaml)], &[], &[]).unwrap();
    assert_eq!(urls(&settings), ["http://localhost:8761/eureka/"]);
    assert_eq!(settings.replication.register_with_eureka, Some(false));
    assert_eq!(settings.registry.wait_time_when_sync_empty, Duration::ZERO);
    assert!(!settings.registry.enable_self_preservation);
    assert!(
        matches!(&notices[..], [Notice { key, what: Unheeded::Harmless(_), .. }] if key == "eureka.client.fetchRegistry")
    );
}

#[test]
fn two_peers_as_profiles_of_one_file() {
    let yaml = "
spring:
  application:
    name: discovery
---
spring:
  config:
    activate:
      on-profile: peer1
server:
  port: 8761
eureka:
  instance:
    hostname: peer1
  client:
    service-url:
      defaultZone: http://peer2:8762/eureka/
---
spring:
  profiles: peer2
server:
  port: 8762
eureka:
  instance:
    hostname: peer2
  client:
    service-url:
      defaultZone: http://peer1:8761/eureka/
";
    let peer =
        |profile: &str| settings(&[("application.yml", yaml)], &[&format!("--spring.profiles.active={profile}")], &[]);
    let (one, two) = (peer("peer1"), peer("peer2"));
    assert_eq!((one.server.port, one.replication.hostname.as_deref()), (8761, Some("peer1")));
    assert_eq!((two.server.port, two.replication.hostname.as_deref()), (8762, Some("peer2")));
    assert_eq!(urls(&one), ["http://peer2:8762/eureka/"]);
    assert_eq!(urls(&two), ["http://peer1:8761/eureka/"]);
    assert_eq!(one.replication.application_name, "discovery");
}

#[test]
fn files_of_profiles_beside_a_common_one() {
    let files = [
        ("application.properties", "server.port=1\neureka.server.eviction-interval-timer-in-ms=4000\n"),
        ("application-eu.yml", "eureka.instance.hostname: eu\nserver.port: 2\n"),
        ("config/application-eu.properties", "server.port = 3\n"),
        ("application-us.yml", "eureka.instance.hostname: us\n"),
    ];
    let settings = settings(&files, &[], &[("SPRING_PROFILES_ACTIVE", "eu")]);
    assert_eq!((settings.server.port, settings.replication.hostname.as_deref()), (3, Some("eu")));
    assert_eq!(settings.registry.eviction_interval, Duration::from_secs(4));
}

#[test]
fn profiles_in_groups_and_expressions() {
    let yaml = "
spring.profiles.active: production
spring.profiles.group.production: [eu, hardened]
---
spring.config.activate.on-profile: eu & hardened
eureka.server.disable-delta: true
---
spring.config.activate.on-profile: '!production | us'
server.port: 1
---
spring.config.activate.on-profile: default
server.port: 2
";
    let settings = settings(&[("application.yaml", yaml)], &[], &[]);
    assert!(settings.registry.disable_delta);
    assert_eq!(settings.server.port, 8761);
}

#[test]
fn a_container_by_its_environment() {
    let environment = [
        ("SERVER_PORT", "8080"),
        ("EUREKA_CLIENT_REGISTERWITHEUREKA", "false"),
        ("EUREKA_CLIENT_SERVICEURL_DEFAULTZONE", "http://user:pass@eureka-1:8080/eureka,http://eureka-2:8080/eureka"),
        ("EUREKA_SERVER_ENABLE_SELF_PRESERVATION", "false"),
        ("EUREKA_SERVER_EVICTIONINTERVALTIMERINMS", "15s"),
        ("LOGGING_LEVEL_COM_NETFLIX_EUREKA", "OFF"),
        ("LOGGING_LEVEL_ROOT", "warn"),
        ("REGISTRY_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_PORT_8761_TCP_ADDR", "10.0.0.1"),
        ("JAVA_OPTS", "-Xmx512m"),
        ("PATH", "/bin"),
    ];
    let Loaded { settings, notices, .. } = loaded(&[], &[], &environment).unwrap();
    assert_eq!(settings.server.port, 8080);
    assert_eq!(urls(&settings), ["http://eureka-1:8080/eureka/", "http://eureka-2:8080/eureka/"]);
    let user = settings.replication.service_urls[0].credentials().unwrap();
    assert_eq!((user.username.as_str(), user.password.as_str()), ("user", "pass"));
    assert!(!settings.registry.enable_self_preservation);
    assert_eq!(settings.registry.eviction_interval, Duration::from_secs(15));
    assert_eq!(settings.logs.filter, "warn,eureka_registry=error,eureka_registry::start=info");
    assert_eq!(notices, []);
}

#[test]
fn one_json_object_in_the_environment() {
    let json = r#"{"server": {"port": 9000}, "eureka.client.service-url": {"zone-a": "http://a:1/eureka/", "zone-b": "http://b:1/eureka/"}}"#;
    let environment = [("SPRING_APPLICATION_JSON", json), ("SERVER_PORT", "1")];
    let settings = settings(&[("application.yml", "server.port: 2\n")], &[], &environment);
    assert_eq!(settings.server.port, 9000);
    assert_eq!(urls(&settings), ["http://a:1/eureka/", "http://b:1/eureka/"]);
    let error = loaded(&[], &["--spring.application.json={"], &[]).unwrap_err();
    assert!(error.to_string().contains("SPRING_APPLICATION_JSON"), "{error}");
}

#[test]
fn a_config_map_with_placeholders_and_a_mounted_secret() {
    let files = [
        (
            "config/application.yml",
            "spring.config.import: 'optional:configtree:./secrets/,optional:file:./missing.yml,optional:configserver:http://c'\n\
             eureka.instance.hostname: ${POD_NAME}.${SERVICE:registry}\n\
             server.port: ${PORT:${DEFAULT_PORT:8761}}\n",
        ),
        ("secrets/spring.security.user.password", "from-a-file\n"),
        ("secrets/spring.security.user.name", "admin"),
    ];
    let settings = settings(&files, &[], &[("POD_NAME", "registry-0"), ("DEFAULT_PORT", "8888")]);
    assert_eq!(settings.replication.hostname.as_deref(), Some("registry-0.registry"));
    assert_eq!(settings.server.port, 8888);
    let user = &settings.http.security.users[0];
    assert_eq!((user.name.as_str(), &user.password), ("admin", &"from-a-file".parse().unwrap()));
    let error = loaded(&files, &[], &[]).unwrap_err();
    assert!(error.to_string().contains("there is no value for ${POD_NAME}"), "{error}");
}

#[test]
fn files_at_places_of_ones_own() {
    let files = [
        ("application.yml", "server.port: 1\n"),
        ("etc/eureka.yml", "server.port: 2\nspring.config.import: more/extra.properties\n"),
        ("etc/more/extra.properties", "eureka.server.disable-delta=true\n"),
        ("over/application.yml", "server.port: 3\n"),
    ];
    let at = |arguments: &[&str]| settings(&files, arguments, &[]);
    let named = at(&["--spring.config.location=classpath:/,file:./etc/eureka.yml"]);
    assert_eq!((named.server.port, named.registry.disable_delta), (2, true));
    assert_eq!(at(&["--spring.config.additional-location=over/"]).server.port, 3);
    assert_eq!(at(&["--spring.config.name=eureka", "--spring.config.location=etc/"]).server.port, 2);
    assert_eq!(at(&["--spring.config.location=optional:nowhere/"]).server.port, 8761);
    let error = loaded(&files, &["--spring.config.location=nowhere.yml"], &[]).unwrap_err();
    assert!(error.to_string().contains("nowhere.yml"), "{error}");
}

#[test]
fn users_as_spring_security_has_them_and_more() {
    let yaml = "
spring:
  security:
    user:
      name: eureka
      password: '{noop}secret'
registry:
  security:
    open-paths: [/actuator/health/**, /]
    users:
      - name: reader
        password: $2a$04$Jy5nMoOxbrUNsDLgpv0YkuyuHNGMYJ5Y0OJqZk5LJLJXnWpLGmBKu
        roles: READ_ONLY
      - name: deployer
        password: other
";
    let security = settings(&[("application.yml", yaml)], &[], &[]).http.security;
    let users: Vec<_> = security.users.iter().map(|user| (user.name.as_str(), user.is_read_only())).collect();
    assert_eq!(users, [("eureka", false), ("reader", true), ("deployer", false)]);
    assert_eq!(security.open_paths, ["/actuator/health/**", "/"]);
    let environment = [("REGISTRY_SECURITY_USERS_0_NAME", "a"), ("REGISTRY_SECURITY_USERS_0_PASSWORD", "b")];
    assert_eq!(settings(&[], &[], &environment).http.security.users.len(), 1);
    for (arguments, wanted) in [
        (&["--spring.security.user.name=a"][..], "spring.security.user.password"),
        (&["--registry.security.users[0].password=a"], "users[n].name"),
        (&["--spring.security.user.password={pbkdf2}x"], "expected a password"),
    ] {
        let error = loaded(&[], arguments, &[]).unwrap_err().to_string();
        assert!(error.contains(wanted) && !error.contains("pbkdf2"), "{error}");
    }
}

#[test]
fn certificates_as_pem_files_or_as_a_bundle() {
    let arguments = ["--server.ssl.certificate=file:/tls/tls.crt", "--server.ssl.certificate-private-key=/tls/tls.key"];
    let tls = settings(&[], &arguments, &[]).server.tls.unwrap();
    assert_eq!((tls.certificate.to_str(), tls.client_auth), (Some("/tls/tls.crt"), ClientAuth::None));
    let bundle = "
spring.ssl.bundle.pem.my-server:
  keystore: {certificate: a.pem, private-key: b.pem}
  truststore: {certificate: c.pem}
server.ssl: {bundle: my-server, client-auth: NEED}
";
    let tls = settings(&[("application.yml", bundle)], &[], &[]).server.tls.unwrap();
    assert_eq!((tls.private_key.to_str(), tls.client_auth), (Some("b.pem"), ClientAuth::Need));
    assert_eq!(tls.trust.as_deref(), Some(Path::new("c.pem")));
    assert_eq!(settings(&[("application.yml", bundle)], &["--server.ssl.enabled=false"], &[]).server.tls, None);
    for (arguments, wanted) in [
        (&["--server.ssl.certificate=a"][..], "server.ssl.certificate-private-key"),
        (&["--server.ssl.enabled=true"], "server.ssl.certificate is not"),
        (&["--server.ssl.bundle=none"], "spring.ssl.bundle.pem"),
        (&["--server.ssl.key-store=classpath:keystore.p12"], "openssl pkcs12"),
        (&["--registry.security.peers-need-certificate=true"], "server.ssl.client-auth"),
    ] {
        let error = loaded(&[], arguments, &[]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn what_a_spring_boot_application_has_beside_is_borne() {
    let yaml = "
spring:
  application: {name: eureka-server}
  cloud: {config: {enabled: false}}
  boot: {admin: {context-path: /admin}}
management:
  endpoints: {web: {exposure: {include: '*'}}}
  endpoint: {health: {show-details: always}}
info: {app: {name: x}}
logging:
  level: {root: WARN, com.netflix.eureka: DEBUG, org.springframework.web: TRACE, eureka_registry.replication: info}
eureka:
  datacenter: eu
  environment: prod
  dashboard: {path: /dashboard}
  client: {region: eu-west-1, availability-zones: {eu-west-1: 'a,b'}, prefer-same-zone-eureka: true}
  instance: {prefer-ip-address: true, lease-renewal-interval-in-seconds: 10, metadata-map: {zone: a}}
  server: {peer-eureka-nodes-update-interval-ms: 10000, renewal-percent-threshold: 0.49, rate-limiter-enabled: true}
";
    let Loaded { settings, notices, .. } = loaded(&[("application.yml", yaml)], &[], &[]).unwrap();
    let unknown: Vec<_> = notices.iter().filter(|notice| matches!(notice.what, Unheeded::Unknown(_))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(settings.http.actuator.show_details, ShowDetails::Always);
    assert_eq!(settings.logs.filter, "warn,eureka_registry=debug,eureka_registry::replication=info");
    assert!(settings.http.security.rate_limit.enabled);
    let own = settings.replication.own_instance;
    assert_eq!((own.prefer_ip_address, own.renewal_interval.as_secs()), (true, 10));
    assert_eq!(own.metadata, [("zone".to_owned(), "a".to_owned())].into());
    assert!((settings.registry.renewal_percent_threshold - 0.49).abs() < f64::EPSILON);
}

#[test]
fn the_actuator_moves_and_its_health_stays_open() {
    let moved = settings(&[], &["--management.endpoints.web.base-path=/manage/"], &[]).http;
    assert_eq!(moved.actuator.base_path, "/manage");
    assert_eq!(moved.security.open_paths, ["/manage/health/**"]);
    let root = settings(&[], &["--management.endpoints.web.base-path=/"], &[]).http;
    assert_eq!((root.actuator.base_path.as_str(), root.security.open_paths), ("", vec!["/health/**".to_owned()]));
    let chosen = ["--management.endpoints.web.base-path=/", "--registry.security.open-paths=/lastn"];
    assert_eq!(settings(&[], &chosen, &[]).http.security.open_paths, ["/lastn"]);
    let error = loaded(&[], &["--management.endpoint.health.show-details=sometimes"], &[]).unwrap_err();
    assert!(error.to_string().contains("never, when-authorized or always"), "{error}");
}

#[test]
fn the_command_line_wins_over_everything() {
    let files = [("application.yml", "server: {port: 1}\n")];
    let environment = [("SERVER_PORT", "2"), ("SPRING_APPLICATION_JSON", "{\"server.port\": 3}")];
    assert_eq!(settings(&files, &["--server.port=4", "--server.address=::1"], &environment).server.port, 4);
    let json = settings(&[], &["--registry.logging.format=json"], &[]);
    assert_eq!(json.logs.format, Format::Json);
    for (name, format) in [("ecs", Format::Ecs), ("logstash", Format::Logstash), ("gelf", Format::Gelf)] {
        let arguments =
            [format!("--logging.structured.format.console={name}"), "--spring.application.name=reg".to_owned()];
        let logs = settings(&[], &arguments.each_ref().map(String::as_str), &[]).logs;
        assert_eq!((logs.format, logs.service.as_str()), (format, "reg"));
    }
}

#[test]
fn a_value_that_is_none_names_key_source_and_what_was_expected() {
    let error = loaded(&[], &[], &[("SERVER_PORT", "many")]).unwrap_err();
    assert_eq!(error.to_string(), "SERVER_PORT=many (the environment): expected a port from 0 to 65535");
    let error = loaded(&[("application.yml", "eureka.server.evictionIntervalTimerInMs: 0")], &[], &[]).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("eureka.server.evictionIntervalTimerInMs=0 (") && error.contains("application.yml"),
        "{error}"
    );
    for (text, wanted) in [("a:\n\tb: 1\n", "line 2"), ("a: 1\na: 2\n", "duplicate"), ("a: [", "application.yml")] {
        let error = loaded(&[("application.yml", text)], &[], &[]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert_eq!(loaded(&[], &["port"], &[]).unwrap_err(), ConfigError::Argument("port".to_owned()));
}

#[test]
fn a_misspelt_key_is_told_with_the_nearest_known_one() {
    let notices =
        loaded(&[], &["--eureka.server.enable-self-preservatoin=false", "--eureka.nonsense=1"], &[]).unwrap().notices;
    let found: Vec<_> = notices.iter().map(|notice| (notice.key.as_str(), notice.what.clone())).collect();
    assert_eq!(
        found,
        [
            ("eureka.nonsense", Unheeded::Unknown(None)),
            (
                "eureka.server.enable-self-preservatoin",
                Unheeded::Unknown(Some("eureka.server.enable-self-preservation")),
            ),
        ]
    );
}

#[test]
fn what_the_watch_of_pods_needs_is_read() {
    let on = ["--registry.kubernetes.pods=true", "--registry.kubernetes.namespaces=shop, billing,shop"];
    let environment =
        [("REGISTRY_KUBERNETES_TERMINATING", "out-of-service"), ("REGISTRY_KUBERNETES_NOTREADY", "OUT_OF_SERVICE")];
    let mut kubernetes = settings(&[], &on, &environment).kubernetes;
    assert!(kubernetes.pods && kubernetes.namespaces == ["billing", "shop"]);
    assert_eq!((kubernetes.terminating, kubernetes.not_ready), (Policy::OutOfService, Policy::OutOfService));
    let refused = kubernetes.complete().unwrap_err().to_string();
    assert!(refused.contains("KUBERNETES_SERVICE_HOST is not set"), "{refused}");
    kubernetes.find_api_server(|name| (name == "KUBERNETES_SERVICE_HOST").then(|| "10.96.0.1".to_owned()));
    kubernetes.complete().unwrap();
    assert_eq!(kubernetes.api_server.as_deref(), Some("https://10.96.0.1:443"));
    let account = Path::new("/nonexistent").to_path_buf();
    let mut of_account = Options { namespaces: Vec::new(), service_account: account, ..kubernetes };
    let refused = format!("{:#}", of_account.complete().unwrap_err());
    assert!(refused.contains("/nonexistent/namespace") && refused.contains("kubernetesAware.enabled"), "{refused}");
    for wrong in
        ["namespaces=Shop", "terminating=evict", "not-ready=down", "api-server=10.96.0.1", "api-server=https://a:b@c"]
    {
        let error = loaded(&[], &[&format!("--registry.kubernetes.{wrong}")], &[]).unwrap_err().to_string();
        assert!(error.contains("registry.kubernetes."), "{error}");
    }
}

#[test]
fn check_config_shows_every_value_its_source_and_no_secret() {
    let text = said(
        &[
            "check-config",
            "--all",
            "--server.port=9000",
            "--spring.security.user.password=hidden",
            "--registry.security.users[0].name=r",
            "--registry.security.users[0].password=hidden",
            "--eureka.client.service-url.defaultZone=http://u:hidden@a:1/eureka/",
            "--eureka.server.my-url=http://x/",
        ],
        &[("EUREKA_SERVER_DISABLE_DELTA", "true")],
    );
    for line in [
        "server.port=9000    # the command line",
        "server.tomcat.keep-alive-timeout=120s    # default",
        "eureka.server.disable-delta=true    # the environment",
        "spring.security.user.password=******    # the command line",
        "eureka.client.service-url.defaultZone=http://u:******@a:1/eureka/    # the command line",
        "registry.security.users[0].name=r    # the command line",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
    }
    assert!(!text.contains("hidden"), "{text}");
    assert!(text.contains("# eureka.server.my-url (the command line): peers are found by"), "{text}");
}

#[test]
fn help_names_every_key_that_the_readme_names() {
    let help = said(&["--help", "--all"], &[]);
    let table = config::table();
    let keys = table.split("**Keys of a Java server").next().unwrap();
    let keys: Vec<&str> = keys.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(keys.len() > 50);
    for key in keys {
        assert!(help.contains(key), "{key}");
    }
}

#[test]
fn the_defaults_that_are_told_are_the_defaults() {
    let table = config::table();
    let rows = table.lines().filter_map(|line| {
        let (key, rest) = line.strip_prefix("| `")?.split_once("` | `")?;
        Some((key, rest.split_once("` |")?.0))
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for (key, default) in rows {
        let settings = settings(&[], &[&format!("--{key}={default}")], &[]);
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()), "{key}={default}");
    }
}
