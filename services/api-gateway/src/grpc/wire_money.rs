//! What billing says, as the domain's types, and back.

use indowater_proto::billing::v1 as billing;

use super::wire::{Unexpected, constant, given, seconds};
use crate::domain::metering::{CubicMetres, Rupiah};
use crate::domain::money::{
    Balance, ChargedDay, Entry, ExplainedDay, Explanation, Leg, Part, Quote, Tariff, TariffBlock,
    TariffSchedule, UsageSource,
};
use crate::domain::order::Version;

/// A balance.
pub fn balance(wire: billing::GetBalanceResponse) -> Result<Balance, Unexpected> {
    let billing::Balance { customer_id, balance, sequence, updated_at, posted, accrued } =
        wire.balance.ok_or(Unexpected("balance"))?;
    let daily_cost = given(wire.daily_cost).map(|text| rupiah(&text, "daily_cost")).transpose()?;
    Ok(Balance {
        customer_id,
        balance,
        posted,
        accrued,
        sequence,
        updated_at: (updated_at != 0).then(|| seconds(updated_at, "updated_at")).transpose()?,
        daily_cost,
        runway_days: wire.runway_days,
    })
}

/// An entry.
pub fn entry(wire: billing::LedgerEntry) -> Result<Entry, Unexpected> {
    let kind = constant(wire.kind().as_str_name(), "ENTRY_KIND_").ok_or(Unexpected("kind"))?;
    let leg = |billing::Leg { account, amount }| Leg { account, amount };
    Ok(Entry {
        id: wire.id,
        customer_id: wire.customer_id,
        kind,
        amount: wire.amount,
        balance_after: wire.balance_after,
        sequence: wire.sequence,
        description: wire.description,
        payment_id: given(wire.payment_id),
        occurred_at: seconds(wire.occurred_at, "occurred_at")?,
        posted_at: seconds(wire.posted_at, "posted_at")?,
        made_by: given(wire.made_by),
        legs: wire.legs.into_iter().map(leg).collect(),
        usage: wire.usage.map(usage).transpose()?,
    })
}

fn usage(wire: billing::UsageSource) -> Result<UsageSource, Unexpected> {
    Ok(UsageSource {
        device_id: wire.device_id,
        month: wire.month,
        month_cost: rupiah(&wire.month_cost, "month_cost")?,
        posted_before: wire.posted_before,
        days: wire.days.into_iter().map(charged_day).collect::<Result<_, _>>()?,
    })
}

fn charged_day(wire: billing::ChargedDay) -> Result<ChargedDay, Unexpected> {
    Ok(ChargedDay {
        date: wire.date.parse().map_err(|_| Unexpected("date"))?,
        revision: wire.revision,
        volume: CubicMetres::from_millilitres(wire.volume_ml),
        cost: rupiah(&wire.cost, "cost")?,
        cost_before: rupiah(&wire.cost_before, "cost_before")?,
        tariff_class: wire.tariff_class,
        month_to_date_before: CubicMetres::from_millilitres(wire.month_to_date_before_ml),
        charged: !wire.not_charged,
    })
}

/// An entry with what explains it.
pub fn explanation(wire: billing::ExplainEntryResponse) -> Result<Explanation, Unexpected> {
    let entry = entry(wire.entry.ok_or(Unexpected("entry"))?)?;
    // Only usage has days, so a day always has a device.
    let device = entry.usage.as_ref().map(|usage| encoded(&usage.device_id)).unwrap_or_default();
    let day = |wire: billing::ExplainedDay| {
        let day = charged_day(wire.day.ok_or(Unexpected("day"))?)?;
        let date = day.date;
        Ok(ExplainedDay {
            day,
            parts: wire
                .parts
                .into_iter()
                .map(|billing::QuotedPart { volume, price, cost }| part(&volume, &price, &cost))
                .collect::<Result<_, _>>()?,
            fixed_and_minimum: rupiah(&wire.fixed_and_minimum, "fixed_and_minimum")?,
            reads: format!("/api/v1/devices/{device}/readings?date={date}"),
            record: format!("/api/v1/usage/daily?device_id={device}&from={date}&to={date}"),
        })
    };
    let days = wire.days.into_iter().map(day).collect::<Result<_, _>>()?;
    Ok(Explanation { entry, days })
}

fn part(volume: &str, price: &str, cost: &str) -> Result<Part, Unexpected> {
    Ok(Part { volume: volume_of(volume)?, price: rupiah(price, "price")?, cost: rupiah(cost, "cost")? })
}

