//! `certificates`: an authority, and a certificate of it for each program of the system.
//!
//! For one machine and for trying. A cluster has an authority already, and cert-manager issues and renews from it.
//!
//! Each program has a folder with what it needs and nothing more; the authority's own key lies beside them, for whoever
//! renews. What holds long enough stays as it is, so the command may run at every start.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use indowater_common::certificate::{AUTHORITIES, CERTIFICATE, Facts, Files, KEY, is_name, uri};
use indowater_common::clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

const DAY: i64 = 86_400;
/// How long an authority holds: it is kept for the life of a machine's system.
const AUTHORITY_DAYS: i64 = 3_650;
/// How long a certificate holds, as cert-manager's default.
const DAYS: i64 = 90;
/// It is made again when so little is left of it.
const RENEW_DAYS: i64 = 30;
/// Clocks of machines differ: a certificate holds from a little before it was made.
const SKEW: i64 = 300;

/// In the folder of all: the authority's private key.
const AUTHORITY_KEY: &str = "ca.key";
/// Key and certificate in one file, as brokers and databases read them.
pub const BOTH: &str = "tls.pem";

/// Who has a certificate in a system of one machine: the services, the operator's tool, broker and database.
pub const NAMES: [&str; 10] = [
    "ingest",
    "usage-aggregator",
    "anomaly-detector",
    "billing",
    "voucher",
    "notifier",
    "api-gateway",
    "operator",
    "kafka",
    "mongo",
];

/// Make an authority and a certificate for each service, and renew those that end soon
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where they go: ca.crt and ca.key, and a folder for each program
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Make a certificate for this program only; several times if there are several [default: every service, the
    /// operator's tool, broker and database]
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// A further name or address under which each is reached
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Make them again even if they hold for long
    #[arg(long)]
    renew: bool,
}

