//! What every service says of a request alike: which fields are wrong, what an id may be, what a page is.

use std::fmt;

use jiff::Timestamp;

/// Every field of a request that is wrong, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// One problem of a field.
    pub fn of(field: impl fmt::Display, what: impl fmt::Display) -> Self {
        let mut problems = Self::default();
        problems.add(field, what);
        problems
    }

    /// Notes a problem of a field.
    pub fn add(&mut self, field: impl fmt::Display, what: impl fmt::Display) {
        self.0.push((field.to_string(), what.to_string()));
    }

    /// Notes all problems of the entry at `place` of a list.
    pub fn add_all(&mut self, place: impl fmt::Display, problems: Self) {
        self.0.extend(problems.0.into_iter().map(|(field, what)| (format!("{place}.{field}"), what)));
    }

    /// Notes all of `problems` besides.
    pub fn append(&mut self, problems: Self) {
        self.0.extend(problems.0);
    }

    /// The value, or what is wrong with it.
    ///
    /// # Errors
    /// There are problems.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl IntoIterator for Problems {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    /// Each field with what is wrong with it.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (field, what)) in self.0.iter().enumerate() {
            let before = if place == 0 { "" } else { "; " };
            write!(f, "{before}{field} {what}")?;
        }
        Ok(())
    }
}

/// Bytes of an identifier at most.
pub const MOST_ID: usize = 64;

/// Ids are parts of record keys and of other ids, so they are plain; `|` separates parts.
pub fn check_id(id: &str, field: &str, problems: &mut Problems) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if id.is_empty() {
        problems.add(field, "is missing");
    } else if id.len() > MOST_ID || !id.bytes().all(plain) {
        problems.add(field, "must be 1 to 64 of A-Z a-z 0-9 . _ : -");
    }
}

/// At most `most` characters.
pub fn check_length(text: &str, most: usize, field: &str, problems: &mut Problems) {
    if text.chars().count() > most {
        problems.add(field, format_args!("must not be longer than {most} characters"));
    }
}

/// Reads an RFC 3339 time, in the precision the store keeps; `default` if it cannot be read.
pub fn time(text: &str, default: Timestamp, field: &str, problems: &mut Problems) -> Timestamp {
    text.parse().map(to_milliseconds).unwrap_or_else(|_| {
        problems.add(field, "must be a time in RFC 3339, such as 2026-01-31T08:00:00Z");
        default
    })
}

/// A moment in the precision the store keeps, so that what is published and answered equals what is stored.
pub fn to_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// One page of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Entries of the page at most.
    pub size: usize,
    /// The token of the entry after which it starts; empty for the first page.
    pub after: String,
}

impl Page {
    const DEFAULT: usize = 50;
    const LARGEST: usize = 500;

    /// The page a caller asked for.
    ///
    /// # Errors
    /// A size out of bounds.
    pub fn new(size: i32, after: String) -> Result<Self, Problems> {
        match usize::try_from(size) {
            Ok(0) => Ok(Self { size: Self::DEFAULT, after }),
            Ok(size) if size <= Self::LARGEST => Ok(Self { size, after }),
            _ => Err(Problems::of("page_size", "must be between 1 and 500, or 0 for 50")),
        }
    }

    /// Takes the page out of entries of which one more than its size were asked for: the entries, and the token of the
    /// next page.
    pub fn cut<T>(&self, mut entries: Vec<T>, token: impl Fn(&T) -> String) -> (Vec<T>, String) {
        let more = entries.len() > self.size;
        entries.truncate(self.size);
        let next = entries.last().filter(|_| more).map_or(String::new(), token);
        (entries, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_bounds() {
        assert_eq!(Page::new(0, String::new()).unwrap().size, 50);
        assert_eq!(Page::new(500, String::new()).unwrap().size, 500);
        for size in [-1, 501] {
            assert!(Page::new(size, String::new()).unwrap_err().to_string().contains("page_size"));
        }
    }

    #[test]
    fn a_page_is_cut_and_names_the_next() {
        let page = Page { size: 2, after: String::new() };
        let token = |number: &i32| number.to_string();
        assert_eq!(page.cut(vec![1, 2, 3], token), (vec![1, 2], "2".to_owned()));
        assert_eq!(page.cut(vec![1, 2], token), (vec![1, 2], String::new()));
        assert_eq!(page.cut(vec![], token), (vec![], String::new()));
    }
}
