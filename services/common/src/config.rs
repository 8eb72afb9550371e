//! Settings from flags and the environment, typed, documented by `--help`, and wrong ones reported all at once.
//!
//! A setting whose value is not shown (`hide_env_values`) is a secret: it may also come from a file, which the variable of
//! its name with `_FILE` behind it names, and no report repeats it.
//!
//! clap stops at the first value it cannot parse. An operator who mends a manifest wants the whole list, so
//! [`parse_from`] takes the offending argument out of the check, notes the problem, and parses again.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::StringValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser};
use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::number;

/// Settings of a service that can say what is wrong with them beyond the type of each value.
pub trait Settings: Args + Clone + Send + Sync + 'static {
    /// One sentence for each problem.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What every service is told.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// The broker.
    #[command(flatten)]
    pub kafka: Kafka,
    /// The database.
    #[command(flatten)]
    pub mongo: Mongo,
    /// Where liveness, readiness and Prometheus metrics are served; port 0 takes a free one.
    #[arg(long, env = "INDOWATER_ADMIN_LISTEN", default_value = "0.0.0.0:9100", value_name = "ADDR")]
    pub admin_listen: SocketAddr,
    /// Where gRPC is served; port 0 takes a free one. Without --certificates it asks nobody who they are, so by default it
    /// is for this machine alone.
    #[arg(long, env = "INDOWATER_GRPC_LISTEN", default_value = "127.0.0.1:9000", value_name = "ADDR")]
    pub grpc_listen: SocketAddr,
    /// Folder with the certificate of this service (`tls.crt`), its key (`tls.key`) and the authorities it believes
    /// (`ca.crt`): gRPC is then for those alone who prove who they are. Renewed files are used without a restart.
    #[arg(long, env = "INDOWATER_CERTIFICATES", value_name = "FOLDER")]
    pub certificates: Option<PathBuf>,
    /// Whether gRPC tells its schemas to those who ask, for tools; production does without.
    #[arg(long, env = "INDOWATER_GRPC_REFLECTION", default_value = "false", action = ArgAction::Set, value_name = "true|false")]
    pub grpc_reflection: bool,
    /// How this instance is called in logs, metrics and leases; the host's name by default.
    #[arg(long, env = "INDOWATER_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Which log lines are written (tracing-subscriber directives).
    #[arg(long, env = "INDOWATER_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Where traces and metrics are sent over OTLP/gRPC; nowhere by default.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// How long a stop may take before what is left is abandoned, in seconds.
    #[arg(long, env = "INDOWATER_SHUTDOWN_DEADLINE", default_value = "25", value_name = "SECONDS", value_parser = seconds)]
    pub shutdown_deadline: Duration,
}

/// How to reach the broker.
#[derive(Args, Clone, Debug)]
pub struct Kafka {
    /// The broker's bootstrap servers.
    #[arg(
        long = "kafka",
        env = "INDOWATER_KAFKA",
        default_value = "127.0.0.1:9092",
        value_name = "HOST:PORT,…"
    )]
    pub bootstrap: String,
    /// First part of every topic's and consumer group's name.
    #[arg(long, env = "INDOWATER_TOPIC_PREFIX", default_value = indowater_proto::topics::DEFAULT_PREFIX, value_name = "NAME")]
    pub topic_prefix: String,
    /// How the client and the broker know each other.
    #[command(flatten)]
    pub security: KafkaSecurity,
    /// A further librdkafka setting, such as `sasl.mechanism=PLAIN`; may be given several times, or separated by `;` in the
    /// environment. It comes after all others, and may be a password.
    #[arg(
        long = "kafka-option",
        env = "INDOWATER_KAFKA_OPTIONS",
        value_delimiter = ';',
        value_name = "KEY=VALUE",
        value_parser = key_value,
        hide_env_values = true
    )]
    pub options: Vec<(String, String)>,
    /// How long a record may wait to be written and committed before the service says that it is not ready, in seconds.
    #[arg(long, env = "INDOWATER_STALL_LIMIT", default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    pub stall_limit: Duration,
}

