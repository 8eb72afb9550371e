//! billing's clients of Midtrans and Xendit against the stand-ins of the operator's tool.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use billing::domain::payment::{Finding, Observation, Rupiah};
use billing::gateway::{Gateway, GatewayError, Order, OrderId, Refund};
use billing::http_client::Patience;
use billing::midtrans::{self, Midtrans};
use billing::xendit::{self, Xendit};
use indowater::gateways::{self, Gateways, MIDTRANS_KEY, Mischief, Options, XENDIT_KEY, XENDIT_TOKEN};
use indowater_tests::base::Base;
use indowater_tests::world::{eventually, http};
use secrecy::SecretString;

const AMOUNT: Rupiah = Rupiah::whole(50_000);

const PATIENCE: Patience = Patience {
    timeout: Duration::from_millis(500),
    tries: 6,
    pause: Duration::from_millis(20),
    failures: 6,
    rest: Duration::from_millis(300),
};
/// No fee.
const NONE: Rupiah = Rupiah::ZERO;

/// Minutes of the gateways are hundredths of a second.
pub fn options() -> Options {
    Options { hurry: NonZeroU32::new(6_000).unwrap_or(NonZeroU32::MIN), ..Options::default() }
}

async fn open(options: Options) -> Result<Gateways> {
    gateways::start("127.0.0.1:0".parse()?, options).await
}

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

fn midtrans(gateways: &Gateways, key: &str) -> Result<Midtrans> {
    Ok(Midtrans::new(midtrans::Settings {
        snap_url: gateways.midtrans_url(),
        api_url: gateways.midtrans_url(),
        server_key: secret(key),
        patience: PATIENCE,
    })?)
}

fn xendit(gateways: &Gateways, key: &str) -> Result<Xendit> {
    Ok(Xendit::new(xendit::Settings {
        api_url: gateways.xendit_url(),
        secret_key: secret(key),
        callback_token: secret(XENDIT_TOKEN),
        patience: PATIENCE,
    })?)
}

fn id(text: &str) -> Result<OrderId> {
    OrderId::new(text).context("an id")
}

fn order(text: &str) -> Result<Order> {
    Ok(Order {
        id: id(text)?,
        amount: AMOUNT,
        description: "Isi saldo air".to_owned(),
        customer_name: "Budi".to_owned(),
        customer_email: "budi@example.com".to_owned(),
        created_at: indowater_common::clock::now(),
        payable: Duration::from_secs(3_600),
        return_url: Some("https://example.com/saldo".to_owned()),
    })
}

fn refund(key: &str, amount: u32) -> Refund {
    let (key, reason) = (key.to_owned(), "moved away".to_owned());
    Refund { key, transaction: None, amount: Rupiah::whole(amount), reason }
}

/// Lets something happen to an order: the status code of the stand-in.
pub async fn turn(gateways: &Gateways, path: &str) -> Result<u16> {
    let url = format!("{}/orders/{path}", gateways.control_url());
    Ok(http()?.post(url).send().await?.status().as_u16())
}

/// What the only transaction of an order is found to be.
async fn finding(gateway: &Gateway, text: &str) -> Result<Finding> {
    let mut observations = gateway.status(&id(text)?).await?;
    match observations.pop() {
        Some(Observation::Transaction { finding, .. }) if observations.is_empty() => Ok(finding),
        other => anyhow::bail!("not one transaction: {other:?}"),
    }
}

