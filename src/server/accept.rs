//! The accept loop.
//!
//! Where all places are taken, who comes is let in all the same, and who is to be missed least has to go: of the address that
//! has the most connections, one that never sent a request if there is one. So no crowd of one address locks others out,
//! and who has a connection for each of its clients, as a gateway has, is disturbed only where places are short. Where
//! everybody waits for the server, who comes waits, too.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use super::connection::{self, Activity};
use super::crowd::Crowd;
use super::options::Options;
use super::stopping::Stopping;
use crate::http::Connection;
use crate::tls::Tls;

/// Accepts connections until the server drains, then waits until those it has are finished; whoever does not care to
/// wait that long drops it.
pub(super) async fn accept<F>(
    listener: TcpListener,
    options: Arc<Options>,
    stopping: Stopping,
    tls: Option<Arc<Tls>>,
    mut rng: SmallRng,
    answer: impl Fn(Connection, Request<Body>) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Response> + Send,
{
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(options.max_connections));
    let crowd = Arc::new(Crowd::default());
    while let Some(accepted) = stopping.draining.run_until_cancelled(next(&listener, &places, &crowd)).await {
        let (stream, address, place) = match accepted {
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
        let activity = Activity::new();
        let member = crowd.enter(address, &activity);
        connections.spawn(async move {
            match acceptor {
                None => {
                    let answer = answer_of(Connection { address: Some(address), certified: false }, answer);
                    connection::serve(stream, activity, max_age, &options, &stopping, answer).await;
                }
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(options.request_header_timeout, acceptor.accept(stream));
                    tokio::select! {
                        biased;
                        shaken = handshake => match shaken {
                            Ok(Ok(stream)) => {
                                let answer = answer_of(Connection { address: Some(address), certified: is_certified(&stream) }, answer);
                                // In a box: TLS makes the future larger, and who speaks plain HTTP is not to pay for it.
                                Box::pin(connection::serve(stream, activity, max_age, &options, &stopping, answer)).await;
                            }
                            Ok(Err(error)) => debug!(%error, "no TLS connection came about"),
                            Err(_too_slow) => debug!("a TLS handshake took too long"),
                        },
                        () = activity.displaced() => {}
                    }
                }
            }
            drop((member, place));
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Answers the requests of one connection.
fn answer_of<F>(
    connection: Connection,
    answer: impl Fn(Connection, Request<Body>) -> F + Clone,
) -> impl Fn(Request<Body>) -> F + Clone {
    move |request| answer(connection, request)
}

/// Whether the client showed a certificate; rustls has verified it then.
fn is_certified(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.peer_certificates().is_some_and(|certificates| !certificates.is_empty())
}

/// The next connection, and a place for it: if need be that of somebody else.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    crowd: &Crowd,
) -> std::io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let place = match Arc::clone(places).try_acquire_owned() {
        Ok(place) => place,
        Err(_all_taken) => {
            crowd.make_room();
            #[expect(clippy::expect_used, reason = "nobody closes it")]
            Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed")
        }
    };
    Ok((stream, address.ip().to_canonical(), place))
}
