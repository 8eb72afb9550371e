//! What a program proves who it is with, and how it knows others: its certificate, its key, and the authorities it
//! believes, from the files of one folder.
//!
//! The files are looked at again when a connection is made, so a renewed certificate is used from the next connection
//! on, without a restart and without a call that fails: connections that are there live on until they are old. Files that
//! do not fit each other, such as a new certificate beside the old key, are not used: what was read before holds until
//! they do.
//!
//! TLS 1.3 alone, and every connection proves everything anew: no session is resumed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::certificate::{Facts, Files};
use crate::{clock, telemetry};

/// How old what was read may be when a connection is made.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// gRPC is HTTP/2.
const PROTOCOL: &[u8] = b"h2";

/// The credentials of this program.
pub struct Credentials {
    folder: PathBuf,
    identity: String,
    look_again: Duration,
    current: Mutex<Current>,
}

struct Current {
    files: Files,
    usable: Usable,
    looked: Instant,
    /// The last look's problem, so that it is told once.
    problem: Option<String>,
}

#[derive(Clone)]
struct Usable {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    facts: Facts,
}

impl Credentials {
    /// Those of `folder`.
    ///
    /// # Errors
    /// A file is missing or none, they do not fit each other, or the certificate names nobody.
    pub fn open(folder: &Path) -> Result<Arc<Self>, String> {
        Self::with(folder, LOOK_AGAIN)
    }

    /// The same, with another age of what was read.
    ///
    /// # Errors
    /// As [`Credentials::open`].
    pub fn with(folder: &Path, look_again: Duration) -> Result<Arc<Self>, String> {
        let read = || {
            let files = Files::read(folder)?;
            let (usable, identity) = usable(&files)?;
            Ok((files, usable, identity))
        };
        let (files, usable, identity) = read()
            .map_err(|problem: String| format!("the certificate in {}: {problem}", folder.display()))?;
        let current = Current { files, usable, looked: Instant::now(), problem: None };
        Ok(Arc::new(Self { folder: folder.to_owned(), identity, look_again, current: Mutex::new(current) }))
    }

    /// Who this program is, such as `billing`.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How to be asked: by those alone who prove who they are.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.usable().server
    }

    /// How to ask.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.usable().client
    }

    /// How long the certificate still holds, in seconds; less than nothing when it is over.
    pub fn seconds_left(&self) -> i64 {
        self.usable().facts.until - clock::now().as_second()
    }

    /// Reports [`Credentials::seconds_left`] as a metric from now on.
    pub fn report(self: &Arc<Self>) {
        let observed = self.clone();
        telemetry::meter()
            .i64_observable_gauge("indowater_certificate_seconds_left")
            .with_description("How long the certificate of this program still holds, in seconds.")
            .with_callback(move |gauge| gauge.observe(observed.seconds_left(), &[]))
            .build();
    }

    fn usable(&self) -> Usable {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= self.look_again {
            current.looked = Instant::now();
            self.look(&mut current);
        }
        current.usable.clone()
    }

    /// Reads the files again; a few kilobytes, so nobody waits.
    fn look(&self, current: &mut Current) {
        let renew = |current: &mut Current| {
            let files = Files::read(&self.folder)?;
            if files == current.files {
                return Ok(());
            }
            let (usable, identity) = usable(&files)?;
            if identity != self.identity {
                return Err(format!("it is of {identity} now, but this is {}", self.identity));
            }
            tracing::info!(until = usable.facts.until, "the certificate was renewed");
            (current.files, current.usable) = (files, usable);
            Ok(())
        };
        let problem = renew(current).err();
        if let Some(problem) = &problem
            && current.problem.as_ref() != Some(problem)
        {
            tracing::warn!(folder = %self.folder.display(), %problem, "a renewed certificate cannot be used; the one before is used on");
        }
        current.problem = problem;
    }
}

/// Who proved itself with `chain`, as a connection knows it.
pub fn identity(chain: Option<&[CertificateDer<'_>]>) -> Option<String> {
    Facts::of(chain?.first()?).ok()?.identity
}

fn usable(files: &Files) -> Result<(Usable, String), String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = files.chain()?;
    let facts = Facts::of(chain.first().ok_or("there is none")?)?;
    let Some(identity) = facts.identity.clone() else {
        return Err(format!(
            "it names nobody: exactly one URI such as {} is needed",
            crate::certificate::uri("billing")
        ));
    };
    let mut roots = RootCertStore::empty();
    for authority in files.authorities()? {
        roots.add(authority).map_err(|error| format!("{}: {error}", crate::certificate::AUTHORITIES))?;
    }
    let roots = Arc::new(roots);
    let server = server(files, chain.clone(), roots.clone(), provider.clone())?;
    let client = client(files, chain, roots, provider)?;
    Ok((Usable { server: Arc::new(server), client: Arc::new(client), facts }, identity))
}

fn server(
    files: &Files,
    chain: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, files.key()?)
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client(
    files: &Files,
    chain: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, files.key()?)
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}
