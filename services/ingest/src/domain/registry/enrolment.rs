//! Enrolling devices: which of those that are wanted are new, and what they change of others.

use std::collections::{HashMap, HashSet};

use indowater_common::domain::identifier::key;
use indowater_common::domain::zone::Day;
use jiff::Timestamp;

use super::{Device, DeviceDraft, Problems, Property, Refusal};

/// Devices of one call at most.
pub const MOST_AT_ONCE: usize = 1_000;

/// Admits the drafts of one call; every problem of every device is named by its place.
///
/// # Errors
/// What is wrong, all of it.
pub fn admit_all(
    drafts: Vec<DeviceDraft>,
    mut new_id: impl FnMut() -> String,
    now: Timestamp,
) -> Result<Vec<Device>, Problems> {
    let mut problems = Problems::default();
    if drafts.len() > MOST_AT_ONCE {
        problems.add("devices", format_args!("are {}; a call may have {MOST_AT_ONCE}", drafts.len()));
        return problems.or(Vec::new());
    }
    let mut devices = Vec::with_capacity(drafts.len());
    for (place, draft) in drafts.into_iter().enumerate() {
        match Device::admit(draft, new_id(), now) {
            Ok(device) => devices.push(device),
            Err(wrong) => problems.add_all(format_args!("devices[{place}]"), wrong),
        }
    }
    let (mut ids, mut device_ids) = (HashSet::new(), HashSet::new());
    for device in &devices {
        if !ids.insert(&device.id) {
            problems.add("id", format_args!("{:?} comes twice", device.id));
        }
        if !device_ids.insert(key(&device.device_id)) {
            problems.add("device_id", format_args!("{:?} comes twice", device.device_id));
        }
    }
    problems.or(devices)
}

/// What comes of an enrolment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enrolled {
    /// The devices that are new.
    pub new: Vec<Device>,
    /// Devices that were there, changed because others are behind them now.
    pub parents: Vec<Device>,
}

/// The candidates that are new, each placed at its property. `present` are the devices that share an identifier with
/// one of them, or that one of them is behind; with `again`, one that shares both identifiers is the same device,
/// enrolled before, and stays as it is.
///
/// A meter that was exchanged may be enrolled elsewhere, from its exchange on.
///
/// # Errors
/// A property or a parent that is not there or cannot be, or an identifier that belongs to another device.
pub fn enrol(
    candidates: &[Device],
    properties: &HashMap<String, Property>,
    present: &[Device],
    again: bool,
    now: Timestamp,
) -> Result<Enrolled, Refusal> {
    let by_id: HashMap<&str, &Device> = present.iter().map(|device| (device.id.as_str(), device)).collect();
    let mut with_serial: HashMap<String, Vec<&Device>> = HashMap::new();
    for device in present {
        for serial in std::iter::once(&device.device_id).chain(&device.former_device_ids()) {
            with_serial.entry(key(serial).into_owned()).or_default().push(device);
        }
    }
    let mut new = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        match by_id.get(candidate.id.as_str()) {
            Some(there) if again && key(&there.device_id) == key(&candidate.device_id) => continue,
            Some(_) => return Err(Refusal::Taken { field: "id", value: candidate.id.clone() }),
            None => {}
        }
        for other in with_serial.get(&*key(&candidate.device_id)).into_iter().flatten() {
            other.give_up(&candidate.device_id, candidate.installation_date.as_second())?;
        }
        let Some(property) = properties.get(&candidate.property_id) else {
            return Err(Refusal::Precondition(format!(
                "there is no property {:?} for device {:?}: create it first",
                candidate.property_id, candidate.device_id
            )));
        };
        let mut device = candidate.clone();
        device.place(property);
        new.push(device);
    }
    settle_parents(new, present, now)
}

/// Refuses parents that cannot be, and ends the billing of those that can, from the day on which what is behind them was
/// installed.
fn settle_parents(mut new: Vec<Device>, present: &[Device], now: Timestamp) -> Result<Enrolled, Refusal> {
    let mut behind: HashMap<String, Day> = HashMap::new();
    for device in &new {
        let Some(parent) = &device.parent_device_id else { continue };
        device.check_parent(&ancestors(device, &new, present))?;
        let day = device.zone().day_of(device.installation_date.as_second());
        behind.entry(parent.clone()).and_modify(|known| *known = day.min(*known)).or_insert(day);
    }
    for device in &mut new {
        if let Some(day) = behind.remove(&device.id) {
            device.timeline.end_billing(day);
            *device = Device { version: 1, ..device.turn(now) };
        }
    }
    let parent = |(id, day): (&String, &Day)| present.iter().find(|one| one.id == *id).map(|one| (one, *day));
    let parents = behind.iter().filter_map(parent).map(|(one, day)| (one, one.become_parent(day, now)));
    let parents = parents.filter(|(before, after)| *before != after).map(|(_, after)| after).collect();
    Ok(Enrolled { new, parents })
}

/// The devices that a new one is behind. Those that were there are behind none that is new.
fn ancestors(device: &Device, new: &[Device], present: &[Device]) -> Vec<Device> {
    let mut chain: Vec<Device> = Vec::new();
    let mut next = device.parent_device_id.clone();
    while let Some(id) = next.filter(|id| chain.iter().all(|known| known.id != *id)) {
        let Some(found) = new.iter().chain(present).find(|other| other.id == id) else { break };
        chain.push(found.clone());
        next = found.parent_device_id.clone();
    }
    chain
}
