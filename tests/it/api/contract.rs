//! Every answer of `/api/v1`, held against the document that describes it.

use std::net::IpAddr;

use eureka_registry::replication::ServiceUrl;
use eureka_registry::server::PeerAccess;

use super::*;

/// The document, and the described answers of one method that were seen.
pub(super) struct Contract {
    document: Value,
    method: &'static str,
    pub(super) seen: BTreeSet<(String, u16)>,
}

impl Contract {
    pub(super) fn read() -> Self {
        Self::of("get")
    }

    /// Of another method than GET.
    pub(super) fn of(method: &'static str) -> Self {
        let document = serde_norway::from_str(include_str!("../../../src/http/api/openapi.yaml")).unwrap();
        Self { document, method, seen: BTreeSet::new() }
    }

    /// Every path that is described to have the method.
    pub(super) fn paths(&self) -> Vec<String> {
        let paths = self.document["paths"].as_object().unwrap().iter();
        paths.filter(|(_, methods)| methods.get(self.method).is_some()).map(|(path, _)| path.clone()).collect()
    }

    /// Every answer that is described.
    pub(super) fn documented(&self) -> BTreeSet<(String, u16)> {
        let answers = self.paths().into_iter().flat_map(|path| {
            let responses = self.document["paths"][&path][self.method]["responses"].as_object().unwrap().clone();
            responses.into_iter().map(move |(status, _)| (path.clone(), status.parse().unwrap()))
        });
        answers.collect()
    }

    /// Compares an answer with its description.
    pub(super) fn hold(&mut self, path: &str, answer: &Answer) {
        let responses = &self.document["paths"][path][self.method]["responses"];
        let response = self.resolve(&responses[answer.status.to_string()]);
        assert!(response.is_object(), "{path} is not described to answer {}: {}", answer.status, answer.text());
        let content_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap();
        let schema = &response["content"][content_type]["schema"];
        assert!(schema.is_object(), "{path} {} is not described to be {content_type}", answer.status);
        for header in response["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()) {
            assert!(answer.header(&header).is_some(), "{path} {} lacks {header}", answer.status);
        }
        if content_type == "application/json" {
            let body = serde_json::from_slice(&answer.body).unwrap();
            let held = self.check(schema, &body);
            assert!(held.is_ok(), "{path} {}: {held:?} in {body:#}", answer.status);
        }
        self.seen.insert((path.to_owned(), answer.status));
    }

    fn resolve<'a>(&'a self, described: &'a Value) -> &'a Value {
        match described["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
            None => described,
        }
    }

    pub(super) fn schema(&self, name: &str) -> &Value {
        &self.document["components"]["schemas"][name]
    }

    /// Checks a value by a schema. Only the part of JSON Schema that the document uses is supported.
    pub(super) fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolve(schema);
        for (keyword, said) in schema.as_object().ok_or("no schema")? {
            let fits = match keyword.as_str() {
                "description" | "default" => true,
                "type" => match said.as_array() {
                    Some(types) => types.iter().any(|name| is_of_type(name, value)),
                    None => is_of_type(said, value),
                },
                "enum" => said.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= said.as_f64().unwrap()),
                "maxLength" => value.as_str().is_none_or(|text| text.len() as u64 <= said.as_u64().unwrap()),
                "oneOf" => said.as_array().unwrap().iter().filter(|one| self.check(one, value).is_ok()).count() == 1,
                "required" => {
                    let missing =
                        said.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none());
                    value.is_null() || missing.is_none()
                }
                "properties" => {
                    for (name, schema) in said.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.check(schema, value).map_err(|error| format!("{name}: {error}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    assert_eq!(said, &json!(false), "no other value is understood here");
                    let known = schema["properties"].as_object().unwrap();
                    let names = value.as_object().into_iter().flatten().map(|(name, _)| name);
                    names.into_iter().all(|name| known.contains_key(name))
                }
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.check(said, item)?;
                    }
                    true
                }
                other => return Err(format!("`{other}` is not understood here")),
            };
            if !fits {
                return Err(format!("{value} does not fit {keyword}: {said}"));
            }
        }
        Ok(())
    }
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        _ => false,
    }
}

/// Opens a stream, and reads only the response headers.
async fn open_stream(server: &TestServer) -> (Client, Answer) {
    let mut client = Client::connect(server.address).await;
    client.stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let head = client.answer(true).await;
    (client, head)
}

/// Guesses a password, each number another one.
pub(super) async fn guess(server: &TestServer, path: &str, number: usize) -> Answer {
    let guessed = format!("Basic {}", BASE64_STANDARD.encode(format!("eureka:{number}")));
    server.send("GET", path, &[("Authorization", &guessed)], b"").await
}

