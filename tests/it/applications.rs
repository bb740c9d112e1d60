//! `GET /api/v1/applications`: what is wrong with each, the worst first, in pages.

use serde_json::{Value, json};

use crate::support::{TestServer, instance};

const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn register(server: &TestServer, app: &str, id: &str, status: &str) {
    let mut body: Value = serde_json::from_str(&instance(app, id)).unwrap();
    body["instance"]["status"] = json!(status);
    body["instance"]["metadata"] = json!({ "zone": "eu-1" });
    let answer = server.send("POST", &format!("/eureka/apps/{app}"), &[JSON], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 204);
}

async fn names(server: &TestServer, query: &str) -> Vec<String> {
    let answer = server.get_json(&format!("/api/v1/applications{query}")).await;
    let names = answer["applications"].as_array().unwrap().iter();
    names.map(|application| application["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_worst_come_first_and_say_what_is_wrong() {
    let server = TestServer::start().await;
    for app in ["GOOD", "BETTER", "FLAPS", "PARTLY", "GONE"] {
        register(&server, app, "1", if app == "GONE" { "DOWN" } else { "UP" }).await;
    }
    register(&server, "PARTLY", "2", "OUT_OF_SERVICE").await;
    // Out of UP and back twice: once is a restart.
    for status in ["DOWN", "UP", "DOWN", "UP"] {
        register(&server, "FLAPS", "1", status).await;
    }
    for status in ["DOWN", "UP"] {
        register(&server, "BETTER", "1", status).await;
    }
    let answer = server.get_json("/api/v1/applications?sort=trouble").await;
    let said = |number: usize| {
        let application = &answer["applications"][number];
        (application["name"].clone(), application["trouble"].clone(), application["problem"].clone())
    };
    assert_eq!(said(0), (json!("GONE"), json!("none_up"), json!("no instance is UP: 1 DOWN")));
    assert_eq!(said(1), (json!("PARTLY"), json!("partly_up"), json!("1 OUT_OF_SERVICE")));
    assert_eq!(said(2), (json!("FLAPS"), json!("flapping"), json!("1 left or entered UP 5 times in 10 min")));
    assert_eq!(said(3), (json!("BETTER"), json!(null), json!(null)));
    assert_eq!(said(4), (json!("GOOD"), json!(null), json!(null)));
    assert_eq!(answer["byTrouble"], json!({ "none_up": 1, "partly_up": 1, "overdue": 0, "flapping": 1 }));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_application_is_found_by_its_instances_and_in_pages() {
    let server = TestServer::start().await;
    for (app, id, status) in
        [("A", "host-1", "UP"), ("A", "host-2", "DOWN"), ("B", "host-3", "UP"), ("C", "host-4", "DOWN")]
    {
        register(&server, app, id, status).await;
    }
    assert_eq!(names(&server, "").await, ["A", "B", "C"]);
    assert_eq!(names(&server, "?sort=-application").await, ["C", "B", "A"]);
    assert_eq!(names(&server, "?sort=-trouble").await, ["B", "A", "C"]);
    assert_eq!(names(&server, "?sort=instances").await, ["B", "C", "A"]);
    assert_eq!(names(&server, "?q=host-2").await, ["A"]);
    assert_eq!(names(&server, "?status=DOWN").await, ["A", "C"]);
    assert_eq!(names(&server, "?zone=eu-1&q=host-3").await, ["B"]);
    assert_eq!(names(&server, "?zone=-").await, [""; 0]);
    assert_eq!(names(&server, "?trouble=any").await, ["A", "C"]);
    assert_eq!(names(&server, "?trouble=none_up").await, ["C"]);
    assert_eq!(names(&server, "?offset=1&limit=1").await, ["B"]);
    let page = server.get_json("/api/v1/applications?offset=1&limit=1&trouble=none_up").await;
    assert_eq!((&page["total"], &page["offset"], &page["byTrouble"]["partly_up"]), (&json!(1), &json!(1), &json!(1)));
    for wrong in ["?trouble=bad", "?sort=zone", "?limit=1001", "?offset=-1"] {
        assert_eq!(server.send("GET", &format!("/api/v1/applications{wrong}"), &[], b"").await.status, 400, "{wrong}");
    }
    server.stop().await.unwrap();
}
