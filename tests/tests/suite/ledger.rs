//! B1 and B3 under fire: usage becomes money exactly once, to the rupiah, and every rupiah is explained.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use indowater::registry::Registry;
use indowater_proto::billing::v1::ledger_service_client::LedgerServiceClient;
use indowater_proto::billing::v1::quote_request::Question;
use indowater_proto::billing::v1::tariff_service_client::TariffServiceClient;
use indowater_proto::billing::v1::{
    AdjustRequest, Balance, EntryKind, ExplainEntryRequest, GetBalanceRequest, LedgerEntry,
    ListEntriesRequest, QuoteRequest, SetTariffRequest, Tariff, TariffBlock,
};
use indowater_proto::registry::v1::{Device, Property};
use indowater_proto::topics;
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, Network, messages, meters};
use indowater_tests::world::{CUSTOMER, World, eventually};
use prost::Message as _;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::{Decimal, RoundingStrategy};
use rustix::process::{Pid, Signal, kill_process};
use tonic::transport::Channel;

/// Postings are many and small, so that a kill finds one on its way.
const HASTY: &[(&str, &str)] = &[("INDOWATER_LEDGER_GROUP", "20"), ("INDOWATER_LEDGER_IDLE", "5")];
const REVISING: &[(&str, &str)] = &[("INDOWATER_FLUSH_IDLE", "50"), ("INDOWATER_FLUSH_AGE", "300")];

/// Enrols each meter for one of `customers` customers, in turn.
pub async fn enrol(
    world: &World,
    meters: &[Meter],
    customers: usize,
) -> Result<BTreeMap<String, Vec<Meter>>> {
    let url = world.system.registry_url.as_deref().context("ingest is not started")?;
    let registry = Registry::at(url, world.system.certificates.as_deref())?;
    let mut owned: BTreeMap<String, Vec<Meter>> = BTreeMap::new();
    for (number, meter) in meters.iter().enumerate() {
        owned.entry(format!("customer-{}", number % customers)).or_default().push(meter.clone());
    }
    for (customer_id, meters) in &owned {
        let property = Property {
            id: format!("property-of-{customer_id}"),
            name: "Rumah".to_owned(),
            address: "Jl. Kebon Sirih 1, Jakarta".to_owned(),
            customer_id: customer_id.clone(),
            property_type: "residential".to_owned(),
            time_zone: "Asia/Jakarta".to_owned(),
            tariff_class: "household-middle-1".to_owned(),
            ..Property::default()
        };
        let property_id = property.id.clone();
        registry.create_properties(vec![property]).await?;
        let device = |meter: &Meter| Device {
            id: meter.id.clone(),
            device_id: meter.device_id.clone(),
            property_id: property_id.clone(),
            installation_date: "2026-01-01T00:00:00Z".to_owned(),
            ..Device::default()
        };
        registry.enrol(&meters.iter().map(device).collect::<Vec<_>>()).await?;
    }
    Ok(owned)
}

/// What the meters' water must be posted at, whole rupiah.
fn owed(meters: &[Meter]) -> i64 {
    meters.iter().map(Meter::owed).sum()
}

/// Every entry that was told, by id; told again it must be the same.
async fn told(world: &World) -> Result<BTreeMap<String, LedgerEntry>> {
    let mut entries: BTreeMap<String, LedgerEntry> = BTreeMap::new();
    for (_, _, value) in world.records(&topics::ENTRIES).await? {
        let entry = LedgerEntry::decode(&*value)?;
        if let Some(before) = entries.insert(entry.id.clone(), entry.clone()) {
            ensure!(before == entry, "told twice, and not the same: {before:?} and {entry:?}");
        }
    }
    Ok(entries)
}

/// B1: entries add up to zero and follow each other without gaps, and the balance is their sum.
fn check_statements(entries: &BTreeMap<String, LedgerEntry>) -> Result<BTreeMap<String, i64>> {
    let mut statements: BTreeMap<&str, BTreeMap<i64, &LedgerEntry>> = BTreeMap::new();
    for entry in entries.values() {
        ensure!(entry.legs.iter().map(|leg| leg.amount).sum::<i64>() == 0, "not balanced: {entry:?}");
        let twin = statements.entry(&entry.customer_id).or_default().insert(entry.sequence, entry);
        ensure!(twin.is_none(), "two entries in one place: {entry:?} and {twin:?}");
    }
    let mut balances = BTreeMap::new();
    for (customer_id, statement) in statements {
        let mut balance = 0;
        for (number, (sequence, entry)) in (1..).zip(&statement) {
            balance += entry.amount;
            ensure!(*sequence == number, "{customer_id} has no entry {number}");
            ensure!(entry.balance_after == balance, "after {entry:?} the balance is {balance}");
        }
        balances.insert(customer_id.to_owned(), balance);
    }
    Ok(balances)
}

