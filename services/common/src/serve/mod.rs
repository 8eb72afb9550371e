//! The one way to serve: HTTP/1.1 for people, operators and stand-ins, HTTP/2 for gRPC.
//!
//! Strangers connect, and the other end of a connection may be slow, hostile or gone without a word. One rule covers
//! all of that: **a connection on which nothing of ours is being worked on must move, or it is closed.** One that never
//! sends a request, or only ever half of one, a request whose body does not come, an answer that is not read, and an
//! idle connection are all cases of it ([`peer`] knows which is which). A gRPC channel may be idle for long; whether its
//! other end is there is found out with pings.
//!
//! A stop closes the door, lets what is being worked on be answered, and waits for no client: [`Patience::leaving`] for
//! one that does not move, [`Patience::drain`] for everything.
//!
//! gRPC is served to those who prove who they are where there are [`Credentials`], and to anyone where there are none.
//!
//! Why not `axum::serve` and tonic's server: the former has none of these bounds, the latter cannot tell a peer that
//! waits from one that is gone before its first request, and neither ends a graceful stop by itself.

mod caller;
mod connect;
mod grpc_timeout;
mod peer;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use self::caller::Caller;
pub use self::connect::Connector;
use self::peer::{Observed, Peer};
use crate::credentials::{self, Credentials};

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// gRPC: HTTP/2 without negotiation.
    Grpc,
}

/// How long others are waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// A client that should send or read something.
    client: Duration,
    /// How often a connection is looked at.
    look: Duration,
    /// The other end of an idle gRPC channel: it is pinged so often, and has so long to answer.
    ping: Duration,
    /// A client that does not move, once the server stops.
    leaving: Duration,
    /// Everybody, once the server stops.
    drain: Duration,
}

impl Patience {
    /// Half-open connections are gone after 11 s at the latest, and a stop takes less than half of the usual deadline.
    const USUAL: Self = Self {
        client: Duration::from_secs(10),
        look: Duration::from_secs(1),
        ping: Duration::from_secs(5),
        leaving: Duration::from_secs(1),
        drain: Duration::from_secs(10),
    };
}

/// The longest a gRPC call may take; a caller may ask for less.
const CALL: Duration = Duration::from_secs(30);
/// A channel sticks to one instance; a new connection now and then finds the others.
const CHANNEL_AGE: Duration = Duration::from_secs(300);
/// Calls of one channel at a time.
const CALLS_AT_ONCE: u32 = 1_000;
/// How often a leaving connection is looked at.
const LOOK_AT_LEAVING: Duration = Duration::from_millis(50);
/// After an `accept` that failed for want of something, such as file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// Serves `router` until `stop`, then finishes what is being worked on. Handlers find the client's address in
/// `ConnectInfo<SocketAddr>`.
pub async fn serve(listener: TcpListener, router: Router, protocol: Protocol, stop: CancellationToken) {
    serve_with(listener, router, protocol, None, stop, Patience::USUAL).await;
}

/// Serves gRPC until `stop`: to those alone who prove who they are and may call what they call, or, without
/// `credentials`, to anyone.
pub async fn serve_grpc(
    listener: TcpListener,
    router: Router,
    credentials: Option<Arc<Credentials>>,
    stop: CancellationToken,
) {
    serve_with(listener, router, Protocol::Grpc, credentials, stop, Patience::USUAL).await;
}

