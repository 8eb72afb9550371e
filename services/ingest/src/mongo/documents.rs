//! Documents as the data model lays them out, and the domain's values in them.
//!
//! `_id` equals `id` in what we write, so that what is found by id is found by the primary key. An older system may have
//! written documents of the data model and nothing more: fields beyond it have defaults, `_id` may be anything, and the
//! last reading a float.

use bson::{Bson, DateTime};
use indowater_common::domain::identifier;
use indowater_common::domain::meter::Unit;
use indowater_common::domain::tariff::DEFAULT_CLASS;
use indowater_common::mongo::{from_bson_time, from_decimal128, to_bson_time, to_decimal128};
use serde::{Deserialize, Serialize};

use super::timelines::{PeriodDocument, RemarkDocument, TenancyDocument};
use crate::domain::meter::Meter;
use crate::domain::registry::{
    DEFAULT_TIME_ZONE, Device, DeviceType, Period, Property, PropertyType, Status, Tenancy,
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PropertyDocument {
    #[serde(rename = "_id")]
    key: Bson,
    id: String,
    name: String,
    #[serde(default)]
    address: Option<String>,
    customer_id: String,
    property_type: String,
    created_at: DateTime,
    updated_at: DateTime,
    #[serde(default = "time_zone")]
    time_zone: String,
    #[serde(default)]
    tariff_class: Option<String>,
    #[serde(default = "version")]
    version: i64,
    #[serde(default)]
    timeline: Vec<TenancyDocument>,
    #[serde(default)]
    turns_at: Option<DateTime>,
    /// The district metered area; empty: none.
    #[serde(default)]
    area: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeviceDocument {
    #[serde(rename = "_id")]
    key: Bson,
    id: String,
    device_id: String,
    property_id: String,
    customer_id: String,
    r#type: String,
    status: String,
    #[serde(default)]
    location: Option<String>,
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
    #[serde(default)]
    wraps_at: i64,
    #[serde(default)]
    resolution: u32,
    #[serde(default = "time_zone")]
    time_zone: String,
    #[serde(default = "tariff_class")]
    tariff_class: String,
    #[serde(default)]
    billable: Option<bool>,
    #[serde(default)]
    parent_device_id: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default = "version")]
    version: i64,
    /// What was said, from which day on; what an older system wrote has held from the beginning.
    #[serde(default)]
    timeline: Vec<PeriodDocument>,
    #[serde(default)]
    turns_at: Option<DateTime>,
    #[serde(default)]
    remarks: Vec<RemarkDocument>,
    /// The identifier as it is compared.
    #[serde(default)]
    device_key: Option<String>,
    /// What its misspellings have in common.
    #[serde(default)]
    device_alike: Option<String>,
    #[serde(default)]
    former_device_ids: Vec<String>,
    #[serde(default)]
    former_device_keys: Vec<String>,
    /// The district metered area of its property; empty: none.
    #[serde(default)]
    area: String,
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
    Meter::HOUSEHOLD.digits
}

const fn q3() -> u32 {
    Meter::HOUSEHOLD.q3_litres_per_hour
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
            key: property.id.clone().into(),
            id: property.id.clone(),
            name: property.name.clone(),
            address: Some(property.address.clone()),
            customer_id: property.customer_id.clone(),
            property_type: property.property_type.name().to_owned(),
            created_at: to_bson_time(property.created_at),
            updated_at: to_bson_time(property.updated_at),
            time_zone: property.time_zone.clone(),
            tariff_class: Some(property.tariff_class.clone()),
            version: property.version,
            timeline: TenancyDocument::all(&property.timeline),
            turns_at: property.turns_at.map(to_bson_time),
            area: property.area.clone(),
        }
    }
}

impl TryFrom<PropertyDocument> for Property {
    type Error = Unreadable;

