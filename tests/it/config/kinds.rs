//! Kinds of configuration that real servers have, each as Spring reads it.

use std::time::Duration;

use eureka_registry::config::{Loaded, Notice, Unheeded};
use eureka_registry::http::actuator::ShowDetails;
use eureka_registry::http::security::ForwardHeaders;

use super::{Directory, loaded, parse, said, settings, urls};

fn refused(files: &[(&str, &str)], arguments: &[&str], environment: &[(&str, &str)]) -> String {
    loaded(files, arguments, environment).unwrap_err().to_string()
}

fn yaml(text: &str) -> Vec<(&str, &str)> {
    vec![("application.yml", text)]
}

fn warnings(loaded: &Loaded) -> Vec<(&str, String)> {
    let warnings = loaded.notices.iter().filter(|notice| notice.what.is_warning());
    warnings.map(|notice| (notice.key.as_str(), notice.what.words().into_owned())).collect()
}

#[test]
fn a_placeholder_named_like_its_own_key_has_its_default() {
    for text in [
        "server.port: ${SERVER_PORT:9000}",
        "server: {port: '${server.port:9000}'}",
        "SERVER_PORT: ${SERVER_PORT:9000}",
    ] {
        assert_eq!(settings(&yaml(text), &[], &[]).server.port, 9000, "{text}");
        assert_eq!(settings(&yaml(text), &[], &[("SERVER_PORT", "9001")]).server.port, 9001, "{text}");
    }
    let text = "eureka.client.service-url.defaultZone: ${EUREKA_CLIENT_SERVICEURL_DEFAULTZONE:http://a:1/eureka/}";
    assert_eq!(urls(&settings(&yaml(text), &[], &[])), ["http://a:1/eureka/"]);
}

#[test]
fn placeholders_choose_profiles_documents_and_imports() {
    let files = [
        (
            "application.yml",
            "spring.profiles.active: ${STAGE:dev}\nspring.config.import: optional:file:./${EXTRA:none}.yml\n---\nspring.config.activate.on-profile: ${MAIN:prod}\nserver.port: 1\n",
        ),
        ("application-prod.yml", "eureka.instance.hostname: prod\n"),
        ("more.yml", "eureka.server.disable-delta: true\n"),
        ("more-prod.yml", "eureka.server.eviction-interval-timer-in-ms: 5_000\n"),
    ];
    let found = settings(&files, &[], &[("STAGE", "prod"), ("EXTRA", "more")]);
    assert_eq!((found.server.port, found.replication.hostname.as_deref()), (1, Some("prod")));
    assert!(found.registry.disable_delta);
    assert_eq!(found.registry.eviction_interval, Duration::from_secs(5));
    assert_eq!(settings(&files, &[], &[]).server.port, 8761);
    for text in ["spring.profiles.active: ${STAGE}", "spring.profiles.active: @spring.profiles.active@"] {
        let error = refused(&yaml(text), &[], &[]);
        assert!(error.contains("spring.profiles.active") && error.contains("application.yml:1"), "{error}");
    }
}

#[test]
fn what_nobody_reads_needs_no_value() {
    let text = "
eureka.instance:
  instance-id: ${spring.application.name:registry}:${spring.cloud.client.ip-address}:${random.value}
  metadata-map.profile: ${spring.profiles.active}
other.docs.version: ${info.project.version}
info.app.version: @project.version@
logging.file.name: ${user.home}/${nowhere}.log
eureka.client.registry-fetch-interval-seconds: ${nothing}
";
    let found = settings(&yaml(text), &[], &[("HOME", "/root")]).replication.own_instance;
    let id = found.instance_id.unwrap();
    assert!(id.starts_with("registry:") && id.len() > 40, "{id}");
    assert_eq!(found.metadata["profile"], "${spring.profiles.active}");
    let error = refused(&yaml("eureka.instance.hostname: ${NOBODY}"), &[], &[]);
    assert!(error.contains("eureka.instance.hostname") && error.contains("${NOBODY}"), "{error}");
}