/// The answers of a replica whose memory for pages is held by a reader that takes nothing. It has no sockets, so that nobody makes the
/// reader give way, and that a wait of seconds takes no time.
async fn refused_as_busy() -> Vec<(&'static str, Answer)> {
    let mut settings = Settings::default();
    settings.limits.memory = 0;
    // The answer about a peer has its URL, and is large, too.
    let peer = ServiceUrl::new("http", "127.0.0.1", 1, &format!("/{}/eureka/", "p".repeat(20_000)));
    settings.replication.service_urls = vec![peer.clone()];
    settings.replication.registry_sync_timeout = Duration::ZERO;
    let access = PeerAccess::by_network(&settings, None).unwrap();
    let (clock, rng) = (Clock::system(), SmallRng::seed_from_u64(0));
    let mut node = Node::build(&settings, ([127, 0, 0, 1], 8761).into(), access, None, clock, rng);
    node.join().await;
    // Every answer is too large to be given without memory: a small one may be made in the moment in which its time is over.
    let register = |application: &str, id: &str, version: &str| {
        let mut info = InstanceInfo::new(AppName::new(application), id, "10.0.0.1", clock.now());
        info.instance_id = Some(id.into());
        info.metadata = [("version", version)].map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        node.registry().register(info, Source::Client, clock.now());
    };
    (0..200).for_each(|number| register(&format!("app-{number}"), &"i".repeat(100), &"v".repeat(100)));
    register("{application}", "{instanceId}", &"v".repeat(20_000));
    let mut info = InstanceInfo::new(AppName::new("many"), "m", "10.0.0.1", clock.now());
    info.metadata = (0..50).map(|number| (format!("{number:02}{}", "n".repeat(900)), "v")).collect();
    node.registry().register(info, Source::Client, clock.now());
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        node.service().handle(Connection::default(), request).await
    };
    // Fifty names of metadata, each of nine hundred bytes.
    let many = "/api/v1/completions?limit=50&q=nnn";
    let one = "/api/v1/applications/{application}/instances/{instanceId}";
    for number in 0..200 {
        let address = Some(IpAddr::from([10, 0, 0, number]));
        let connection = Connection { address, ..Connection::default() };
        let request =
            Request::get("/eureka/apps/MANY").header("Host", "localhost").header("User-Agent", "a".repeat(100));
        node.service().handle(connection, request.body(Body::empty()).unwrap()).await;
    }
    let paths = [
        "/api/v1/instances",
        "/api/v1/applications",
        one,
        "/api/v1/changes",
        "/api/v1/completions",
        "/api/v1/subscribers",
        "/api/v1/differences",
    ];
    let differences = format!("/api/v1/differences?peer={peer}");
    let asked = paths.map(|path| match path {
        "/api/v1/completions" => many,
        "/api/v1/differences" => &differences,
        path => path,
    });
    for path in asked {
        let body = get(path).await.into_body().collect().await.unwrap().to_bytes();
        assert!(body.len() > 16 * 1024, "{path} is answered without memory: {} bytes", body.len());
    }
    let held = get("/api/v1/instances").await;
    assert_eq!(held.status(), 200);
    let answers = join_all(asked.map(get)).await;
    drop(held);
    let mut refused = Vec::new();
    for (path, response) in paths.into_iter().zip(answers) {
        let (parts, body) = response.into_parts();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        refused.push((path, Answer { status: parts.status.as_u16(), headers, body }));
    }
    refused
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let mut contract = Contract::read();
    let peer = ServiceUrl::new("http", "127.0.0.1", 1, "/eureka/");
    let server = TestServer::with(|settings| {
        settings.replication.service_urls = vec![peer.clone()];
        settings.replication.registry_sync_timeout = Duration::ZERO;
    });
    let server = server.await;
    register(&server, "ORDERS", "o-1", "UP", "eu-1", "1.0").await;
    register(&server, "ORDERS", "o-2", "DOWN", "eu-2", "1.1").await;
    register(&server, "BILLING", "b/1", "STARTING", "", "").await;
    server.send("PUT", "/eureka/apps/ORDERS/o-2/status?value=OUT_OF_SERVICE", &[], b"").await;
    server.send("DELETE", "/eureka/apps/ORDERS/o-2/status?value=UP", &[], b"").await;
    server.register("GONE", "g-1").await;
    server.send("DELETE", "/eureka/apps/GONE/g-1", &[], b"").await;
    server.send("GET", "/eureka/apps", &[], b"").await;
    let one = "/api/v1/applications/{application}/instances/{instanceId}";
    for (described, path) in [
        ("/api/v1/overview", "/api/v1/overview"),
        ("/api/v1/self-preservation", "/api/v1/self-preservation"),
        ("/api/v1/user", "/api/v1/user"),
        ("/api/v1/applications", "/api/v1/applications"),
        ("/api/v1/instances", "/api/v1/instances"),
        (
            "/api/v1/instances",
            "/api/v1/instances?q=o-&status=UP&zone=eu-1&version=1.0&overdue=false&sort=-registered&limit=1",
        ),
        ("/api/v1/instances", "/api/v1/instances?limit=many"),
        ("/api/v1/instances", "/api/v1/instances?limit=1001"),
        ("/api/v1/instances", "/api/v1/instances?sort=colour"),
        (one, "/api/v1/applications/orders/instances/o-1"),
        (one, "/api/v1/applications/BILLING/instances/b%2F1"),
        (one, "/api/v1/applications/GONE/instances/g-1"),
        (one, "/api/v1/applications/ORDERS/instances/nobody"),
        ("/api/v1/instances", "/api/v1/instances?format=csv&up=false&expired=false&overridden=false"),
        ("/api/v1/instances", "/api/v1/instances?format=xls"),
        ("/api/v1/completions", "/api/v1/completions?q=zo"),
        ("/api/v1/completions", "/api/v1/completions?limit=51"),
        ("/api/v1/subscribers", "/api/v1/subscribers?sort=interval"),
        ("/api/v1/subscribers", "/api/v1/subscribers?sort=colour"),
        ("/api/v1/differences", "/api/v1/differences"),
        ("/api/v1/differences", "/api/v1/differences?peer=http://nobody:8761/eureka/"),
        ("/api/v1/differences", &format!("/api/v1/differences?peer={peer}")),
        ("/api/v1/changes", "/api/v1/changes"),
        ("/api/v1/changes", "/api/v1/changes?after=1&limit=2"),
        ("/api/v1/changes", "/api/v1/changes?after=-1"),
        ("/api/v1/openapi.yaml", "/api/v1/openapi.yaml"),
    ] {
        contract.hold(described, &server.send("GET", path, &[], b"").await);
    }
    contract.hold("/api/v1/events", &open_stream(&server).await.1);
    let mut streams = Vec::new();
    let refused = loop {
        let (client, head) = open_stream(&server).await;
        if head.status != 200 {
            break head;
        }
        streams.push(client);
        assert!(streams.len() < 1000, "no limit to streams");
    };
    assert_eq!(refused.status, 503);
    let refused = server.send("GET", "/api/v1/events", &[], b"").await;
    contract.hold("/api/v1/events", &refused);
    drop(streams);
    until("a stream that ended makes room", async || open_stream(&server).await.1.status == 200).await;
    for path in contract.paths() {
        for (hosts, status) in
            [("", 400), ("Host: a.example\r\nHost: localhost\r\n", 400), ("Host: a.example\r\n", 421)]
        {
            let mut client = Client::connect(server.address).await;
            client.stream.write_all(format!("GET {path} HTTP/1.1\r\n{hosts}\r\n").as_bytes()).await.unwrap();
            let refused = client.answer(false).await;
            assert_eq!(refused.status, status, "{path} {hosts}");
            contract.hold(&path, &refused);
        }
    }
    server.stop().await.unwrap();

    let server = TestServer::with(with_users).await;
    for path in contract.paths() {
        contract.hold(&path, &server.send("GET", &path, &[], b"").await);
    }
    for number in 0..20 {
        guess(&server, "/api/v1/user", number).await;
    }
    for (number, path) in contract.paths().iter().enumerate() {
        let refused = guess(&server, path, 20 + number).await;
        assert_eq!(refused.status, 429);
        contract.hold(path, &refused);
    }
    server.stop().await.unwrap();
    tokio::time::pause();
    for (path, refused) in refused_as_busy().await {
        assert_eq!(refused.status, 503, "{path}");
        contract.hold(path, &refused);
    }
    assert_eq!(contract.seen, contract.documented(), "every answer that is described was given");
}

#[test]
fn every_field_that_is_described_is_always_there() {
    let contract = Contract::read();
    let mut schemas: Vec<&Value> = contract.document["components"]["schemas"].as_object().unwrap().values().collect();
    let mut objects = 0;
    while let Some(schema) = schemas.pop() {
        let Some(properties) = schema["properties"].as_object() else {
            schemas.extend(schema.get("items"));
            continue;
        };
        let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut required: Vec<&str> =
            schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        names.sort_unstable();
        required.sort_unstable();
        assert_eq!(names, required);
        assert_eq!(schema["additionalProperties"], false, "{names:?}");
        schemas.extend(properties.values());
        objects += 1;
    }
    assert!(objects > 15, "{objects}");
    let unfit = json!({ "status": 404, "error": "no", "more": 1 });
    assert!(contract.check(contract.schema("Error"), &unfit).is_err(), "and no other is");
}