/// Two instances of billing are killed again and again while usage is revised; nothing is lost or posted twice.
pub async fn usage_becomes_money_whatever_is_killed(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "money").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let mut usage = world.start("usage-aggregator", REVISING).await?;
    let mut billing = [world.start("billing", HASTY).await?, world.start("billing", HASTY).await?];
    let meters = meters(30, 36, 220);
    let owned = enrol(&world, &meters, 12).await?;
    let all = messages(30, &meters, Network::ROUGH);
    let mut chance = ChaCha8Rng::seed_from_u64(30);
    for (number, part) in all.chunks(all.len() / 6 + 1).enumerate() {
        world.send(part).await?;
        tokio::time::sleep(Duration::from_millis(chance.random_range(100..900))).await;
        let victim = &mut billing[number % 2];
        victim.process.kill().await;
        *victim = world.launch("billing", HASTY)?;
        if chance.random_bool(0.3) {
            usage.process.kill().await;
            usage = world.launch("usage-aggregator", REVISING)?;
        }
    }
    world.expect_days(&meters).await?;
    expect_balances(&world, &owned).await?;
    // The balances that were told last are those of the statements.
    let balances = check_statements(&told(&world).await?)?;
    let mut last = BTreeMap::new();
    for (_, _, value) in world.records(&topics::BALANCES).await? {
        let Balance { customer_id, balance, .. } = Balance::decode(&*value)?;
        last.insert(customer_id, balance);
    }
    ensure!(last == balances, "balances {last:?} were told, and the statements say {balances:?}");
    Ok(())
}

/// An instance of billing sleeps with postings in its memory, loses its partitions without knowing, and wakes up: what another
/// one posted meanwhile is not posted again.
pub async fn a_zombie_posts_nothing_twice(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "ledger-zombie").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", REVISING).await?;
    let patient = [("INDOWATER_LEDGER_IDLE", "60000"), ("INDOWATER_LEDGER_AGE", "60000")];
    let zombie = world.start("billing", &patient).await?;
    let meters = meters(33, 20, 150);
    let owned = enrol(&world, &meters, 8).await?;
    let all = messages(33, &meters, Network::ROUGH);
    let (early, later) = all.split_at(all.len() / 2);
    world.send(early).await?;
    let topic = format!("topic=\"{}\"", topics::INSTRUCTIONS.name(&world.system.topic_prefix));
    eventually("the zombie-to-be has read instructions", async || {
        let applied = zombie.metric("indowater_consumed_records_total", &topic).await?;
        ensure!(applied > Decimal::from(50), "only {applied}");
        Ok(())
    })
    .await?;
    let pid = Pid::from_raw(i32::try_from(zombie.process.pid())?).context("no pid")?;
    kill_process(pid, Signal::STOP)?;
    let _heir = world.start("billing", HASTY).await?;
    world.send(later).await?;
    world.expect_days(&meters).await?;
    expect_balances(&world, &owned).await?;
    kill_process(pid, Signal::CONT)?;
    eventually("the zombie is back in the group", async || {
        ensure!(zombie.ready_now().await? == 200, "not ready");
        Ok(())
    })
    .await?;
    zombie.process.stop().await;
    expect_balances(&world, &owned).await
}

/// Waits until every balance is what the customer's meters cost.
pub async fn expect_balances(world: &World, owned: &BTreeMap<String, Vec<Meter>>) -> Result<()> {
    eventually("every balance is what the meters cost", async || {
        let balances = check_statements(&told(world).await?)?;
        for (customer_id, meters) in owned {
            let (is, due) = (balances.get(customer_id).copied(), -owed(meters));
            ensure!(is == Some(due), "{customer_id} stands at {is:?}, and owes {due}");
        }
        Ok(())
    })
    .await
}

