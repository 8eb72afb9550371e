//! V1 with real instances: limits hold under any concurrency and whatever is killed, and what failed gives back.

mod desk;

pub use desk::vouchers_are_managed_and_say_why_not;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bson::{Bson, Document, doc};
use futures::{StreamExt, TryStreamExt};
use indowater_proto::topics;
use indowater_proto::voucher::v1::reserve_voucher_response::Outcome as Reserved;
use indowater_proto::voucher::v1::voucher_service_client::VoucherServiceClient;
use indowater_proto::voucher::v1::{
    self as pb, CommitOutcome, DiscountType, RefusalReason, ReservationState, VoucherStatus,
};
use indowater_tests::base::Base;
use indowater_tests::world::{PATIENCE, Service, World, eventually};
use prost::Message as _;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// Overdue places are given back while the story waits for it.
const HASTY: &[(&str, &str)] = &[("INDOWATER_VOUCHER_SWEEP_MS", "200")];

type Client = VoucherServiceClient<Channel>;

fn client(service: &Service) -> Result<Client> {
    let endpoint = Endpoint::from_shared(service.url.clone())?.timeout(Duration::from_secs(20));
    Ok(Client::new(endpoint.connect_lazy()))
}

/// Several instances, of which a call finds one that lives.
struct Instances(Mutex<Vec<Client>>);

impl Instances {
    fn client(&self, number: usize) -> Client {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients[number % clients.len()].clone()
    }

    fn replace(&self, number: usize, client: Client) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[number] = client;
    }

    /// Calls one instance, and others if it does not answer, as a caller does that does not know what became of it.
    async fn call<T>(&self, first: usize, call: impl AsyncFn(Client) -> Result<T, Status>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        for number in first.. {
            match call(self.client(number)).await {
                Ok(answer) => return Ok(answer),
                Err(status) => {
                    let lost = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::DeadlineExceeded];
                    ensure!(lost.contains(&status.code()) && Instant::now() < deadline, "{status}");
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("no instance answers")
    }
}

/// A voucher of ten percent.
fn voucher(code: &str, usage_limit: Option<i64>, per_customer_limit: i64) -> pb::Voucher {
    pb::Voucher {
        id: format!("voucher-{}", code.trim().to_lowercase()),
        code: code.to_owned(),
        description: format!("{code} of the tests"),
        discount_type: DiscountType::Percentage.into(),
        discount_value: "10".to_owned(),
        usage_limit,
        per_customer_limit,
        valid_until: "2100-01-01T00:00:00Z".to_owned(),
        created_by: "admin-001".to_owned(),
        ..Default::default()
    }
}

async fn create(client: &Client, voucher: pb::Voucher) -> Result<pb::Voucher, Status> {
    let request = pb::CreateVoucherRequest { voucher: Some(voucher) };
    let created = client.clone().create_voucher(request).await?.into_inner();
    created.voucher.ok_or_else(|| Status::internal("no voucher"))
}

/// What becomes of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Settles,
    Fails,
    /// Nobody hears of it again.
    Abandoned,
    /// Fails first, and is settled after all.
    SettlesLate,
}

#[derive(Clone, Debug)]
struct Payment {
    id: String,
    code: String,
    customer_id: String,
    amount: i64,
    plan: Plan,
    seed: u64,
}

impl Payment {
    fn discount(&self) -> i64 {
        (self.amount + 9) / 10
    }

    fn reserve(&self, seconds: i64) -> pb::ReserveVoucherRequest {
        pb::ReserveVoucherRequest {
            payment_id: self.id.clone(),
            code: self.code.to_lowercase(),
            customer_id: self.customer_id.clone(),
            customer_email: format!("{}@indowater.com", self.customer_id),
            purchase_amount: self.amount,
            time_to_live_seconds: seconds,
        }
    }

    fn commit(&self) -> pb::CommitVoucherRequest {
        pb::CommitVoucherRequest {
            payment_id: self.id.clone(),
            code: self.code.clone(),
            customer_id: self.customer_id.clone(),
            customer_email: format!("{}@indowater.com", self.customer_id),
            purchase_amount: self.amount,
            discount_amount: self.discount(),
        }
    }
}

/// How a payment ended, as its caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Refused,
    Redeemed,
    Lapsed,
    GivenBack,
}

