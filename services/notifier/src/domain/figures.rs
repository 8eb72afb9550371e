//! Figures as people read them: rupiah, litres and dates in their language and their zone.

use indowater_common::domain::zone::{Day, Zone};

use super::person::Language;

/// A figure of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure<'a> {
    /// Whole rupiah.
    Rupiah(i64),
    /// Millilitres.
    Volume(i64),
    /// Millilitres an hour.
    Rate(i64),
    /// Seconds since the epoch.
    Moment(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// A number that a text chooses its plural by; -1 where it is not known.
    Count(i64),
    /// What a text chooses its words by.
    Choice(&'static str),
    /// A name, as it is.
    Name(&'a str),
}

/// The months of each language.
const MONTHS: [[&str; 12]; 2] = [
    [
        "Januari",
        "Februari",
        "Maret",
        "April",
        "Mei",
        "Juni",
        "Juli",
        "Agustus",
        "September",
        "Oktober",
        "November",
        "Desember",
    ],
    [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
];

impl Figure<'_> {
    /// As it is read in `language`, and in `zone` where it is a time.
    pub fn written(self, language: Language, zone: &Zone) -> String {
        match self {
            Self::Rupiah(amount) if amount < 0 => {
                format!("-Rp {}", grouped(amount.saturating_neg(), language))
            }
            Self::Rupiah(amount) => format!("Rp {}", grouped(amount, language)),
            Self::Volume(millilitres) => volume(millilitres, language),
            Self::Rate(millilitres) => match language {
                Language::Indonesian => format!("{} per jam", volume(millilitres, language)),
                Language::English => format!("{} an hour", volume(millilitres, language)),
            },
            Self::Moment(at) => moment(at, language, zone),
            Self::Date(day) => date(Day(day), language),
            Self::Count(count) => grouped(count, language),
            Self::Choice(word) => word.to_owned(),
            Self::Name(name) => name.to_owned(),
        }
    }
}

/// With the language's sign between thousands.
fn grouped(number: i64, language: Language) -> String {
    let sign = match language {
        Language::Indonesian => '.',
        Language::English => ',',
    };
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(sign);
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// Litres up to a cubic metre, in tenths below ten; hundredths of cubic metres from there on.
fn volume(millilitres: i64, language: Language) -> String {
    const CUBIC_METRE: i64 = 1_000_000;
    let point = match language {
        Language::Indonesian => ',',
        Language::English => '.',
    };
    let rounded = |unit: i64| millilitres.saturating_add(unit / 2).div_euclid(unit);
    let litres = match language {
        Language::Indonesian => "liter",
        Language::English => "litres",
    };
    if (0..9_950).contains(&millilitres) {
        let tenths = rounded(100);
        return match (tenths / 10, tenths % 10) {
            (1, 0) if language == Language::English => "1 litre".to_owned(),
            (whole, 0) => format!("{whole} {litres}"),
            (whole, tenth) => format!("{whole}{point}{tenth} {litres}"),
        };
    }
    if millilitres < CUBIC_METRE {
        return format!("{} {litres}", grouped(rounded(1_000), language));
    }
    let hundredths = rounded(CUBIC_METRE / 100);
    format!("{}{point}{:02} m³", grouped(hundredths / 100, language), hundredths % 100)
}

fn date(day: Day, language: Language) -> String {
    let date = day.date();
    let months = &MONTHS[usize::from(language == Language::English)];
    // A calendar's month is 1 to 12.
    let month =
        months.get(usize::try_from(date.month() - 1).unwrap_or_default()).copied().unwrap_or_default();
    format!("{} {month} {}", date.day(), date.year())
}

/// The time and the date; Indonesian writes the time with a point, and what kind of time it is behind it.
fn moment(at: i64, language: Language, zone: &Zone) -> String {
    let day = zone.day_of(at);
    let minutes = (at - zone.start_of(day)).div_euclid(60);
    let (hour, minute) = (minutes / 60, minutes % 60);
    let name = match zone.name() {
        "Asia/Jakarta" | "Asia/Pontianak" => " WIB",
        "Asia/Makassar" => " WITA",
        "Asia/Jayapura" => " WIT",
        _ => "",
    };
    match language {
        Language::Indonesian => format!("{}, {hour:02}.{minute:02}{name}", date(day, language)),
        Language::English => format!("{}, {hour:02}:{minute:02}{name}", date(day, language)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_each_language_does() {
        let zone = Zone::named("Asia/Makassar").unwrap();
        for (figure, indonesian, english) in [
            (Figure::Rupiah(1_250_000), "Rp 1.250.000", "Rp 1,250,000"),
            (Figure::Rupiah(-500), "-Rp 500", "-Rp 500"),
            (Figure::Rupiah(0), "Rp 0", "Rp 0"),
            (Figure::Volume(1_000), "1 liter", "1 litre"),
            (Figure::Volume(7_449), "7,4 liter", "7.4 litres"),
            (Figure::Volume(9_950), "10 liter", "10 litres"),
            (Figure::Volume(999_400), "999 liter", "999 litres"),
            (Figure::Volume(1_234_567), "1,23 m³", "1.23 m³"),
            (Figure::Volume(1_500_000_000), "1.500,00 m³", "1,500.00 m³"),
            (Figure::Rate(38_200), "38 liter per jam", "38 litres an hour"),
            (Figure::Date(20_782), "25 November 2026", "25 November 2026"),
            (Figure::Date(20_650), "16 Juli 2026", "16 July 2026"),
            (Figure::Moment(1_795_543_800), "25 November 2026, 02.10 WITA", "25 November 2026, 02:10 WITA"),
            (Figure::Count(12_000), "12.000", "12,000"),
        ] {
            assert_eq!(figure.written(Language::Indonesian, &zone), indonesian, "{figure:?}");
            assert_eq!(figure.written(Language::English, &zone), english, "{figure:?}");
        }
    }
}