#[test]
fn an_empty_password_lets_nobody_in() {
    for (name, environment) in
        [("spring.security.user", &[][..]), ("security.user", &[]), ("spring.security.user", &[("PW", "")])]
    {
        let text = format!("{name}.name: admin\n{name}.password: ${{PW:}}\n");
        let loaded = loaded(&yaml(&text), &[], environment).unwrap();
        let user = &loaded.settings.http.security.users[0];
        assert_eq!(user.name, "admin");
        assert!(["", "${PW:}"].iter().all(|guess| user.password != guess.parse().unwrap()));
        assert!(warnings(&loaded).iter().any(|(_, why)| why.contains("nobody is let in")), "{:?}", loaded.notices);
    }
    let more = [("REGISTRY_SECURITY_USERS_0_NAME", "a"), ("REGISTRY_SECURITY_USERS_0_PASSWORD", "{noop}")];
    let user = &settings(&[], &[], &more).http.security.users[0];
    assert!(user.password != "".parse().unwrap());
}

#[test]
fn the_names_of_spring_boot_1_are_honoured() {
    let text = "
security: {basic: {enabled: true}, user: {name: admin, password: s3cret, role: READ_ONLY}}
server: {context-path: /registry, use-forward-headers: true, connection-timeout: 5000}
management: {context-path: /manage, port: 9090, address: 127.0.0.1, security: {enabled: false}}
endpoints: {info: {enabled: false}, metrics: {enabled: true}}
eureka.server: {defaultOpenForTrafficCount: 0, expectedNumberOfRenewsPerMin: 9}
";
    let found = settings(&yaml(text), &[], &[]);
    let user = &found.http.security.users[0];
    assert_eq!((user.name.as_str(), &user.password, user.is_read_only()), ("admin", &"s3cret".parse().unwrap(), true));
    assert_eq!((found.http.context_path.as_str(), found.http.actuator.base_path.as_str()), ("/registry", "/manage"));
    assert_eq!(found.http.security.forward_headers, ForwardHeaders::Native);
    assert_eq!(
        (found.server.management_port, found.server.management_address),
        (Some(9090), Some([127, 0, 0, 1].into()))
    );
    assert_eq!(found.server.request_header_timeout, Duration::from_secs(5));
    assert_eq!((found.http.actuator.info, found.http.security.open_paths), (None, vec!["/manage/**".to_owned()]));
    assert_eq!(found.registry.default_open_for_traffic_count, 0);
    assert_eq!(found.registry.expected_number_of_clients_sending_renews, 5);
    let open = settings(&yaml("security: {basic: {enabled: false}, user: {name: a, password: b}}"), &[], &[]);
    assert!(open.http.security.users.is_empty());
    assert!(refused(&yaml("security.basic.enabled: true"), &[], &[]).contains("security.user.password"));
    assert!(refused(&yaml("security.require-ssl: true"), &[], &[]).contains("server.ssl.certificate"));
    let both = "server.context-path: /old\nserver.servlet.context-path: /new\n";
    assert_eq!(settings(&yaml(both), &[], &[]).http.context_path, "/new");
    assert_eq!(settings(&yaml(both), &[], &[("SERVER_CONTEXT_PATH", "/later")]).http.context_path, "/later");
}

