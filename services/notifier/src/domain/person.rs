//! Who a recipient is: how to reach them, in which language, and when not to.

use indowater_common::domain::zone::Zone;
use serde::{Deserialize, Serialize};

/// What a person may do in the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Has water and a balance.
    Customer,
    /// Is sent to meters.
    Technician,
    /// Runs the utility.
    Admin,
}

impl Role {
    /// As `users.role` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Technician => "technician",
            Self::Admin => "admin",
        }
    }
}

/// The language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// Bahasa Indonesia, which whoever chose none is written to in.
    #[serde(rename = "id")]
    Indonesian,
    /// English.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Indonesian, Self::English];

    /// ISO 639-1, as WhatsApp and HTML name it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Indonesian => "id",
            Self::English => "en",
        }
    }

    /// The language of a code such as `en` or `en-GB`; Indonesian for all others.
    pub fn of(code: &str) -> Self {
        if code.starts_with("en") { Self::English } else { Self::Indonesian }
    }
}

/// Local hours in which only what is critical is sent, in minutes since midnight; they may span it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// The first quiet minute.
    pub from: u16,
    /// The first minute after.
    pub to: u16,
}

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

impl QuietHours {
    /// From nine in the evening to six in the morning, for whoever said nothing else.
    pub const DEFAULT: Self = Self { from: 21 * 60, to: 6 * 60 };

    /// From `HH:MM` to `HH:MM`; the same twice means never quiet.
    pub fn parse(from: &str, to: &str) -> Option<Self> {
        let minutes = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let whole = hours.parse::<u16>().ok()? * 60 + minutes.parse::<u16>().ok().filter(|m| *m < 60)?;
            (whole < DAY_MINUTES).then_some(whole)
        };
        Some(Self { from: minutes(from)?, to: minutes(to)? })
    }

    /// When they are over, if `at` (seconds since the epoch) lies in them.
    pub fn end(self, zone: &Zone, at: i64) -> Option<i64> {
        let today = zone.day_of(at);
        let minute = (at - zone.start_of(today)).div_euclid(60);
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        let end_of = |day| zone.start_of(day) + to * 60;
        match from <= to {
            true => (from..to).contains(&minute).then(|| end_of(today)),
            false if minute >= from => Some(end_of(today.next())),
            false => (minute < to).then(|| end_of(today)),
        }
    }
}

/// A recipient, as the customers topic last told them.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// `users.id`.
    pub id: String,
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether the account is in use: nobody else is written to.
    pub is_active: bool,
    /// Where mail goes, if they confirmed the address and want mail.
    pub email: Option<String>,
    /// The WhatsApp number in E.164 (`+62…`), if they opted in.
    pub whatsapp: Option<String>,
    /// Whether their devices may be pushed to.
    pub wants_push: bool,
    /// The language of their messages.
    pub language: Language,
    /// Where their days begin.
    pub zone: Zone,
    /// When not to be disturbed.
    pub quiet: QuietHours,
    /// Rises with every change of the account.
    pub revision: i64,
}

impl Person {
    /// What is assumed of somebody whom the topic has not told of yet: an inbox, in Indonesian, in Jakarta.
    pub fn unknown(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: String::new(),
            role: Role::Customer,
            is_active: true,
            email: None,
            whatsapp: None,
            wants_push: false,
            language: Language::Indonesian,
            zone: Zone::named("Asia/Jakarta").unwrap_or(Zone::utc()),
            quiet: QuietHours::DEFAULT,
            revision: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25, so many minutes after midnight in Jakarta.
    fn at(minutes: i64) -> i64 {
        1_795_539_600 + minutes * 60
    }

    #[test]
    fn the_night_is_quiet_across_midnight() {
        let zone = Zone::named("Asia/Jakarta").unwrap();
        assert_eq!(zone.rfc3339(at(0)), "2026-11-25T00:00:00+07:00");
        let night = QuietHours::DEFAULT;
        for (minute, end) in [
            (0, Some(360)),
            (359, Some(360)),
            (360, None),
            (12 * 60, None),
            (1_259, None),
            (1_260, Some(1_440 + 360)),
            (1_439, Some(1_440 + 360)),
        ] {
            assert_eq!(night.end(&zone, at(minute)), end.map(at), "minute {minute}");
        }
        let siesta = QuietHours::parse("13:00", "14:30").unwrap();
        assert_eq!(siesta.end(&zone, at(13 * 60)), Some(at(14 * 60 + 30)));
        assert_eq!(siesta.end(&zone, at(14 * 60 + 30)), None);
        let never = QuietHours::parse("08:00", "08:00").unwrap();
        assert_eq!(never.end(&zone, at(8 * 60)), None);
    }

    #[test]
    fn hours_that_are_none_are_refused() {
        for (from, to) in
            [("24:00", "06:00"), ("21", "06:00"), ("21:60", "06:00"), ("", ""), ("a:b", "06:00")]
        {
            assert_eq!(QuietHours::parse(from, to), None, "{from} to {to}");
        }
    }
}
