//! Files of reads, the way every utility starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use indowater_proto::topics;
use indowater_tests::base::Base;
use indowater_tests::oracle::Expected;
use indowater_tests::world::{World, eventually};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::process::Command;

/// Comes first and has the newer reads: rows of no use between them.
const NEWER: &str = "meter,time,register\n\
    SN-1,2026-02-04 00:00:00,11500\n\
    SN-1,soon,11600\n\
    SN-1,2026-02-05T00:00:00+07:00,11800\n\
    SN-1,2026-02-05 12:00:00,-1\n\
    sn-1,1770310800,12500\n\
    SN-2,2026-02-04 00:00:00,7\n\
    Total,,23807";

/// Comes second, from before the other one, in another dress.
const OLDER: &str = "Laporan;;\r\n\"Meter\"; Tanggal ; Jam ;Angka\r\n\
    SN-1;31/01/2026;24:00;10,000\r\n\
    SN-1;01/02/2026;24:00;10,400\r\n\
    SN-1;03/02/2026;00.00;10,900\r\n";

/// What both files say together, worked out by hand: m3 at Rp 4,900, all within the first block.
const DAYS: [(&str, i64, i64, usize); 6] = [
    ("2026-02-01", 400, 1_960, 1),
    ("2026-02-02", 500, 2_450, 1),
    ("2026-02-03", 600, 2_940, 1),
    ("2026-02-04", 300, 1_470, 1),
    ("2026-02-05", 700, 3_430, 1),
    ("2026-02-06", 0, 0, 1),
];

/// The tool as a person runs it.
struct Tool<'a> {
    program: PathBuf,
    world: &'a World,
}

/// How it ended and what it said.
struct Ended {
    code: Option<i32>,
    summary: Value,
    complaint: String,
}

impl Tool<'_> {
    async fn replay(&self, file: &Path, flags: &str) -> Result<Ended> {
        let system = &self.world.system;
        let registry = system.registry_url.as_deref().context("ingest is not started")?;
        let output = Command::new(&self.program)
            .args(["replay", "--json", "--kafka", &system.kafka, "--mongodb", &system.mongodb])
            .args(["--database", &system.database, "--topic-prefix", &system.topic_prefix])
            .args(["--registry", registry])
            .args(flags.split_whitespace())
            .arg(file)
            .output()
            .await?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let summary = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Ok(Ended { code: output.status.code(), summary, complaint })
    }
}

/// Two files of reads, the second earlier than the first and written otherwise, become the days that are worked out by
/// hand; what is refused is said and fails the call; nothing is sent by a dry run, nor where the registry says otherwise.
pub async fn files_in_any_order_become_days(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "replay").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    let folder = tempfile::tempdir()?;
    let (newer, older) = (folder.path().join("newer.csv"), folder.path().join("older.csv"));
    std::fs::write(&newer, NEWER)?;
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(OLDER.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    std::fs::write(&older, utf16)?;
    let tool = Tool { program: base.programs.join("indowater"), world: &world };

    let tried = tool.replay(&newer, "--dry-run").await?;
    ensure!(tried.code == Some(1), "a dry run with rows of no use: {:?} {}", tried.code, tried.complaint);
    says(&tried.summary, &[("/rows", 7), ("/reads", 4), ("/refused/count", 3), ("/meters_made", 2)])?;
    ensure!(world.records(&topics::TELEMETRY).await?.is_empty(), "a dry run has sent something");

    let first = tool.replay(&newer, "").await?;
    ensure!(first.code == Some(1), "rows were lost, but it ended with {:?}", first.code);
    ensure!(first.complaint.trim() == "indowater: 3 rows were refused", "{:?}", first.complaint);
    says(
        &first.summary,
        &[
            ("/refused/reasons/time/first/0/line", 3),
            ("/refused/reasons/negative/first/0/line", 5),
            ("/meters_made", 2),
            ("/outcome/accepted", 4),
            ("/outcome/dead", 0),
            ("/outcome/shifted", 0),
            ("/outcome/days_touched", 4),
        ],
    )?;

    let flags = "--skip-lines 1 --date-column tanggal --time-column jam --register-column angka --decimal comma \
                 --unit cubic-metre";
    let second = tool.replay(&older, flags).await?;
    ensure!(second.code == Some(0), "{:?} {}", second.code, second.complaint);
    ensure!(second.complaint.is_empty(), "{}", second.complaint);
    says(
        &second.summary,
        &[("/rows", 3), ("/meters_made", 0), ("/outcome/accepted", 3), ("/outcome/unheard", 0)],
    )?;
    let expected: BTreeMap<String, Expected> = DAYS
        .into_iter()
        .map(|(date, litres, cost, reads)| {
            (date.to_owned(), Expected { litres, cost: Decimal::from(cost), reads })
        })
        .collect();
    eventually("the days are those worked out by hand", async || {
        let days = world.days("replay-SN-1").await?;
        ensure!(days == expected, "{days:#?}");
        Ok(())
    })
    .await?;

    nothing_is_sent_where_the_registry_says_otherwise(&tool, &newer).await?;
    let empty = folder.path().join("empty.csv");
    std::fs::write(&empty, "meter,time,register\n")?;
    let nothing = tool.replay(&empty, "").await?;
    ensure!(
        nothing.code == Some(1) && nothing.complaint.contains("nothing was read"),
        "{}",
        nothing.complaint
    );
    Ok(())
}

async fn nothing_is_sent_where_the_registry_says_otherwise(tool: &Tool<'_>, file: &Path) -> Result<()> {
    let sent = async || -> Result<usize> { Ok(tool.world.records(&topics::TELEMETRY).await?.len()) };
    let before = sent().await?;
    let differs = tool.replay(file, "--customer customer-009 --register-digits 9").await?;
    ensure!(differs.code == Some(1) && differs.summary == Value::Null, "{:?}", differs.code);
    for word in
        ["replay-SN-1", "replay-SN-2", "customer is replay-customer", "digits is 8", "--keep-registry"]
    {
        ensure!(differs.complaint.contains(word), "{word} is not in {}", differs.complaint);
    }
    ensure!(sent().await? == before, "something was sent although the registry says otherwise");
    Ok(())
}

fn says(summary: &Value, expected: &[(&str, u64)]) -> Result<()> {
    for (pointer, number) in expected {
        let said = summary.pointer(pointer).and_then(Value::as_u64);
        ensure!(said == Some(*number), "{pointer} is {said:?} instead of {number} in {summary:#}");
    }
    Ok(())
}
