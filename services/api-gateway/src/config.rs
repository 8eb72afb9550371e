//! The gateway's own settings.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use indowater_common::config::{self, seconds};
use secrecy::SecretString;

use crate::session::Signer;

/// What the gateway is told besides what every service is.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Where the HTTP API is served; port 0 takes a free one.
    #[arg(long, env = "INDOWATER_HTTP_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDR")]
    pub http_listen: SocketAddr,
    /// The registry of properties and devices: ingest's gRPC.
    #[arg(long, env = "INDOWATER_REGISTRY_URL", default_value = "http://127.0.0.1:9000", value_name = "URL")]
    pub registry_url: String,
    /// The history of usage: usage-aggregator's gRPC.
    #[arg(long, env = "INDOWATER_USAGE_URL", default_value = "http://127.0.0.1:9001", value_name = "URL")]
    pub usage_url: String,
    /// Balances, statements, tariffs, payments and bills: billing's gRPC.
    #[arg(long, env = "INDOWATER_BILLING_URL", default_value = "http://127.0.0.1:9000", value_name = "URL")]
    pub billing_url: String,
    /// Vouchers: voucher's gRPC.
    #[arg(long, env = "INDOWATER_VOUCHER_URL", default_value = "http://127.0.0.1:9000", value_name = "URL")]
    pub voucher_url: String,
    /// Leaks and tampering: anomaly-detector's gRPC.
    #[arg(long, env = "INDOWATER_ANOMALY_URL", default_value = "http://127.0.0.1:9000", value_name = "URL")]
    pub anomaly_url: String,
    /// Private Ed25519 keys that sign access tokens, the same for all instances: as PEM, or base64 of PKCS #8 separated by
    /// spaces. The first signs, all are accepted. Better given in a file or the environment than as a flag, which everyone
    /// on the machine can read.
    #[arg(
        long,
        env = "INDOWATER_TOKEN_KEYS",
        default_value = "",
        hide_default_value = true,
        hide_env_values = true,
        value_name = "KEYS",
        value_parser = secret
    )]
    pub token_keys: SecretString,
    /// How long an access token lives, in seconds.
    #[arg(long, env = "INDOWATER_ACCESS_TOKEN_LIFE", default_value = "900", value_name = "SECONDS", value_parser = seconds)]
    pub access_token_life: Duration,
    /// How long a session lives after its last refresh, in seconds.
    #[arg(long, env = "INDOWATER_REFRESH_TOKEN_LIFE", default_value = "2592000", value_name = "SECONDS", value_parser = seconds)]
    pub refresh_token_life: Duration,
    /// How long it may go unnoticed that a session ended elsewhere, or that its user was deactivated, in seconds; 0
    /// asks the database on every request.
    #[arg(long, env = "INDOWATER_STANDING_LIFE", default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub standing_life: Duration,
    /// Cost of new password hashes; each step doubles the work. Hashes of another cost are replaced when their user
    /// logs in.
    #[arg(long, env = "INDOWATER_BCRYPT_COST", default_value_t = 12, value_name = "COST")]
    pub bcrypt_cost: u32,
    /// How many passwords are hashed at the same time; a core each.
    #[arg(long, env = "INDOWATER_PASSWORD_WORKERS", default_value = "2", value_name = "COUNT")]
    pub password_workers: NonZeroUsize,
    /// Log-ins a minute from one address (of IPv6, one /64 network).
    #[arg(long, env = "INDOWATER_LOGINS_PER_ADDRESS", default_value = "30", value_name = "COUNT")]
    pub logins_per_address: NonZeroU32,
    /// Log-ins a minute to one account.
    #[arg(long, env = "INDOWATER_LOGINS_PER_ACCOUNT", default_value = "10", value_name = "COUNT")]
    pub logins_per_account: NonZeroU32,
    /// How many reverse proxies stand before the gateway and append to X-Forwarded-For. With 0 that header is a
    /// stranger's word and the address is the connection's.
    #[arg(long, env = "INDOWATER_TRUSTED_PROXIES", default_value_t = 0, value_name = "COUNT")]
    pub trusted_proxies: usize,
    /// Origins whose pages may call the API, such as `https://app.example.com`; none by default.
    #[arg(long, env = "INDOWATER_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGIN,…")]
    pub cors_origins: Vec<String>,
    /// How long a request may take, in seconds.
    #[arg(long, env = "INDOWATER_REQUEST_TIMEOUT", default_value = "15", value_name = "SECONDS", value_parser = seconds)]
    pub request_timeout: Duration,
}

