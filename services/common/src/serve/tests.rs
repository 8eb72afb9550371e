//! Each kind of half-open connection, with real sockets, against each kind of server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as Blocking};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{Patience, Protocol, serve_with};
use crate::health::Health;
use crate::{grpc, http};

/// A tenth of what is usual, so that the tests need not take long.
const SHORT: Patience = Patience {
    client: Duration::from_millis(1_000),
    look: Duration::from_millis(50),
    ping: Duration::from_millis(400),
    leaving: Duration::from_millis(200),
    drain: Duration::from_millis(1_500),
};
/// More than any of the sockets' buffers takes.
const LARGE: usize = 32 << 20;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Running {
    async fn start(protocol: Protocol, patience: Patience) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/large", get(|| async { vec![b'x'; LARGE] }))
            .route("/slow", get(slow))
            .route("/stream", get(stream))
            .route("/pieces", get(pieces))
            .route("/echo", post(|body: Bytes| async { body }));
        let served = tokio::spawn(serve_with(listener, router, protocol, None, stop.clone(), patience));
        Self { address, stop, served }
    }

    /// Stops and says how long that took.
    async fn stop(self) -> Duration {
        let began = Instant::now();
        self.stop.cancel();
        self.served.await.unwrap();
        began.elapsed()
    }
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(1_400)).await;
    "slow but sure"
}

/// Says something all the time, but less often than a client must.
async fn stream() -> Body {
    Body::from_stream(futures::stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(1_400)).await;
        (n < 2).then_some((Ok::<_, std::convert::Infallible>("tick\n"), n + 1))
    }))
}

/// Three pieces, each written by itself.
async fn pieces() -> Body {
    Body::from_stream(futures::stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        (n < 3).then_some((Ok::<_, std::convert::Infallible>("piece\n"), n + 1))
    }))
}

/// Opens a connection, does `work` with it, and says how long it took until the server closed it.
async fn until_closed(address: SocketAddr, work: impl FnOnce(&mut Blocking) + Send + 'static) -> Duration {
    spawn_blocking(move || {
        let mut socket = Blocking::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let began = Instant::now();
        work(&mut socket);
        let mut rest = Vec::new();
        // Reset or ended: both are closed. Still open after so long is not.
        if let Err(error) = socket.read_to_end(&mut rest) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it is still open");
        }
        began.elapsed()
    })
    .await
    .unwrap()
}