#[test]
fn endpoints_are_closed_as_the_actuator_is_told() {
    let answered = |text: &str| {
        let actuator = settings(&yaml(text), &[], &[]).http.actuator;
        [actuator.health, actuator.info, actuator.prometheus].map(Option::unwrap_or_default).join(",")
    };
    for (text, expected) in [
        ("", "health,info,prometheus"),
        ("management.endpoints.web.exposure.include: health", "health,,"),
        ("management.endpoints.web.exposure.include: ''", ",,"),
        ("management.endpoints.web.exposure: {include: '*', exclude: [prometheus, env]}", "health,info,"),
        ("management.endpoint.prometheus.enabled: false", "health,info,"),
        ("management.endpoint.prometheus.access: none", "health,info,"),
        ("management.endpoints.enabled-by-default: false\nmanagement.endpoint.health.enabled: true", "health,,"),
        ("management.endpoints.access.default: none\nmanagement.endpoint.info.access: read-only", ",info,"),
        ("management.endpoints.access.max-permitted: none", ",,"),
        ("management.metrics.export.prometheus.enabled: false", "health,info,"),
        ("management.defaults.metrics.export.enabled: false", "health,info,"),
        ("management.endpoints.web.path-mapping: {health: healthz, prometheus: /metrics}", "healthz,info,metrics"),
    ] {
        assert_eq!(answered(text), expected, "{text}");
    }
    let levels = |text: &str| {
        let actuator = settings(&yaml(text), &[], &[]).http.actuator;
        actuator.loggers.map(|loggers| (loggers.path, loggers.read_only))
    };
    let exposed = "management.endpoints.web.exposure.include: '*'\n";
    for (text, expected) in [
        ("", None),
        (exposed, Some(("loggers", false))),
        (&format!("{exposed}management.endpoint.loggers.access: none"), None),
        (&format!("{exposed}management.endpoint.loggers.access: read-only"), Some(("loggers", true))),
        (&format!("{exposed}management.endpoints.access.max-permitted: read-only"), Some(("loggers", true))),
        (&format!("{exposed}management.endpoints.access.default: read-only"), Some(("loggers", true))),
        (&format!("{exposed}management.endpoints.web.path-mapping.loggers: levels"), Some(("levels", false))),
    ] {
        let found = levels(text);
        assert_eq!(found.as_ref().map(|(path, read_only)| (path.as_str(), *read_only)), expected, "{text}");
    }
    let of_values = |text: &str| {
        let actuator = settings(&yaml(text), &[], &[]).http.actuator;
        let values = [actuator.env, actuator.configprops];
        values.map(|values| values.map(|values| (values.path, values.show, values.roles.join(","))))
    };
    let never = |path: &str| Some((path.to_owned(), ShowDetails::Never, String::new()));
    assert_eq!(of_values(""), [None, None]);
    assert_eq!(of_values(exposed), [never("env"), never("configprops")]);
    assert_eq!(of_values(&format!("{exposed}management.endpoint.env.access: none")), [None, never("configprops")]);
    let text = format!("{exposed}management.endpoint.env: {{show-values: when-authorized, roles: [ADMIN, OPS]}}");
    let by_role = Some(("env".to_owned(), ShowDetails::WhenAuthorized, "ADMIN,OPS".to_owned()));
    assert_eq!(of_values(&text), [by_role, never("configprops")]);
    let text = format!("{exposed}management.endpoint.configprops: {{show-values: ALWAYS, roles: OPS}}");
    assert_eq!(of_values(&text)[1], Some(("configprops".to_owned(), ShowDetails::Always, "OPS".to_owned())));
    let environment = [
        ("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_0", "health"),
        ("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_1", "info"),
    ];
    assert_eq!(settings(&[], &[], &environment).http.actuator.prometheus, None);
    let port = |port: &str| {
        let found = settings(&[], &[&format!("--management.server.port={port}"), "--server.port=8000"], &[]);
        (found.server.management_port, found.http.actuator.on_main_port)
    };
    assert_eq!(
        [port("-1"), port("8000"), port("9000"), port("")],
        [(None, false), (None, true), (Some(9000), false), (None, true)]
    );
    let tls = ["--management.server.port=9000", "--management.server.ssl.key-store=a.p12"];
    assert!(refused(&[], &tls, &[]).contains("the management port has no TLS"));
    assert!(loaded(&[], &[tls[0], tls[1], "--management.server.ssl.enabled=false"], &[]).is_ok());
}

