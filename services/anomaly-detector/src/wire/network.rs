//! Areas and gateways: facts on their way to the partition that decides, and events of the network as people and topics are told them.

use indowater_common::mongo::outbox::Row;
use indowater_proto::anomaly::v1 as pb;
use indowater_proto::topics;
use prost::Message;

use super::{SOURCE, rfc3339};
use crate::app::groups::Fact;
use crate::domain::member::Member;
use crate::domain::network::{Group, Kind, NetworkEvent};
use crate::domain::planned::Planned;
use crate::domain::silence::Beat;
use crate::domain::supply::{Spell, Told};

/// Understands a record of the group facts topic.
///
/// # Errors
/// What does not make sense in it.
pub fn fact(value: &[u8]) -> Result<(Group, Fact), String> {
    let fact = pb::GroupFact::decode(value).map_err(|error| error.to_string())?;
    let group = Group::named(&fact.group).ok_or_else(|| format!("{:?} is no group", fact.group))?;
    let fact = match fact.fact.ok_or("it says nothing")? {
        pb::group_fact::Fact::Supply(supply) => {
            let Group::Area(area) = &group else { return Err("meters have their supply by area".to_owned()) };
            Fact::Supply(supply.device_id.as_str().into(), member(area.clone(), &supply))
        }
        pb::group_fact::Fact::Beat(pb::Beat { partition, heard_at, now }) => {
            Fact::Beat(Beat { partition, heard_at, now })
        }
    };
    Ok((group, fact))
}

fn member(area: Box<str>, supply: &pb::MemberSupply) -> Member {
    let spells = supply.spells.iter().map(|spell| Spell {
        last_water: spell.last_water,
        from: spell.from,
        until: spell.until.unwrap_or(i64::MAX),
    });
    let told = Told { known_from: supply.known_from, spells: spells.collect(), drops: supply.drops.clone() };
    Member { area, told: (!supply.left).then_some(told), revision: supply.revision }
}

/// The record with which a device tells an area its supply, as its next revision says it.
pub fn member_row(topic: &str, area: &str, device_id: &str, member: &Member) -> Row {
    let group = Group::Area(area.into()).key();
    let nothing = Told::default();
    let told = member.told.as_ref().unwrap_or(&nothing);
    let spells = told.spells.iter().map(|spell| pb::DrySpell {
        last_water: spell.last_water,
        from: spell.from,
        until: (spell.until < i64::MAX).then_some(spell.until),
    });
    let supply = pb::MemberSupply {
        device_id: device_id.to_owned(),
        revision: member.revision + 1,
        left: member.told.is_none(),
        known_from: told.known_from,
        spells: spells.collect(),
        drops: told.drops.clone(),
    };
    let time = told.spells.last().map_or(told.known_from, |spell| spell.from);
    let (key, event_id) =
        (format!("{group}|{device_id}"), format!("{group}|{device_id}@{}", supply.revision));
    let fact = pb::GroupFact { group, fact: Some(pb::group_fact::Fact::Supply(supply)) };
    group_row(topic, key, event_id, &fact, time)
}

/// The record of a beat.
pub fn beat_row(topic: &str, group: &Group, beat: Beat) -> Row {
    let Beat { partition, heard_at, now } = beat;
    let group = group.key();
    let (key, event_id) = (format!("{group}|@{partition}"), format!("{group}|@{partition}@{heard_at}@{now}"));
    let beat = pb::Beat { partition, heard_at, now };
    let fact = pb::GroupFact { group, fact: Some(pb::group_fact::Fact::Beat(beat)) };
    group_row(topic, key, event_id, &fact, now)
}

fn group_row(topic: &str, key: String, event_id: String, fact: &pb::GroupFact, time: i64) -> Row {
    Row {
        topic: topic.to_owned(),
        key,
        value: fact.encode_to_vec(),
        event_id,
        source: SOURCE.to_owned(),
        kind: topics::GROUP_FACTS.message.to_owned(),
        time,
        traceparent: None,
    }
}

/// The record of an event of the network, as its next revision says it.
pub fn event_row(topic: &str, event: &NetworkEvent) -> Row {
    let told = seen(&NetworkEvent { revision: event.revision + 1, ..event.clone() });
    network_row(topic, &event.group, told, event.until.unwrap_or(event.seen))
}

