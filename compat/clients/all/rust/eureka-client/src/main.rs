//! The crate eureka-client on the course: `eureka-client APP ID PORT WATCHED URL`. It calls the other application again and again, and
//! leaves when it is dropped.
use eureka_client::{BaseConfig, EurekaClient, EurekaConfig, Instance, Method, PortData, StatusType};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(500);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [app, id, port, watched, url, ..] = arguments.as_slice() else { panic!("APP ID PORT WATCHED URL") };
    let mut stopped = Signals::new([SIGTERM]).expect("a handler of SIGTERM");
    let registry = url.trim_end_matches("/eureka/").rsplit(':').next().and_then(|port| port.parse().ok());
    // It sends no instance id, so the host name is the id; and it uses the application's name as it is written here.
    let instance = Instance {
        host_name: id.clone(),
        app: app.to_uppercase(),
        vip_address: app.clone(),
        secure_vip_address: app.clone(),
        status: StatusType::Starting,
        port: Some(PortData::new(port.parse().expect("a port"), true)),
        ..Instance::default()
    };
    let eureka =
        EurekaConfig { host: "127.0.0.1".to_owned(), port: registry.expect("a port"), ..EurekaConfig::default() };
    let client = Arc::new(EurekaClient::new(BaseConfig { eureka, instance }));
    client.start();
    let caller = Arc::downgrade(&client);
    let watched = watched.to_uppercase();
    std::thread::spawn(move || loop {
        if let Some(client) = caller.upgrade() {
            match client
                .make_request(&watched, "", Method::GET, &(), Default::default())
                .map(|mut answer| answer.text())
            {
                Ok(Ok(said)) => println!("CALLED {said}"),
                other => println!("no answer yet: {other:?}"),
            }
        }
        std::thread::sleep(PAUSE);
    });
    stopped.forever().next();
    // The caller may hold it for the length of a call.
    let mut last = Some(client);
    while let Some(client) = last.take() {
        last = Arc::try_unwrap(client).err();
        std::thread::sleep(PAUSE);
    }
}