/// Lives through one payment, with repeated calls now and then.
async fn live(payment: &Payment, instances: &Instances) -> Result<End> {
    let mut chance = ChaCha8Rng::seed_from_u64(payment.seed);
    let mut any = move || chance.random_range(0..1_000_usize);
    let request = payment.reserve(if payment.plan == Plan::Abandoned { 1 } else { 900 });
    let reserve = async |mut client: Client| client.reserve_voucher(request.clone()).await;
    let outcome = instances.call(any(), reserve).await?.into_inner().outcome.context("no outcome")?;
    let reservation = match outcome {
        Reserved::Reservation(reservation) => reservation,
        Reserved::Refused(refused) => {
            let limits =
                [RefusalReason::Depleted, RefusalReason::FullyReserved, RefusalReason::CustomerLimit];
            ensure!(limits.contains(&refused.reason()), "{payment:?} is refused: {refused:?}");
            return Ok(End::Refused);
        }
    };
    ensure!(reservation.discount_amount == payment.discount(), "{payment:?} got {reservation:?}");
    tokio::time::sleep(Duration::from_millis(any() as u64 / 20)).await;
    if payment.plan == Plan::Abandoned {
        return Ok(End::GivenBack);
    }
    if any() < 300 {
        let again = instances.call(any(), reserve).await?.into_inner().outcome;
        ensure!(
            again == Some(Reserved::Reservation(reservation)),
            "{payment:?} got another answer: {again:?}"
        );
    }
    if payment.plan != Plan::Settles {
        let request = pb::ReleaseVoucherRequest { payment_id: payment.id.clone() };
        let release = async |mut client: Client| client.release_voucher(request.clone()).await;
        for _ in 0..1 + any() % 2 {
            let state = instances.call(any(), release).await?.into_inner().state();
            ensure!(state == ReservationState::Released, "{payment:?} was released: {state:?}");
        }
    }
    if payment.plan == Plan::Fails {
        return Ok(End::GivenBack);
    }
    let request = payment.commit();
    let commit = async |mut client: Client| client.commit_voucher(request.clone()).await;
    let first = instances.call(any(), commit).await?.into_inner();
    for _ in 0..any() % 3 {
        let again = instances.call(any(), commit).await?.into_inner();
        ensure!(again == first, "{payment:?} got {first:?}, then {again:?}");
    }
    match first.outcome() {
        CommitOutcome::Redeemed => Ok(End::Redeemed),
        CommitOutcome::Lapsed if payment.plan == Plan::SettlesLate => Ok(End::Lapsed),
        other => bail!("{payment:?} held a place and got {other:?}"),
    }
}

fn payments(seed: u64, many: usize, codes: &[&str], customers: usize) -> Vec<Payment> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let plans = [Plan::Settles, Plan::Settles, Plan::Fails, Plan::Fails, Plan::Abandoned, Plan::SettlesLate];
    let payment = |number| Payment {
        id: format!("payment-{number}"),
        code: codes[chance.random_range(0..codes.len())].to_owned(),
        customer_id: format!("customer-{}", chance.random_range(0..customers)),
        // Of the smallest, 90 % are what gateways take.
        amount: chance.random_range(12_000..500_000),
        plan: plans[chance.random_range(0..plans.len())],
        seed: chance.random_range(0..u64::MAX),
    };
    (0..many).map(payment).collect()
}

/// Two instances, few vouchers, many payments at once; each instance is killed with SIGKILL in the middle.
pub async fn limits_hold_while_instances_are_killed(base: Arc<Base>) -> Result<()> {
    const PAYMENTS: usize = 240;
    let limits: BTreeMap<&str, (Option<i64>, i64)> =
        [("FEW", (Some(7), 3)), ("SOME", (Some(25), 2)), ("OPEN", (None, 4))].into();
    let mut world = World::new(&base, "vouchers").await?;
    let mut running = [world.start("voucher", HASTY).await?, world.start("voucher", HASTY).await?];
    for (code, (usage_limit, per_customer_limit)) in &limits {
        create(&client(&running[0])?, voucher(code, *usage_limit, *per_customer_limit)).await?;
    }
    let codes: Vec<&str> = limits.keys().copied().collect();
    let payments = payments(30, PAYMENTS, &codes, 12);
    let instances = Instances(Mutex::new(running.iter().map(client).collect::<Result<_>>()?));
    let done = AtomicUsize::new(0);
    let work = async {
        let ends = futures::stream::iter(&payments).map(async |payment| {
            let end = live(payment, &instances).await?;
            done.fetch_add(1, Ordering::Relaxed);
            anyhow::Ok((payment.id.clone(), end))
        });
        ends.buffer_unordered(24).try_collect::<BTreeMap<String, End>>().await
    };
    let kill = async {
        for (number, instance) in running.iter_mut().enumerate() {
            let so_far = PAYMENTS * (number + 1) / 4;
            eventually("payments go on", async || {
                ensure!(done.load(Ordering::Relaxed) >= so_far, "still few");
                Ok(())
            })
            .await?;
            instance.process.kill().await;
            *instance = world.launch("voucher", HASTY)?;
            instances.replace(number, client(instance)?);
            instance.ready().await?;
        }
        anyhow::Ok(())
    };
    let (ends, killed) = tokio::join!(work, kill);
    killed?;
    let ends = ends?;
    for end in [End::Refused, End::Redeemed, End::Lapsed, End::GivenBack] {
        ensure!(ends.values().any(|met| *met == end), "the story is too tame, nothing is {end:?}: {ends:?}");
    }
    check(&world, &payments, &ends, &limits).await?;
    every_place_left_can_be_had(&world, &client(&running[0])?, &limits).await
}

