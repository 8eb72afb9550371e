//! What the reads of a device say about its meter, and the order to go and look.
//!
//! A finding is made where all reads of a device are known, not here: a single step back may be a dip. Each finding is
//! one work order, however often it is told; one that later reads explain otherwise takes its order back, unless
//! somebody is on the way already.

use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::Zone;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The register stepped back for good.
    Exchange,
    /// The register jumped up by more than the meter can pass, and went on from there.
    Jump,
    /// It goes on counting more than the meter can pass.
    AboveCeiling,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exchange, Self::Jump, Self::AboveCeiling];

    /// Its name in ids.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Jump => "jump",
            Self::AboveCeiling => "above_ceiling",
        }
    }
}

/// A register at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Seconds since the epoch.
    pub at: i64,
    /// Millilitres.
    pub millilitres: i64,
}

/// One finding as it is known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `devices.id`.
    pub device_id: String,
    /// Where.
    pub property_id: String,
    /// Whose.
    pub customer_id: String,
    /// The local day, `YYYY-MM-DD`.
    pub date: String,
    /// What was found.
    pub kind: Kind,
    /// The read before it.
    pub before: Point,
    /// The read after it.
    pub after: Point,
    /// Whether later reads explain it otherwise.
    pub withdrawn: bool,
    /// Rises with every change of the finding.
    pub revision: i64,
    /// When it was told, seconds since the epoch.
    pub told_at: i64,
}

impl Finding {
    /// The id of its work order: the same whenever the same is found again.
    pub fn order_id(&self) -> String {
        format!("{}-{}-{}", self.kind.name(), self.device_id, self.date)
    }
}

/// The order to go and look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkOrder {
    /// That of its finding.
    pub id: String,
    /// `devices.id`.
    pub device_id: String,
    /// Where.
    pub property_id: String,
    /// Whose.
    pub customer_id: String,
    /// In short.
    pub title: String,
    /// With the reads before and after, in m3.
    pub description: String,
    /// Revision of the finding it comes from.
    pub finding_revision: i64,
    /// When it was raised, seconds since the epoch.
    pub raised_at: i64,
}

impl WorkOrder {
    /// The order for a finding. `serial` is the identifier on the meter and `zone` where it stands, if they are known.
    pub fn for_finding(finding: &Finding, serial: Option<&str>, zone: Option<&Zone>) -> Self {
        let meter = serial.unwrap_or(&finding.device_id);
        let told = |point: Point| {
            let utc = Zone::named("UTC");
            let time =
                zone.or(utc.as_ref()).map_or_else(|| point.at.to_string(), |zone| zone.rfc3339(point.at));
            format!("{} m3 at {time}", Unit::Millilitre.cubic_metres(point.millilitres).normalize())
        };
        let (before, after) = (told(finding.before), told(finding.after));
        let (title, description) = match finding.kind {
            Kind::Exchange => (
                format!("Check meter {meter}: its register stepped back"),
                format!(
                    "Final read {before}, initial read {after}. This is neither a rollover nor backflow, and the reads \
                     go on from there: the meter was exchanged or reset. The step is not billed. If it was exchanged, \
                     tell the registry."
                ),
            ),
            Kind::Jump => (
                format!("Check meter {meter}: its register jumped up"),
                format!(
                    "Read {before}, then {after}. The meter cannot have passed so much, and the reads go on from there: \
                     a fault, or an exchange for a meter that stood higher. The step is not billed. If it was \
                     exchanged, tell the registry."
                ),
            ),
            Kind::AboveCeiling => (
                format!("Check meter {meter}: its size or its unit"),
                format!(
                    "From {before} to {after} it counted more than it can pass by the registry's facts, again and \
                     again. What is above is not billed. Check the meter's size or unit, then correct the registry."
                ),
            ),
        };
        Self {
            id: finding.order_id(),
            device_id: finding.device_id.clone(),
            property_id: finding.property_id.clone(),
            customer_id: finding.customer_id.clone(),
            title,
            description,
            finding_revision: finding.revision,
            raised_at: finding.told_at,
        }
    }
}

/// The note on an order whose finding was withdrawn.
pub const WITHDRAWN: &str = "Later reads explain what was found otherwise: nothing is to be done.";

/// A finding, for the tests of this crate.
#[cfg(test)]
pub(crate) fn example(kind: Kind) -> Finding {
    Finding {
        device_id: "device-1".into(),
        property_id: "property-1".into(),
        customer_id: "customer-001".into(),
        date: "1970-01-02".into(),
        kind,
        before: Point { at: 0, millilitres: 300_000_000 },
        after: Point { at: 17 * 3_600, millilitres: 51_480_500 },
        withdrawn: false,
        revision: 3,
        told_at: 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_names_both_reads_in_cubic_metres_and_local_time() {
        let zone = Zone::named("Asia/Jakarta");
        for (kind, id, says) in [
            (
                Kind::Exchange,
                "exchange-device-1-1970-01-02",
                "Final read 300 m3 at 1970-01-01T07:00:00+07:00, initial read 51.4805 m3 at 1970-01-02T00:00:00+07:00",
            ),
            (
                Kind::Jump,
                "jump-device-1-1970-01-02",
                "Read 300 m3 at 1970-01-01T07:00:00+07:00, then 51.4805 m3",
            ),
            (Kind::AboveCeiling, "above_ceiling-device-1-1970-01-02", "Check the meter's size or unit"),
        ] {
            let order = WorkOrder::for_finding(&example(kind), Some("SN-1"), zone.as_ref());
            assert_eq!(order.id, id);
            assert!(order.title.contains("SN-1"), "{}", order.title);
            assert!(order.description.contains(says), "{}", order.description);
            assert_eq!((order.finding_revision, order.raised_at), (3, 100));
        }
    }

    #[test]
    fn an_order_needs_nothing_of_the_registry() {
        let order = WorkOrder::for_finding(&example(Kind::Exchange), None, None);
        assert!(
            order.title.contains("device-1")
                && order.description.contains("1970-01-01T17:00:00Z")
                    | order.description.contains("1970-01-01T17:00:00+00:00"),
            "{order:?}"
        );
    }
}
