//! The crate rust-eureka on the course: `rust-eureka APP ID PORT WATCHED URL ...`. It has no heartbeats, and it refuses answers that have
//! an `instanceId`: it knows no such field.
use rust_eureka::request::{DataCenterInfo, DcName, Instance, RegisterRequest, Status};
use rust_eureka::EurekaClient;
use tokio::signal::unix::{signal, SignalKind};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [app, id, port, _, url, ..] = arguments.as_slice() else { panic!("APP ID PORT WATCHED URL") };
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
    stopped.recv().await;
    client.deregister(app, id).await.expect("left");
}