#[allow(clippy::unnecessary_wraps, reason = "the shape of a value parser")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

impl config::Settings for Settings {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let keys = Signer::new(&self.token_keys).err();
        require(
            keys.is_none(),
            format!(
                "INDOWATER_TOKEN_KEYS must hold private Ed25519 keys ({}); \
                 `openssl genpkey -algorithm ed25519` makes one",
                keys.unwrap_or_default()
            ),
        );
        for (flag, url) in [
            ("--registry-url", &self.registry_url),
            ("--usage-url", &self.usage_url),
            ("--billing-url", &self.billing_url),
            ("--voucher-url", &self.voucher_url),
            ("--anomaly-url", &self.anomaly_url),
        ] {
            let host =
                url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
            require(
                !host.is_empty(),
                format!("{flag} must be a URL such as http://127.0.0.1:9000, not {url:?}"),
            );
        }
        for (flag, life) in [
            ("--access-token-life", self.access_token_life),
            ("--refresh-token-life", self.refresh_token_life),
            ("--request-timeout", self.request_timeout),
        ] {
            require(!life.is_zero(), format!("{flag} must be at least 1"));
        }
        require(
            self.refresh_token_life >= self.access_token_life,
            "--refresh-token-life must not be shorter than --access-token-life".to_owned(),
        );
        require(
            (4..=16).contains(&self.bcrypt_cost),
            "--bcrypt-cost must be from 4 to 16: below is no protection, above is minutes a log-in"
                .to_owned(),
        );
        for origin in &self.cors_origins {
            require(
                is_origin(origin),
                format!("--cors-origins: {origin:?} is no origin such as https://app.example.com"),
            );
        }
        problems
    }
}

/// Whether `text` is what a browser sends as `Origin`: a scheme and a host, and nothing after them.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::session::signer::tests::KEYS;

    const SECRET: &str = KEYS[0];

    fn parse(args: &[&str]) -> Result<Settings, String> {
        let args = std::iter::once("api-gateway").chain(args.iter().copied()).map(OsString::from);
        config::parse_from::<Settings>("api-gateway", "test", args)
            .map(|(_, own)| own)
            .map_err(|(text, _)| text)
    }

    #[test]
    fn a_secret_is_enough() {
        let settings = parse(&["--token-keys", SECRET]).unwrap();
        assert_eq!(settings.http_listen.port(), 8080);
        assert_eq!(settings.access_token_life, Duration::from_secs(15 * 60));
        assert_eq!(settings.refresh_token_life, Duration::from_secs(30 * 24 * 60 * 60));
        assert!(settings.cors_origins.is_empty());
    }

    #[test]
    fn every_problem_is_told_and_no_secret() {
        let text = parse(&[
            "--token-keys=too-short-and-quiet",
            "--registry-url=ingest:9000",
            "--usage-url=ftp://usage",
            "--billing-url=http://",
            "--voucher-url=voucher",
            "--access-token-life=0",
            "--refresh-token-life=0",
            "--bcrypt-cost=31",
            "--cors-origins=*,https://app.example.com/",
            "--request-timeout=0",
        ])
        .unwrap_err();
        for flag in [
            "INDOWATER_TOKEN_KEYS",
            "--registry-url",
            "--usage-url",
            "--billing-url",
            "--voucher-url",
            "--access-token-life",
            "--refresh-token-life",
            "--bcrypt-cost",
            "\"*\"",
            "example.com/",
            "--request-timeout",
        ] {
            assert!(text.contains(flag), "{flag} is missing in: {text}");
        }
        assert!(!text.contains("quiet"), "{text}");
        assert!(parse(&[]).unwrap_err().contains("openssl genpkey"));
    }

    #[test]
    fn the_secret_is_never_shown() {
        let settings = parse(&["--token-keys", SECRET]).unwrap();
        assert!(!format!("{settings:?}").contains(SECRET));
        // A value that is wrong elsewhere must not drag the secret into the report.
        let text = parse(&["--token-keys", SECRET, "--http-listen", "nowhere"]).unwrap_err();
        assert!(!text.contains(SECRET), "{text}");
    }
}
