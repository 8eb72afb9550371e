//! What is asked for, read from the texts of a request. All that is wrong with it is told at once.

use jiff::civil::Date;

use crate::domain::failure::{Failure, Fault, Faults};
use crate::domain::metering::DeviceStatus;
use crate::domain::page::{self, Page, Sizes};
use crate::domain::period::{self, Period, Window, Wish};
use crate::domain::user::UserId;
use crate::domain::word;

/// A list of properties or devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuestion {
    /// Of one customer only.
    pub customer: Option<UserId>,
    /// Of one property only; empty for all.
    pub property: String,
    /// In one status only.
    pub status: Option<DeviceStatus>,
    /// Which page.
    pub page: Page,
}

/// The texts of a [`ListQuestion`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ListTexts<'a> {
    /// `customer_id`
    pub customer_id: Option<&'a str>,
    /// `property_id`
    pub property_id: Option<&'a str>,
    /// `status`
    pub status: Option<&'a str>,
    /// `page_size`
    pub page_size: Option<&'a str>,
    /// `page_token`
    pub page_token: Option<&'a str>,
}

impl ListQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(texts: ListTexts<'_>) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let customer = customer(texts.customer_id, &mut faults);
        let property = id("property_id", texts.property_id, &mut faults);
        let status = faults.note(texts.status.map(status).transpose());
        let page = Page::read(texts.page_size, texts.page_token, page::REGISTRY, &mut faults);
        let question = customer.zip(property).zip(status.zip(page));
        let question = question.map(|((customer, property), (status, page))| Self {
            customer,
            property: property.unwrap_or_default(),
            status,
            page,
        });
        faults.settle(question)
    }
}

/// Whose usage: one device's, one property's, or a customer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Of one device.
    Device(String),
    /// Of all devices of one property.
    Property(String),
    /// Of all devices of a customer: the one named, or the one who asks.
    Customer(Option<UserId>),
}

/// A history of usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuestion {
    /// Whose.
    pub subject: Subject,
    /// From when to when.
    pub wish: Wish,
    /// Which page.
    pub page: Page,
    /// Oldest first.
    pub ascending: bool,
}

/// Which usage exactly, once it is decided that it may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Of this device; empty for all.
    pub device_id: String,
    /// Of this property; empty for all.
    pub property_id: String,
    /// Only what was this customer's at the time; empty for whoever's it was.
    pub customer_id: String,
    /// From when to when.
    pub period: Period,
    /// Which page.
    pub page: Page,
    /// Oldest first.
    pub ascending: bool,
}

/// The texts of a [`UsageQuestion`].
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageTexts<'a> {
    /// `device_id`
    pub device_id: Option<&'a str>,
    /// `property_id`
    pub property_id: Option<&'a str>,
    /// `customer_id`
    pub customer_id: Option<&'a str>,
    /// `from`
    pub from: Option<&'a str>,
    /// `to`
    pub to: Option<&'a str>,
    /// `order`
    pub order: Option<&'a str>,
    /// `page_size`
    pub page_size: Option<&'a str>,
    /// `page_token`
    pub page_token: Option<&'a str>,
}

impl UsageQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(texts: UsageTexts<'_>) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let subject = subject(texts, &mut faults);
        let wish = Wish::read(texts.from, texts.to, &mut faults);
        let ascending = faults.note(ascending(texts.order));
        let page = Page::read(texts.page_size, texts.page_token, page::USAGE, &mut faults);
        let question = subject.zip(wish).zip(ascending.zip(page));
        let question =
            question.map(|((subject, wish), (ascending, page))| Self { subject, wish, page, ascending });
        faults.settle(question)
    }

    /// What staff are told who ask for the usage of everyone at once, which would be a question to the whole database.
    pub fn names_nobody() -> Failure {
        Failure::Invalid(vec![Fault::new(
            "customer_id",
            "staff name a device_id, a property_id or a customer_id",
        )])
    }
}

/// Reads which page of a list without filters.
///
/// # Errors
/// [`Failure::Invalid`]
pub fn page(size: Option<&str>, token: Option<&str>, sizes: Sizes) -> Result<Page, Failure> {
    let mut faults = Faults::default();
    let page = Page::read(size, token, sizes, &mut faults);
    faults.settle(page)
}

/// Of when the reads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Between two moments.
    Between(Window),
    /// On a day of the device's property.
    On(Date),
}

/// Reads of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadingsQuestion {
    /// Of when.
    pub when: When,
    /// Which page.
    pub page: Page,
}

/// The texts of a [`ReadingsQuestion`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadingsTexts<'a> {
    /// `from`
    pub from: Option<&'a str>,
    /// `to`
    pub to: Option<&'a str>,
    /// `date`
    pub date: Option<&'a str>,
    /// `page_size`
    pub page_size: Option<&'a str>,
    /// `page_token`
    pub page_token: Option<&'a str>,
}

impl ReadingsQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(texts: ReadingsTexts<'_>) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let window = Window::read(texts.from, texts.to, None, &mut faults);
        let day = faults.note(texts.date.map(day).transpose());
        if texts.date.is_some() && (texts.from.is_some() || texts.to.is_some()) {
            faults.add("date", "is given instead of from and to");
        }
        let when = window.zip(day).map(|(window, day)| day.map_or(When::Between(window), When::On));
        let page = Page::read(texts.page_size, texts.page_token, page::USAGE, &mut faults);
        faults.settle(when.zip(page).map(|(when, page)| Self { when, page }))
    }
}