/// A customer's view: a late read re-rates a closed day, the statement shows the difference, and each rupiah is explained.
pub async fn a_late_read_is_in_the_statement_and_explained(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "statement").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", REVISING).await?;
    let billing = world.start("billing", &[]).await?;
    let meters = meters(31, 1, 120);
    world.enrol(&meters).await?;
    // Every third day is held back: the reads on its both sides settle what it must be, not how it splits.
    let (late, early): (Vec<_>, Vec<_>) = meters[0].reads.iter().partition(|(at, _)| at / 86_400 % 3 == 0);
    let part = |reads: Vec<(i64, i64)>| Meter { reads, ..meters[0].clone() };
    let in_order = Network { batch: 5, repeat: 1_000_000, late: 1_000_000, disorder: 1 };
    let mut ledger = LedgerServiceClient::connect(billing.url.clone()).await?;
    ensure!(balance(&mut ledger).await? == (0, 0, String::new()), "a customer without entries has nothing");

    let early = [part(early)];
    world.send(&messages(31, &early, in_order)).await?;
    settled(&billing.url, -owed(&early)).await?;
    world.send(&messages(32, &[part(late)], in_order)).await?;
    settled(&billing.url, -owed(&meters)).await?;

    let entries = statement(&mut ledger).await?;
    explain(&mut ledger, &entries).await?;
    correct(&mut ledger, &billing.url).await
}

type Ledger = LedgerServiceClient<Channel>;

/// Rupiah, the last sequence, and what an average day costs.
async fn balance(ledger: &mut Ledger) -> Result<(i64, i64, String)> {
    let asked = GetBalanceRequest { customer_id: CUSTOMER.to_owned() };
    let answer = ledger.get_balance(asked).await?.into_inner();
    let balance = answer.balance.context("no balance")?;
    Ok((balance.balance, balance.sequence, answer.daily_cost))
}

