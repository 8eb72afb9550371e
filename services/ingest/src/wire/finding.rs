//! Findings about meters, as the usage-aggregator tells them.

use indowater_proto::usage::v1 as usage;
use prost::Message;

use crate::domain::finding::{Finding, Kind, Point};

/// A finding out of its record, which was written at `told_at`.
///
/// # Errors
/// What does not make sense in it.
pub fn decode_finding(value: &[u8], told_at: i64) -> Result<Finding, String> {
    let finding = usage::MeterFinding::decode(value).map_err(|error| error.to_string())?;
    let kind = match finding.kind() {
        usage::MeterFindingKind::Exchange => Kind::Exchange,
        usage::MeterFindingKind::Jump => Kind::Jump,
        usage::MeterFindingKind::AboveCeiling => Kind::AboveCeiling,
        usage::MeterFindingKind::Unspecified => {
            return Err(format!("finding {:?} is of kind {}", finding.id, finding.kind));
        }
    };
    if finding.device_id.is_empty() || finding.date.is_empty() {
        return Err(format!("finding {:?} has no device or no date", finding.id));
    }
    let point = |point: Option<usage::MeterPoint>, which| match point {
        Some(point) => Ok(Point { at: point.read_at, millilitres: point.register_ml }),
        None => Err(format!("finding {:?} has no read {which}", finding.id)),
    };
    // What is withdrawn may say no more than that.
    let (before, after) = match finding.withdrawn {
        true => (Point { at: 0, millilitres: 0 }, Point { at: 0, millilitres: 0 }),
        false => (point(finding.before, "before")?, point(finding.after, "after")?),
    };
    Ok(Finding {
        device_id: finding.device_id,
        property_id: finding.property_id,
        customer_id: finding.customer_id,
        date: finding.date,
        kind,
        before,
        after,
        withdrawn: finding.withdrawn,
        revision: finding.revision,
        told_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> usage::MeterFinding {
        usage::MeterFinding {
            id: "device-1|jump|2026-01-02".into(),
            device_id: "device-1".into(),
            customer_id: "customer-001".into(),
            property_id: "property-1".into(),
            date: "2026-01-02".into(),
            kind: usage::MeterFindingKind::Jump.into(),
            before: Some(usage::MeterPoint { read_at: 1, register_ml: 2 }),
            after: Some(usage::MeterPoint { read_at: 3, register_ml: 4 }),
            withdrawn: false,
            revision: 5,
        }
    }

    #[test]
    fn a_finding_is_read_and_what_is_none_is_told() {
        let finding = decode_finding(&message().encode_to_vec(), 9).unwrap();
        assert_eq!((finding.kind, finding.order_id().as_str()), (Kind::Jump, "jump-device-1-2026-01-02"));
        assert_eq!((finding.before.at, finding.after.millilitres, finding.told_at), (1, 4, 9));
        let bare = usage::MeterFinding { before: None, after: None, ..message() };
        assert!(decode_finding(&bare.encode_to_vec(), 9).unwrap_err().contains("before"));
        let withdrawn = usage::MeterFinding { withdrawn: true, ..bare };
        assert!(decode_finding(&withdrawn.encode_to_vec(), 9).unwrap().withdrawn);
        for wrong in [
            usage::MeterFinding { kind: 0, ..message() },
            usage::MeterFinding { kind: 99, ..message() },
            usage::MeterFinding { device_id: String::new(), ..message() },
        ] {
            assert!(decode_finding(&wrong.encode_to_vec(), 9).is_err(), "{wrong:?}");
        }
        assert!(decode_finding(b"\xff", 9).is_err());
    }
}