    fn try_from(document: PropertyDocument) -> Result<Self, Unreadable> {
        let unreadable =
            |field, value| Unreadable { what: "property", id: document.id.clone(), field, value };
        let property_type = PropertyType::named(&document.property_type)
            .ok_or_else(|| unreadable("property_type", document.property_type.clone()))?;
        let tariff_class = document.tariff_class.unwrap_or_else(|| property_type.default_class().to_owned());
        let present =
            Tenancy { customer_id: document.customer_id.clone(), tariff_class: tariff_class.clone() };
        let timeline = TenancyDocument::timeline(document.timeline, present)
            .map_err(|value| unreadable("timeline", value))?;
        Ok(Self {
            id: document.id,
            name: document.name,
            address: document.address.unwrap_or_default(),
            customer_id: document.customer_id,
            property_type,
            time_zone: document.time_zone,
            tariff_class,
            timeline,
            turns_at: document.turns_at.map(from_bson_time),
            created_at: from_bson_time(document.created_at),
            updated_at: from_bson_time(document.updated_at),
            version: document.version,
            area: document.area,
        })
    }
}

impl From<&Device> for DeviceDocument {
    fn from(device: &Device) -> Self {
        let former = device.former_device_ids();
        Self {
            key: device.id.clone().into(),
            id: device.id.clone(),
            device_id: device.device_id.clone(),
            property_id: device.property_id.clone(),
            customer_id: device.customer_id.clone(),
            r#type: device.device_type.name().to_owned(),
            status: device.status.name().to_owned(),
            location: Some(device.location.clone()),
            installation_date: to_bson_time(device.installation_date),
            last_reading: device.last_reading.map(|reading| Bson::Decimal128(to_decimal128(reading))),
            last_reading_date: device.last_reading_date.map(to_bson_time),
            calibration_date: device.calibration_date.map(to_bson_time),
            created_at: to_bson_time(device.created_at),
            updated_at: to_bson_time(device.updated_at),
            unit: device.meter.unit.name().to_owned(),
            register_digits: device.meter.digits,
            q3_litres_per_hour: device.meter.q3_litres_per_hour,
            wraps_at: device.meter.wraps_at,
            resolution: device.meter.resolution,
            time_zone: device.time_zone.clone(),
            tariff_class: device.tariff_class.clone(),
            billable: Some(device.billable),
            parent_device_id: device.parent_device_id.clone(),
            role: Some(device.role().name().to_owned()),
            version: device.version,
            timeline: PeriodDocument::all(&device.timeline),
            turns_at: device.turns_at.map(to_bson_time),
            remarks: device.remarks.iter().map(RemarkDocument::from).collect(),
            device_key: Some(identifier::key(&device.device_id).into_owned()),
            device_alike: Some(identifier::alike(&device.device_id)),
            former_device_keys: former.iter().map(|serial| identifier::key(serial).into_owned()).collect(),
            former_device_ids: former,
            area: device.area.clone(),
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
        let meter = Meter {
            unit,
            digits,
            q3_litres_per_hour: document.q3_litres_per_hour,
            wraps_at: document.wraps_at,
            resolution: document.resolution,
        };
        let present = Period {
            property_id: document.property_id.clone(),
            customer_id: document.customer_id.clone(),
            tariff_class: document.tariff_class.clone(),
            device_type,
            billable: document.billable.unwrap_or(true),
            serial: document.device_id.clone(),
            meter,
            exchange: None,
        };
        let billable = present.is_billed();
        let timeline = PeriodDocument::timeline(document.timeline, present)
            .map_err(|value| unreadable("timeline", &value))?;
        Ok(Self {
            id: document.id,
            device_id: document.device_id,
            property_id: document.property_id,
            customer_id: document.customer_id,
            device_type,
            billable,
            meter,
            tariff_class: document.tariff_class,
            timeline,
            turns_at: document.turns_at.map(from_bson_time),
            status,
            location: document.location.unwrap_or_default(),
            installation_date: from_bson_time(document.installation_date),
            // A float that an older system wrote is no register; the next read replaces it.
            last_reading: match document.last_reading {
                Some(Bson::Decimal128(reading)) => from_decimal128(reading),
                _ => None,
            },
            last_reading_date: document.last_reading_date.map(from_bson_time),
            calibration_date: document.calibration_date.map(from_bson_time),
            parent_device_id: document.parent_device_id,
            remarks: document.remarks.into_iter().map(Into::into).collect(),
            created_at: from_bson_time(document.created_at),
            updated_at: from_bson_time(document.updated_at),
            version: document.version,
            time_zone: document.time_zone,
            area: document.area,
        })
    }
}

#[cfg(test)]
mod tests {
    use bson::{doc, oid::ObjectId};

