//! A server of gRPC that answers whatever calls come with what a test says, and keeps what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use prost::Message;
use prost::bytes::{Buf, BufMut};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Response, Status};
use tower::service_fn;

/// A method with its request.
type Call = (String, Vec<u8>);
type Method = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync>;

/// What services answer.
#[derive(Clone, Default)]
pub struct Backend {
    methods: Arc<Mutex<HashMap<&'static str, Method>>>,
    received: Arc<Mutex<Vec<Call>>>,
}

impl Backend {
    /// Answers calls of `method`, such as `ListBills`, from now on.
    pub fn on<Q: Message + Default + 'static, A: Message + 'static>(
        &self,
        method: &'static str,
        answer: impl Fn(Q) -> Result<A, Status> + Send + Sync + 'static,
    ) -> &Self {
        let method_ =
            move |bytes: &[u8]| answer(Q::decode(bytes).unwrap()).map(|answer| answer.encode_to_vec());
        self.methods.lock().unwrap().insert(method, Arc::new(method_));
        self
    }

    /// Answers calls of `method` always with the same, from now on.
    pub fn answers<A: Message + Clone + 'static>(&self, method: &'static str, answer: A) -> &Self {
        self.on(method, move |(): ()| Ok(answer.clone()))
    }

    /// Refuses calls of `method` from now on.
    pub fn refuses(&self, method: &'static str, status: Status) -> &Self {
        self.on::<(), ()>(method, move |()| Err(status.clone()))
    }

    /// The request of `method`, if it was called since anything was taken from here last; all that came besides is forgotten.
    pub fn received<Q: Message + Default>(&self, method: &str) -> Option<Q> {
        let calls = std::mem::take(&mut *self.received.lock().unwrap());
        let mut of_method = calls.iter().filter(|(name, _)| name == method);
        let (_, bytes) = of_method.next()?;
        assert!(of_method.next().is_none(), "{method} was called more than once");
        Some(Q::decode(bytes.as_slice()).unwrap())
    }

    /// Serves on a port of its own; returns the URL.
    pub async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = axum::Router::new().fallback(call).with_state(self.clone());
        let server = tonic::transport::Server::builder()
            .add_routes(routes.into())
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        url
    }

    fn answer(&self, path: &str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let method = self.methods.lock().unwrap().get(name).cloned();
        let answer = method.map(|method| method(&request));
        self.received.lock().unwrap().push((name.to_owned(), request));
        answer.unwrap_or_else(|| Err(Status::unimplemented(format!("the test says nothing about {name}"))))
    }
}

async fn call(
    State(backend): State<Backend>,
    request: Request,
) -> Result<axum::response::Response, Infallible> {
    let path = request.uri().path().to_owned();
    let method = service_fn(move |request: tonic::Request<Vec<u8>>| {
        let answer = backend.answer(&path, request.into_inner()).map(Response::new);
        async move { answer }
    });
    let answered = tonic::server::Grpc::new(Bytes).unary(method, request.map(tonic::body::Body::new)).await;
    Ok(answered.map(Body::new))
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}
