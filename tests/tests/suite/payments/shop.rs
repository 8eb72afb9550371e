//! A system that takes payments: the gateways' stand-ins, the services in between, and those who use them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use indowater::gateways::{self, Gateways, MIDTRANS_KEY, Options, XENDIT_KEY, XENDIT_TOKEN};
use indowater::registry::Registry;
use indowater::seed;
use indowater::stack::Port;
use indowater_proto::topics::READINGS;
use indowater_tests::base::Base;
use indowater_tests::world::{CUSTOMER, Service, World, eventually, http};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::gateways::turn;
use crate::person::{Person, whole};

/// Everything that a payment needs.
pub struct Shop {
    pub world: World,
    pub gateways: Gateways,
    pub billing: Vec<Service>,
    pub voucher: Service,
    pub customer: Person,
    pub stranger: Person,
    pub technician: Person,
    pub administrator: Person,
    /// What billing is told.
    pub settings: Vec<(&'static str, String)>,
    _others: [Service; 4],
}

impl Shop {
    /// Opens; gateways behave as `options` say.
    pub async fn open(base: &Arc<Base>, name: &str, options: Options) -> Result<Self> {
        let mut world = World::new(base, name).await?;
        // Everybody needs somebody's address first.
        let port = Port::any()?.number();
        let at = |gateway: &str| format!("http://127.0.0.1:{port}/{gateway}");
        let settings = vec![
            ("INDOWATER_MIDTRANS", at("midtrans")),
            ("INDOWATER_MIDTRANS_SERVER_KEY", MIDTRANS_KEY.to_owned()),
            ("INDOWATER_XENDIT", at("xendit")),
            ("INDOWATER_XENDIT_SECRET_KEY", XENDIT_KEY.to_owned()),
            ("INDOWATER_XENDIT_CALLBACK_TOKEN", XENDIT_TOKEN.to_owned()),
            ("INDOWATER_PAYMENT_PACE", "300".to_owned()),
        ];
        let ingest = world.start("ingest", &[]).await?;
        let usage = world.start("usage-aggregator", &[]).await?;
        let voucher = world.start("voucher", &[]).await?;
        let billing = vec![start_billing(&mut world, &settings).await?];
        let detector = world.start("anomaly-detector", &[]).await?;
        let api = world.start("api-gateway", &[]).await?;
        let hooks = format!("{}/api/v1/webhooks", api.url);
        let options = Options {
            midtrans_notify: Some(format!("{hooks}/midtrans")),
            xendit_notify: Some(format!("{hooks}/xendit")),
            ..options
        };
        let gateways = gateways::start(format!("127.0.0.1:{port}").parse()?, options).await?;
        Ok(Self {
            customer: Person::new(&world, CUSTOMER, "customer").await?,
            stranger: Person::new(&world, "customer-002", "customer").await?,
            technician: Person::new(&world, "technician-001", "technician").await?,
            administrator: Person::new(&world, "admin-001", "admin").await?,
            world,
            gateways,
            billing,
            voucher,
            settings,
            _others: [ingest, usage, detector, api],
        })
    }

    /// Puts the demo in place of the people who are there, and waits until its reads are accepted. Returns how many messages it
    /// sent.
    pub async fn become_demo(&self, days: u16) -> Result<usize> {
        let world = &self.world;
        world.database.collection::<Document>("users").delete_many(doc! {}).await?;
        let url = world.system.registry_url.as_deref().context("no registry")?;
        let registry = Registry::at(url, world.system.certificates.as_deref())?;
        let options = seed::Options { days, ..seed::Options::default() };
        let seeded = seed::seed(&world.system, &registry, &options).await?;
        let produced = usize::try_from(seeded.messages)?;
        eventually("the demo's reads are accepted", async || {
            let accepted = world.records(&READINGS).await?.len();
            ensure!(accepted >= produced, "{accepted} of {produced}");
            Ok(())
        })
        .await?;
        Ok(produced)
    }

    /// One more instance of billing.
    pub async fn add_billing(&mut self) -> Result<()> {
        let billing = start_billing(&mut self.world, &self.settings).await?;
        self.billing.push(billing);
        Ok(())
    }

    /// An instance of billing that ended, again, where it was.
    pub async fn restart_billing(&mut self, number: usize) -> Result<()> {
        let mut settings = self.settings.clone();
        let listen = self.billing[number].url.trim_start_matches("http://").to_owned();
        settings.push(("INDOWATER_GRPC_LISTEN", listen));
        self.billing[number] = start_billing(&mut self.world, &settings).await?;
        Ok(())
    }

    /// Makes a voucher of ten percent, at most Rp 10,000.
    pub async fn make_voucher(&self, code: &str, per_customer: i64) -> Result<Value> {
        let voucher = json!({
            "code": code, "description": "Ten percent", "discount_type": "percentage", "discount_value": "10",
            "max_discount_amount": 10_000, "min_purchase_amount": 20_000, "per_customer_limit": per_customer,
            "valid_until": "2100-01-01T00:00:00Z",
        });
        let (status, made) = self.administrator.post("/api/v1/vouchers", &voucher).await?;
        ensure!(status == StatusCode::CREATED, "{status} {made}");
        Ok(made)
    }

    /// What happens to an order at its gateway: the status code of the stand-in.
    pub async fn turn(&self, course: &str) -> Result<u16> {
        turn(&self.gateways, course).await
    }

    /// Pays on the page, as a person does.
    pub async fn pay(&self, payment: &Value) -> Result<()> {
        let url = payment["payment_url"].as_str().context("there is no page")?;
        let page = http()?.get(url).send().await?.error_for_status()?.text().await?;
        ensure!(page.contains("Bayar sekarang"), "{page}");
        let form = http()?.post(url).header("content-type", "application/x-www-form-urlencoded");
        form.body("act=pay&method=qris").send().await?.error_for_status()?;
        Ok(())
    }

    /// Waits until a payment is in that status, as an administrator sees it.
    pub async fn becomes(&self, payment: &Value, status: &str) -> Result<Value> {
        let path = format!("/api/v1/payments/{}", id(payment)?);
        eventually(&format!("the payment is {status}"), async || {
            let found = self.administrator.find(&path).await?;
            ensure!(found["status"] == status, "{found}");
            Ok(found)
        })
        .await
    }

    /// Waits until the customer's balance is that.
    pub async fn has(&self, rupiah: i64) -> Result<()> {
        eventually(&format!("the balance is {rupiah}"), async || {
            let (balance, _) = self.customer.balance().await?;
            ensure!(balance == rupiah, "it is {balance}");
            Ok(())
        })
        .await
    }

    /// The statement adds up to the balance, and the auditor has nothing to say.
    pub async fn adds_up(&self) -> Result<()> {
        let (balance, sequence) = self.customer.balance().await?;
        let statement = self.customer.statement().await?;
        let sum: i64 = statement.iter().map(|entry| whole(entry, "amount")).sum::<Result<_>>()?;
        ensure!(sum == balance && i64::try_from(statement.len())? == sequence, "{sum} is not {balance}");
        let report = indowater::verify::verify(&self.world.system, Duration::from_secs(60)).await?;
        ensure!(report.holds, "{report}");
        Ok(())
    }
}

async fn start_billing(world: &mut World, settings: &[(&'static str, String)]) -> Result<Service> {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.start("billing", &settings).await
}

/// A payment's id.
pub fn id(payment: &Value) -> Result<&str> {
    payment["id"].as_str().with_context(|| format!("no id in {payment}"))
}

/// A top-up as a customer asks for it.
pub fn top_up(method: &str, amount: i64) -> Value {
    json!({ "payment_method": method, "amount": amount })
}