/// Runs the command.
///
/// # Errors
/// The folder cannot be written, or holds something else under those names.
pub async fn run(args: Args) -> Result<ExitCode> {
    let names: Vec<&str> = match args.names.as_slice() {
        [] => NAMES.to_vec(),
        names => names.iter().map(String::as_str).collect(),
    };
    let made = make(&args.folder, &names, &args.hosts, args.renew)?;
    println!(
        "{} certificates made in {}, {} hold for more than {RENEW_DAYS} days and stay",
        made.len(),
        args.folder.display(),
        names.len() - made.len()
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes an authority in `folder`, unless there is one, and for each of `names` the folder `folder/<name>` with
/// `tls.crt`, `tls.key`, `tls.pem` (key and certificate) and `ca.crt`. Each is a client's and a server's certificate, of
/// `spiffe://indowater/<name>`, `<name>` as a host, this machine and `hosts`. Those that hold for long stay, unless `renew`.
/// Returns the names of those that were made.
///
/// # Errors
/// A name is none, or a file cannot be read or written.
pub fn make(folder: &Path, names: &[&str], hosts: &[String], renew: bool) -> Result<Vec<String>> {
    if let Some(wrong) = names.iter().find(|name| !is_name(name)) {
        bail!("{wrong:?} is no name: small letters, digits and hyphens");
    }
    make_folder(folder)?;
    let now = clock::now().as_second();
    let (authority, pem) = authority(folder, now)?;
    let mut made = Vec::new();
    for name in names {
        let own = folder.join(name);
        let hosts = hosts_of(name, hosts);
        if !renew && holds(&own, &pem, &hosts, now) {
            continue;
        }
        make_folder(&own)?;
        let (certificate, key) = issue(name, hosts, &authority, now)
            .with_context(|| format!("the certificate of {name} cannot be made"))?;
        write(&own.join(AUTHORITIES), &pem)?;
        write(&own.join(KEY), &key)?;
        write(&own.join(CERTIFICATE), &certificate)?;
        write(&own.join(BOTH), &format!("{key}{certificate}"))?;
        made.push((*name).to_owned());
    }
    Ok(made)
}

/// Under which names and addresses `name` is reached: in containers, in a cluster, on this machine.
fn hosts_of(name: &str, further: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = ["", ".indowater", ".indowater.svc", ".indowater.svc.cluster.local"]
        .map(|end| format!("{name}{end}"))
        .into();
    hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    hosts.extend_from_slice(further);
    hosts
}

/// Whether the certificate in `folder` need not be made again.
fn holds(folder: &Path, authority: &str, hosts: &[String], now: i64) -> bool {
    let read = || -> Option<bool> {
        let files = Files::read(folder).ok()?;
        files.key().ok()?;
        let facts = Facts::of(files.chain().ok()?.first()?).ok()?;
        let same =
            fs::read_to_string(folder.join(AUTHORITIES)).ok()? == authority && folder.join(BOTH).exists();
        let reached =
            hosts.iter().all(|host| host.parse::<std::net::IpAddr>().is_ok() || facts.hosts.contains(host));
        Some(same && reached && facts.until - now > RENEW_DAYS * DAY)
    };
    read().unwrap_or(false)
}

/// The authority of `folder` and its certificate in PEM; made if there is none.
fn authority(folder: &Path, now: i64) -> Result<(Issuer<'static, KeyPair>, String)> {
    let (certificate, key) = (folder.join(AUTHORITIES), folder.join(AUTHORITY_KEY));
    if certificate.exists() && key.exists() {
        let pem = fs::read_to_string(&certificate).with_context(|| unreadable(&certificate))?;
        let key_pem = fs::read_to_string(&key).with_context(|| unreadable(&key))?;
        let pair = KeyPair::from_pem(&key_pem).with_context(|| format!("{} is no key", key.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, pair)
            .with_context(|| format!("{} is no certificate of an authority", certificate.display()))?;
        return Ok((issuer, pem));
    }
    ensure!(
        !certificate.exists(),
        "{} is there without {}: with the key of its authority elsewhere, make the certificates there",
        certificate.display(),
        key.display()
    );
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "IndoWater");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = lifetime(now, AUTHORITY_DAYS)?;
    let made = CertifiedIssuer::self_signed(params.clone(), KeyPair::generate()?)?;
    let pem = made.pem();
    // The key first: a certificate alone would look like an authority of somebody else.
    write(&key, &made.key().serialize_pem())?;
    write(&certificate, &pem)?;
    let pair = KeyPair::from_pem(&made.key().serialize_pem())?;
    Ok((Issuer::new(params, pair), pem))
}

/// A new certificate and its key, in PEM.
fn issue(
    name: &str,
    hosts: Vec<String>,
    authority: &Issuer<'static, KeyPair>,
    now: i64,
) -> Result<(String, String)> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names.push(SanType::URI(uri(name).try_into()?));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = lifetime(now, DAYS)?;
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

fn lifetime(now: i64, days: i64) -> Result<(OffsetDateTime, OffsetDateTime)> {
    let at = |second| OffsetDateTime::from_unix_timestamp(second).context("the clock is far off");
    Ok((at(now - SKEW)?, at(now + days * DAY)?))
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the folder {} cannot be made: check its owner", folder.display()))
}

/// Writes a file that its owner alone may read, whole or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}: check its owner and free space", path.display()))
}

fn unreadable(path: &Path) -> String {
    format!("cannot read {}: check its owner", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn facts(folder: &Path, name: &str) -> Facts {
        Facts::of(&Files::read(&folder.join(name)).unwrap().chain().unwrap()[0]).unwrap()
    }

    #[test]
    fn each_program_has_its_own_and_what_holds_stays() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["billing", "kafka"];
        assert_eq!(make(folder.path(), &names, &["db.example".to_owned()], false).unwrap(), names);
        let billing = facts(folder.path(), "billing");
        assert_eq!(billing.identity.as_deref(), Some("billing"));
        for host in ["billing", "billing.indowater.svc", "localhost", "7f000001", "db.example"] {
            assert!(billing.hosts.iter().any(|known| known == host), "{host} is not in {:?}", billing.hosts);
        }
        assert_eq!(billing.until - billing.from, DAYS * DAY + SKEW);
        let key = folder.path().join("billing").join(KEY);
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);

        assert!(make(folder.path(), &names, &[], false).unwrap().is_empty());
        let one_more = make(folder.path(), &["billing", "voucher"], &[], false).unwrap();
        assert_eq!(one_more, ["voucher"]);
        assert_eq!(make(folder.path(), &names, &["new.example".to_owned()], false).unwrap(), names);
        assert_eq!(make(folder.path(), &names, &[], true).unwrap(), names);
        // All of one authority, though it was read back in between.
        let authority = fs::read(folder.path().join(AUTHORITIES)).unwrap();
        assert_eq!(fs::read(folder.path().join("voucher").join(AUTHORITIES)).unwrap(), authority);
    }

    #[test]
    fn one_that_ends_soon_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), &["billing"], &[], false).unwrap();
        let own = folder.path().join("billing");
        let pem = fs::read_to_string(folder.path().join(AUTHORITIES)).unwrap();
        let until = facts(folder.path(), "billing").until;
        assert!(holds(&own, &pem, &[], until - RENEW_DAYS * DAY - 1));
        assert!(!holds(&own, &pem, &[], until - RENEW_DAYS * DAY));
    }

    #[test]
    fn what_is_no_name_and_an_authority_without_its_key_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            make(folder.path(), &["../billing"], &[], false).unwrap_err().to_string().contains("no name")
        );
        make(folder.path(), &[], &[], false).unwrap();
        fs::remove_file(folder.path().join(AUTHORITY_KEY)).unwrap();
        let error = make(folder.path(), &["billing"], &[], false).unwrap_err().to_string();
        assert!(error.contains("ca.key"), "{error}");
    }
}
