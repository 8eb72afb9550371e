//! Enrolling devices: which of those that are wanted are new.

use std::collections::{HashMap, HashSet};

use indowater_common::domain::identifier;
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
        if !device_ids.insert(identifier::key(&device.device_id)) {
            problems.add("device_id", format_args!("{:?} comes twice", device.device_id));
        }
    }
    problems.or(devices)
}

/// The candidates that are new, each placed at its property. `present` are the devices that share an identifier with
/// one of them; with `again`, one that shares both is the same device, enrolled before, and stays as it is.
///
/// # Errors
/// A property that is not there, or an identifier that belongs to another device.
pub fn enrol(
    candidates: &[Device],
    properties: &HashMap<String, Property>,
    present: &[Device],
    again: bool,
) -> Result<Vec<Device>, Refusal> {
    let by_id: HashMap<&str, &Device> = present.iter().map(|device| (device.id.as_str(), device)).collect();
    let by_device_id: HashSet<_> = present.iter().map(|device| identifier::key(&device.device_id)).collect();
    let mut new = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let key = identifier::key(&candidate.device_id);
        match by_id.get(candidate.id.as_str()) {
            Some(there) if again && identifier::key(&there.device_id) == key => continue,
            Some(_) => {
                return Err(Refusal::Taken { field: "id", value: candidate.id.clone() });
            }
            None if by_device_id.contains(&key) => {
                return Err(Refusal::Taken { field: "device_id", value: candidate.device_id.clone() });
            }
            None => {}
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
    Ok(new)
}
