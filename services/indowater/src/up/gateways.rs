//! Through whom the customers of this system pay: the stand-ins for Midtrans and Xendit, or the real ones where whoever
//! starts the system has their keys.

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::gateways::{MIDTRANS_KEY, XENDIT_KEY, XENDIT_TOKEN};
use crate::stack::{DataFolder, Launch, Port};

/// Which gateways there are; put it in with `#[command(flatten)]`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Payment gateways: stand-ins, unless keys are given")]
pub(super) struct Accounts {
    /// Server key of your account at Midtrans
    #[arg(long, env = "INDOWATER_MIDTRANS_SERVER_KEY", value_name = "KEY", hide_env_values = true)]
    midtrans_server_key: Option<String>,
    /// Where that account is: `sandbox`, `production` or a base URL [default: sandbox]
    #[arg(long, env = "INDOWATER_MIDTRANS", value_name = "WHERE")]
    midtrans: Option<String>,
    /// Secret key of your account at Xendit; a test key is its sandbox
    #[arg(long, env = "INDOWATER_XENDIT_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    xendit_secret_key: Option<String>,
    /// Callback token of that account
    #[arg(long, env = "INDOWATER_XENDIT_CALLBACK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    xendit_callback_token: Option<String>,
    /// Base URL of Xendit, if it is another than the real one's
    #[arg(long, env = "INDOWATER_XENDIT", value_name = "URL")]
    xendit: Option<String>,
    /// The stand-ins misbehave as the real ones sometimes do: they repeat, delay, lose and forge notifications, do not
    /// answer, and take payments back
    #[arg(long)]
    mischief: bool,
}

/// What goes wrong with `--mischief`, in percent: often enough to be seen in an hour of clicking, seldom enough that most
/// payments go through.
const MISCHIEF: [(&str, &str); 9] = [
    ("--seed", "1"),
    ("--duplicates", "25"),
    ("--delays", "25"),
    ("--losses", "10"),
    ("--timeouts", "3"),
    ("--errors", "5"),
    ("--reversals", "5"),
    ("--late-payments", "10"),
    ("--attacker", "10"),
];

/// The gateways of a system.
pub(super) struct Gateways {
    /// What billing is told of them.
    pub env: Vec<(String, String)>,
    /// Who they are, for people.
    pub who: String,
    /// Base URL of the stand-ins, and how they are started, if there are any.
    pub stand_ins: Option<(String, Launch)>,
}

/// Billing's settings of a gateway.
type Told = Vec<(&'static str, String)>;

impl Accounts {
    /// The gateways of a system whose API will be at the port `api`.
    ///
    /// # Errors
    /// An account that is half told, or no free port.
    pub fn gateways(&self, folder: &DataFolder, api: u16) -> Result<Gateways> {
        let (midtrans, xendit) = (self.real_midtrans()?, self.real_xendit()?);
        let who = match (&midtrans, &xendit) {
            (None, None) => "stand-ins for Midtrans and Xendit",
            (Some(_), None) => "your account at Midtrans, a stand-in for Xendit",
            (None, Some(_)) => "a stand-in for Midtrans, your account at Xendit",
            (Some(_), Some(_)) => "your accounts at Midtrans and Xendit",
        };
        let (mut told, mut args) = (Told::new(), Vec::<OsString>::new());
        let port = Port::any()?;
        let url = format!("http://127.0.0.1:{}", port.number());
        let notify = |gateway: &str| {
            let hook = format!("http://127.0.0.1:{api}/api/v1/webhooks/{gateway}");
            [format!("--{gateway}-notify").into(), hook.into()]
        };
        match midtrans {
            Some(real) => told.extend(real),
            None => {
                told.push(("INDOWATER_MIDTRANS", format!("{url}/midtrans")));
                told.push(("INDOWATER_MIDTRANS_SERVER_KEY", MIDTRANS_KEY.to_owned()));
                args.extend(notify("midtrans"));
            }
        }
        match xendit {
            Some(real) => told.extend(real),
            None => {
                told.push(("INDOWATER_XENDIT", format!("{url}/xendit")));
                told.push(("INDOWATER_XENDIT_SECRET_KEY", XENDIT_KEY.to_owned()));
                told.push(("INDOWATER_XENDIT_CALLBACK_TOKEN", XENDIT_TOKEN.to_owned()));
                args.extend(notify("xendit"));
            }
        }
        let stand_ins = if args.is_empty() { None } else { Some((url, self.launch(folder, port, args)?)) };
        let env = told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Gateways { env, who: who.to_owned(), stand_ins })
    }

    /// Billing's settings of the real Midtrans, if there is an account.
    fn real_midtrans(&self) -> Result<Option<Told>> {
        match (given(&self.midtrans_server_key), given(&self.midtrans)) {
            (Some(key), place) => Ok(Some(vec![
                ("INDOWATER_MIDTRANS", place.unwrap_or("sandbox").to_owned()),
                ("INDOWATER_MIDTRANS_SERVER_KEY", key.to_owned()),
            ])),
            (None, Some(place)) => bail!(
                "INDOWATER_MIDTRANS says {place:?}, but without a key: set INDOWATER_MIDTRANS_SERVER_KEY too, or unset \
                 both for the stand-in"
            ),
            (None, None) => Ok(None),
        }
    }

    /// Billing's settings of the real Xendit, if there is an account.
    fn real_xendit(&self) -> Result<Option<Told>> {
        match (given(&self.xendit_secret_key), given(&self.xendit_callback_token), given(&self.xendit)) {
            (Some(key), Some(token), place) => {
                let mut told = vec![
                    ("INDOWATER_XENDIT_SECRET_KEY", key.to_owned()),
                    ("INDOWATER_XENDIT_CALLBACK_TOKEN", token.to_owned()),
                ];
                told.extend(place.map(|place| ("INDOWATER_XENDIT", place.to_owned())));
                Ok(Some(told))
            }
            (None, None, None) => Ok(None),
            _ => bail!(
                "the account at Xendit is half told: set both INDOWATER_XENDIT_SECRET_KEY and \
                 INDOWATER_XENDIT_CALLBACK_TOKEN, or unset them and INDOWATER_XENDIT for the stand-in"
            ),
        }
    }

    /// The stand-ins are a process like any other: they may die, they log, they are started again.
    fn launch(&self, folder: &DataFolder, port: Port, notify: Vec<OsString>) -> Result<Launch> {
        let name = "gateways";
        let listen = format!("127.0.0.1:{}", port.number());
        let mut args: Vec<OsString> = vec![name.into(), "--listen".into(), listen.into()];
        args.extend(notify);
        if self.mischief {
            args.extend(MISCHIEF.iter().flat_map(|(flag, value)| [flag.into(), value.into()]));
        }
        Ok(Launch {
            name: name.to_owned(),
            program: env::current_exe().context("cannot tell where this program is")?,
            args,
            env: Vec::new(),
            log: folder.log(name),
            pid_file: folder.pid_file(name),
            ports: vec![port],
            grace: Duration::from_secs(5),
        })
    }
}