/// The record of a planned interruption, as it is.
pub fn plan_row(topic: &str, plan: &Planned) -> Row {
    let told = planned(plan, plan.updated_at);
    network_row(topic, &Group::Area(plan.area.as_str().into()), told, plan.updated_at)
}

fn network_row(topic: &str, group: &Group, told: pb::NetworkEvent, time: i64) -> Row {
    Row {
        topic: topic.to_owned(),
        key: format!("{}|{}", group.key(), told.id),
        event_id: format!("{}@{}", told.id, told.revision),
        value: told.encode_to_vec(),
        source: SOURCE.to_owned(),
        kind: topics::NETWORK_EVENTS.message.to_owned(),
        time,
        traceparent: None,
    }
}

fn many(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// An event that was seen.
pub fn seen(event: &NetworkEvent) -> pb::NetworkEvent {
    let (area, gateway_id) = match &event.group {
        Group::Area(area) => (area.to_string(), String::new()),
        Group::Gateway(gateway) => (String::new(), gateway.to_string()),
    };
    let status = match event.until {
        _ if event.withdrawn => pb::NetworkEventStatus::Withdrawn,
        None => pb::NetworkEventStatus::Active,
        Some(_) => pb::NetworkEventStatus::Over,
    };
    let kind = match event.kind {
        Kind::Interruption => pb::NetworkEventKind::SupplyInterruption,
        Kind::Silence => pb::NetworkEventKind::Silence,
        Kind::Drop => pb::NetworkEventKind::AreaDrop,
    };
    pb::NetworkEvent {
        id: event.id.clone(),
        kind: kind.into(),
        area,
        gateway_id,
        status: status.into(),
        from: rfc3339(event.from),
        until: event.until.map(rfc3339).unwrap_or_default(),
        seen_at: rfc3339(event.seen),
        affected_meters: many(event.affected),
        meters: many(event.meters),
        reason: String::new(),
        updated_by: String::new(),
        revision: event.revision,
    }
}

/// A planned interruption, as it is at a moment.
pub fn planned(plan: &Planned, now: i64) -> pb::NetworkEvent {
    let status = match plan.is_cancelled {
        true => pb::NetworkEventStatus::Cancelled,
        false if now < plan.from => pb::NetworkEventStatus::Planned,
        false if now < plan.until => pb::NetworkEventStatus::Active,
        false => pb::NetworkEventStatus::Over,
    };
    pb::NetworkEvent {
        id: plan.id.clone(),
        kind: pb::NetworkEventKind::PlannedInterruption.into(),
        area: plan.area.clone(),
        gateway_id: String::new(),
        status: status.into(),
        from: rfc3339(plan.from),
        until: rfc3339(plan.until),
        seen_at: String::new(),
        affected_meters: 0,
        meters: 0,
        reason: plan.reason.clone(),
        updated_by: plan.by.clone(),
        revision: plan.revision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_read_as_it_is_written() {
        let spells = vec![
            Spell { last_water: 5, from: 9, until: 12 },
            Spell { last_water: 20, from: 30, until: i64::MAX },
        ];
        let told = Told { known_from: 3, spells, drops: vec![7] };
        let member = Member { area: "a".into(), told: Some(told), revision: 4 };
        let row = member_row("t", "a", "device-1", &member);
        assert_eq!((&*row.key, &*row.event_id), ("area:a|device-1", "area:a|device-1@5"));
        let group = Group::Area("a".into());
        let newer = Member { revision: 5, ..member.clone() };
        assert_eq!(fact(&row.value), Ok((group.clone(), Fact::Supply("device-1".into(), newer))));
        let row = member_row("t", "a", "device-1", &Member { told: None, ..member });
        let (_, Fact::Supply(_, left)) = fact(&row.value).unwrap() else { panic!() };
        assert_eq!(left.told, None);
        let beat = Beat { partition: 7, heard_at: 50, now: 60 };
        let row = beat_row("t", &group, beat);
        assert_eq!((&*row.key, fact(&row.value)), ("area:a|@7", Ok((group, Fact::Beat(beat)))));
        assert!(fact(&[1, 2, 3]).is_err() && fact(&[]).is_err());
    }
}