/// A day that begins after the first moment there is, wherever it is.
fn day(text: &str) -> Result<Date, Fault> {
    let day = period::date("date", text)?;
    if day.year() > 1970 { Ok(day) } else { Err(Fault::new("date", "must be after 1970")) }
}

fn subject(texts: UsageTexts<'_>, faults: &mut Faults) -> Option<Subject> {
    let device = id("device_id", texts.device_id, faults);
    let property = id("property_id", texts.property_id, faults);
    let customer = customer(texts.customer_id, faults);
    match (device?, property?, customer?) {
        (Some(device), None, None) => Some(Subject::Device(device)),
        (None, Some(property), None) => Some(Subject::Property(property)),
        (None, None, customer) => Some(Subject::Customer(customer)),
        (device, _, _) => {
            let field = if device.is_some() { "device_id" } else { "property_id" };
            faults.add(field, "only one of device_id, property_id and customer_id may be given");
            None
        }
    }
}

/// Ids are never empty: an empty one means "all" to the services, and would widen what was meant to be narrow.
fn id(field: &str, text: Option<&str>, faults: &mut Faults) -> Option<Option<String>> {
    if text == Some("") {
        faults.add(field, "must not be empty");
        return None;
    }
    Some(text.map(str::to_owned))
}

fn customer(text: Option<&str>, faults: &mut Faults) -> Option<Option<UserId>> {
    id("customer_id", text, faults).map(|id| id.and_then(|id| UserId::new(&id)))
}

fn status(text: &str) -> Result<DeviceStatus, Fault> {
    word(text).ok_or_else(|| Fault::new("status", "must be active, inactive or maintenance"))
}

fn ascending(order: Option<&str>) -> Result<bool, Fault> {
    match order {
        None | Some("desc") => Ok(false),
        Some("asc") => Ok(true),
        Some(_) => Err(Fault::new("order", "must be asc or desc")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T>(read: Result<T, Failure>) -> Vec<String> {
        match read {
            Ok(_) => Vec::new(),
            Err(Failure::Invalid(faults)) => faults.into_iter().map(|fault| fault.field).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_subject_at_most() {
        let nothing = UsageTexts::default();
        let device = UsageTexts { device_id: Some("d"), ..nothing };
        let property = UsageTexts { property_id: Some("p"), ..nothing };
        let customer = UsageTexts { customer_id: Some("c"), ..nothing };
        for (texts, expected) in [
            (nothing, Subject::Customer(None)),
            (device, Subject::Device("d".to_owned())),
            (property, Subject::Property("p".to_owned())),
            (customer, Subject::Customer(UserId::new("c"))),
        ] {
            assert_eq!(UsageQuestion::read(texts).map(|question| question.subject), Ok(expected));
        }
        for (texts, field) in [
            (UsageTexts { property_id: Some("p"), ..device }, "device_id"),
            (UsageTexts { customer_id: Some("c"), ..device }, "device_id"),
            (UsageTexts { customer_id: Some("c"), ..property }, "property_id"),
            (UsageTexts { device_id: Some(""), ..nothing }, "device_id"),
            (UsageTexts { property_id: Some(""), ..nothing }, "property_id"),
            (UsageTexts { customer_id: Some(""), ..nothing }, "customer_id"),
        ] {
            assert_eq!(fields(UsageQuestion::read(texts)), [field], "{texts:?}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let texts = UsageTexts {
            device_id: Some(""),
            from: Some("soon"),
            to: Some("later"),
            order: Some("upwards"),
            page_size: Some("all"),
            ..UsageTexts::default()
        };
        assert_eq!(fields(UsageQuestion::read(texts)), ["device_id", "from", "to", "order", "page_size"]);
        let texts = ListTexts {
            customer_id: Some(""),
            property_id: Some(""),
            status: Some("asleep"),
            page_size: Some("0"),
            page_token: None,
        };
        assert_eq!(fields(ListQuestion::read(texts)), ["customer_id", "property_id", "status", "page_size"]);
    }

    #[test]
    fn reads_are_of_a_day_or_between_moments() {
        let nothing = ReadingsTexts::default();
        let when = |texts| ReadingsQuestion::read(texts).unwrap().when;
        assert_eq!(when(nothing), When::Between(Window::default()));
        let day = ReadingsTexts { date: Some("2026-11-21"), ..nothing };
        assert_eq!(when(day), When::On("2026-11-21".parse().unwrap()));
        let moment = Some("2026-11-21T17:00:00Z");
        assert!(matches!(when(ReadingsTexts { from: moment, ..nothing }), When::Between(_)));
        for (texts, expected) in [
            (ReadingsTexts { from: moment, ..day }, vec!["date"]),
            (ReadingsTexts { to: moment, ..day }, vec!["date"]),
            (ReadingsTexts { date: Some("1970-01-01"), ..nothing }, vec!["date"]),
            (ReadingsTexts { from: moment, to: moment, ..nothing }, vec!["from"]),
            (
                ReadingsTexts {
                    from: Some("2026-11-21"),
                    to: Some("x"),
                    date: Some("y"),
                    page_size: Some("0"),
                    page_token: None,
                },
                vec!["from", "to", "date", "date", "page_size"],
            ),
        ] {
            assert_eq!(fields(ReadingsQuestion::read(texts)), expected, "{texts:?}");
        }
    }

    #[test]
    fn newest_first_unless_told_otherwise() {
        let order =
            |order| UsageQuestion::read(UsageTexts { order, ..UsageTexts::default() }).unwrap().ascending;
        assert_eq!([order(None), order(Some("desc")), order(Some("asc"))], [false, false, true]);
    }
}
