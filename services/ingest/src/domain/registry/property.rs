//! Properties.

use std::sync::LazyLock;

use indowater_common::domain::request::{check_id, check_length, to_milliseconds};
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use jiff::Timestamp;

use super::text::{day, time_zone};
use super::timeline::Timeline;
use super::{Device, Problems, PropertyType, Refusal, Tenancy, TenancyPart};

/// A property where meters stand. Customer and class are as of today; the timeline has all days.
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
    pub timeline: Timeline<Tenancy>,
    /// When the next entry of the timeline begins.
    pub turns_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
    /// The district metered area it lies in; empty: in none.
    pub area: String,
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
    pub area: String,
}

/// What a caller wants different.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct PropertyChange {
    /// The version the caller read, if it matters.
    pub version: Option<i64>,
    /// The first local day of customer and class; empty: today.
    pub effective_from: String,
    pub name: Option<String>,
    pub address: Option<String>,
    pub customer_id: Option<String>,
    pub property_type: Option<String>,
    pub tariff_class: Option<String>,
    /// Empty: in none.
    pub area: Option<String>,
}

/// A property as changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyChanged {
    /// As it is now.
    pub property: Property,
    /// The first day from which its devices have another customer or class, or today if they are in another area; none if they are not.
    pub from: Option<Day>,
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
        let tariff_class = if class.is_empty() { property_type.default_class().to_owned() } else { class };
        let now = to_milliseconds(now);
        let property = Self {
            id: if draft.id.is_empty() { new_id } else { draft.id },
            name: draft.name,
            address: draft.address,
            timeline: Timeline::new(Tenancy {
                customer_id: draft.customer_id.clone(),
                tariff_class: tariff_class.clone(),
            }),
            turns_at: None,
            customer_id: draft.customer_id,
            property_type,
            time_zone: time_zone(&draft.time_zone, "time_zone", &mut problems),
            tariff_class,
            created_at: now,
            updated_at: now,
            version: 1,
            area: draft.area.trim().to_owned(),
        };
        property.check(&mut problems);
        check_id(&property.customer_id, "customer_id", &mut problems);
        check_class(&property.tariff_class, &mut problems);
        problems.or(property)
    }

    /// The property as changed; the same if nothing is different.
    ///
    /// # Errors
    /// Every field that is wrong, or a version that is not the current one.
    pub fn change(&self, change: &PropertyChange, now: Timestamp) -> Result<PropertyChanged, Refusal> {
        if let Some(expected) = change.version.filter(|version| *version != self.version) {
            return Err(Refusal::Stale { what: "property", id: self.id.clone(), expected, is: self.version });
        }
        let mut problems = Problems::default();
        let told = day(&change.effective_from, "effective_from", &mut problems);
        let from = told.unwrap_or_else(|| self.zone().day_of(now.as_second()));
        let mut next = self.clone();
        for (field, wanted) in [(&mut next.name, &change.name), (&mut next.address, &change.address)] {
            if let Some(wanted) = wanted {
                field.clone_from(wanted);
            }
        }
        if let Some(area) = &change.area {
            next.area = area.trim().to_owned();
        }
        if let Some(wanted) = &change.property_type {
            next.property_type =
                PropertyType::read(wanted, self.property_type, "property_type", &mut problems);
        }
        if let Some(customer_id) = &change.customer_id {
            check_id(customer_id, "customer_id", &mut problems);
        }
        if let Some(class) = &change.tariff_class {
            check_class(class, &mut problems);
        }
        // Who sends everything back as it is, and names no day, says nothing.
        let present = self.timeline.on(Some(from));
        let news = |wanted: &Option<String>, is: &String| {
            wanted.clone().filter(|wanted| told.is_some() || wanted != is)
        };
        let part = TenancyPart {
            customer_id: news(&change.customer_id, &present.customer_id),
            tariff_class: news(&change.tariff_class, &present.tariff_class),
        };
        next.timeline.say(Some(from), part);
        let next = next.made_of(self, now);
        next.check(&mut problems);
        let is_news = next.timeline != self.timeline || next.area != self.area;
        let from = is_news.then_some(from);
        Ok(PropertyChanged { property: problems.or(next)?, from })
    }

    /// The property as of now: another one where a day has come from which on it has another customer or class.
    #[must_use]
    pub fn turn(&self, now: Timestamp) -> Self {
        self.clone().made_of(self, now)
    }

    fn made_of(mut self, before: &Self, now: Timestamp) -> Self {
        let zone = self.zone();
        let today = zone.day_of(now.as_second());
        Tenancy { customer_id: self.customer_id, tariff_class: self.tariff_class } =
            self.timeline.on(Some(today));
        let next = self.timeline.next_change(today);
        self.turns_at = next.and_then(|day| Timestamp::from_second(zone.start_of(day)).ok());
        if self != *before {
            self.version = before.version + 1;
            self.updated_at = to_milliseconds(now);
        }
        self
    }

    /// Its time zone; that of most where a document names none that there is.
    pub fn zone(&self) -> Zone {
        Device::zone_named(&self.time_zone)
    }

    fn check(&self, problems: &mut Problems) {
        check_id(&self.id, "id", problems);
        if self.name.trim().is_empty() {
            problems.add("name", "is missing");
        }
        check_length(&self.name, 200, "name", problems);
        check_length(&self.address, 500, "address", problems);
        if !self.area.is_empty() {
            check_id(&self.area, "area", problems);
        }
    }
}

fn check_class(class: &str, problems: &mut Problems) {
    if !TARIFFS.classes().any(|known| known == class) {
        let known = TARIFFS.classes().collect::<Vec<_>>().join(" ");
        problems.add("tariff_class", format_args!("must be one of {known}"));
    }
}

static TARIFFS: LazyLock<TariffBook> = LazyLock::new(TariffBook::built_in);
