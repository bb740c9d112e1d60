//! The accept loop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use super::{Options, Stopping, connection};
use crate::http::security::Certified;
use crate::tls::Tls;

/// Accepts connections until the server drains, then waits until those it has are finished; whoever does not care to
/// wait that long drops it.
pub(super) async fn accept<F>(
    listener: TcpListener,
    options: Arc<Options>,
    stopping: Stopping,
    tls: Option<Arc<Tls>>,
    mut rng: SmallRng,
    answer: impl Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Response> + Send,
{
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(options.max_connections));
    while let Some(accepted) = stopping.draining.run_until_cancelled(next(&listener, &places)).await {
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: those in use become free again.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let max_age = options.connection_max_age.mul_f64(rng.random_range(0.9..1.1));
        let (options, stopping, answer) = (Arc::clone(&options), stopping.clone(), answer.clone());
        let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(tls.server()));
        connections.spawn(async move {
            match acceptor {
                None => connection::serve(stream, max_age, &options, &stopping, answer).await,
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(options.request_header_timeout, acceptor.accept(stream));
                    match handshake.await {
                        Ok(Ok(stream)) => serve_tls(stream, max_age, &options, &stopping, answer).await,
                        Ok(Err(error)) => debug!(%error, "no TLS connection came about"),
                        Err(_too_slow) => debug!("a TLS handshake took too long"),
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves a connection by TLS; its requests say whether the client showed a certificate.
async fn serve_tls<F>(
    stream: TlsStream<TcpStream>,
    max_age: Duration,
    options: &Options,
    stopping: &Stopping,
    answer: impl Fn(Request<Body>) -> F + Clone,
) where
    F: Future<Output = Response>,
{
    let certified = stream.get_ref().1.peer_certificates().is_some_and(|certificates| !certificates.is_empty());
    let answer = move |mut request: Request<Body>| {
        if certified {
            request.extensions_mut().insert(Certified);
        }
        answer(request)
    };
    // In a box: TLS makes the future larger, and who speaks plain HTTP is not to pay for it.
    Box::pin(connection::serve(stream, max_age, options, stopping, answer)).await;
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    #[expect(clippy::expect_used, reason = "nobody closes it")]
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}