/// How a client and the broker know each other: TLS, and a user with a password (SCRAM).
///
/// With none of it the client speaks plainly. A user is never named without TLS, for whoever listens could take its place.
#[derive(Args, Clone, Debug, Default)]
pub struct KafkaSecurity {
    /// File with the authorities that the broker's certificate may be from (PEM); it turns TLS on. With a user and without
    /// the file they are those of the machine.
    #[arg(long = "kafka-ca", env = "INDOWATER_KAFKA_CA", value_name = "FILE", value_parser = file_or_none)]
    pub ca: Option<PathBuf>,
    /// The user at the broker (SCRAM-SHA-512); it turns TLS on.
    #[arg(long = "kafka-user", env = "INDOWATER_KAFKA_USER", value_name = "NAME")]
    pub user: Option<String>,
    /// The user's password.
    #[arg(
        long = "kafka-password",
        env = "INDOWATER_KAFKA_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub password: Option<SecretString>,
}

/// Any text as a file's name, the empty one too: a setting that is there and empty is none.
#[allow(clippy::unnecessary_wraps, reason = "the form of clap's parsers")]
fn file_or_none(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(PathBuf::from(text))
}

impl KafkaSecurity {
    /// Takes settings that are empty as not there. Returns what is wrong with the others, one sentence for each problem.
    pub fn resolve(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        self.ca.take_if(|file| file.as_os_str().is_empty());
        self.user.take_if(|user| user.is_empty());
        self.password.take_if(|password| password.expose_secret().is_empty());
        if let Some(ca) = self.ca.as_ref().filter(|ca| !ca.is_file()) {
            problems.push(format!("--kafka-ca: {} is no file", ca.display()));
        }
        match (&self.user, &self.password) {
            (Some(user), None) => {
                problems.push(format!(
                    "--kafka-user {user} has no password: name it in INDOWATER_KAFKA_PASSWORD"
                ));
            }
            (None, Some(_)) => {
                problems.push("--kafka-password belongs to no user: name it with --kafka-user".to_owned());
            }
            _ => {}
        }
        problems
    }

    /// The settings of librdkafka that say the same.
    pub fn options(&self) -> Vec<(String, String)> {
        let mut options: Vec<(&str, String)> = match (&self.user, &self.ca) {
            (None, None) => Vec::new(),
            (None, Some(_)) => vec![("security.protocol", "SSL".to_owned())],
            (Some(user), _) => {
                let password = self.password.as_ref().map(|password| password.expose_secret().to_owned());
                vec![
                    ("security.protocol", "SASL_SSL".to_owned()),
                    ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
                    ("sasl.username", user.clone()),
                    ("sasl.password", password.unwrap_or_default()),
                ]
            }
        };
        options.extend(self.ca.as_ref().map(|ca| ("ssl.ca.location", ca.display().to_string())));
        options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// How to reach the database.
#[derive(Args, Clone, Debug)]
pub struct Mongo {
    /// The database's connection string. It must name a replica set: transactions need one.
    #[arg(
        long = "mongodb",
        env = "INDOWATER_MONGODB",
        default_value = "mongodb://127.0.0.1:27017/?replicaSet=rs0",
        value_name = "URL",
        hide_env_values = true
    )]
    pub uri: String,
    /// The database's name.
    #[arg(long = "database", env = "INDOWATER_DB", default_value = "indowater_db", value_name = "NAME")]
    pub database: String,
}

#[derive(Parser)]
struct Command<S: Args> {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    own: S,
}

/// Reads the settings of service `name` from `args` and the environment.
///
/// # Errors
/// `Err` holds the text to print and the exit code: the help and version texts (0), or every problem found (2).
pub fn parse_from<S: Settings>(
    name: &'static str,
    about: &'static str,
    args: impl IntoIterator<Item = OsString>,
) -> Result<(Common, S), (String, u8)> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let mut command = Command::<S>::command().name(name).about(about).version(env!("CARGO_PKG_VERSION"));
    let (from_files, mut problems) = secrets_from_files(&command, |variable| std::env::var_os(variable));
    args.extend(from_files);
    let parsed = loop {
        match command.clone().try_get_matches_from(&args) {
            Ok(matches) if problems.is_empty() => {
                break Command::<S>::from_arg_matches(&matches).map_err(refuse)?;
            }
            Ok(_) => return Err((report(name, &problems), 2)),
            Err(error) => match offender(&command, &error) {
                Some(id) => {
                    problems.push(sentence(&command, &id, &error));
                    command = command.mut_arg(id, |arg| arg.value_parser(StringValueParser::new()));
                }
                None if problems.is_empty() => return Err(refuse(error)),
                None => {
                    problems.push(first_line(&error));
                    return Err((report(name, &problems), 2));
                }
            },
        }
    };
    let mut parsed = parsed;
    let mut problems = parsed.common.kafka.security.resolve();
    problems.extend(parsed.own.problems());
    if problems.is_empty() { Ok((parsed.common, parsed.own)) } else { Err((report(name, &problems), 2)) }
}