/// What was said; a variable that is set to nothing says nothing.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::gateways;

    /// Settings that billing is told, the words for people, and the arguments of the stand-ins.
    async fn of(accounts: Accounts) -> (Vec<String>, String, Vec<String>) {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).await.unwrap();
        let found = accounts.gateways(&folder, 8_080).unwrap();
        let url = found.stand_ins.as_ref().map_or("none", |(url, _)| url);
        let env = found.env.iter().map(|(name, value)| {
            format!("{} {}", name.trim_start_matches("INDOWATER_"), value.replace(url, "URL"))
        });
        let env = env.collect();
        let args = found.stand_ins.map(|(_, launch)| launch.args).unwrap_or_default();
        (env, found.who, args.into_iter().map(|arg| arg.into_string().unwrap()).collect())
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[tokio::test]
    async fn without_keys_there_are_stand_ins_that_behave() {
        let empty = Accounts { midtrans_server_key: text(" "), ..Accounts::default() };
        let (env, who, args) = of(empty).await;
        assert_eq!(
            env,
            [
                "MIDTRANS URL/midtrans",
                "MIDTRANS_SERVER_KEY SB-Mid-server-indowater",
                "XENDIT URL/xendit",
                "XENDIT_SECRET_KEY xnd_development_indowater",
                "XENDIT_CALLBACK_TOKEN indowater-callback-token"
            ]
        );
        assert_eq!(who, "stand-ins for Midtrans and Xendit");
        assert_eq!(
            args[3..],
            [
                "--midtrans-notify",
                "http://127.0.0.1:8080/api/v1/webhooks/midtrans",
                "--xendit-notify",
                "http://127.0.0.1:8080/api/v1/webhooks/xendit"
            ]
        );
    }

    #[tokio::test]
    async fn a_key_is_handed_through_in_place_of_its_stand_in() {
        let midtrans = Accounts { midtrans_server_key: text("SB-1"), ..Accounts::default() };
        let (env, _, args) = of(midtrans.clone()).await;
        assert_eq!(env[..2], ["MIDTRANS sandbox", "MIDTRANS_SERVER_KEY SB-1"]);
        assert!(
            args.contains(&"--xendit-notify".to_owned()) && !args.contains(&"--midtrans-notify".to_owned())
        );

        let both = Accounts {
            midtrans: text("production"),
            xendit_secret_key: text("xnd_1"),
            xendit_callback_token: text("t"),
            ..midtrans
        };
        let (env, who, args) = of(both).await;
        let expected = [
            "MIDTRANS production",
            "MIDTRANS_SERVER_KEY SB-1",
            "XENDIT_SECRET_KEY xnd_1",
            "XENDIT_CALLBACK_TOKEN t",
        ];
        assert_eq!(env, expected);
        assert!(args.is_empty() && who.starts_with("your accounts"));
    }

    #[test]
    fn half_an_account_is_refused() {
        for half in [
            Accounts { midtrans: text("sandbox"), ..Accounts::default() },
            Accounts { xendit_secret_key: text("xnd_1"), ..Accounts::default() },
            Accounts { xendit_callback_token: text("t"), ..Accounts::default() },
            Accounts { xendit: text("https://api.xendit.co"), ..Accounts::default() },
        ] {
            assert!(half.real_midtrans().is_err() || half.real_xendit().is_err());
        }
    }

    #[tokio::test]
    async fn the_stand_ins_understand_their_arguments() {
        #[derive(Debug, Parser)]
        struct Program {
            #[command(flatten)]
            args: gateways::Args,
        }
        for mischief in [false, true] {
            let (_, _, args) = of(Accounts { mischief, ..Accounts::default() }).await;
            let program = Program::try_parse_from(args).unwrap();
            assert_eq!(format!("{program:?}").contains("duplicates: 25"), mischief);
        }
    }
}
