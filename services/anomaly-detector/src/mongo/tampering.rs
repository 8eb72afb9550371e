//! Tampering events as documents of `device_tampering_events`.

use bson::{Bson, DateTime, Document};
use indowater_common::domain::zone::Day;
use indowater_common::mongo::{seconds, time};
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use crate::domain::names::{SEVERITIES, TAMPERING_STATUSES, TYPES};
use crate::domain::tampering::{Evidence, Foreign, Inspection, Seen, Status, TamperingEvent};
use crate::domain::words;

#[derive(Debug, Serialize, Deserialize)]
struct TamperingDocument {
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    key: Option<Bson>,
    id: String,
    device_id: String,
    #[serde(default)]
    customer_id: String,
    detected_at: DateTime,
    tampering_type: String,
    severity: String,
    #[serde(default)]
    description: String,
    status: String,
    #[serde(default)]
    investigated_by: Option<String>,
    #[serde(default)]
    investigated_at: Option<DateTime>,
    #[serde(default)]
    resolution: Option<String>,
    #[serde(flatten)]
    ours: Option<Ours>,
    /// Device and type of an event that nobody has resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_for: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ours {
    property_id: String,
    revision: i64,
    evidence: Vec<SeenDocument>,
    /// Whether type, severity, time and description are another system's.
    found_elsewhere: bool,
    updated_at: DateTime,
}

#[derive(Debug, Serialize, Deserialize)]
struct SeenDocument {
    kind: String,
    date: DateTime,
    at: DateTime,
}

/// Whether it has no document yet, not even another system's.
pub fn is_new(event: &TamperingEvent) -> bool {
    event.revision == 0 && event.foreign.is_none()
}

/// The document of an event, as its next revision; in place of another one it leaves the `_id` alone.
///
/// # Errors
/// Never for what this service holds.
pub fn document(event: &TamperingEvent, now: DateTime) -> Result<Document, Error> {
    let status = event.status();
    let inspection = event.inspection.as_ref();
    let of_type = TYPES.name(event.of_type);
    let evidence = event.seen.iter().map(|seen| SeenDocument {
        kind: seen.evidence.name().to_owned(),
        date: time(seen.day.utc_midnight()),
        at: time(seen.at),
    });
    let document = TamperingDocument {
        key: is_new(event).then(|| event.id.as_str().into()),
        id: event.id.clone(),
        device_id: event.device_id.clone(),
        customer_id: event.customer_id.clone(),
        detected_at: time(event.detected_at()),
        tampering_type: of_type.to_owned(),
        severity: SEVERITIES.name(event.severity()).to_owned(),
        description: words::tampering(event),
        status: TAMPERING_STATUSES.name(status).to_owned(),
        investigated_by: inspection.map(|inspection| inspection.by.clone()),
        investigated_at: inspection.map(|inspection| time(inspection.at)),
        resolution: inspection.and_then(|inspection| inspection.resolution.clone()),
        ours: Some(Ours {
            property_id: event.property_id.clone(),
            revision: event.revision + 1,
            evidence: evidence.collect(),
            found_elsewhere: event.foreign.is_some(),
            updated_at: now,
        }),
        open_for: (status != Status::Resolved).then(|| format!("{}|{of_type}", event.device_id)),
    };
    bson::serialize_to_document(&document).map_err(Error::custom)
}

/// An event out of its document, ours or another system's.
///
/// # Errors
/// It says too little to be one.
pub fn read(document: Document) -> Result<TamperingEvent, Error> {
    let id = document.get_str("id").unwrap_or_default().to_owned();
    let stored: TamperingDocument = bson::deserialize_from_document(document)
        .map_err(|error| Error::custom(format!("device_tampering_events, {id:?}: {error}")))?;
    let lacks = |what: &str| Error::custom(format!("device_tampering_events, {id:?}: {what}"));
    let of_type = TYPES.named(&stored.tampering_type).ok_or_else(|| lacks("tampering_type"))?;
    let status = TAMPERING_STATUSES.named(&stored.status).ok_or_else(|| lacks("status"))?;
    let severity = SEVERITIES.named(&stored.severity).ok_or_else(|| lacks("severity"))?;
    let detected_at = seconds(stored.detected_at);
    let inspection = (status != Status::Active || stored.investigated_at.is_some()).then(|| Inspection {
        by: stored.investigated_by.unwrap_or_default(),
        at: stored.investigated_at.map_or(detected_at, seconds),
        resolution: stored.resolution.or_else(|| (status == Status::Resolved).then(String::new)),
    });
    let is_foreign = stored.ours.as_ref().is_none_or(|ours| ours.found_elsewhere);
    let (property_id, revision, seen) = match stored.ours {
        Some(ours) => {
            let seen = ours.evidence.into_iter().map(|seen| {
                let day = i32::try_from(seconds(seen.date).div_euclid(86_400)).ok()?;
                Some(Seen { evidence: Evidence::named(&seen.kind)?, day: Day(day), at: seconds(seen.at) })
            });
            let seen = seen.collect::<Option<Vec<_>>>().ok_or_else(|| lacks("evidence"))?;
            (ours.property_id, ours.revision, seen)
        }
        None => (String::new(), 0, Vec::new()),
    };
    let description = stored.description;
    let foreign = is_foreign.then_some(Foreign { detected_at, severity, description });
    Ok(TamperingEvent {
        id: stored.id,
        device_id: stored.device_id,
        customer_id: stored.customer_id,
        property_id,
        of_type,
        begun: detected_at,
        seen,
        inspection,
        revision,
        foreign,
    })
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;
    use crate::domain::tampering::{Severity, Type};

    #[test]
    fn another_systems_document_is_read_and_settled_as_it_is() {
        let foreign = doc! {
            "_id": 7, "id": "tampering-7", "device_id": "device-1", "customer_id": "customer-1",
            "detected_at": DateTime::from_millis(5_000), "tampering_type": "bypass", "severity": "high",
            "description": "a hose", "status": "active",
        };
        let mut event = read(foreign).unwrap();
        assert_eq!(
            (event.of_type, event.severity(), event.status()),
            (Type::Bypass, Severity::High, Status::Active)
        );
        let resolution = Some("removed".to_owned());
        event.inspection = Some(Inspection { by: "technician-1".into(), at: 9, resolution });
        let stored = document(&event, DateTime::from_millis(0)).unwrap();
        assert_eq!(
            (stored.get_str("description").unwrap(), stored.get_str("severity").unwrap()),
            ("a hose", "high")
        );
        assert!(!stored.contains_key("_id"));
        let again = read(stored).unwrap();
        assert_eq!(again, TamperingEvent { revision: 1, ..event });
        assert_eq!(again.status(), Status::Resolved);
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        let seen = Seen { evidence: Evidence::Magnet, day: Day(20_000), at: 20_000 * 86_400 + 7 };
        let event = TamperingEvent {
            id: "tampering-1".into(),
            device_id: "device-1".into(),
            customer_id: "customer-1".into(),
            property_id: "property-1".into(),
            of_type: Type::Magnetic,
            begun: seen.at,
            seen: vec![seen],
            inspection: Some(Inspection { by: "technician-1".into(), at: 20_001 * 86_400, resolution: None }),
            revision: 0,
            foreign: None,
        };
        let stored = document(&event, DateTime::from_millis(0)).unwrap();
        assert_eq!(stored.get_str("_id").unwrap(), "tampering-1");
        assert_eq!(stored.get_str("open_for").unwrap(), "device-1|magnetic");
        assert_eq!(read(stored).unwrap(), TamperingEvent { revision: 1, ..event });
    }
}
