//! The API on a socket, and clients that are slow, silent or gone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use indowater_common::serve::{Protocol, serve};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::tests::Api;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_are_closed_and_delay_no_stop() {
    let api = Api::scripted().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, api.router.clone(), Protocol::Http, stop.clone()));
    let half_open = [
        "",
        "GET /api/v1/balance HTTP/1.1\r\nhost: here\r\n",
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        // Answered, and then idle.
        "GET /api/v1/openapi.json HTTP/1.1\r\nhost: here\r\n\r\n",
    ];
    let closed = half_open.map(|said| {
        spawn_blocking(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            socket.write_all(said.as_bytes()).unwrap();
            let began = Instant::now();
            let mut answer = Vec::new();
            if let Err(error) = socket.read_to_end(&mut answer) {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{said:?} is still open");
            }
            (said, began.elapsed())
        })
    });
    for closed in closed {
        let (said, taken) = closed.await.unwrap();
        assert!(taken < Duration::from_secs(15), "{said:?} was closed after {taken:?}");
    }
    let _silent = TcpStream::connect(address).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    stop.cancel();
    served.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "a stop took {:?}", began.elapsed());
}
