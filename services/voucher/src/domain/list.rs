//! What to list, and how much of it.

use super::refusal::{Problems, Refusal};
use super::text::check_length;
use super::voucher::Status;

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
    pub fn new(size: i32, after: String) -> Result<Self, Refusal> {
        match usize::try_from(size) {
            Ok(0) => Ok(Self { size: Self::DEFAULT, after }),
            Ok(size) if size <= Self::LARGEST => Ok(Self { size, after }),
            _ => Err(Problems::of("page_size", "must be between 1 and 500, or 0 for 50").into()),
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

/// Which vouchers.
#[derive(Clone, Debug, Default)]
pub struct VoucherFilter {
    /// In this status only.
    pub status: Option<Status>,
    /// With this in code or description, in any case; empty: all.
    pub text: String,
}

impl VoucherFilter {
    /// The filter a caller asked for.
    ///
    /// # Errors
    /// A text that is too long.
    pub fn new(status: Option<Status>, text: &str) -> Result<Self, Refusal> {
        let mut problems = Problems::default();
        let text = text.trim().to_owned();
        check_length(&text, 100, "text", &mut problems);
        Ok(problems.or(Self { status, text })?)
    }
}

/// Whose redemptions, or of which voucher.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    /// Of this voucher only.
    pub voucher_id: Option<String>,
    /// Of this customer only.
    pub customer_id: Option<String>,
}

impl UsageFilter {
    /// The filter a caller asked for; what is empty does not matter.
    ///
    /// # Errors
    /// Both are empty.
    pub fn new(voucher_id: String, customer_id: String) -> Result<Self, Refusal> {
        let given = |text: String| (!text.is_empty()).then_some(text);
        match (given(voucher_id), given(customer_id)) {
            (None, None) => Err(Problems::of("voucher_id", "or customer_id must be set").into()),
            (voucher_id, customer_id) => Ok(Self { voucher_id, customer_id }),
        }
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

    #[test]
    fn usage_of_nobody_and_nothing_is_refused() {
        assert!(UsageFilter::new(String::new(), String::new()).is_err());
        assert!(UsageFilter::new(String::new(), "customer-001".into()).is_ok());
    }
}