    use super::*;
    use crate::domain::registry::timeline::Timeline;

    /// A device as the data model describes it and nothing more.
    fn foreign() -> bson::Document {
        let at = DateTime::from_millis(1_700_000_000_123);
        doc! {
            "_id": ObjectId::new(), "id": "device-7", "device_id": "70B3-D5", "property_id": "property-7",
            "customer_id": "customer-007", "type": "water_meter", "status": "active", "location": "garage",
            "installation_date": at, "last_reading": 120.512_f64, "last_reading_date": at,
            "calibration_date": at, "created_at": at, "updated_at": at,
        }
    }

    fn read(document: bson::Document) -> Result<Device, String> {
        let document: DeviceDocument =
            bson::deserialize_from_document(document).map_err(|error| error.to_string())?;
        document.try_into().map_err(|error: Unreadable| error.to_string())
    }

    #[test]
    fn a_document_of_the_data_model_and_nothing_more_is_read() {
        let device = read(foreign()).unwrap();
        assert_eq!((device.version, device.meter, device.billable), (1, Meter::HOUSEHOLD, true));
        assert_eq!(
            (device.time_zone.as_str(), device.tariff_class.as_str()),
            ("Asia/Jakarta", DEFAULT_CLASS)
        );
        assert_eq!((device.last_reading, device.facts().history.len()), (None, 0));
        let sparse = |field: &str| {
            let mut document = foreign();
            document.remove(field);
            read(document)
        };
        for field in ["location", "last_reading", "last_reading_date", "calibration_date"] {
            assert!(sparse(field).is_ok(), "{field}");
        }
        assert!(sparse("installation_date").unwrap_err().contains("installation_date"));
        for (field, value) in [("type", "kettle"), ("status", "asleep")] {
            let mut document = foreign();
            document.insert(field, value);
            assert!(read(document).unwrap_err().contains(value));
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut device = read(foreign()).unwrap();
        device.timeline = super::super::timelines::example(&device.timeline);
        let document = bson::serialize_to_document(&DeviceDocument::from(&device)).unwrap();
        assert_eq!(document.get_str("device_key").unwrap(), "70b3-d5");
        assert_eq!(document.get_array("former_device_keys").unwrap().len(), 1);
        assert_eq!(document.get_array("timeline").unwrap().len(), 2);
        assert_eq!(read(document).unwrap(), device);
    }

    #[test]
    fn a_property_of_the_data_model_and_nothing_more_is_read() {
        let at = DateTime::from_millis(1_700_000_000_123);
        let document = doc! {
            "_id": ObjectId::new(), "id": "property-7", "name": "Toko", "customer_id": "customer-007",
            "property_type": "commercial", "created_at": at, "updated_at": at,
        };
        let document: PropertyDocument = bson::deserialize_from_document(document).unwrap();
        let property = Property::try_from(document).unwrap();
        assert_eq!((property.tariff_class.as_str(), property.address.as_str()), ("commercial-1", ""));
        let tenancy =
            Tenancy { customer_id: "customer-007".into(), tariff_class: property.tariff_class.clone() };
        assert_eq!(property.timeline, Timeline::new(tenancy));
        let written = bson::serialize_to_document(&PropertyDocument::from(&property)).unwrap();
        let again: PropertyDocument = bson::deserialize_from_document(written).unwrap();
        assert_eq!(Property::try_from(again).unwrap(), property);
    }
}
