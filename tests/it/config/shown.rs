//! `/actuator/env` and `/actuator/configprops` of a server with a configuration: the shape is that of Spring Boot 3.5.

use serde_json::{Value, json};

use super::{Directory, parse};
use crate::security::{EUREKA, READER, with_users};
use crate::support::TestServer;
use eureka_registry::config::Command;
use eureka_registry::server::Settings;

const YAML: &str = "
management.endpoints.web.exposure.include: '*'
my: {password: hidden, list: [a, b]}
eureka.instance.metadata-map.team: ${TEAM:payments}
eureka.client.service-url.defaultZone: http://u:hidden@127.0.0.1:1/eureka/
---
spring.config.activate.on-profile: prod
server.port: 9001
";

fn configured(arguments: &[&str], environment: &[(&str, &str)]) -> Settings {
    let directory = Directory::with(&[("application.yml", YAML)]);
    match parse(&directory.0, arguments, environment) {
        Ok(Command::Serve(loaded)) => loaded.settings,
        other => unreachable!("asked to serve: {other:?}"),
    }
}

async fn server(arguments: &[&str], environment: &[(&str, &str)], users: bool) -> TestServer {
    let actuator = configured(arguments, environment).http.actuator;
    TestServer::with(|settings| {
        settings.http.actuator = actuator;
        if users {
            with_users(settings);
        }
    })
    .await
}

/// A source whose name begins so.
fn source<'a>(env: &'a Value, name: &str) -> &'a Value {
    let sources = env["propertySources"].as_array().unwrap();
    sources.iter().find(|source| source["name"].as_str().unwrap().starts_with(name)).unwrap()
}

