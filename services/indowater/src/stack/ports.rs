//! Free ports that stay free until they are used.
//!
//! Asking the kernel for "any port" and passing the number on loses races: another process may be given the
//! same number before ours listens, or an outgoing connection may take it while a service restarts. So ports
//! come from below the range that outgoing connections use, and each is claimed for as long as it is needed
//! by a UDP socket of the same number, which costs nothing, disturbs no TCP listener, and vanishes with its
//! process however that ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result};
use rand::RngExt as _;

const RANGE: Range<u16> = 20_000..32_768;
const TRIES: usize = 1_000;

/// A TCP port of the loopback address that no other local stack will choose.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// Any free one.
    pub fn any() -> Result<Self> {
        (0..TRIES).find_map(|_| Self::claim(rand::rng().random_range(RANGE))).with_context(|| {
            format!(
                "no free port on 127.0.0.1 between {} and {}: stop what is not needed (`ss -ltn` lists it)",
                RANGE.start, RANGE.end
            )
        })
    }

    /// The one that was used last time, as the file says, or any other if that one is taken now; the file is
    /// brought up to date.
    pub fn remembered(file: &Path) -> Result<Self> {
        let last = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
        if let Some(port) = last.and_then(Self::claim) {
            return Ok(port);
        }
        let port = Self::any()?;
        fs::write(file, format!("{}\n", port.number))
            .with_context(|| format!("cannot write {}: check its owner and free space", file.display()))?;
        Ok(port)
    }

    /// Exactly this one; `flag` is what the person used to ask for it.
    pub fn exactly(number: u16, flag: &str) -> Result<Self> {
        Self::claim(number).with_context(|| {
            format!(
                "port {number} on 127.0.0.1 is taken: stop what listens there (`ss -ltnp 'sport = \
                 :{number}'` shows it), or choose another with {flag}"
            )
        })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    fn claim(number: u16) -> Option<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _claim: claim })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_while_it_is_held() {
        let held = Port::any().unwrap();
        assert!(Port::claim(held.number()).is_none());
        let number = held.number();
        drop(held);
        assert!(Port::claim(number).is_some());
    }

    #[test]
    fn a_taken_port_is_told_with_the_flag_that_changes_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = listener.local_addr().unwrap().port();
        let error = Port::exactly(number, "--api-port").unwrap_err().to_string();
        assert!(error.contains(&number.to_string()) && error.contains("--api-port"), "{error}");
    }

    #[test]
    fn the_port_of_the_last_run_is_used_again_unless_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        let first = Port::remembered(&file).unwrap();
        let other = Port::remembered(&file).unwrap();
        assert_ne!(first.number(), other.number());
        let number = other.number();
        drop(other);
        assert_eq!(Port::remembered(&file).unwrap().number(), number);
    }
}