/// The merchant's side of Midtrans: pages, states, refunds, refusals.
pub async fn midtrans_is_understood(_: Arc<Base>) -> Result<()> {
    let gateways = open(options()).await?;
    let client = Gateway::Midtrans(midtrans(&gateways, MIDTRANS_KEY)?);
    let page = client.create(&order("m-1")?).await?;
    ensure!(client.create(&order("m-1")?).await? == page, "a repeated order made a second page");
    ensure!(client.status(&id("m-1")?).await? == [Observation::Unknown], "nobody chose a method");
    let dearer = Order { amount: Rupiah::whole(60_000), ..order("m-1")? };
    ensure!(matches!(client.create(&dearer).await, Err(GatewayError::Taken)), "another amount");

    turn(&gateways, "m-1/choose").await?;
    ensure!(finding(&client, "m-1").await? == Finding::Pending);
    turn(&gateways, "m-1/pay").await?;
    ensure!(finding(&client, "m-1").await? == Finding::Paid { amount: AMOUNT, fee: NONE });
    ensure!(client.end(&id("m-1")?).await.is_err(), "what was paid was cancelled");
    for _ in 0..2 {
        client.refund(&id("m-1")?, &refund("r-1", 20_000)).await?;
    }
    client.refund(&id("m-1")?, &refund("r-2", 5_000)).await?;
    let total = Rupiah::whole(25_000);
    ensure!(finding(&client, "m-1").await? == Finding::Refunded { amount: AMOUNT, fee: NONE, total });
    let too_much = client.refund(&id("m-1")?, &refund("r-3", 30_000)).await;
    ensure!(matches!(too_much, Err(GatewayError::Refused { status: 412, .. })), "{too_much:?}");
    turn(&gateways, "m-1/reverse").await?;
    ensure!(finding(&client, "m-1").await? == Finding::Reversed);

    for (name, acts, found) in [
        ("m-2", &["deny?method=credit_card"][..], Finding::Denied),
        ("m-3", &["choose", "cancel"], Finding::Cancelled),
        ("m-4", &["choose", "expire"], Finding::Expired),
        ("m-5", &["pay", "chargeback"], Finding::Reversed),
        ("m-6", &["pay?method=credit_card"], Finding::Paid { amount: AMOUNT, fee: NONE }),
        ("m-6a", &["challenge"], Finding::Challenged),
        ("m-6b", &["challenge", "accept"], Finding::Paid { amount: AMOUNT, fee: NONE }),
        ("m-6c", &["challenge", "deny"], Finding::Denied),
        ("m-6d", &["pay?fee=350"], Finding::Paid { amount: Rupiah::whole(50_350), fee: Rupiah::whole(350) }),
        ("m-6e", &["pay?fee=350"], Finding::Paid { amount: Rupiah::whole(50_350), fee: Rupiah::whole(350) }),
        ("m-7", &["pay?amount=1"], Finding::Paid { amount: Rupiah::whole(1), fee: NONE }),
    ] {
        client.create(&order(name)?).await?;
        for act in acts {
            ensure!(turn(&gateways, &format!("{name}/{act}")).await? == 200, "{name} {act}");
        }
        ensure!(finding(&client, name).await? == found, "{name}");
    }
    client.create(&order("m-8")?).await?;
    turn(&gateways, "m-8/choose").await?;
    client.end(&id("m-8")?).await?;
    ensure!(finding(&client, "m-8").await? == Finding::Cancelled);

    let stranger = Gateway::Midtrans(midtrans(&gateways, "guessed")?);
    for outcome in [stranger.create(&order("m-9")?).await.err(), stranger.status(&id("m-1")?).await.err()] {
        ensure!(matches!(outcome, Some(GatewayError::Locked { status: 401, .. })), "{outcome:?}");
    }
    Ok(())
}

/// The merchant's side of Xendit.
pub async fn xendit_is_understood(_: Arc<Base>) -> Result<()> {
    let gateways = open(options()).await?;
    let client = Gateway::Xendit(xendit(&gateways, XENDIT_KEY)?);
    let page = client.create(&order("x-1")?).await?;
    ensure!(client.create(&order("x-1")?).await? == page, "a repeated order made a second invoice");
    ensure!(finding(&client, "x-1").await? == Finding::Pending);
    ensure!(client.status(&id("x-0")?).await? == [Observation::Unknown]);
    turn(&gateways, "x-1/pay").await?;
    ensure!(finding(&client, "x-1").await? == Finding::Paid { amount: AMOUNT, fee: NONE });
    for key in ["r-1", "r-1", "r-2"] {
        client.refund(&id("x-1")?, &refund(key, 20_000)).await?;
    }
    let total = Rupiah::whole(40_000);
    ensure!(finding(&client, "x-1").await? == Finding::Refunded { amount: AMOUNT, fee: NONE, total });
    ensure!(client.refund(&id("x-1")?, &refund("r-3", 20_000)).await.is_err(), "more than was paid");

    client.create(&order("x-2")?).await?;
    client.end(&id("x-2")?).await?;
    ensure!(finding(&client, "x-2").await? == Finding::Expired);
    turn(&gateways, "x-2/pay?amount=49999").await?;
    ensure!(finding(&client, "x-2").await? == Finding::Paid { amount: Rupiah::whole(49_999), fee: NONE });
    client.create(&order("x-4")?).await?;
    turn(&gateways, "x-4/pay?fee=4500").await?;
    let with_fee = Finding::Paid { amount: Rupiah::whole(54_500), fee: Rupiah::whole(4_500) };
    ensure!(finding(&client, "x-4").await? == with_fee);
    let stranger = Gateway::Xendit(xendit(&gateways, "guessed")?);
    let outcome = stranger.create(&order("x-3")?).await;
    ensure!(matches!(outcome, Err(GatewayError::Locked { status: 401, .. })), "{outcome:?}");
    Ok(())
}