#[tokio::test]
async fn sources_are_listed_the_first_winning_and_secrets_are_shown_to_nobody() {
    let arguments = ["--management.endpoint.env.show-values=always", "--spring.profiles.active=prod"];
    let environment = [("SERVER_PORT", "9002"), ("UNRELATED", "hidden"), ("SPRING_APPLICATION_JSON", r#"{"a": "b"}"#)];
    let server = server(&arguments, &environment, false).await;
    let answer = server.send("GET", "/actuator/env", &[], b"").await;
    assert_eq!(answer.header("content-type"), Some("application/vnd.spring-boot.actuator.v3+json"));
    assert!(!answer.text().contains("hidden") && !answer.text().contains("UNRELATED"), "{}", answer.text());
    let env: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&env["activeProfiles"], &env["defaultProfiles"]), (&json!(["prod"]), &json!(["default"])));
    let names: Vec<_> = env["propertySources"].as_array().unwrap().iter().map(|source| &source["name"]).collect();
    assert_eq!(
        (names[0], names[1], names[2]),
        (&json!("commandLineArgs"), &json!("spring.application.json"), &json!("systemEnvironment"))
    );
    assert!(names[3].as_str().unwrap().contains("application.yml]' (document #1)"), "{names:?}");
    assert_eq!(
        source(&env, "commandLineArgs")["properties"]["management.endpoint.env.show-values"],
        json!({ "value": "always" })
    );
    assert_eq!(
        source(&env, "systemEnvironment")["properties"],
        json!({
            "SERVER_PORT": { "value": "9002", "origin": "System Environment Property \"SERVER_PORT\"" },
            "SPRING_APPLICATION_JSON": { "value": "******", "origin": "System Environment Property \"SPRING_APPLICATION_JSON\"" },
        })
    );
    let last = env["propertySources"].as_array().unwrap().last().unwrap();
    let value = |key: &str| last["properties"][key]["value"].as_str();
    assert_eq!((value("my.password"), value("my.list[1]")), (Some("******"), Some("b")));
    assert_eq!(value("eureka.instance.metadata-map.team"), Some("payments"));
    assert_eq!(value("eureka.client.service-url.defaultZone"), Some("http://u:******@127.0.0.1:1/eureka/"));
    let origin = last["properties"]["my.list[1]"]["origin"].as_str().unwrap();
    assert!(origin.ends_with("application.yml:3"), "{origin}");

    let one = server.get_json("/actuator/env/server.port").await;
    assert_eq!(one["property"], json!({ "source": "systemEnvironment", "value": "9002" }));
    assert_eq!(source(&one, "commandLineArgs"), &json!({ "name": "commandLineArgs" }));
    assert_eq!(source(&one, "Config resource")["property"]["value"], "9001");
    assert_eq!(server.send("GET", "/actuator/env/nothing", &[], b"").await.status, 404);
    let some = server.get_json("/actuator/env?pattern=%5E(server%5C.port%7CSERVER_)").await;
    assert_eq!(some["propertySources"].as_array().unwrap().len(), env["propertySources"].as_array().unwrap().len());
    let keys = some["propertySources"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|source| source["properties"].as_object().unwrap().keys());
    assert_eq!(keys.collect::<Vec<_>>(), ["SERVER_PORT", "server.port"]);
    assert_eq!(server.get_json("/actuator/env?pattern=").await, env);
    let long = "a".repeat(201);
    for wrong in ["(", "a(?=b)", "(a)%5C1", "(x%7B1000%7D)%7B1000%7D", &long] {
        let answer = server.send("GET", &format!("/actuator/env?pattern={wrong}"), &[], b"").await;
        assert!(
            answer.status == 400 && answer.text().starts_with("pattern: "),
            "{wrong}: {} {}",
            answer.status,
            answer.text()
        );
    }
    let links = server.get_json("/actuator").await;
    assert!(links["_links"]["env-toMatch"]["href"].as_str().unwrap().ends_with("/actuator/env/{toMatch}"), "{links}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn settings_are_listed_by_prefix_with_their_defaults() {
    let server =
        server(&["--management.endpoint.configprops.show-values=always"], &[("SERVER_PORT", "9002")], false).await;
    let all = server.get_json("/actuator/configprops").await;
    let beans = all["contexts"]["eureka"]["beans"].as_object().unwrap_or_else(|| unreachable!("{all}"));
    assert!(
        ["eureka.client", "eureka.server", "management.endpoint.env", "registry", "server"]
            .iter()
            .all(|prefix| beans.contains_key(*prefix)),
        "{:?}",
        beans.keys()
    );
    assert!(!all.to_string().contains("hidden"), "{all}");
    assert_eq!((&beans["server"]["prefix"], &beans["server"]["properties"]["port"]), (&json!("server"), &json!(9002)));
    assert_eq!(beans["server"]["inputs"]["port"], json!({ "value": 9002, "origin": "the environment" }));
    assert_eq!(beans["eureka.server"]["properties"]["enableSelfPreservation"], true);
    assert_eq!(beans["eureka.server"]["inputs"]["enableSelfPreservation"], json!({}));
    assert_eq!(
        beans["eureka.client"]["properties"]["serviceUrl"]["defaultZone"],
        "http://u:******@127.0.0.1:1/eureka/"
    );
    assert_eq!(beans["eureka.instance"]["properties"]["metadataMap"]["team"], "payments");
    let some = server.get_json("/actuator/configprops/eureka.").await;
    let some = some["contexts"]["eureka"]["beans"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(some.len() > 2 && some.iter().all(|prefix| prefix.starts_with("eureka.")), "{some:?}");
    assert_eq!(server.send("GET", "/actuator/configprops/nothing", &[], b"").await.status, 404);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn values_are_for_whom_they_are_shown() {
    for (arguments, users, who, status, shown) in [
        (&[][..], false, None, 200, false),
        (&["--management.endpoint.env.show-values=when-authorized"], false, None, 200, false),
        (&["--management.endpoint.env.show-values=when-authorized"], true, None, 401, false),
        (&["--management.endpoint.env.show-values=when-authorized"], true, Some(EUREKA), 200, true),
        (
            &["--management.endpoint.env.show-values=when-authorized", "--management.endpoint.env.roles=OPS"],
            true,
            Some(EUREKA),
            200,
            false,
        ),
        (
            &["--management.endpoint.env.show-values=when-authorized", "--management.endpoint.env.roles=READ_ONLY"],
            true,
            Some(READER),
            200,
            true,
        ),
        (&["--management.endpoint.env.show-values=never"], true, Some(EUREKA), 200, false),
    ] {
        let server = server(arguments, &[("SERVER_PORT", "9002")], users).await;
        let headers: Vec<_> = who.into_iter().collect();
        let one = server.send("GET", "/actuator/env/server.port", &headers, b"").await;
        assert_eq!((one.status, one.text().contains("9002")), (status, shown), "{arguments:?} {who:?}");
        let all = server.send("GET", "/actuator/env", &headers, b"").await;
        assert_eq!((all.status, all.text().contains("9002")), (status, shown), "{arguments:?} {who:?}");
        let settings = server.send("GET", "/actuator/configprops", &headers, b"").await;
        assert_eq!((settings.status, settings.text().contains("9002")), (status, false), "{arguments:?} {who:?}");
        server.stop().await.unwrap();
    }
    let server = TestServer::start().await;
    for path in ["/actuator/env", "/actuator/env/server.port", "/actuator/configprops"] {
        assert_eq!(server.send("GET", path, &[], b"").await.status, 404, "{path} is not exposed by default");
    }
    server.stop().await.unwrap();
    assert!(
        configured(&["--management.endpoints.web.exposure.include=health"], &[])
            .http
            .actuator
            .environment
            .sources
            .is_empty()
    );
}