/// The database against what the callers were told.
async fn check(
    world: &World,
    payments: &[Payment],
    ends: &BTreeMap<String, End>,
    limits: &BTreeMap<&str, (Option<i64>, i64)>,
) -> Result<()> {
    eventually("nothing is reserved any more", async || {
        let open = world.database.collection::<Document>("voucher_reservations");
        let open = open.count_documents(doc! { "state": "reserved" }).await?;
        ensure!(open == 0, "{open} places are still held");
        Ok(())
    })
    .await?;
    let usage = all(world, "voucher_usage").await?;
    let redeemed: BTreeSet<&str> =
        usage.iter().map(|used| used.get_str("transaction_id")).collect::<Result<_, _>>()?;
    let told = ends.iter().filter(|(_, end)| **end == End::Redeemed).map(|(id, _)| id.as_str());
    ensure!(redeemed == told.collect::<BTreeSet<_>>(), "the redemptions are not those that were answered");
    ensure!(redeemed.len() == usage.len(), "a payment redeemed twice");
    for used in &usage {
        let payment =
            payments.iter().find(|payment| used.get_str("transaction_id").is_ok_and(|id| id == payment.id));
        let payment = payment.context("a redemption without a payment")?;
        let said = (used.get_str("voucher_code")?, used.get_str("customer_id")?);
        ensure!(said == (payment.code.as_str(), payment.customer_id.as_str()), "{used:?} of {payment:?}");
        for (field, amount) in [
            ("purchase_amount", payment.amount),
            ("discount_amount", payment.discount()),
            ("final_amount", payment.amount - payment.discount()),
        ] {
            let Some(Bson::Decimal128(stored)) = used.get(field) else { bail!("{field} is no Decimal128") };
            ensure!(stored.to_string() == amount.to_string(), "{field} of {payment:?} is {stored}");
        }
    }
    for stored in all(world, "vouchers").await? {
        let code = stored.get_str("code")?;
        let (usage_limit, per_customer_limit) = limits[code];
        let mut customers: BTreeMap<&str, i64> = BTreeMap::new();
        for used in usage.iter().filter(|used| used.get_str("voucher_code").is_ok_and(|used| used == code)) {
            *customers.entry(used.get_str("customer_id")?).or_default() += 1;
        }
        let count: i64 = customers.values().sum();
        let counters = (stored.get_i64("usage_count")?, stored.get_i64("reserved_count")?);
        ensure!(counters == (count, 0), "{code}: {counters:?} and {count} redemptions");
        ensure!(usage_limit.is_none_or(|limit| count <= limit), "{code} was redeemed {count} times");
        ensure!(customers.values().all(|count| *count <= per_customer_limit), "{code}: {customers:?}");
        let status = if usage_limit == Some(count) { "depleted" } else { "active" };
        ensure!(stored.get_str("status")? == status, "{code} is not {status}");
    }
    eventually("every redemption is told", async || {
        let records = world.records(&topics::REDEMPTIONS).await?;
        let told: Result<BTreeSet<String>, _> = records
            .iter()
            .map(|(_, _, value)| pb::Redemption::decode(&**value).map(|r| r.transaction_id))
            .collect();
        ensure!(told?.iter().map(String::as_str).collect::<BTreeSet<_>>() == redeemed, "not the same");
        Ok(())
    })
    .await
}

/// What failed gave back: customers who never came before find exactly the places that are not redeemed.
async fn every_place_left_can_be_had(
    world: &World,
    client: &Client,
    limits: &BTreeMap<&str, (Option<i64>, i64)>,
) -> Result<()> {
    for (code, (usage_limit, _)) in limits {
        let Some(usage_limit) = usage_limit else { continue };
        let used = world.database.collection::<Document>("voucher_usage");
        let used = used.count_documents(doc! { "voucher_code": code }).await?;
        let left = usage_limit - i64::try_from(used)?;
        for number in 0..=left {
            let payment = Payment {
                id: format!("payment-{code}-{number}"),
                code: (*code).to_owned(),
                customer_id: format!("newcomer-{number}"),
                amount: 20_000,
                plan: Plan::Fails,
                seed: 0,
            };
            let outcome = client.clone().reserve_voucher(payment.reserve(600)).await?.into_inner().outcome;
            let found = matches!(outcome, Some(Reserved::Reservation(_)));
            ensure!(found == (number < left), "place {number} of the {left} left of {code}: {outcome:?}");
        }
    }
    Ok(())
}

