//! The crate rust-eureka on the course: `rust-eureka APP ID PORT WATCHED URL ...`. It has no heartbeats.
use rust_eureka::request::{DataCenterInfo, DcName, Instance, RegisterRequest, Status};
use rust_eureka::EurekaClient;
use std::time::Duration;
use tokio::signal::unix::{signal, SignalKind};

const PAUSE: Duration = Duration::from_millis(300);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [app, id, port, watched, url, ..] = arguments.as_slice() else { panic!("APP ID PORT WATCHED URL") };
    let client = EurekaClient::new(app, url.trim_end_matches("/eureka/"));
    let mut stopped = signal(SignalKind::terminate()).expect("a handler of SIGTERM");
    // It sends no instance id, so the host name is the id.
    let instance = Instance {
        host_name: id.clone(),
        app: app.clone(),
        ip_addr: "127.0.0.1".to_owned(),
        vip_address: app.clone(),
        secure_vip_address: app.clone(),
        status: Status::Up,
        port: Some(port.parse().expect("a port")),
        secure_port: None,
        homepage_url: String::new(),
        status_page_url: String::new(),
        health_check_url: String::new(),
        data_center_info: DataCenterInfo { name: DcName::MyOwn, metadata: None },
        lease_info: None,
        metadata: serde_json::Map::new(),
    };
    client.register(app, &RegisterRequest::new(instance)).await.expect("registered");
    let mut before = None;
    while tokio::time::timeout(PAUSE, stopped.recv()).await.is_err() {
        let found = match client.get_application(watched).await {
            Ok(read) => sees(&read.application.instance),
            Err(error) => {
                println!("was unable to read: {error:?}");
                continue;
            }
        };
        if before.as_ref() != Some(&found) {
            println!("SEES {found}");
            before = Some(found);
        }
    }
    client.deregister(app, id).await.expect("left");
}

fn sees(instances: &[rust_eureka::response::Instance]) -> String {
    let mut found: Vec<String> = instances
        .iter()
        .filter(|one| matches!(one.status, rust_eureka::response::Status::Up))
        .map(|one| {
            let color = one.metadata.get("color").and_then(|color| color.as_str()).unwrap_or_default();
            format!("{}:{}={color}", one.host_name, one.port.unwrap_or_default())
        })
        .collect();
    found.sort();
    found.join(" ")
}
