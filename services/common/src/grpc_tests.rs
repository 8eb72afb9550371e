//! Mutual TLS with real sockets and real certificates: who is let in, who may call, and what a renewal does.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::certificate::{AUTHORITIES, CERTIFICATE, KEY};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Puts a new certificate with these URIs into `folder`.
    fn issue(&self, folder: &Path, uris: &[&str]) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(AUTHORITIES), self.0.pem()).unwrap();
        fs::write(folder.join(KEY), key.serialize_pem()).unwrap();
        fs::write(folder.join(CERTIFICATE), certificate.pem()).unwrap();
    }

    /// The credentials of `name`, which are looked at anew for each connection.
    fn credentials(&self, root: &Path, name: &str) -> Arc<Credentials> {
        self.issue(&root.join(name), &[&crate::certificate::uri(name)]);
        Credentials::with(&root.join(name), Duration::ZERO).unwrap()
    }
}

/// A server of `credentials` and its address.
async fn serving(credentials: &Arc<Credentials>) -> (String, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let router = Routes::new(service).prepare().into_axum_router();
    let served = crate::serve::serve_grpc(listener, router, Some(credentials.clone()), stop.clone());
    (url, stop, tokio::spawn(served))
}

async fn check(channel: Channel) -> Result<(), Status> {
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(drop)
}

/// Calls `path` with a message without fields.
async fn call(channel: Channel, path: &'static str) -> Status {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
    client.unary(Request::new(HealthCheckRequest::default()), path, codec).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_prove_who_they_are_are_served_what_they_may_call() {
    let (root, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let billing = authority.credentials(root.path(), "billing");
    let (url, ..) = serving(&billing).await;
    let channel = |name: &str| {
        let own = authority.credentials(root.path(), name);
        channel(&url, "billing", Some(&own)).unwrap()
    };
    for name in ["api-gateway", "notifier", "operator"] {
        check(channel(name)).await.unwrap_or_else(|status| panic!("{name}: {status:?}"));
    }
    let adjust = "/indowater.billing.v1.LedgerService/Adjust";
    let refused = call(channel("operator"), adjust).await;
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    assert_eq!(refused.message(), format!("operator may not call {adjust}; api-gateway may"));
    // It may, but this server has no such thing.
    assert_eq!(call(channel("api-gateway"), adjust).await.code(), Code::Unimplemented);
    let unknown = call(channel("api-gateway"), "/indowater.billing.v1.LedgerService/Forget").await;
    assert_eq!(unknown.code(), Code::PermissionDenied, "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_prove_nothing_are_refused_at_the_handshake() {
    let (root, authority, stranger) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    let billing = authority.credentials(root.path(), "billing");
    let (url, ..) = serving(&billing).await;
    // In plain.
    let plain = channel(&url.replace("https", "http"), "billing", None).unwrap();
    let refused = check(plain).await.unwrap_err();
    assert_ne!(refused.code(), Code::PermissionDenied, "no call was made: {refused:?}");
    // Of an authority that is not believed: it believes ours, so it is the server who refuses.
    stranger.issue(&root.path().join("forged"), &["spiffe://indowater/api-gateway"]);
    fs::write(root.path().join("forged").join(AUTHORITIES), authority.0.pem()).unwrap();
    let forged = Credentials::open(&root.path().join("forged")).unwrap();
    let refused = check(channel(&url, "billing", Some(&forged)).unwrap()).await.unwrap_err();
    assert_ne!(refused.code(), Code::PermissionDenied, "no call was made: {refused:?}");
    // Without a certificate, though with the right protocol.
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut nameless = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    nameless.alpn_protocols = vec![b"h2".to_vec()];
    let address = url.trim_start_matches("https://");
    let stream = TcpStream::connect(address).await.unwrap();
    let host = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(nameless)).connect(host, stream).await.unwrap();
    let error = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1]).await.unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
    // One whose certificate is good, but names nobody of ours.
    authority.issue(&root.path().join("other"), &["spiffe://elsewhere/billing"]);
    let error = Credentials::open(&root.path().join("other")).err().unwrap();
    assert!(error.contains("names nobody"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_in_anothers_place_is_not_asked() {
    let (root, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (url, ..) = serving(&authority.credentials(root.path(), "notifier")).await;
    let own = authority.credentials(root.path(), "api-gateway");
    let refused = check(channel(&url, "billing", Some(&own)).unwrap()).await.unwrap_err();
    let said = format!("{refused:?}");
    assert!(said.contains("notifier answers") && said.contains("billing was expected"), "{said}");
    for (url, credentials, wanted) in [
        ("http://127.0.0.1:1", Some(&own), "https://"),
        ("https://127.0.0.1:1", None, "--certificates"),
        ("billing:9000", None, "http://"),
        ("ftp://127.0.0.1:1", Some(&own), "https://"),
    ] {
        let error = channel(url, "billing", credentials).err().unwrap().to_string();
        assert!(error.contains(wanted), "{url}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renewal_under_way_fails_no_call_and_counts_from_the_next_connection() {
    let (root, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let server = authority.credentials(root.path(), "billing");
    let client = authority.credentials(root.path(), "api-gateway");
    let (url, stop, served) = serving(&server).await;
    let (calls, failed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let calling = {
        let (url, client, calls, failed) = (url.clone(), client.clone(), calls.clone(), failed.clone());
        tokio::spawn(async move {
            loop {
                // Each on a connection of its own.
                match check(channel(&url, "billing", Some(&client)).unwrap()).await {
                    Ok(()) => calls.fetch_add(1, Ordering::SeqCst),
                    Err(_) => failed.fetch_add(1, Ordering::SeqCst),
                };
            }
        })
    };
    let before = fs::read(root.path().join("billing").join(CERTIFICATE)).unwrap();
    let lasting = channel(&url, "billing", Some(&client)).unwrap();
    check(lasting.clone()).await.unwrap();
    for _ in 0..10 {
        authority.issue(&root.path().join("billing"), &["spiffe://indowater/billing"]);
        authority.issue(&root.path().join("api-gateway"), &["spiffe://indowater/api-gateway"]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A connection shows the renewed one.
    let stream = TcpStream::connect(url.trim_start_matches("https://")).await.unwrap();
    let host = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(client.client()).connect(host, stream).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let pem = fs::read(root.path().join("billing").join(CERTIFICATE)).unwrap();
    assert_ne!(pem, before);
    let files = crate::certificate::Files::read(&root.path().join("billing")).unwrap();
    assert_eq!(shown, files.chain().unwrap()[0]);
    // What does not fit is not used, nor another's certificate.
    fs::write(root.path().join("billing").join(KEY), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    check(channel(&url, "billing", Some(&client)).unwrap()).await.unwrap();
    authority.issue(&root.path().join("billing"), &["spiffe://indowater/voucher"]);
    check(channel(&url, "billing", Some(&client)).unwrap()).await.unwrap();
    check(lasting).await.unwrap();
    calling.abort();
    assert_eq!(failed.load(Ordering::SeqCst), 0);
    assert!(calls.load(Ordering::SeqCst) > 10, "{calls:?}");
    stop.cancel();
    served.await.unwrap();
}

#[test]
fn how_long_a_certificate_holds_is_known() {
    let (root, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let credentials = authority.credentials(root.path(), "billing");
    assert!(credentials.seconds_left() > 86_400, "{}", credentials.seconds_left());
    assert_eq!(credentials.identity(), "billing");
}
