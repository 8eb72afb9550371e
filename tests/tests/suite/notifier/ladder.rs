//! The ladder of channels, on stand-ins that answer as the real ones do.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use bson::doc;
use indowater::messengers::{Messengers, TOKEN, Weather};
use indowater_proto::account::v1::{AccountRole, Customer};
use indowater_proto::notify::v1::KeepPushTokenRequest;
use indowater_tests::base::Base;
use indowater_tests::world::{CUSTOMER, World, eventually};

use super::{HASTY, balances, client, documents, introduce, person};

/// WhatsApp first; where it cannot deliver, the phone that still has the app; and when nobody reads for long, mail. The message is
/// one in all of them.
pub async fn the_next_channel_is_tried_where_one_refuses(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "notifier-ladder").await?;
    let messengers = Messengers::listen("127.0.0.1:0").await?;
    let (url, account) = (messengers.url(), messengers.account(&private_key()?));
    let env = [
        HASTY[0],
        HASTY[1],
        ("INDOWATER_WHATSAPP_URL", &*url),
        ("INDOWATER_WHATSAPP_NUMBER_ID", "1"),
        ("INDOWATER_WHATSAPP_TOKEN", TOKEN),
        ("INDOWATER_FCM_URL", &*url),
        ("INDOWATER_FCM_ACCOUNT", &*account),
    ];
    let notifier = world.start("notifier", &env).await?;
    let reached = |id: &str, number: &str| Customer {
        whatsapp: number.to_owned(),
        whatsapp_opted_in_at: 1,
        wants_push: true,
        language: "id".to_owned(),
        ..person(id, AccountRole::Customer)
    };
    introduce(&world, &[reached(CUSTOMER, "+628111"), reached("customer-2", "+628222")]).await?;
    balances(&world, CUSTOMER, 1, &[48_500]).await?;
    eventually("WhatsApp has it", async || {
        ensure!(messengers.whatsapp().len() == 1);
        Ok(())
    })
    .await?;
    let taken = &messengers.whatsapp()[0];
    let template = &taken.message["template"];
    ensure!(
        taken.to == "628111" && template["name"] == "balance_low" && template["language"]["code"] == "id"
    );
    ensure!(template["components"][0]["parameters"][0]["text"] == "Rp 48.500", "{template}");

    messengers.set_weather(Weather::Unknown, Weather::Fine);
    let mut asked = client(&notifier.url).await?;
    for token in ["gone-phone", "phone-1"] {
        let (user_id, token) = ("customer-2".to_owned(), token.to_owned());
        asked.keep_push_token(KeepPushTokenRequest { user_id, token }).await?;
    }
    balances(&world, "customer-2", 1, &[48_500]).await?;
    eventually("the phone has it", async || {
        ensure!(messengers.pushed().len() == 1);
        Ok(())
    })
    .await?;
    let pushed = &messengers.pushed()[0];
    ensure!(
        pushed.to == "phone-1" && pushed.message["message"]["notification"]["title"] == "Saldo Anda menipis"
    );
    eventually("the phone without the app is forgotten, and all of it is written down", async || {
        let tokens = documents(&world, "push_tokens", doc! {}).await?;
        ensure!(tokens.len() == 1 && tokens[0].get_str("_id")? == "phone-1", "{tokens:?}");
        let deliveries = documents(&world, "deliveries", doc! { "user_id": "customer-2" }).await?;
        let tries = deliveries.first().context("no delivery")?.get_array("tries")?;
        let channels: Vec<_> =
            tries.iter().filter_map(|one| one.as_document()?.get_str("channel").ok()).collect();
        ensure!(channels == ["whatsapp", "push"], "{deliveries:?}");
        Ok(())
    })
    .await
}

/// A key that signs nothing but the tokens of this story.
fn private_key() -> Result<String> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow::anyhow!("no key"))?;
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).map_err(|_| anyhow::anyhow!("no DER"))?;
    let lines: Vec<String> = BASE64_STANDARD
        .encode(der.as_ref())
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
}
