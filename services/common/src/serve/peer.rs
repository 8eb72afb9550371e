//! What is known of the other end of a connection: whether it is our turn, and when it last moved.
//!
//! It is our turn while a handler works, or a body that we make is waited for. It is the client's while a request's body
//! does not come, while a piece of an answer that was handed out is not taken, and between requests.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Protocol;

pub(super) struct Peer {
    protocol: Protocol,
    opened: Instant,
    /// Requests that came and are not answered whole.
    open: AtomicIsize,
    /// Of the things that those wait for, the ones that are ours to do.
    ours: AtomicIsize,
    /// Whether a request ever came.
    served: AtomicBool,
    /// When something last moved, in milliseconds after it was opened.
    moved: AtomicU64,
}

impl Peer {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            opened: Instant::now(),
            open: AtomicIsize::new(0),
            ours: AtomicIsize::new(0),
            served: AtomicBool::new(false),
            moved: AtomicU64::new(0),
        }
    }

    /// A request came.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        self.served.store(true, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::AcqRel);
        self.ours.fetch_add(1, Ordering::AcqRel);
        self.moves();
        Exchange { peer: self.clone(), ours: true }
    }

    /// Whether the client has kept us waiting for longer than `patience`.
    pub(super) fn is_stuck(&self, patience: Duration, leaving: bool) -> bool {
        if self.ours.load(Ordering::Acquire) > 0 {
            return false;
        }
        let idle = self.open.load(Ordering::Acquire) == 0;
        // Pings find out whether the other end of an idle channel is still there.
        if idle && !leaving && self.protocol == Protocol::Grpc && self.served.load(Ordering::Relaxed) {
            return false;
        }
        let moved = Duration::from_millis(self.moved.load(Ordering::Acquire));
        self.opened.elapsed().saturating_sub(moved) >= patience
    }

    /// Counts the time of a leaving client from now on.
    pub(super) fn hurry(&self) {
        self.moves();
    }

    fn moves(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.fetch_max(now, Ordering::AcqRel);
    }

    fn turn(&self, ours: &mut bool, now_ours: bool) {
        if *ours != now_ours {
            *ours = now_ours;
            self.ours.fetch_add(if now_ours { 1 } else { -1 }, Ordering::AcqRel);
        }
    }
}

/// A request and its answer.
pub(super) struct Exchange {
    peer: Arc<Peer>,
    ours: bool,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.peer.turn(&mut self.ours, false);
        self.peer.open.fetch_sub(1, Ordering::AcqRel);
        self.peer.moves();
    }
}

/// The body of a request. While it does not come, the handler that waits for it does no work of ours.
pub(super) struct Asked {
    body: Incoming,
    peer: Arc<Peer>,
    /// Whether nobody waits for the client.
    ours: bool,
}

impl Asked {
    pub(super) fn new(body: Incoming, peer: Arc<Peer>) -> Self {
        Self { body, peer, ours: true }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.peer.turn(&mut self.ours, true);
    }
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        this.peer.turn(&mut this.ours, polled.is_ready());
        if polled.is_ready() {
            this.peer.moves();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. Once a piece was handed out, the next move is the client's, until the next is asked for.
pub(super) struct Answered {
    body: Body,
    exchange: Exchange,
}

impl Answered {
    pub(super) fn new(body: Body, mut exchange: Exchange) -> Self {
        exchange.peer.turn(&mut exchange.ours, false);
        exchange.peer.moves();
        Self { body, exchange }
    }
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let Exchange { peer, ours } = &mut this.exchange;
        peer.moves();
        peer.turn(ours, true);
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        peer.turn(ours, false);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The connection itself. A byte that the client takes is a move. One that it sends is none, or a byte now and then would
/// hold a connection for ever; and what HTTP/2 sends by itself, such as pings, is none either.
pub(super) struct Observed {
    stream: TcpStream,
    peer: Arc<Peer>,
}

impl Observed {
    pub(super) fn new(stream: TcpStream, peer: Arc<Peer>) -> Self {
        Self { stream, peer }
    }

    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if self.peer.protocol == Protocol::Http && matches!(polled, Poll::Ready(Ok(1..))) {
            self.peer.moves();
        }
        polled
    }
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Observed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