/// Sends `bytes`, whether or not somebody takes them.
fn sends(bytes: &'static [u8]) -> impl FnOnce(&mut Blocking) + Send + 'static {
    move |socket| _ = socket.write_all(bytes)
}

/// Sends a header line now and then, and never the last one.
fn drips(socket: &mut Blocking) {
    let _ = socket.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n");
    while socket.write_all(b"x: y\r\n").is_ok() {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Asks for much and reads nothing for so long.
fn does_not_read(request: &'static [u8], pause: Duration) -> impl FnOnce(&mut Blocking) + Send + 'static {
    move |socket| {
        let _ = socket.write_all(request);
        std::thread::sleep(pause);
    }
}

fn assert_soon(what: &str, taken: Duration, bound: Duration) {
    assert!(taken < bound, "{what} was closed only after {taken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_are_closed() {
    let http = Running::start(Protocol::Http, SHORT).await;
    let grpc = Running::start(Protocol::Grpc, SHORT).await;
    let half = b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nhalf";
    let whole = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";
    let large = b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n";
    let (silent, dripping, body, idle, unread, silent_h2, half_h2, vanished) = tokio::join!(
        until_closed(http.address, |_| ()),
        until_closed(http.address, drips),
        until_closed(http.address, sends(half)),
        until_closed(http.address, sends(whole)),
        until_closed(http.address, does_not_read(large, SHORT.client * 2)),
        until_closed(grpc.address, |_| ()),
        until_closed(grpc.address, sends(&PREFACE[..10])),
        // It never answers a ping.
        until_closed(grpc.address, move |socket| {
            let _ = socket.write_all(&[PREFACE, SETTINGS].concat());
        }),
    );
    let bound = SHORT.client * 2;
    assert_soon("a client that says nothing", silent, bound);
    assert_soon("a header that drips", dripping, bound);
    assert_soon("half a body", body, bound);
    assert_soon("an idle connection", idle, bound);
    // What it had in its buffers it reads first.
    assert_soon("an answer that is not read", unread, bound * 2);
    assert_soon("a gRPC client that says nothing", silent_h2, bound);
    assert_soon("half a preface", half_h2, bound);
    assert_soon("a gRPC client that vanished", vanished, bound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_us_is_not_half_open() {
    let running = Running::start(Protocol::Http, SHORT).await;
    for (path, last) in [("/slow", "slow but sure"), ("/stream", "tick\n\r\n0\r\n\r\n")] {
        let address = running.address;
        let answer = spawn_blocking(move || {
            let mut socket = Blocking::connect(address).unwrap();
            write!(socket, "GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        assert!(answer.ends_with(last), "{answer}");
    }
    // A slow reader that reads is served to the end.
    let address = running.address;
    let read = spawn_blocking(move || {
        let mut socket = Blocking::connect(address).unwrap();
        socket.write_all(b"GET /large HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").unwrap();
        let (mut total, mut piece) = (0, vec![0; 1 << 20]);
        loop {
            match socket.read(&mut piece).unwrap() {
                0 => return total,
                read => total += read,
            }
            std::thread::sleep(Duration::from_millis(60));
        }
    });
    assert!(read.await.unwrap() > LARGE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_delays_a_stop_and_what_is_worked_on_is_answered() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let running = Running::start(protocol, Patience { client: Duration::from_secs(30), ..SHORT }).await;
        let address = running.address;
        let mut clients = vec![tokio::spawn(until_closed(address, |_| ()))];
        if protocol == Protocol::Http {
            clients.push(tokio::spawn(until_closed(address, drips)));
            let half = b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nhalf";
            clients.push(tokio::spawn(until_closed(address, sends(half))));
            let large = b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n";
            clients.push(tokio::spawn(until_closed(address, does_not_read(large, Duration::from_secs(2)))));
        } else {
            clients.push(tokio::spawn(until_closed(address, |socket| {
                let _ = socket.write_all(&[PREFACE, SETTINGS].concat());
            })));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let taken = running.stop().await;
        assert!(taken < Duration::from_millis(1_000), "{protocol:?} took {taken:?} to stop");
        for client in clients {
            client.await.unwrap();
        }
    }
    let running = Running::start(Protocol::Http, Patience { drain: Duration::from_secs(10), ..SHORT }).await;
    let address = running.address;
    let answer = spawn_blocking(move || {
        let mut socket = Blocking::connect(address).unwrap();
        socket.write_all(b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let taken = running.stop().await;
    assert!(answer.await.unwrap().ends_with("slow but sure"));
    assert!(taken > Duration::from_secs(1), "it waits for what is under way: {taken:?}");
}

#[tokio::test]
async fn a_stop_has_a_deadline() {
    let running =
        Running::start(Protocol::Http, Patience { drain: Duration::from_millis(300), ..SHORT }).await;
    let mut socket = tokio::net::TcpStream::connect(running.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(running.stop().await < Duration::from_millis(900));
}

/// What the servers of a service really do, with the time they really take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_endpoint_and_grpc_close_half_open_connections_within_fifteen_seconds() {
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = listener.local_addr().unwrap();
    let health = Health::default();
    let admin_served =
        tokio::spawn(http::serve_admin(listener, health.clone(), prometheus::Registry::new(), stop.clone()));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let routes = tonic::service::Routes::default();
    let listen = grpc::Listen { address: free, credentials: None, reflection: false };
    let grpc_served = tokio::spawn(grpc::serve(listen, routes, health, stop.clone()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (silent, dripping, silent_h2, vanished) = tokio::join!(
        until_closed(admin, |_| ()),
        until_closed(admin, drips),
        until_closed(free, |_| ()),
        until_closed(free, |socket| _ = socket.write_all(&[PREFACE, SETTINGS].concat())),
    );
    for (what, taken) in [
        ("the admin endpoint's silent client", silent),
        ("the admin endpoint's slow header", dripping),
        ("gRPC's silent client", silent_h2),
        ("gRPC's vanished client", vanished),
    ] {
        assert_soon(what, taken, Duration::from_secs(15));
    }
    let (_one, _two) = (Blocking::connect(admin).unwrap(), Blocking::connect(free).unwrap());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    stop.cancel();
    admin_served.await.unwrap();
    grpc_served.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "a stop took {:?}", began.elapsed());
}

/// Without `TCP_NODELAY` a piece waits 40 ms for the client's acknowledgement of the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_several_pieces_wait_for_nothing() {
    let running = Running::start(Protocol::Http, SHORT).await;
    let address = running.address;
    let taken = spawn_blocking(move || {
        let mut socket = Blocking::connect(address).unwrap();
        // One connection: a new one is acknowledged at once for a while.
        let mut taken: Vec<Duration> = (0..30)
            .map(|_| {
                let began = Instant::now();
                socket.write_all(b"GET /pieces HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
                let (mut answer, mut piece) = (Vec::new(), [0; 1_024]);
                while !answer.ends_with(b"0\r\n\r\n") {
                    let read = socket.read(&mut piece).unwrap();
                    assert!(read > 0, "it ended early");
                    answer.extend_from_slice(&piece[..read]);
                }
                began.elapsed()
            })
            .collect();
        taken.sort();
        taken[taken.len() / 2]
    });
    let taken = taken.await.unwrap();
    println!("an answer of three pieces takes {taken:?}");
    assert!(taken < Duration::from_millis(30), "an answer of three pieces takes {taken:?}");
}
