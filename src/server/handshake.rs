//! TLS handshakes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use http::Request;
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::activity::Event;
use super::connection::{Ended, One, Sleeper};
use crate::http::Connection;
use crate::metrics::connections::{Handshake, Why};
use crate::tls::Tls;

/// Maximum bytes that a client may send before its handshake is over. Java's limit of one message is the same
/// (`jdk.tls.maxHandshakeMessageSize`); rustls would hold 64 KiB for each.
const MAX_HANDSHAKE_BYTES: u64 = 32 * 1024;

/// A socket that ends after a number of bytes, until the limit is lifted.
#[derive(Debug)]
pub(super) struct Limited(Take<TcpStream>);

/// Serves a connection with TLS.
pub(super) async fn serve<F>(
    one: &One,
    mut stream: TcpStream,
    tls: &Tls,
    answer: impl Fn(Connection, Request<Body>) -> F,
) -> Ended
where
    F: Future<Output = Response>,
{
    // A client that sends nothing costs no memory.
    let place = match one.sleep(&mut stream).await {
        Ok(()) => one.wake().await,
        Err(ended) => return ended,
    };
    let place = match place {
        Ok(place) => place,
        Err(ended) => return ended,
    };
    // In a box, so that only a pointer is moved from here on.
    let shaken = Box::pin(shake(one, stream, tls.server())).await;
    drop(place);
    match shaken {
        Ok(stream) => {
            // rustls has verified it, if there is one.
            let shown = stream.get_ref().1.peer_certificates();
            let certified = shown.is_some_and(|shown| !shown.is_empty());
            let connection = Connection { address: Some(one.address), certified, is_peer: tls.is_of_a_peer(shown) };
            // The first request may have come with the end of the handshake.
            one.serve(stream, true, |request| answer(connection, request)).await
        }
        Err(ended) => ended,
    }
}

/// Does the handshake, and logs one that fails.
async fn shake(one: &One, stream: TcpStream, config: Arc<ServerConfig>) -> Result<Box<TlsStream<Limited>>, Ended> {
    let (options, counted) = (&one.common.options, &one.common.counted);
    one.watch.on(Event::HandshakeBegan);
    let stream = Limited(stream.take(MAX_HANDSHAKE_BYTES));
    let handshake = tokio::time::timeout(options.request_header_timeout, TlsAcceptor::from(config).accept(stream));
    let reason = tokio::select! {
        biased;
        shaken = handshake => match shaken {
            Ok(Ok(mut stream)) => {
                let (socket, session) = stream.get_mut();
                socket.0.set_limit(u64::MAX);
                let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
                counted.shaken(if resumed { Handshake::Resumed } else { Handshake::Full });
                one.watch.on(Event::HandshakeEnded);
                return Ok(Box::new(stream));
            }
            Ok(Err(error)) => Err(error),
            Err(_too_slow) => Ok(Some(Why::SlowHandshake)),
        },
        why = one.watch.closed() => Ok(Some(why)),
        () = one.common.stopping.draining.cancelled() => return Err(None),
    };
    counted.shaken(Handshake::Failed);
    match reason {
        Ok(why) => Err(why),
        Err(error) => {
            debug!(client.address = %one.address, %error, "a TLS handshake with {} failed", one.address);
            Err(None)
        }
    }
}

impl Sleeper for Box<TlsStream<Limited>> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (socket, session) = self.get_mut();
        // The socket does not report bytes that are decrypted already.
        match session.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {
                socket.0.get_ref().poll_read_ready(cx)
            }
            Ok(_) | Err(_) => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Limited {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Limited {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.0.get_mut()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.0.get_mut()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.get_mut()).poll_shutdown(cx)
    }
}
