//! The registry's entries, as calls and the registry's topics tell them.

use indowater_proto::registry::v1 as registry;
use jiff::Timestamp;
use prost::{DecodeError, Message};

use super::protobuf::{unit_from_wire, unit_to_wire};
use super::timeline::{entries, history};
use crate::domain::facts::{Change, Facts};
use crate::domain::meter::Meter;
use crate::domain::registry::{Device, Property, Remark, Status};

/// Why a record of the registry topic cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum NoDevice {
    /// Not the schema.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// A field that every device has is missing or wrong.
    #[error("device {id:?} has no {field}")]
    Lacks {
        /// Its id.
        id: String,
        /// The field.
        field: &'static str,
    },
}

/// A device as the registry topic tells it: the change it is for those who follow.
///
/// # Errors
/// The value is no device of this registry.
pub fn decode_device(value: &[u8]) -> Result<Change, NoDevice> {
    let device = registry::Device::decode(value)?;
    let lacks = |field| NoDevice::Lacks { id: device.id.clone(), field };
    let unit = unit_from_wire(device.unit()).ok_or_else(|| lacks("unit"))?;
    let installed_at: Timestamp = device.installation_date.parse().map_err(|_| lacks("installation_date"))?;
    let zone = Device::zone_named(&device.time_zone);
    let history = history(device.facts, &zone)
        .ok_or_else(|| NoDevice::Lacks { id: device.id.clone(), field: "readable facts" })?;
    let facts = Facts {
        active: device.status != Status::Inactive.name(),
        id: device.id.into(),
        property_id: device.property_id.into(),
        customer_id: device.customer_id.into(),
        time_zone: device.time_zone.into(),
        tariff_class: device.tariff_class.into(),
        meter: Meter {
            unit,
            digits: device.register_digits,
            q3_litres_per_hour: device.q3_litres_per_hour,
            wraps_at: device.wraps_at,
            resolution: device.resolution,
        },
        billable: device.billable.unwrap_or(true),
        installed_at: installed_at.as_second(),
        version: device.version,
        area: device.area.into(),
        parent_device_id: device.parent_device_id.filter(|parent| !parent.is_empty()).map(Into::into),
        history,
    };
    let former_device_ids = device.former_device_ids.into_iter().map(Into::into).collect();
    Ok(Change { device_id: device.device_id.into(), former_device_ids, facts })
}

/// A device as calls and the registry topic tell it.
pub fn device(device: Device) -> registry::Device {
    let text = |time: Timestamp| time.to_string();
    let holdings = device.holdings();
    registry::Device {
        former_device_ids: device.former_device_ids(),
        role: device.role().name().to_owned(),
        facts: if holdings.len() > 1 { entries(&holdings).collect() } else { Vec::new() },
        id: device.id,
        device_id: device.device_id,
        property_id: device.property_id,
        customer_id: device.customer_id,
        r#type: device.device_type.name().to_owned(),
        status: device.status.name().to_owned(),
        location: device.location,
        installation_date: text(device.installation_date),
        last_reading: device.last_reading.map(|reading| reading.to_string()),
        last_reading_date: device.last_reading_date.map(text),
        calibration_date: device.calibration_date.map(text),
        created_at: text(device.created_at),
        updated_at: text(device.updated_at),
        unit: unit_to_wire(device.meter.unit).into(),
        register_digits: device.meter.digits,
        q3_litres_per_hour: device.meter.q3_litres_per_hour,
        version: device.version,
        time_zone: device.time_zone,
        tariff_class: device.tariff_class,
        wraps_at: device.meter.wraps_at,
        resolution: device.meter.resolution,
        billable: Some(device.billable),
        parent_device_id: device.parent_device_id,
        area: device.area,
        remarks: device.remarks.into_iter().map(remark).collect(),
    }
}

fn remark(remark: Remark) -> registry::Remark {
    let Remark { version, at, by, reason, what } = remark;
    registry::Remark { version, at: at.to_string(), by, reason, what }
}

/// A property as calls and the registry topic tell it.
pub fn property(property: Property) -> registry::Property {
    let periods = property.timeline.periods();
    let is_one = periods.len() == 1;
    let tenancies = periods.into_iter().filter(|_| !is_one).map(|(from, tenancy)| registry::Tenancy {
        from: from.map(|day| day.to_string()).unwrap_or_default(),
        customer_id: tenancy.customer_id,
        tariff_class: tenancy.tariff_class,
    });
    registry::Property {
        tenancies: tenancies.collect(),
        id: property.id,
        name: property.name,
        address: property.address,
        customer_id: property.customer_id,
        property_type: property.property_type.name().to_owned(),
        time_zone: property.time_zone,
        tariff_class: property.tariff_class,
        created_at: property.created_at.to_string(),
        updated_at: property.updated_at.to_string(),
        version: property.version,
        area: property.area,
    }
}

/// The device that a record of the registry's topic tells of, and its version.
pub fn device_version(value: &[u8]) -> Option<(String, i64)> {
    let device = registry::Device::decode(value).ok()?;
    Some((device.id, device.version))
}

/// The property that a record of the registry's topic tells of, and its version.
pub fn property_version(value: &[u8]) -> Option<(String, i64)> {
    let property = registry::Property::decode(value).ok()?;
    Some((property.id, property.version))
}

/// The value of a device's record.
pub fn encode_device(value: &Device) -> Vec<u8> {
    device(value.clone()).encode_to_vec()
}

/// The value of a property's record.
pub fn encode_property(value: &Property) -> Vec<u8> {
    property(value.clone()).encode_to_vec()
}