/// A tariff class.
pub fn schedule(wire: billing::TariffSchedule) -> Result<TariffSchedule, Unexpected> {
    Ok(TariffSchedule {
        class: wire.class,
        versions: wire.versions.into_iter().map(tariff).collect::<Result<_, _>>()?,
        revision: wire.revision,
        updated_at: seconds(wire.updated_at, "updated_at")?,
    })
}

fn tariff(wire: billing::Tariff) -> Result<Tariff, Unexpected> {
    let from = given(wire.from).map(|date| date.parse().map_err(|_| Unexpected("from")));
    let block = |billing::TariffBlock { up_to, price }| {
        let up_to = given(up_to).map(|text| CubicMetres::parse(&text).ok_or(Unexpected("up_to")));
        Ok(TariffBlock { up_to: up_to.transpose()?, price: rupiah(&price, "price")? })
    };
    Ok(Tariff {
        from: from.transpose()?,
        blocks: wire.blocks.into_iter().map(block).collect::<Result<_, _>>()?,
        fixed_charge: rupiah(&wire.fixed_charge, "fixed_charge")?,
        minimum_volume: CubicMetres::parse(&wire.minimum_volume).ok_or(Unexpected("minimum_volume"))?,
        set_by: given(wire.set_by),
    })
}

/// A version of a tariff as billing is asked to set it.
pub fn version(version: Version, set_by: &str) -> billing::Tariff {
    let block = |(up_to, price): (Option<rust_decimal::Decimal>, rust_decimal::Decimal)| {
        let up_to = up_to.map_or_else(String::new, |bound| bound.to_string());
        billing::TariffBlock { up_to, price: price.to_string() }
    };
    billing::Tariff {
        from: version.from.to_string(),
        blocks: version.blocks.into_iter().map(block).collect(),
        fixed_charge: version.fixed_charge.to_string(),
        minimum_volume: version.minimum_volume.to_string(),
        set_by: set_by.to_owned(),
    }
}

/// What a volume comes to.
pub fn quote(wire: billing::QuoteResponse) -> Result<Quote, Unexpected> {
    let block = |billing::QuotedBlock { volume, price, cost }| part(&volume, &price, &cost);
    Ok(Quote {
        volume: volume_of(&wire.volume)?,
        cost: rupiah(&wire.cost, "cost")?,
        blocks: wire.blocks.into_iter().map(block).collect::<Result<_, _>>()?,
    })
}

fn volume_of(text: &str) -> Result<CubicMetres, Unexpected> {
    CubicMetres::parse(text).ok_or(Unexpected("volume"))
}

fn rupiah(text: &str, field: &'static str) -> Result<Rupiah, Unexpected> {
    Rupiah::parse(text).ok_or(Unexpected(field))
}

/// `text` as one segment of a path or one value of a query (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::EntryKind;

    #[test]
    fn every_kind_of_entry_has_a_word() {
        for kind in (1..100).map_while(|number| billing::EntryKind::try_from(number).ok()) {
            assert!(constant::<EntryKind>(kind.as_str_name(), "ENTRY_KIND_").is_some(), "{kind:?}");
        }
        assert_eq!(entry(billing::LedgerEntry::default()), Err(Unexpected("kind")));
    }

    #[test]
    fn a_customer_without_entries_or_usage_has_nulls() {
        let nothing = billing::Balance { customer_id: "customer-001".to_owned(), ..Default::default() };
        let answer = billing::GetBalanceResponse { balance: Some(nothing), ..Default::default() };
        let balance = balance(answer).unwrap();
        assert_eq!((balance.updated_at, balance.daily_cost, balance.runway_days), (None, None, None));
    }

    #[test]
    fn a_version_is_written_as_billing_reads_it() {
        let decimal = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap();
        let wanted = Version {
            from: "2027-01-01".parse().unwrap(),
            blocks: vec![(Some(decimal("10")), decimal("4900")), (None, decimal("9500.5"))],
            fixed_charge: decimal("15000"),
            minimum_volume: decimal("0"),
        };
        let wire = version(wanted, "admin-001");
        assert_eq!((wire.from.as_str(), wire.set_by.as_str()), ("2027-01-01", "admin-001"));
        assert_eq!((wire.blocks[0].up_to.as_str(), wire.blocks[1].up_to.as_str()), ("10", ""));
        let told = tariff(wire).unwrap();
        assert_eq!((told.blocks[1].up_to, told.blocks[1].price), (None, Rupiah::parse("9500.5").unwrap()));
    }

    #[test]
    fn ids_in_links_are_encoded() {
        assert_eq!(encoded("device-001"), "device-001");
        assert_eq!(encoded("a/b?c=d&e ü"), "a%2Fb%3Fc%3Dd%26e%20%C3%BC");
    }
}
