//! Documents as the data model lays them out, and the domain's values in them.
//!
//! `_id` equals `id`, so that what is found by id is found by the primary key. Fields beyond the data model have
//! defaults, for documents that an older system wrote.

use bson::{Bson, DateTime};
use indowater_common::domain::identifier;
use indowater_common::domain::meter::{Meter, Unit};
use indowater_common::domain::tariff::DEFAULT_CLASS;
use indowater_common::mongo::{from_bson_time, from_decimal128, to_bson_time, to_decimal128};
use serde::{Deserialize, Serialize};

use crate::domain::registry::{DEFAULT_TIME_ZONE, Device, DeviceType, Property, PropertyType, Status};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PropertyDocument {
    #[serde(rename = "_id")]
    key: String,
    id: String,
    name: String,
    #[serde(default)]
    address: String,
    customer_id: String,
    property_type: String,
    created_at: DateTime,
    updated_at: DateTime,
    #[serde(default = "time_zone")]
    time_zone: String,
    #[serde(default = "tariff_class")]
    tariff_class: String,
    #[serde(default = "version")]
    version: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeviceDocument {
    #[serde(rename = "_id")]
    key: String,
    id: String,
    device_id: String,
    #[serde(default)]
    device_key: String,
    #[serde(default)]
    device_alike: String,
    property_id: String,
    customer_id: String,
    r#type: String,
    status: String,
    #[serde(default)]
    location: String,
    installation_date: DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_reading: Option<Bson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_reading_date: Option<DateTime>,
    #[serde(default)]
    calibration_date: Option<DateTime>,
    created_at: DateTime,
    updated_at: DateTime,
    #[serde(default = "unit")]
    unit: String,
    #[serde(default = "register_digits")]
    register_digits: u32,
    #[serde(default = "q3")]
    q3_litres_per_hour: u32,
    #[serde(default = "time_zone")]
    time_zone: String,
    #[serde(default = "tariff_class")]
    tariff_class: String,
    #[serde(default = "version")]
    version: i64,
}

fn time_zone() -> String {
    DEFAULT_TIME_ZONE.to_owned()
}

fn tariff_class() -> String {
    DEFAULT_CLASS.to_owned()
}

const fn version() -> i64 {
    1
}

fn unit() -> String {
    Unit::Litre.name().to_owned()
}

const fn register_digits() -> u32 {
    8
}

const fn q3() -> u32 {
    2_500
}

/// A document that does not say what the data model wants.
#[derive(Debug, thiserror::Error)]
#[error("{what} {id:?} has the {field} {value:?}")]
pub(super) struct Unreadable {
    what: &'static str,
    id: String,
    field: &'static str,
    value: String,
}

impl From<&Property> for PropertyDocument {
    fn from(property: &Property) -> Self {
        Self {
            key: property.id.clone(),
            id: property.id.clone(),
            name: property.name.clone(),
            address: property.address.clone(),
            customer_id: property.customer_id.clone(),
            property_type: property.property_type.name().to_owned(),
            created_at: to_bson_time(property.created_at),
            updated_at: to_bson_time(property.updated_at),
            time_zone: property.time_zone.clone(),
            tariff_class: property.tariff_class.clone(),
            version: property.version,
        }
    }
}

impl TryFrom<PropertyDocument> for Property {
    type Error = Unreadable;

    fn try_from(document: PropertyDocument) -> Result<Self, Unreadable> {
        let Some(property_type) = PropertyType::named(&document.property_type) else {
            let value = document.property_type;
            return Err(Unreadable { what: "property", id: document.id, field: "property_type", value });
        };
        Ok(Self {
            id: document.id,
            name: document.name,
            address: document.address,
            customer_id: document.customer_id,
            property_type,
            time_zone: document.time_zone,
            tariff_class: document.tariff_class,
            created_at: from_bson_time(document.created_at),
            updated_at: from_bson_time(document.updated_at),
            version: document.version,
        })
    }
}

impl From<&Device> for DeviceDocument {
    fn from(device: &Device) -> Self {
        Self {
            key: device.id.clone(),
            id: device.id.clone(),
            device_id: device.device_id.clone(),
            device_key: identifier::key(&device.device_id).into_owned(),
            device_alike: identifier::alike(&device.device_id),
            property_id: device.property_id.clone(),
            customer_id: device.customer_id.clone(),
            r#type: device.device_type.name().to_owned(),
            status: device.status.name().to_owned(),
            location: device.location.clone(),
            installation_date: to_bson_time(device.installation_date),
            last_reading: device.last_reading.map(|reading| Bson::Decimal128(to_decimal128(reading))),
            last_reading_date: device.last_reading_date.map(to_bson_time),
            calibration_date: device.calibration_date.map(to_bson_time),
            created_at: to_bson_time(device.created_at),
            updated_at: to_bson_time(device.updated_at),
            unit: device.meter.unit.name().to_owned(),
            register_digits: device.meter.digits,
            q3_litres_per_hour: device.meter.q3_litres_per_hour,
            time_zone: device.time_zone.clone(),
            tariff_class: device.tariff_class.clone(),
            version: device.version,
        }
    }
}

impl TryFrom<DeviceDocument> for Device {
    type Error = Unreadable;

    fn try_from(document: DeviceDocument) -> Result<Self, Unreadable> {
        let unreadable = |field, value: &str| Unreadable {
            what: "device",
            id: document.id.clone(),
            field,
            value: value.to_owned(),
        };
        let device_type =
            DeviceType::named(&document.r#type).ok_or_else(|| unreadable("type", &document.r#type))?;
        let status = Status::named(&document.status).ok_or_else(|| unreadable("status", &document.status))?;
        let unit = Unit::named(&document.unit).ok_or_else(|| unreadable("unit", &document.unit))?;
        let digits = document.register_digits;
        if !(1..=18).contains(&digits) {
            return Err(unreadable("register_digits", &digits.to_string()));
        }
        // A float that an older system wrote is no register; the next read replaces it.
        let last_reading = match document.last_reading {
            Some(Bson::Decimal128(reading)) => from_decimal128(reading),
            _ => None,
        };
        Ok(Self {
            id: document.id,
            device_id: document.device_id,
            property_id: document.property_id,
            customer_id: document.customer_id,
            device_type,
            status,
            location: document.location,
            installation_date: from_bson_time(document.installation_date),
            last_reading,
            last_reading_date: document.last_reading_date.map(from_bson_time),
            calibration_date: document.calibration_date.map(from_bson_time),
            created_at: from_bson_time(document.created_at),
            updated_at: from_bson_time(document.updated_at),
            meter: Meter { unit, digits, q3_litres_per_hour: document.q3_litres_per_hour },
            version: document.version,
            time_zone: document.time_zone,
            tariff_class: document.tariff_class,
        })
    }
}
