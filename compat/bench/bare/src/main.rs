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

/// As large as a full fetch of 10,000 instances is with gzip.
const FULL_FETCH_BYTES: usize = 447_000;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port: u16 = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let full = Bytes::from(vec![b'x'; FULL_FETCH_BYTES]);
    let fetch = move || {
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (CONTENT_ENCODING, "gzip"),
        ];
        let body = full.clone();
        async move { (headers, body) }
    };
    let router = Router::new()
        .route("/eureka/apps", get(fetch.clone()))
        .route("/eureka/apps/", get(fetch))
        .route(
            "/eureka/apps/{app}/{id}",
            put(|_: Path<(String, String)>| async {}),
        );
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, router).await
}
