//! A heartbeat that does nothing and a full fetch of bytes at rest: what axum, hyper, tokio and the
//! kernel cost on this machine before a registry does anything.

use axum::{
    Router,
    extract::Path,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE},
    routing::{get, put},
};
use bytes::Bytes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // Arguments: port, and how many bytes the full fetch has.
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let full_fetch_bytes = arguments.next().and_then(|bytes| bytes.parse().ok()).unwrap_or(447_000);
    let full = Bytes::from(vec![b'x'; full_fetch_bytes]);
    let fetch = move || {
        let headers = [(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")];
        let body = full.clone();
        async move { (headers, body) }
    };
    let router = Router::new()
        .route("/eureka/apps", get(fetch.clone()))
        .route("/eureka/apps/", get(fetch))
        .route("/eureka/apps/{app}/{id}", put(|_: Path<(String, String)>| async {}));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, router).await
}