/// All of the statement, page by page.
async fn statement(ledger: &mut Ledger) -> Result<Vec<LedgerEntry>> {
    let mut entries: Vec<LedgerEntry> = Vec::new();
    let mut page_token = String::new();
    loop {
        let asked = ListEntriesRequest { customer_id: CUSTOMER.to_owned(), page_size: 7, page_token };
        let page = ledger.list_entries(asked).await?.into_inner();
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let sequences: Vec<i64> = entries.iter().map(|entry| entry.sequence).collect();
    ensure!(
        sequences == (1..).take(sequences.len()).collect::<Vec<i64>>().into_iter().rev().collect::<Vec<_>>(),
        "pages overlap: {sequences:?}"
    );
    Ok(entries)
}

/// Every entry is explained by days whose parts add up.
async fn explain(ledger: &mut Ledger, entries: &[LedgerEntry]) -> Result<()> {
    let mut revised = BTreeSet::new();
    for entry in entries {
        let asked = ExplainEntryRequest { customer_id: CUSTOMER.to_owned(), entry_id: entry.id.clone() };
        let explained = ledger.explain_entry(asked).await?.into_inner();
        ensure!(explained.entry.as_ref() == Some(entry) && !explained.days.is_empty(), "{explained:?}");
        for day in &explained.days {
            let charged = day.day.as_ref().context("a day without itself")?;
            let parts =
                day.parts.iter().map(|part| part.cost.parse::<Decimal>()).sum::<Result<Decimal, _>>()?;
            let beyond: Decimal = day.fixed_and_minimum.parse()?;
            ensure!(parts + beyond == charged.cost.parse()?, "{day:?} does not add up");
            if charged.cost_before != "0" {
                revised.insert(charged.date.clone());
            }
        }
        let source = entry.usage.as_ref().context("water from nowhere")?;
        let cost: Decimal = source.month_cost.parse()?;
        let due = cost.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
            - Decimal::from(source.posted_before);
        ensure!(
            Decimal::from(-entry.amount) == due,
            "{entry:?} is not the rounded cost less what was posted"
        );
    }
    ensure!(revised.len() > 2, "the late reads changed only {revised:?}");
    Ok(())
}

/// A correction is posted once, whoever asks how often, and somebody answers for it.
async fn correct(ledger: &mut Ledger, url: &str) -> Result<()> {
    let (before, sequence, _) = balance(ledger).await?;
    let correction = AdjustRequest {
        id: "goodwill-1".to_owned(),
        customer_id: CUSTOMER.to_owned(),
        amount: 5_000,
        reason: "Goodwill".to_owned(),
        made_by: "admin-001".to_owned(),
    };
    for _ in 0..3 {
        ledger.adjust(correction.clone()).await?;
    }
    for other in [
        AdjustRequest { amount: 5_001, ..correction.clone() },
        AdjustRequest { reason: "Another".to_owned(), ..correction.clone() },
        AdjustRequest { customer_id: "customer-002".to_owned(), ..correction.clone() },
    ] {
        let refused = ledger.adjust(other.clone()).await.err();
        let code = refused.as_ref().map(tonic::Status::code);
        ensure!(code == Some(tonic::Code::AlreadyExists), "{other:?} was answered with {refused:?}");
    }
    settled(url, before + 5_000).await?;
    let (_, after, _) = balance(ledger).await?;
    ensure!(after == sequence + 1, "posted {} times", after - sequence);
    let newest =
        ListEntriesRequest { customer_id: CUSTOMER.to_owned(), page_size: 1, page_token: String::new() };
    let newest = ledger.list_entries(newest).await?.into_inner().entries;
    ensure!(newest[0].kind() == EntryKind::Adjustment && newest[0].made_by == "admin-001", "{newest:?}");
    let nameless = AdjustRequest { made_by: String::new(), id: "goodwill-2".to_owned(), ..correction };
    ensure!(ledger.adjust(nameless).await.is_err(), "a correction that nobody answers for was taken");
    Ok(())
}

/// Waits until the balance is `due`, as the service answers it.
async fn settled(url: &str, due: i64) -> Result<()> {
    eventually("the balance is what is due", async || {
        let mut ledger = LedgerServiceClient::connect(url.to_owned()).await?;
        let asked = GetBalanceRequest { customer_id: CUSTOMER.to_owned() };
        let balance = ledger.get_balance(asked).await?.into_inner().balance.context("no balance")?;
        ensure!(balance.balance == due, "it is {} and not {due}", balance.balance);
        Ok(())
    })
    .await
}

/// An administrator's view: tariffs are told, quoted, and changed for days to come only.
pub async fn tariffs_are_set_for_days_to_come_and_told(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "tariffs").await?;
    let billing = world.start("billing", &[]).await?;
    let mut desk = TariffServiceClient::connect(billing.url.clone()).await?;
    let quote = |question| QuoteRequest {
        class: "household-middle-1".to_owned(),
        on: "2026-06-01".to_owned(),
        month_to_date: String::new(),
        question: Some(question),
    };
    let answer = desk.quote(quote(Question::Volume("25".to_owned()))).await?.into_inner();
    ensure!((answer.cost.as_str(), answer.blocks.len()) == ("206500", 3), "{answer:?}");
    let answer = desk.quote(quote(Question::Rupiah(206_500))).await?.into_inner();
    ensure!(answer.volume == "25", "{answer:?}");

    let version = |from: &str| SetTariffRequest {
        class: "household-middle-1".to_owned(),
        tariff: Some(Tariff {
            from: from.to_owned(),
            blocks: vec![TariffBlock { up_to: String::new(), price: "1000".to_owned() }],
            fixed_charge: "15000".to_owned(),
            minimum_volume: "10".to_owned(),
            set_by: "admin-001".to_owned(),
        }),
    };
    let refused = desk.set_tariff(version("2026-01-01")).await.err().context("the past was priced again")?;
    ensure!(refused.message().starts_with("from "), "{refused}");
    let schedule =
        desk.set_tariff(version("2099-01-01")).await?.into_inner().schedule.context("no schedule")?;
    ensure!((schedule.versions.len(), schedule.revision) == (2, 2), "{schedule:?}");
    eventually("the change is told", async || {
        let mut revisions = BTreeMap::new();
        for (_, _, value) in world.records(&topics::TARIFFS).await? {
            let told = indowater_proto::billing::v1::TariffSchedule::decode(&*value)?;
            revisions.insert(told.class.clone(), told);
        }
        ensure!(revisions.len() == 7, "only {} classes were told", revisions.len());
        ensure!(revisions.get("household-middle-1") == Some(&schedule), "an old one was told last");
        Ok(())
    })
    .await
}