#[test]
fn imports_are_read_wherever_they_are_named() {
    let files = [
        (
            "application.yml",
            "spring.config.import: ['optional:file:.env[.properties]', 'optional:configtree:./secrets/']\nserver.port: ${REGISTRY_HTTP_PORT:1}\n",
        ),
        (".env", "REGISTRY_HTTP_PORT=2\n"),
        ("secrets/spring/security/user/password", "s3cret\n"),
        ("secrets/..data/server.port", "9"),
        ("trees/one/eureka.instance.hostname", "one"),
        ("trees/two/eureka.instance.hostname", "two"),
        ("extra.properties", "server.port=5\n"),
        ("config/a/application.yml", "eureka.server.disable-delta: true\n"),
        ("over/x/application.yml", "server.port: 6\n"),
    ];
    assert_eq!(loaded(&files, &[], &[]).unwrap().notices, []);
    let plain = settings(&files, &[], &[]);
    assert_eq!((plain.server.port, plain.registry.disable_delta), (2, true));
    assert_eq!(plain.http.security.users[0].password, "s3cret".parse().unwrap());
    let trees = settings(&files, &["--spring.config.import=optional:configtree:./trees/*/"], &[]);
    assert_eq!(trees.replication.hostname.as_deref(), Some("two"));
    let extra = ("SPRING_CONFIG_IMPORT", "file:./extra.properties");
    assert_eq!(settings(&files, &[], &[extra]).server.port, 5);
    assert_eq!(settings(&files, &["--spring.config.additional-location=file:./over/*/"], &[extra]).server.port, 5);
    assert_eq!(settings(&files, &["--spring.config.additional-location=file:./over/*/"], &[]).server.port, 6);
    let variable = [("SPRING_CONFIG_IMPORT", "env:MORE[.yaml]"), ("MORE", "server: {port: 7}")];
    assert_eq!(settings(&files, &[], &variable).server.port, 7);
    assert!(refused(&[], &["--spring.config.import=file:./nowhere.yml"], &[]).contains("nowhere.yml"));
    assert!(
        loaded(&[], &["--spring.config.import=file:./nowhere.yml", "--spring.config.on-not-found=ignore"], &[]).is_ok()
    );
}

#[test]
fn keys_that_only_a_java_server_reads_are_reported() {
    for import in ["configserver:http://config:8888", "consul:", "vault:", "kubernetes:", "classpath:x.yml"] {
        let found = loaded(&[], &[&format!("--spring.config.import=optional:{import}")], &[]).unwrap();
        let scheme = import.split(':').next().unwrap();
        let said = warnings(&found);
        assert!(said.len() == 1 && said[0].0 == "spring.config.import", "{import}: {said:?}");
        assert!(said[0].1.contains(scheme) || scheme == "classpath", "{said:?}");
        assert!(!refused(&[], &[&format!("--spring.config.import={import}")], &[]).is_empty());
    }
    let late =
        loaded(&yaml("spring.config.activate.on-profile: default\nspring.profiles.include: x\n"), &[], &[]).unwrap();
    assert_eq!(warnings(&late)[0].0, "spring.profiles.include");
    let bootstrap = ("bootstrap.yml", "server.port: 1\nspring.cloud.config.uri: http://config\n");
    let found = loaded(&[bootstrap], &[], &[]).unwrap();
    assert_eq!((found.settings.server.port, warnings(&found)[0].0), (8761, "bootstrap.yml"));
    let enabled = [("SPRING_CLOUD_BOOTSTRAP_ENABLED", "true")];
    assert_eq!(settings(&[bootstrap], &[], &enabled).server.port, 1);
    assert_eq!(settings(&[bootstrap, ("application.yml", "server.port: 2")], &[], &enabled).server.port, 2);
    let users = ("bootstrap.yml", "spring.security.user.password: x\n");
    assert!(refused(&[users], &[], &[]).contains("would not be read"));
    let jwt = ["--spring.security.oauth2.resourceserver.jwt.issuer-uri=http://login"];
    assert!(refused(&[], &jwt, &[]).contains("there is no login by OAuth 2"));
    assert!(loaded(&[], &["--spring.security.oauth2.resourceserver.jwt.issuer-uri="], &[]).is_ok());
}

#[test]
fn system_properties_in_variables_for_java_come_after_the_environment() {
    let environment = [
        ("SERVER_PORT", "1"),
        ("JAVA_OPTS", "-Xmx1g -Dserver.port=2 -Dspring.profiles.active=prod -Dmy.host=h -Djava.awt.headless=true"),
    ];
    let files = [("application-prod.yml", "eureka.instance.hostname: ${my.host}\n")];
    let found = loaded(&files, &[], &environment).unwrap();
    assert_eq!((found.settings.server.port, found.settings.replication.hostname.as_deref()), (2, Some("h")));
    assert!(found.facts.java_options.contains(&("server.port".to_owned(), "JAVA_OPTS".to_owned())));
    assert_eq!((found.facts.profiles, found.notices), (vec!["prod".to_owned()], vec![]));
    assert_eq!(settings(&files, &["--server.port=3"], &environment).server.port, 3);
    for name in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "CATALINA_OPTS"] {
        assert_eq!(settings(&[], &[], &[(name, "'-Dserver.port=4'")]).server.port, 4, "{name}");
    }
}

