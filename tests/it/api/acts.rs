//! `/api/v1/acts`: what operators do to many instances at once.

use super::contract::{Contract, guess};
use super::*;

const PATH: &str = "/api/v1/acts";

/// Sends an act. Returns the status and the answer.
async fn act(server: &TestServer, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
    let headers: Vec<_> = [JSON].iter().chain(headers).copied().collect();
    let answer = server.send("POST", PATH, &headers, body.to_string().as_bytes()).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

async fn done(server: &TestServer, body: Value) -> Value {
    let (status, report) = act(server, &[], body).await;
    assert_eq!(status, 200, "{report}");
    report
}

fn names(instances: &[(&str, &str)]) -> Value {
    instances.iter().map(|(app, id)| json!({ "application": app, "instanceId": id })).collect()
}

/// The override of an instance.
async fn override_of(server: &TestServer, app: &str, id: &str) -> Value {
    let details = server.get_json(&format!("/api/v1/applications/{app}/instances/{id}")).await;
    details["instance"]["overriddenStatus"].clone()
}

#[tokio::test]
async fn an_application_is_drained_and_the_undo_restores_what_was() {
    let server = TestServer::start().await;
    for (id, zone) in [("o-1", "a"), ("o-2", "a"), ("o-3", "b")] {
        register(&server, "ORDERS", id, "UP", zone, "1").await;
    }
    register(&server, "BILLING", "b-1", "UP", "a", "1").await;
    server.send("PUT", "/eureka/apps/ORDERS/o-3/status?value=DOWN", &[], b"").await;

    let request = json!({ "act": "override", "where": { "application": "orders" }, "dryRun": true });
    let planned = done(&server, request.clone()).await;
    assert_eq!((&planned["targets"], &planned["done"]), (&json!(3), &json!(3)));
    assert_eq!(planned["applicationsLosingAll"], 1);
    let of_orders = json!([{ "name": "ORDERS", "instances": 3, "touched": 3, "up": 2, "upAfterwards": 0 }]);
    assert_eq!(planned["applications"], of_orders);
    assert_eq!(override_of(&server, "ORDERS", "o-1").await, Value::Null, "a dry run changes nothing");

    let mut request = request;
    request["dryRun"] = json!(false);
    let (status, refused) = act(&server, &[], request.clone()).await;
    assert_eq!(status, 400, "a reason is needed: {refused}");
    request["reason"] = json!("moving to another rack");
    let named = json!({ "act": "override", "instances": [{ "application": "orders" }], "dryRun": true });
    assert_eq!(done(&server, named).await["instances"], planned["instances"], "the same by its name");
    let drained = done(&server, request).await;
    assert_eq!(drained["instances"], planned["instances"], "it does what was planned");
    for id in ["o-1", "o-2", "o-3"] {
        assert_eq!(override_of(&server, "ORDERS", id).await, "OUT_OF_SERVICE");
        let history = server.get_json(&format!("/api/v1/applications/ORDERS/instances/{id}")).await;
        assert_eq!(history["history"][0]["reason"], "moving to another rack");
    }
    assert_eq!(override_of(&server, "BILLING", "b-1").await, Value::Null);

    for undo in drained["undo"].as_array().unwrap() {
        let mut undo = undo.clone();
        undo["reason"] = json!("the rack is full");
        done(&server, undo).await;
    }
    for (id, before) in [("o-1", Value::Null), ("o-2", Value::Null), ("o-3", json!("DOWN"))] {
        assert_eq!(override_of(&server, "ORDERS", id).await, before, "{id}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_undo_leaves_alone_what_somebody_else_decided_since() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    server.register("ORDERS", "o-2").await;
    let both = names(&[("ORDERS", "o-1"), ("orders", "o-2"), ("ORDERS", "o-1"), ("ORDERS", "nobody")]);
    let report = done(&server, json!({ "act": "override", "instances": both, "reason": "r" })).await;
    assert_eq!([&report["targets"], &report["done"], &report["notFound"]], [3, 2, 1], "each once");
    server.send("PUT", "/eureka/apps/ORDERS/o-2/status?value=DOWN", &[], b"").await;
    let mut undo = report["undo"][0].clone();
    assert_eq!(report["undo"].as_array().unwrap().len(), 1);
    undo["reason"] = json!("r");
    let undone = done(&server, undo).await;
    assert_eq!([&undone["done"], &undone["refused"]], [1, 1]);
    assert_eq!(undone["instances"][1]["why"], "Somebody has set the override DOWN since.");
    assert_eq!(override_of(&server, "ORDERS", "o-1").await, Value::Null);
    assert_eq!(override_of(&server, "ORDERS", "o-2").await, "DOWN");

    // The undo of a removed override sets it again.
    let report =
        done(&server, json!({ "act": "remove_override", "instances": names(&[("ORDERS", "o-2")]), "reason": "r" }))
            .await;
    let mut undo = report["undo"][0].clone();
    assert_eq!((&undo["status"], &undo["expectedOverride"]), (&json!("DOWN"), &json!("NONE")));
    undo["reason"] = json!("r");
    done(&server, undo).await;
    assert_eq!(override_of(&server, "ORDERS", "o-2").await, "DOWN");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_instance_that_reported_a_status_itself_gets_it_back() {
    let server = TestServer::start().await;
    register(&server, "ORDERS", "o-1", "STARTING", "", "").await;
    let one = names(&[("ORDERS", "o-1")]);
    done(&server, json!({ "act": "override", "instances": one, "reason": "r" })).await;
    let back = done(&server, json!({ "act": "remove_override", "instances": one, "reason": "r" })).await;
    assert_eq!(back["instances"][0]["status"], "STARTING");
    let details = server.get_json("/api/v1/applications/ORDERS/instances/o-1").await;
    assert_eq!(details["instance"]["status"], "STARTING");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn only_an_expired_instance_is_removed_unless_it_is_forced() {
    let server = TestServer::with(|settings| settings.registry.eviction_interval = NEVER).await;
    server.register("ORDERS", "alive").await;
    let short = instance("ORDERS", "dead")
        .replace("\"app\"", "\"leaseInfo\":{\"renewalIntervalInSecs\":1,\"durationInSecs\":1},\"app\"");
    assert_eq!(server.send("POST", "/eureka/apps/ORDERS", &[JSON], short.as_bytes()).await.status, 204);
    until("the lease to expire", async || {
        let found = server.get_json("/api/v1/instances?q=dead").await;
        found["instances"][0]["expired"] == true
    })
    .await;
    let remove = json!({ "act": "remove", "where": { "application": "ORDERS" }, "reason": "switched off for good" });
    let report = done(&server, remove).await;
    assert_eq!([&report["done"], &report["refused"]], [1, 1]);
    let why = report["instances"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("Its lease has not expired: it was heard "), "{why}");
    assert_eq!(report["undo"], json!([]));
    let left = server.get_json("/api/v1/instances").await;
    assert_eq!((&left["total"], &left["instances"][0]["instanceId"]), (&json!(1), &json!("alive")));
    let one = names(&[("ORDERS", "alive")]);
    done(&server, json!({ "act": "remove", "instances": one, "force": true, "reason": "r" })).await;
    assert_eq!(server.get_json("/api/v1/instances").await["total"], 0);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_act_that_is_not_understood_changes_nothing() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    let one = names(&[("ORDERS", "o-1")]);
    let all = json!({ "application": "ORDERS" });
    for (wrong, why) in [
        (json!({ "act": "explode", "instances": one }), "expected override, remove_override, remove"),
        (json!({ "act": "override" }), "name either instances or conditions"),
        (json!({ "act": "override", "instances": one, "where": all }), "name either instances or conditions"),
        (json!({ "act": "override", "instances": [] }), "instances is empty"),
        (json!({ "act": "override", "where": {} }), "where needs at least one condition"),
        (json!({ "act": "override", "where": { "application": " " } }), "where: application is empty"),
        (
            json!({ "act": "override", "where": { "aplication": "ORDERS" } }),
            "where=aplication: expected q, application",
        ),
        (json!({ "act": "override", "where": { "overdue": "maybe" } }), "overdue=maybe: expected true or false"),
        (json!({ "act": "override", "instances": one, "status": "GONE" }), "status=GONE: expected DOWN"),
        (json!({ "act": "remove", "instances": one, "status": "UP" }), "status belongs to the act override"),
        (json!({ "act": "override", "instances": one, "force": true }), "force belongs to the act remove"),
        (json!({ "act": "override", "instances": one, "expectedOverride": "ALL" }), "expectedOverride=ALL: expected"),
        (json!({ "act": "override", "instances": one, "dryrun": true }), "unknown field `dryrun`"),
        (json!({ "act": "override", "instances": one, "reason": "a\nb" }), "no line breaks"),
        (json!({ "act": "override", "instances": one, "reason": " " }), "reason is missing"),
    ] {
        let mut wrong = wrong;
        if wrong.get("reason").is_none() {
            wrong["reason"] = json!("r");
        }
        let (status, answer) = act(&server, &[], wrong.clone()).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(answer["error"].as_str().is_some_and(|line| line.contains(why)), "{wrong}: {answer}");
    }
    let good = json!({ "act": "override", "instances": one, "reason": "r" }).to_string();
    let form = ("Content-Type", "text/plain");
    assert_eq!(
        server.send("POST", PATH, &[form], good.as_bytes()).await.status,
        400,
        "what a form of another site can send"
    );
    assert_eq!(override_of(&server, "ORDERS", "o-1").await, Value::Null);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_act_is_bounded() {
    let server = TestServer::start().await;
    fill(&server, 5001).await;
    let all = json!({ "act": "override", "where": { "q": "app-" }, "reason": "r" });
    let (status, answer) = act(&server, &[], all).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().starts_with("5001 instances match, and one act touches at most 5000"));
    assert_eq!(server.get_json("/api/v1/instances?status=OUT_OF_SERVICE").await["total"], 0);
    let zone = json!({ "act": "override", "where": { "zone": "z-1" }, "reason": "r" });
    assert_eq!(done(&server, zone).await["done"], 1667);
    assert_eq!(server.get_json("/api/v1/instances?status=OUT_OF_SERVICE").await["total"], 1667);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn only_who_may_write_acts_and_no_page_of_another_site() {
    let server = TestServer::with(with_users).await;
    server.send("POST", "/eureka/apps/ORDERS", &[EUREKA, JSON], instance("ORDERS", "o-1").as_bytes()).await;
    let request = json!({ "act": "override", "instances": names(&[("ORDERS", "o-1")]), "reason": "r" });
    let (status, answer) = act(&server, &[READER], request.clone()).await;
    assert_eq!((status, &answer["error"]), (403, &json!("this user is read-only")));
    for foreign in [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")] {
        let (status, answer) = act(&server, &[EUREKA, foreign], request.clone()).await;
        assert_eq!((status, &answer["error"]), (403, &json!("pages of other sites may not change the registry")));
    }
    assert_eq!(act(&server, &[], request.clone()).await.0, 401);
    let (status, report) = act(&server, &[EUREKA], request).await;
    assert_eq!((status, &report["done"]), (200, &json!(1)));
    server.stop().await.unwrap();

    // An open path is open for reading.
    let server = TestServer::with(|settings| {
        with_users(settings);
        settings.http.security.open_paths.push("/api/**".to_owned());
    })
    .await;
    let request = json!({ "act": "override", "where": { "application": "ORDERS" }, "reason": "r" });
    let (status, answer) = act(&server, &[], request.clone()).await;
    assert_eq!((status, &answer["error"]), (403, &json!("only a user who may change the registry may do this")));
    let switch = "/api/v1/self-preservation";
    assert_eq!(server.send("PUT", &format!("{switch}?evict=true&reason=r"), &[], b"").await.status, 403);
    assert_eq!(server.send("DELETE", switch, &[], b"").await.status, 403);
    assert_eq!(act(&server, &[EUREKA], request).await.0, 200);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn every_answer_to_an_act_is_as_described() {
    let mut contract = Contract::of("post");
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    server.register("ORDERS", "o-2").await;
    let act = json!({ "act": "override", "where": { "application": "ORDERS" }, "reason": "r" }).to_string();
    let remove =
        json!({ "act": "remove", "instances": names(&[("ORDERS", "o-1"), ("A", "b")]), "reason": "r" }).to_string();
    for body in [act.as_str(), act.as_str(), remove.as_str(), "{", &" ".repeat(2_000_000)] {
        contract.hold(PATH, &server.send("POST", PATH, &[JSON], body.as_bytes()).await);
    }
    let mut client = Client::connect(server.address).await;
    let elsewhere = format!("POST {PATH} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
    client.stream.write_all(elsewhere.as_bytes()).await.unwrap();
    contract.hold(PATH, &client.answer(false).await);
    server.stop().await.unwrap();
    let server = TestServer::with(with_users).await;
    contract.hold(PATH, &server.send("POST", PATH, &[JSON], act.as_bytes()).await);
    contract.hold(PATH, &server.send("POST", PATH, &[JSON, READER], act.as_bytes()).await);
    for number in 0..20 {
        guess(&server, "/api/v1/user", number).await;
    }
    let wrong = format!("Basic {}", BASE64_STANDARD.encode("eureka:21"));
    contract.hold(PATH, &server.send("POST", PATH, &[JSON, ("Authorization", &wrong)], act.as_bytes()).await);
    server.stop().await.unwrap();
    let documented: BTreeSet<_> = contract.documented().into_iter().filter(|(path, _)| path == PATH).collect();
    assert_eq!(contract.seen, documented, "every answer that is described was given");
}
