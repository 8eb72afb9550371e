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

const PATIENCE: Patience =
    Patience { timeout: Duration::from_millis(500), tries: 6, pause: Duration::from_millis(20) };

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
    Refund { key: key.to_owned(), amount: Rupiah::whole(amount), reason: "moved away".to_owned() }
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
    ensure!(finding(&client, "m-1").await? == Finding::Paid { amount: AMOUNT });
    ensure!(client.end(&id("m-1")?).await.is_err(), "what was paid was cancelled");
    for _ in 0..2 {
        client.refund(&id("m-1")?, &refund("r-1", 20_000)).await?;
    }
    client.refund(&id("m-1")?, &refund("r-2", 5_000)).await?;
    let total = Rupiah::whole(25_000);
    ensure!(finding(&client, "m-1").await? == Finding::Refunded { amount: AMOUNT, total });
    let too_much = client.refund(&id("m-1")?, &refund("r-3", 30_000)).await;
    ensure!(matches!(too_much, Err(GatewayError::Refused { status: 412, .. })), "{too_much:?}");
    turn(&gateways, "m-1/reverse").await?;
    ensure!(finding(&client, "m-1").await? == Finding::Reversed);

    for (name, acts, found) in [
        ("m-2", &["deny?method=credit_card"][..], Finding::Denied),
        ("m-3", &["choose", "cancel"], Finding::Cancelled),
        ("m-4", &["choose", "expire"], Finding::Expired),
        ("m-5", &["pay", "chargeback"], Finding::Reversed),
        ("m-6", &["pay?method=credit_card"], Finding::Paid { amount: AMOUNT }),
        ("m-7", &["pay?amount=1"], Finding::Paid { amount: Rupiah::whole(1) }),
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
        ensure!(matches!(outcome, Some(GatewayError::Refused { status: 401, .. })), "{outcome:?}");
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
    ensure!(finding(&client, "x-1").await? == Finding::Paid { amount: AMOUNT });
    for key in ["r-1", "r-1", "r-2"] {
        client.refund(&id("x-1")?, &refund(key, 20_000)).await?;
    }
    let total = Rupiah::whole(40_000);
    ensure!(finding(&client, "x-1").await? == Finding::Refunded { amount: AMOUNT, total });
    ensure!(client.refund(&id("x-1")?, &refund("r-3", 20_000)).await.is_err(), "more than was paid");

    client.create(&order("x-2")?).await?;
    client.end(&id("x-2")?).await?;
    ensure!(finding(&client, "x-2").await? == Finding::Expired);
    turn(&gateways, "x-2/pay?amount=49999").await?;
    ensure!(finding(&client, "x-2").await? == Finding::Paid { amount: Rupiah::whole(49_999) });
    let stranger = Gateway::Xendit(xendit(&gateways, "guessed")?);
    let outcome = stranger.create(&order("x-3")?).await;
    ensure!(matches!(outcome, Err(GatewayError::Refused { status: 401, .. })), "{outcome:?}");
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
            ensure!(found == Finding::Refunded { amount: AMOUNT, total }, "{name}: {found:?}");
        }
    }
    Ok(())
}