#[test]
fn properties_are_javas() {
    let text = "server.port 9000\neureka.client.serviceUrl.defaultZone=http\\://a\\:1/eureka/\neureka.instance.metadata-map.name=caf\\u00e9\n#---\nspring.config.activate.on-profile=x\nserver.port=1\n";
    let found = settings(&[("application.properties", text), ("application.yml", "server.port: 2\n")], &[], &[]);
    assert_eq!((found.server.port, urls(&found)), (9000, vec!["http://a:1/eureka/".to_owned()]));
    assert_eq!(found.replication.own_instance.metadata["name"], "caf\u{e9}");
}

#[test]
fn yaml_is_snakeyamls() {
    let text = "
common: &common {enable-self-preservation: off, eviction-interval-timer-in-ms: 5_000}
eureka.server: {<<: *common}
server: {address: localhost, tomcat: {max-connections: -1, keep-alive-timeout: -1}}
spring.application.name: Our Registry
eureka.instance.hostname:
---
---
server.ssl: {enabled: false, key-store: 'classpath:keystore.p12', key-store-password: changeit}
";
    let found = settings(&yaml(text), &[], &[]);
    assert!(!found.registry.enable_self_preservation);
    assert_eq!(found.registry.eviction_interval, Duration::from_secs(5));
    assert_eq!(found.server.address, Some([127, 0, 0, 1].into()));
    assert!(
        found.server.max_connections.is_some_and(|most| most > 100_000)
            && found.server.keep_alive_timeout > Duration::from_secs(3600)
    );
    assert_eq!((found.replication.application_name.as_str(), found.replication.hostname), ("Our Registry", None));
    assert_eq!(found.server.tls, None);
    let password = "spring.security.user.password: 0x10\n";
    assert_eq!(settings(&yaml(password), &[], &[]).http.security.users[0].password, "16".parse().unwrap());
}

#[test]
fn passwords_are_taken_as_they_are_and_never_shown() {
    for password in ["pa$$w0rd", "a${b}c", "x,y@z", "${", " spaced ", "#{x}", "a:b"] {
        let environment = [("SPRING_SECURITY_USER_PASSWORD", password), ("PW", password)];
        let of_environment = settings(&[], &[], &environment);
        assert_eq!(of_environment.http.security.users[0].password, password.parse().unwrap(), "{password}");
        let text = "registry.security.users[0]: {name: a, password: '${PW}'}";
        let of_file = settings(&yaml(text), &[], &[("PW", password)]);
        assert_eq!(of_file.http.security.users[0].password, password.parse().unwrap(), "{password}");
    }
    let url = [("EUREKA_CLIENT_SERVICEURL_DEFAULTZONE", "http://peer:pa$$,w@rd@a:1/eureka/")];
    let credentials = settings(&[], &[], &url).replication.service_urls[0].credentials().unwrap().clone();
    assert_eq!(credentials.password, "pa$$,w@rd");
    for value in
        ["http://peer:hid,den@a:1:2/eureka/", "peer:hid,den@a", "http://peer:hid@den@a:x/", "http://p:hidden@a b/"]
    {
        let error = refused(&[], &[], &[("EUREKA_CLIENT_SERVICEURL_DEFAULTZONE", value)]);
        assert!(!error.contains("hid") && !error.contains("den"), "{error}");
    }
    let error = refused(&yaml("spring.security.user.password: ${EUREKA_PW}"), &[], &[]);
    assert!(error.contains("${EUREKA_PW}"), "{error}");
}

#[test]
fn a_server_that_registers_itself_follows_its_settings() {
    let text = "eureka.instance: {statusPageUrlPath: /manage/info, home-page-url: 'http://${eureka.hostname}/', nonSecurePort: 80, app-group-name: core}";
    let own = settings(&yaml(text), &[], &[]).replication.own_instance;
    assert_eq!(
        (own.status_page.path.as_deref(), own.home_page.whole.as_deref()),
        (Some("/manage/info"), Some("http://${eureka.hostname}/"))
    );
    assert_eq!((own.non_secure_port, own.app_group_name.as_deref()), (Some(80), Some("core")));
}

