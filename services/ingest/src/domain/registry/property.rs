//! Properties.

use std::sync::LazyLock;

use indowater_common::domain::request::{check_id, check_length, to_milliseconds};
use indowater_common::domain::tariff::TariffBook;
use jiff::Timestamp;

use super::text::time_zone;
use super::{Problems, PropertyType, Refusal};

/// A property where meters stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Property {
    pub id: String,
    pub name: String,
    pub address: String,
    pub customer_id: String,
    pub property_type: PropertyType,
    pub time_zone: String,
    pub tariff_class: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// A property as a caller describes it; empty fields take their defaults.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct PropertyDraft {
    pub id: String,
    pub name: String,
    pub address: String,
    pub customer_id: String,
    pub property_type: String,
    pub time_zone: String,
    pub tariff_class: String,
}

/// What a caller wants different.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct PropertyChange {
    /// The version the caller read, if it matters.
    pub version: Option<i64>,
    pub name: Option<String>,
    pub address: Option<String>,
    pub customer_id: Option<String>,
    pub property_type: Option<String>,
    pub tariff_class: Option<String>,
}

impl Property {
    /// Admits a draft; `new_id` is taken if it names none.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn admit(draft: PropertyDraft, new_id: String, now: Timestamp) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let property_type = PropertyType::read(
            &draft.property_type,
            PropertyType::Residential,
            "property_type",
            &mut problems,
        );
        let class = draft.tariff_class;
        let now = to_milliseconds(now);
        let property = Self {
            id: if draft.id.is_empty() { new_id } else { draft.id },
            name: draft.name,
            address: draft.address,
            customer_id: draft.customer_id,
            property_type,
            time_zone: time_zone(&draft.time_zone, "time_zone", &mut problems),
            tariff_class: if class.is_empty() { property_type.default_class().to_owned() } else { class },
            created_at: now,
            updated_at: now,
            version: 1,
        };
        property.check(&mut problems);
        problems.or(property)
    }

    /// The property as changed; the same if nothing is different.
    ///
    /// # Errors
    /// Every field that is wrong, or a version that is not the current one.
    pub fn change(&self, change: &PropertyChange, now: Timestamp) -> Result<Self, Refusal> {
        if let Some(expected) = change.version.filter(|version| *version != self.version) {
            return Err(Refusal::Stale { what: "property", id: self.id.clone(), expected, is: self.version });
        }
        let mut problems = Problems::default();
        let mut next = self.clone();
        for (field, wanted) in [
            (&mut next.name, &change.name),
            (&mut next.address, &change.address),
            (&mut next.customer_id, &change.customer_id),
            (&mut next.tariff_class, &change.tariff_class),
        ] {
            if let Some(wanted) = wanted {
                field.clone_from(wanted);
            }
        }
        if let Some(wanted) = &change.property_type {
            next.property_type =
                PropertyType::read(wanted, self.property_type, "property_type", &mut problems);
        }
        next.check(&mut problems);
        let mut next = problems.or(next)?;
        if next != *self {
            next.version += 1;
            next.updated_at = to_milliseconds(now);
        }
        Ok(next)
    }

    /// Whether its devices carry something that the change to `next` changes.
    pub fn concerns_devices(&self, next: &Self) -> bool {
        (&self.customer_id, &self.tariff_class) != (&next.customer_id, &next.tariff_class)
    }

    fn check(&self, problems: &mut Problems) {
        check_id(&self.id, "id", problems);
        check_id(&self.customer_id, "customer_id", problems);
        if self.name.trim().is_empty() {
            problems.add("name", "is missing");
        }
        check_length(&self.name, 200, "name", problems);
        check_length(&self.address, 500, "address", problems);
        if !TARIFFS.classes().any(|class| class == self.tariff_class) {
            let known = TARIFFS.classes().collect::<Vec<_>>().join(" ");
            problems.add("tariff_class", format_args!("must be one of {known}"));
        }
    }
}

static TARIFFS: LazyLock<TariffBook> = LazyLock::new(TariffBook::built_in);