async fn all(world: &World, collection: &str) -> Result<Vec<Document>> {
    Ok(world.database.collection(collection).find(doc! {}).await?.try_collect().await?)
}

/// One place, and what becomes of payments that come too late for it: whatever is asked again, the answer stays.
pub async fn a_late_payment_redeems_only_what_is_left(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "voucher-late").await?;
    // It never sweeps, so that overdue places are given back by those who need them.
    let service = world.start("voucher", &[("INDOWATER_VOUCHER_SWEEP_MS", "3600000")]).await?;
    let client = client(&service)?;
    create(&client, voucher("ONE", Some(1), 1)).await?;
    let payment = |id: &str, customer: &str| Payment {
        id: id.to_owned(),
        code: "ONE".to_owned(),
        customer_id: customer.to_owned(),
        amount: 50_000,
        plan: Plan::SettlesLate,
        seed: 0,
    };
    let (late, next) = (payment("payment-late", "customer-001"), payment("payment-next", "customer-002"));
    let reserved = client.clone().reserve_voucher(late.reserve(1)).await?.into_inner();
    let other = Payment { amount: 60_000, ..late.clone() };
    let other = client.clone().reserve_voucher(other.reserve(1)).await.err().context("another content")?;
    ensure!(other.code() == Code::AlreadyExists && other.message().contains("purchase_amount"), "{other}");
    ensure!(matches!(reserved.outcome, Some(Reserved::Reservation(_))), "{reserved:?}");
    // A place is free the moment its time is up.
    eventually("the overdue place is found", async || {
        let outcome = client.clone().reserve_voucher(next.reserve(600)).await?.into_inner().outcome;
        ensure!(matches!(&outcome, Some(Reserved::Reservation(_))), "{outcome:?}");
        Ok(())
    })
    .await?;
    let outcome = client.clone().reserve_voucher(late.reserve(1)).await?.into_inner().outcome;
    let Some(Reserved::Reservation(now)) = outcome else { bail!("it was refused: {outcome:?}") };
    ensure!(now.state() == ReservationState::Released && now.discount_amount == 5_000, "{now:?}");
    let commit = async |payment: &Payment| {
        anyhow::Ok(client.clone().commit_voucher(payment.commit()).await?.into_inner())
    };
    ensure!(commit(&late).await?.outcome() == CommitOutcome::Lapsed, "there was no place");
    let release = pb::ReleaseVoucherRequest { payment_id: next.id.clone() };
    client.clone().release_voucher(release).await?;
    ensure!(commit(&late).await?.outcome() == CommitOutcome::Lapsed, "the first answer is final");
    let cheap = pb::CommitVoucherRequest { discount_amount: 4_999, ..next.commit() };
    let cheap = client.clone().commit_voucher(cheap).await.err().context("another discount")?;
    ensure!(cheap.code() == Code::AlreadyExists, "{cheap}");
    // Released, and deactivated since: only the limits count.
    let end = pb::DeactivateVoucherRequest { id: "voucher-one".into() };
    client.clone().deactivate_voucher(end).await?;
    let first = commit(&next).await?;
    ensure!(first.outcome() == CommitOutcome::Redeemed && commit(&next).await? == first, "{first:?}");
    let unknown = Payment { code: "NOWHERE".into(), ..payment("payment-unknown", "customer-003") };
    let unknown = client.clone().commit_voucher(unknown.commit()).await.err().context("no such voucher")?;
    ensure!(unknown.code() == Code::NotFound, "{unknown}");

    let request = pb::ListVoucherUsageRequest { customer_id: "customer-002".into(), ..Default::default() };
    let usage = client.clone().list_voucher_usage(request).await?.into_inner().usage;
    ensure!(usage == first.usage.into_iter().collect::<Vec<_>>(), "{usage:?}");
    let request = pb::GetVoucherRequest { id: String::new(), code: "one".into() };
    let voucher = client.clone().get_voucher(request).await?.into_inner().voucher.context("no voucher")?;
    ensure!((voucher.usage_count, voucher.reserved_count) == (1, 0), "{voucher:?}");
    ensure!(voucher.status() == VoucherStatus::Inactive, "{voucher:?}");
    Ok(())
}