#[test]
fn zones_are_merged_by_name_and_a_layer_replaces_its_own() {
    let text = "eureka.client.service-url: {defaultZone: 'http://a:1/eureka/', zone-b: 'http://b:1/eureka/'}";
    let environment = [("EUREKA_CLIENT_SERVICEURL_DEFAULTZONE", "http://c:1/eureka/")];
    assert_eq!(urls(&settings(&yaml(text), &[], &environment)), ["http://c:1/eureka/", "http://b:1/eureka/"]);
}

#[test]
fn variables_of_others_are_not_complained_of() {
    let environment = [
        ("EUREKA_PEER_ONE", "http://a:1/eureka/"),
        ("SERVER_PORT", "tcp://10.0.0.1:80"),
        ("EUREKA_SERVER_PORT", "tcp://10.0.0.1:8761"),
        ("DEBUG", "1"),
        ("INFO", "x"),
        ("HOSTNAME", "pod"),
    ];
    let found = loaded(&yaml("eureka.client.service-url.defaultZone: ${EUREKA_PEER_ONE}"), &[], &environment).unwrap();
    assert_eq!((found.notices, found.settings.server.port), (vec![], 8761));
    let unknown = loaded(&[], &[], &[("EUREKA_PEER_TWO", "x")]).unwrap();
    assert!(matches!(&unknown.notices[..], [Notice { what: Unheeded::Unknown(_), .. }]), "{:?}", unknown.notices);
}

#[test]
fn check_config_is_for_people_and_programs() {
    let directory = Directory::with(&[
        ("application.yml", "server.port: 1\n"),
        ("other.yml", "server.port: 2\neureka.server.my-url: x\n"),
    ]);
    let check = |arguments: &[&str]| {
        let all: Vec<&str> = ["check-config"].iter().chain(arguments).copied().collect();
        match parse(&directory.0, &all, &[]).unwrap() {
            eureka_registry::config::Command::Check { text, failed } => (text, failed),
            other => unreachable!("{other:?}"),
        }
    };
    let (text, failed) = check(&["--file", "other.yml", "--strict"]);
    assert!(text.contains("server.port=2") && !text.contains("keep-alive-timeout") && !failed, "{text}");
    assert!(text.find("# Set").unwrap() < text.find("# No effect").unwrap(), "{text}");
    let (nothing, _) =
        check(&["--spring.security.user.password=", "--server.port=", "--spring.config.location=optional:x/"]);
    let (differing, same) = nothing.split_once("# Set to the default\n").unwrap();
    assert!(differing.contains("\nspring.security.user.password=    # the command line\n"), "{nothing}");
    assert!(same.starts_with("server.port=    # the command line\n"), "{nothing}");
    let (none, _) = check(&["--spring.config.location=optional:x/"]);
    assert!(none.contains("# Every key has its default; --all lists them"), "{none}");
    assert!(check(&["--strict", "--eureka.server.nonsense=1"]).1);
    let (json, _) = check(&["--format=json", "--file=other.yml"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let settings = json["settings"].as_array().unwrap();
    let port = settings.iter().find(|setting| setting["key"] == "server.port").unwrap();
    assert_eq!((port["value"].as_str(), json["notices"][0]["kind"].as_str()), (Some("2"), Some("harmless")));
    assert!(settings.len() > 100);
    assert!(parse(&directory.0, &["check-config", "--format=xml"], &[]).is_err());
}

#[test]
fn help_is_short_unless_all_is_wanted() {
    let (short, long) = (said(&["-h"], &[]), said(&["--help", "--all"], &[]));
    assert!(short.lines().count() < 80 && long.lines().count() > 200);
    for key in ["spring.config.location", "spring.profiles.active", "server.port", "check-config", "--strict"] {
        assert!(short.contains(key), "{key}");
    }
    assert!(matches!(parse("/".as_ref(), &["-V"], &[]), Ok(eureka_registry::config::Command::Version)));
}