/// The argument whose value could not be parsed, if that is what `error` says.
fn offender(command: &clap::Command, error: &clap::Error) -> Option<clap::Id> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return None };
    let mut built = command.clone();
    built.build();
    built.get_arguments().find(|arg| arg.to_string() == *shown).map(|arg| arg.get_id().clone())
}

/// What is wrong with the value of a setting; the value of a secret is not repeated.
fn sentence(command: &clap::Command, id: &clap::Id, error: &clap::Error) -> String {
    let mut built = command.clone();
    built.build();
    let arg = built.get_arguments().find(|arg| arg.get_id() == id);
    match arg.filter(|arg| arg.is_hide_env_values_set()) {
        Some(secret) => {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            format!("invalid value for '{secret}': {why}")
        }
        None => first_line(error),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Secrets that files hold, as flags, and what is wrong with the naming of files. `variable` is the environment.
fn secrets_from_files(
    command: &clap::Command,
    variable: impl Fn(&OsStr) -> Option<OsString>,
) -> (Vec<OsString>, Vec<String>) {
    let (mut flags, mut problems) = (Vec::new(), Vec::new());
    for secret in command.get_arguments().filter(|arg| arg.is_hide_env_values_set()) {
        let (Some(name), Some(flag)) = (secret.get_env(), secret.get_long()) else { continue };
        let mut named = name.to_owned();
        named.push("_FILE");
        let Some(path) = variable(&named).filter(|path| !path.is_empty()) else { continue };
        let (named, name, path) = (named.display(), name, Path::new(&path));
        if variable(name).is_some_and(|value| !value.is_empty()) {
            problems.push(format!("{named} and {} are both set: one of them is to be", name.display()));
            continue;
        }
        match std::fs::read_to_string(path) {
            Ok(text) => flags.push(format!("--{flag}={}", text.trim_end_matches(['\r', '\n'])).into()),
            Err(error) => problems.push(format!("{named}: {} cannot be read: {error}", path.display())),
        }
    }
    (flags, problems)
}

fn refuse(error: clap::Error) -> (String, u8) {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    (error.render().to_string(), code)
}

fn report(name: &str, problems: &[String]) -> String {
    let list: String = problems.iter().map(|p| format!("  - {p}\n")).collect();
    format!("{name} cannot start, its settings are wrong:\n{list}See {name} --help for every setting.\n")
}

/// Parses whole seconds.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "not a whole number of seconds".to_owned())
}

/// Parses whole milliseconds.
pub fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| "not a whole number of milliseconds".to_owned())
}

/// Reads whole rupiah: digits alone.
///
/// # Errors
/// Anything else, `5.000` and `+5000`, too, or more than a setting of money may be.
pub fn rupiah(text: &str) -> Result<u32, String> {
    let amount = number::rupiah(text).map_err(|why| why.to_string())?;
    u32::try_from(amount).map_err(|_| format!("must be at most {} rupiah", u32::MAX))
}

