//! The pages that the server renders, and the files that they load.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::golden::gunzip;
use crate::support::{TestServer, instance};

/// Every page, with queries that change its content.
const PAGES: [&str; 8] = [
    "/",
    "/?open=ORDERS",
    "/?view=instances",
    "/?status=UP&limit=1",
    "/?application=NONE",
    "/?overdue=true",
    "/lastn",
    "/subscribers",
];

/// The values of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str()).skip(1).map(|rest| rest.split_once('"').unwrap().0).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn every_file_is_served_as_it_is_and_once() {
    let server = TestServer::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/dashboard");
    let mut served = 0;
    for path in files(&root) {
        let content_type = match path.extension().and_then(|extension| extension.to_str()) {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => continue,
        };
        let name = format!("/dashboard/{}", path.strip_prefix(&root).unwrap().display());
        let answer = server.send("GET", &name, &[], b"").await;
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{name}");
        assert!(answer.body == fs::read(&path).unwrap(), "{name} is another");
        let tag = answer.header("etag").unwrap();
        assert_eq!(server.send("GET", &name, &[("If-None-Match", tag)], b"").await.status, 304, "{name}");
        assert_eq!(server.send("GET", &name, &[("If-None-Match", "\"0\"")], b"").await.status, 200, "{name}");
        let gzip = ("Accept-Encoding", "gzip, deflate, br");
        let compressed = server.send("GET", &name, &[gzip], b"").await;
        assert_eq!(compressed.header("content-encoding"), Some("gzip"), "{name}");
        assert_eq!(compressed.header("vary"), Some("Accept-Encoding"), "{name}");
        assert!(compressed.body.len() < answer.body.len(), "{name}");
        assert!(gunzip(&compressed.body).as_bytes() == answer.body, "{name} is another when compressed");
        let its_tag = compressed.header("etag").unwrap();
        assert_ne!(its_tag, tag, "{name}");
        assert_eq!(server.send("GET", &name, &[gzip, ("If-None-Match", its_tag)], b"").await.status, 304, "{name}");
        served += 1;
    }
    assert!(served > 3);
    for path in ["/dashboard/", "/dashboard/nothing.js", "/dashboard/index.html", "/dashboard/../../http.rs"] {
        assert_eq!(server.send("GET", path, &[], b"").await.status, 404, "{path}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn pages_load_nothing_that_their_policy_forbids() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    for path in PAGES {
        let page = server.send("GET", path, &[], b"").await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'self'")));
        let text = page.text();
        assert!(!text.contains("<style") && attributes(&text, "style").is_empty(), "{path} has style of its own");
        for script in text.split("<script").skip(1) {
            let tag = script.split_once('>').unwrap();
            assert!(tag.0.contains("src=\"dashboard/") && tag.1.starts_with("</script>"), "{path}: {}", tag.0);
        }
        for url in [attributes(&text, "src"), attributes(&text, "href")].concat() {
            assert!(!url.starts_with('/'), "{path}: {url} would miss the context path");
            assert!(!url.contains("://"), "{path}: {url} is elsewhere");
            if let Some(file) = url.strip_prefix("dashboard/") {
                assert_eq!(server.send("GET", &format!("/dashboard/{file}"), &[], b"").await.status, 200, "{url}");
            }
        }
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_overview_is_read_without_a_script() {
    let server = TestServer::start().await;
    server.register("ORDERS", "o-1").await;
    server.register("BILLING", "b-1").await;
    server.send("PUT", "/eureka/apps/BILLING/b-1/status?value=OUT_OF_SERVICE", &[], b"").await;
    server.send("DELETE", "/eureka/apps/ORDERS/o-1", &[], b"").await;
    let page = server.send("GET", "/?view=instances", &[], b"").await.text();
    for part in [
        "Critical",
        "Clients of it find no instance to call.",
        "1 application has no instance that is UP: BILLING.",
        "id=\"peers\"",
        "b-1",
        "data-status=\"OUT_OF_SERVICE\"",
        "no users are configured",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    let applications = server.send("GET", "/?open=BILLING", &[], b"").await.text();
    for part in ["no instance is UP: 1 OUT_OF_SERVICE", "aria-expanded=\"true\"", "data-instance=\"b-1\""] {
        assert!(applications.contains(part), "no {part:?} in {applications}");
    }
    assert!(!server.send("GET", "/", &[], b"").await.text().contains("data-instance"), "none is open");
    let found = server.send("GET", "/?q=nobody", &[], b"").await.text();
    assert!(!found.contains("data-application="), "{found}");
    assert_eq!(server.send("GET", "/?limit=many", &[], b"").await.status, 400);
    let last = server.send("GET", "/lastn", &[], b"").await.text();
    let (cancelled, registered) = last.split_once("newly registered").unwrap();
    assert!(cancelled.contains("o-1") && !cancelled.contains("b-1"), "{last}");
    assert!(registered.contains("o-1") && registered.contains("b-1"), "{last}");
    server.stop().await.unwrap();
}

/// The path that the link before `end` leads to.
fn link_before<'a>(page: &'a str, end: &str) -> String {
    assert!(page.contains(end), "no {end:?} in {page}");
    let (before, _) = page.split_once(end).unwrap();
    let (_, href): (_, &'a str) = before.rsplit_once("href=\"").unwrap();
    format!("/{}", href.split_once('"').unwrap().0.trim_start_matches("./").replace("&#38;", "&"))
}

#[tokio::test]
async fn a_list_is_sorted_and_narrowed_without_a_script() {
    let server = TestServer::start().await;
    server.register("BILLING", "b-1").await;
    server.register("ORDERS", "o-1").await;
    server.send("PUT", "/eureka/apps/BILLING/b-1/status?value=OUT_OF_SERVICE", &[], b"").await;
    let get = async |path: &str| server.send("GET", path, &[], b"").await.text();
    let listed = |page: &str| attributes(page, "data-instance").iter().map(ToString::to_string).collect::<Vec<_>>();
    let page = get("/?view=instances").await;
    assert_eq!(listed(&page), ["b-1", "o-1"]);
    assert!(page.contains("2 instances</p>") && !page.contains("All that are found:"), "{page}");
    let reversed = get(&link_before(&page, ">Application</a></th>")).await;
    assert_eq!(listed(&reversed), ["o-1", "b-1"]);
    assert!(reversed.contains("aria-sort=\"descending\""), "{reversed}");
    let not_up = get(&link_before(&page, ">not UP</a>")).await;
    assert_eq!(listed(&not_up), ["b-1"]);
    // The place of the toolbar is there before its script.
    assert!(not_up.contains("1 instance found</p>") && not_up.contains("All that are found:"), "{not_up}");
    assert_eq!(listed(&get(&link_before(&not_up, " aria-current=\"true\">not UP ✕</a>")).await), ["b-1", "o-1"]);
    let table = get(&link_before(&not_up, " download=\"instances.csv\"")).await;
    assert!(table.contains("b-1") && !table.contains("o-1"), "{table}");
    let applications = get("/").await;
    assert_eq!(attributes(&applications, "data-application"), ["BILLING", "ORDERS"], "the worst first");
    let by_name = get(&link_before(&applications, ">UP</a></th>")).await;
    assert!(by_name.contains("aria-sort=\"ascending\""), "{by_name}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn texts_of_clients_are_escaped() {
    let hostile = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7919 * 7907 }}";
    let server = TestServer::start().await;
    let app = "<IMG SRC=X ONERROR='A(1)'>\"";
    let mut body: Value = serde_json::from_str(&instance(app, hostile)).unwrap();
    for name in ["hostName", "ipAddr", "vipAddress", "appGroupName"] {
        body["instance"][name] = json!(hostile);
    }
    body["instance"]["metadata"] = json!({ "zone": hostile, "version": hostile, hostile: hostile });
    body["instance"]["homePageUrl"] = json!("javascript:alert(3)");
    body["instance"]["statusPageUrl"] = json!("http://h/\"onmouseover=\"alert(4)");
    let path = "/eureka/apps/%3CIMG%20SRC=X%20ONERROR='A(1)'%3E%22";
    let answer = server.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let asked = "/?q=%22%3E%3Cscript%3Ealert(2)%3C/script%3E&zone=%22%3E%3Cscript%3E&sort=-zone";
    let open = "/?open=%3CIMG%20SRC=X%20ONERROR='A(1)'%3E%22";
    for path in PAGES.iter().chain([&asked, &open]) {
        let page = server.send("GET", path, &[], b"").await;
        assert_eq!(page.status, 200, "{path}");
        let text = page.text();
        let lower = text.to_lowercase();
        for markup in ["<img src=x", "<script>", "javascript:", "\"onmouseover", "\" onerror", "'a(1)'"] {
            assert!(!lower.contains(markup), "{path} holds {markup}: {text}");
        }
        assert!(!text.contains("62615533"), "no template of a client's is evaluated");
    }
    let listed = server.send("GET", "/?view=instances", &[], b"").await.text();
    assert!(listed.contains("http://h/&#34;onmouseover=&#34;alert(4)"), "a link, and nothing more: {listed}");
    let rows = server.get_json("/api/v1/instances").await;
    assert_eq!(rows["instances"][0]["homePageUrl"], Value::Null);
    assert_eq!(rows["instances"][0]["instanceId"], hostile, "whole, as text");
    server.stop().await.unwrap();
}
