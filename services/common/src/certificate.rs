//! Certificates of the services: in which files they lie, and what stands in one.
//!
//! A certificate names who has it as SPIFFE does, by exactly one URI among its alternative names:
//! `spiffe://indowater/<service>`. A folder holds what one program needs, under the names that a Kubernetes secret made
//! by cert-manager has too.

use std::fs;
use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// In a folder: the certificate, followed by those that lead to the authority, in PEM.
pub const CERTIFICATE: &str = "tls.crt";
/// In a folder: the certificate's private key, as PKCS #8 in PEM.
pub const KEY: &str = "tls.key";
/// In a folder: the certificates of the authorities that are believed, in PEM; two while one follows the other.
pub const AUTHORITIES: &str = "ca.crt";

const ROOT: &str = "spiffe://indowater/";

/// The URI of who is called `name`.
pub fn uri(name: &str) -> String {
    format!("{ROOT}{name}")
}

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Who has it, such as `billing`: from its only URI, if that is one of ours.
    pub identity: Option<String>,
    /// Other alternative names: of hosts, and addresses as bytes in hexadecimal.
    pub hosts: Vec<String>,
    /// When it begins to hold, in seconds since 1970.
    pub from: i64,
    /// When it ends, in seconds since 1970.
    pub until: i64,
}

impl Facts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// It is none.
    pub fn of(certificate: &[u8]) -> Result<Self, String> {
        let (_, read) =
            parse_x509_certificate(certificate).map_err(|error| format!("it is no certificate: {error}"))?;
        let names = match read.subject_alternative_name() {
            Ok(names) => names.map(|names| names.value.general_names.as_slice()).unwrap_or_default(),
            Err(error) => return Err(format!("its alternative names cannot be read: {error}")),
        };
        let (mut uris, mut hosts) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                GeneralName::URI(uri) => uris.push(*uri),
                GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    hosts.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
                }
                _ => {}
            }
        }
        let identity = match uris.as_slice() {
            [uri] => uri.strip_prefix(ROOT).filter(|name| is_name(name)).map(str::to_owned),
            _ => None,
        };
        let validity = read.validity();
        Ok(Self {
            identity,
            hosts,
            from: validity.not_before.timestamp(),
            until: validity.not_after.timestamp(),
        })
    }
}

/// Whether `name` may be who somebody is, and the name of a folder.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 60
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The files of one folder, as they were read.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<u8>,
}

impl Files {
    /// Reads the three files of `folder`.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        Ok(Self { certificate: read(CERTIFICATE)?, key: read(KEY)?, authorities: read(AUTHORITIES)? })
    }

    /// The certificate and those that lead to its authority.
    ///
    /// # Errors
    /// It holds none, or something else.
    pub fn chain(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        certificates(CERTIFICATE, &self.certificate)
    }

    /// The authorities that are believed.
    ///
    /// # Errors
    /// As [`Files::chain`].
    pub fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        certificates(AUTHORITIES, &self.authorities)
    }

    /// The private key.
    ///
    /// # Errors
    /// It holds none. What it holds instead is not said.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| format!("{KEY} holds no private key in PEM"))
    }
}

fn certificates(name: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(format!("{name} holds no certificate in PEM")),
        Err(error) => Err(format!("{name} cannot be read as PEM: {error}")),
    }
}