/// Makes a gateway fine, or not.
pub async fn weather(gateways: &Gateways, which: &str) -> Result<()> {
    let url = format!("{}/weather/{which}", gateways.control_url());
    http()?.post(url).send().await?.error_for_status()?;
    Ok(())
}

/// A gateway in trouble is told from one that refuses an order, and from one that is only odd; an order whose answer was lost is
/// found again.
pub async fn trouble_is_no_refusal(_: Arc<Base>) -> Result<()> {
    let mischief = Mischief { odd_answers: 100, ..Mischief::default() };
    let gateways = open(Options { mischief, ..options() }).await?;
    for (brand, client) in [
        ("midtrans", Gateway::Midtrans(midtrans(&gateways, MIDTRANS_KEY)?)),
        ("xendit", Gateway::Xendit(xendit(&gateways, XENDIT_KEY)?)),
    ] {
        for (name, is_right) in [
            (
                "locked",
                (|error| matches!(error, GatewayError::Locked { status: 401, .. }))
                    as fn(&GatewayError) -> bool,
            ),
            ("forbidden", |error| matches!(error, GatewayError::Locked { status: 403, .. })),
            ("empty", |error| matches!(error, GatewayError::NotUnderstood(_))),
            ("busy", |error| matches!(error, GatewayError::Unavailable { after: Some(_), .. })),
        ] {
            weather(&gateways, &format!("{brand}/{name}")).await?;
            let error =
                client.create(&order(&format!("{brand}-{name}"))?).await.err().context("it was made")?;
            ensure!(is_right(&error) && !error.is_final(), "{brand} {name}: {error:?}");
        }
        // It said when to come again.
        weather(&gateways, &format!("{brand}/fine")).await?;
        eventually("it is asked again", async || {
            Ok(client.create(&order(&format!("{brand}-busy"))?).await?)
        })
        .await?;

        let lost = order(&format!("{brand}-lost"))?;
        weather(&gateways, &format!("{brand}/resets")).await?;
        let error = client.create(&lost).await.err().context("the answer came")?;
        ensure!(!error.is_final(), "{brand}: {error:?}");
        let made = gateways.desk.book().named(lost.id.as_str()).len();
        ensure!(made == usize::from(brand == "midtrans"), "{brand}: made {made} times");
        weather(&gateways, &format!("{brand}/fine")).await?;
        eventually("the page", async || Ok(client.create(&lost).await?)).await?;
        ensure!(gateways.desk.book().named(lost.id.as_str()).len() == 1, "{brand} made a second order");
        turn(&gateways, &format!("{brand}-lost/pay")).await?;
        ensure!(
            finding(&client, lost.id.as_str()).await? == Finding::Paid { amount: AMOUNT, fee: NONE },
            "{brand}"
        );
    }
    Ok(())
}

/// A gateway that often does not answer is asked again, and no customer gets two pages.
pub async fn repeated_calls_have_one_effect(_: Arc<Base>) -> Result<()> {
    let mischief = Mischief { seed: 7, timeouts: 20, errors: 20, ..Mischief::default() };
    let gateways = open(Options { mischief, ..options() }).await?;
    let clients = [
        Gateway::Midtrans(midtrans(&gateways, MIDTRANS_KEY)?),
        Gateway::Xendit(xendit(&gateways, XENDIT_KEY)?),
    ];
    for client in &clients {
        for n in 0..8 {
            let name = format!("{}-{n}", client.name());
            let order = order(&name)?;
            eventually("a page", async || Ok(client.create(&order).await?)).await?;
            ensure!(gateways.desk.book().named(&name).len() == 1, "{name} was made twice");
            turn(&gateways, &format!("{name}/pay")).await?;
            let part = refund("r", 10_000);
            eventually("a refund", async || Ok(client.refund(&order.id, &part).await?)).await?;
            let total = Rupiah::whole(10_000);
            let found = eventually("a status", async || finding(client, &name).await).await?;
            ensure!(found == Finding::Refunded { amount: AMOUNT, fee: NONE, total }, "{name}: {found:?}");
        }
    }
    Ok(())
}