async fn serve_with(
    listener: TcpListener,
    router: Router,
    protocol: Protocol,
    credentials: Option<Arc<Credentials>>,
    stop: CancellationToken,
    patience: Patience,
) {
    let connections = TaskTracker::new();
    // Ends them too if this future is dropped.
    let leave = stop.child_token();
    let _leave_on_drop = leave.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, client)) => {
                let (router, leave) = (router.clone(), leave.clone());
                let door = Door { router, protocol, patience, client, leave };
                connections.spawn(door.attend(stream, credentials.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// One connection, and how it is served.
struct Door {
    router: Router,
    protocol: Protocol,
    patience: Patience,
    client: SocketAddr,
    leave: CancellationToken,
}

impl Door {
    async fn attend(self, stream: TcpStream, credentials: Option<Arc<Credentials>>) {
        // Answers are small and often of several frames; waiting to fill a packet delays each by 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, client = %self.client, "the connection was gone at once");
            return;
        }
        let peer = Arc::new(Peer::new(self.protocol));
        let stream = Observed::new(stream, peer.clone());
        let Some(credentials) = credentials else {
            return self.converse(stream, peer, Caller::Anyone).await;
        };
        let handshake = self.handshake(stream, &credentials);
        let proved = tokio::select! {
            proved = tokio::time::timeout(self.patience.client, handshake) => proved,
            () = self.leave.cancelled() => return,
        };
        match proved {
            Ok(Ok((stream, caller))) => self.converse(stream, peer, caller).await,
            Ok(Err(error)) => {
                tracing::warn!(%error, client = %self.client, "a connection is refused: who it is was not proved");
            }
            Err(_) => tracing::debug!(client = %self.client, "a handshake that does not move is closed"),
        }
    }

    /// Who the other end is, once it has proved that.
    async fn handshake(
        &self,
        stream: Observed,
        credentials: &Credentials,
    ) -> std::io::Result<(TlsStream<Observed>, Caller)> {
        let stream = TlsAcceptor::from(credentials.server()).accept(stream).await?;
        let identity = credentials::identity(stream.get_ref().1.peer_certificates());
        let caller = identity.map_or(Caller::Nameless, |name| Caller::Known(name.into()));
        Ok((stream, caller))
    }

    async fn converse<S>(self, stream: S, peer: Arc<Peer>, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(stream);
        let builder = self.builder();
        let (router, protocol, client, observed) = (self.router, self.protocol, self.client, peer.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(client));
            let refused = caller.refused(request.uri().path());
            answer(router.clone(), protocol, observed.clone(), refused, request)
        });
        let mut connection = pin!(builder.serve_connection(stream, service));
        let mut look = interval(self.patience.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let old = Instant::now() + CHANNEL_AGE;
        let mut end = None;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, %client, "a connection broke");
                    }
                    return;
                }
                () = self.leave.cancelled(), if end.is_none() => {
                    connection.as_mut().graceful_shutdown();
                    end = Some(Instant::now() + self.patience.drain);
                    peer.hurry();
                    look = interval(LOOK_AT_LEAVING);
                }
                () = tokio::time::sleep_until(old), if end.is_none() && protocol == Protocol::Grpc => {
                    connection.as_mut().graceful_shutdown();
                    end = Some(Instant::now() + CALL + self.patience.client);
                }
                now = look.tick() => {
                    let leaving = end.is_some();
                    let patience = if leaving { self.patience.leaving } else { self.patience.client };
                    if peer.is_stuck(patience, leaving) || end.is_some_and(|end| now >= end) {
                        tracing::debug!(%client, leaving, "a connection that does not move is closed");
                        return;
                    }
                }
            }
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        match self.protocol {
            // No time-out of its own: that nothing comes is seen by the rule that holds for everything.
            Protocol::Http => {
                builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
                builder.http1_only()
            }
            Protocol::Grpc => {
                builder
                    .http2()
                    .timer(TokioTimer::new())
                    .keep_alive_interval(self.patience.ping)
                    .keep_alive_timeout(self.patience.ping)
                    .max_concurrent_streams(CALLS_AT_ONCE);
                builder.http2_only()
            }
        }
    }
}

async fn answer(
    router: Router,
    protocol: Protocol,
    peer: Arc<Peer>,
    refused: Option<Response>,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let exchange = peer.begin();
    let request = request.map(|body| Body::new(peer::Asked::new(body, peer)));
    let response = match (refused, protocol) {
        (Some(refused), _) => refused,
        (None, Protocol::Http) => router.oneshot(request).await?,
        (None, Protocol::Grpc) => {
            let bound = grpc_timeout::of(request.headers()).map_or(CALL, |asked| asked.min(CALL));
            match tokio::time::timeout(bound, router.oneshot(request)).await {
                Ok(response) => response?,
                Err(_) => grpc_timeout::exceeded(),
            }
        }
    };
    Ok(response.map(|body| Body::new(peer::Answered::new(body, exchange))))
}