/// Reads `KEY=VALUE`, for a setting that is a pair.
///
/// # Errors
/// It has no `=`, or nothing before it.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("not of the form KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Args, Clone)]
    struct Own {
        /// A number.
        #[arg(long, default_value_t = 3)]
        lots: u32,
    }

    impl Settings for Own {
        fn problems(&self) -> Vec<String> {
            if self.lots == 0 { vec!["--lots must be at least 1".to_owned()] } else { Vec::new() }
        }
    }

    fn parse(args: &[&str]) -> Result<(Common, Own), (String, u8)> {
        parse_from("demo", "a demo", std::iter::once("demo").chain(args.iter().copied()).map(OsString::from))
    }

    #[test]
    fn every_wrong_value_is_reported_at_once() {
        let (text, code) =
            parse(&["--lots", "many", "--admin-listen", "here", "--shutdown-deadline", "soon"])
                .err()
                .unwrap();
        assert_eq!(code, 2);
        for flag in ["--lots", "--admin-listen", "--shutdown-deadline"] {
            assert!(text.contains(flag), "{flag} is missing in: {text}");
        }
    }

    #[test]
    fn problems_beyond_types_are_reported() {
        assert!(parse(&["--lots", "0"]).err().unwrap().0.contains("at least 1"));
    }

    #[test]
    fn defaults_and_flags_are_read() {
        let (common, own) = parse(&["--kafka", "broker:1", "--lots", "7"]).unwrap();
        assert_eq!((common.kafka.bootstrap.as_str(), own.lots), ("broker:1", 7));
    }

    #[test]
    fn grpc_is_for_this_machine_alone_unless_told_otherwise() {
        let common = parse(&[]).unwrap().0;
        assert!(common.grpc_listen.ip().is_loopback(), "{}", common.grpc_listen);
    }

    #[test]
    fn a_secret_may_come_from_a_file_and_is_never_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mongodb");
        std::fs::write(&path, "mongodb://user:private@db/\n").unwrap();
        let command = Command::<Own>::command();
        let known = |set: &'static [(&'static str, &'static str)]| {
            let path = path.clone();
            move |name: &OsStr| {
                let found = set.iter().find(|(known, _)| name == *known).map(|(_, value)| *value)?;
                Some(if found == "PATH" { path.clone().into_os_string() } else { found.into() })
            }
        };
        let (flags, problems) = secrets_from_files(&command, known(&[("INDOWATER_MONGODB_FILE", "PATH")]));
        assert_eq!(flags, ["--mongodb=mongodb://user:private@db/"]);
        assert!(problems.is_empty());
        let both = known(&[("INDOWATER_MONGODB_FILE", "PATH"), ("INDOWATER_MONGODB", "mongodb://private")]);
        let (flags, problems) = secrets_from_files(&command, both);
        assert!(flags.is_empty() && problems[0].contains("both set") && !problems[0].contains("private"));
        let missing = known(&[("INDOWATER_KAFKA_OPTIONS_FILE", "/nowhere/at-all")]);
        assert!(secrets_from_files(&command, missing).1[0].contains("/nowhere/at-all cannot be read"));
        // Settings that are no secrets have no files.
        assert!(secrets_from_files(&command, known(&[("INDOWATER_DB_FILE", "PATH")])).0.is_empty());

        let text = parse(&["--kafka-option", "=private"]).err().unwrap().0;
        assert!(text.contains("--kafka-option") && text.contains("KEY=VALUE"), "{text}");
        assert!(!text.contains("private"), "{text}");
    }

    #[test]
    fn who_the_client_is_at_the_broker_becomes_settings_of_its_client() {
        let folder = std::env::temp_dir().join(format!("indowater-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let ca = folder.join("ca.crt");
        std::fs::write(&ca, "authority").unwrap();
        let ca = ca.display().to_string();
        let options = |args: &[&str]| {
            let common = parse(args).map_err(|(text, _)| text).unwrap().0;
            let options = common.kafka.security.options();
            options.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(options(&[]), "");
        assert_eq!(options(&["--kafka-ca", "", "--kafka-user", "", "--kafka-password", ""]), "");
        assert_eq!(options(&["--kafka-ca", &ca]), format!("security.protocol=SSL ssl.ca.location={ca}"));
        assert_eq!(
            options(&["--kafka-ca", &ca, "--kafka-user", "me", "--kafka-password", "one;two=three"]),
            format!(
                "security.protocol=SASL_SSL sasl.mechanism=SCRAM-SHA-512 sasl.username=me \
                 sasl.password=one;two=three ssl.ca.location={ca}"
            )
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn half_of_a_user_is_a_problem_and_a_password_is_never_shown() {
        for (args, problem) in [
            (&["--kafka-user", "me"] as &[_], "has no password"),
            (&["--kafka-password", "p"], "belongs to no user"),
            (&["--kafka-ca", "/nonexistent"], "is no file"),
        ] {
            let (text, code) = parse(args).err().unwrap();
            assert!(code == 2 && text.contains(problem), "{args:?}: {text}");
        }
        let common = parse(&["--kafka-user", "me", "--kafka-password", "hush"]).unwrap().0;
        assert!(!format!("{common:?}").contains("hush"), "{common:?}");
    }

    #[test]
    fn help_is_not_an_error() {
        let (text, code) = parse(&["--help"]).err().unwrap();
        assert_eq!(code, 0);
        assert!(text.contains("--topic-prefix") && text.contains("INDOWATER_KAFKA"));
    }
}
