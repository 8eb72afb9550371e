//! The other side of a connection between services: both ends prove who they are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::credentials::{self, Credentials};

/// How long connecting and proving may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Connects to one service, with mutual TLS.
#[derive(Clone)]
pub struct Connector {
    service: Arc<str>,
    credentials: Arc<Credentials>,
}

impl Connector {
    /// Connects to the service called `service`, with `credentials`.
    pub fn new(service: &str, credentials: &Arc<Credentials>) -> Self {
        Self { service: service.into(), credentials: credentials.clone() }
    }

    /// A connection to the host of `uri`, once both ends have proved who they are.
    ///
    /// # Errors
    /// It cannot be reached, proves nothing, does not believe us, or is another service.
    pub async fn connect(self, uri: Uri) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let connecting = self.prove(uri);
        let outcome = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer the handshake")),
        };
        if let Err(error) = &outcome {
            tracing::debug!(%error, service = %self.service, "a connection was not made");
        }
        outcome.map(TokioIo::new)
    }

    async fn prove(&self, uri: Uri) -> io::Result<TlsStream<TcpStream>> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| invalid(error.to_string()))?;
        let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(self.credentials.client()).connect(name, stream).await?;
        // The authority says that the host is who it says; that it is also the service we mean to ask is ours to see.
        match credentials::identity(stream.get_ref().1.peer_certificates()) {
            Some(identity) if *identity == *self.service => Ok(stream),
            identity => {
                let who = identity.unwrap_or_else(|| "nobody we know".to_owned());
                Err(invalid(format!("{who} answers at {uri}, where {} was expected", self.service)))
            }
        }
    }
}
