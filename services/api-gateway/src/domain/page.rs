//! Lists come in pages. The token of the next page is made by the service that owns the list; to the gateway and its
//! clients it is opaque.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::failure::Faults;

/// A token is at most so long; it travels in a URL.
const LONGEST_TOKEN: usize = 1_024;

/// Which page of a list, and how many items on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many items at most.
    pub size: i32,
    /// `next_page_token` of the page before; empty for the first.
    pub token: String,
}

/// How many items a page may have.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// When nothing is asked for.
    pub default: i32,
    /// At most.
    pub max: i32,
}

/// Pages of the registry.
pub const REGISTRY: Sizes = Sizes { default: 50, max: 500 };
/// Pages of statements.
pub const LEDGER: Sizes = Sizes { default: 100, max: 1_000 };
/// Pages of payments and bills.
pub const PAYMENTS: Sizes = Sizes { default: 100, max: 1_000 };
/// Pages of vouchers and their redemptions.
pub const VOUCHERS: Sizes = Sizes { default: 50, max: 500 };
/// Pages of usage and reads.
pub const USAGE: Sizes = Sizes { default: 100, max: 1_000 };

impl Page {
    /// Reads `page_size` and `page_token`.
    pub fn read(size: Option<&str>, token: Option<&str>, sizes: Sizes, faults: &mut Faults) -> Option<Self> {
        let size = match size.map(str::parse) {
            None => Some(sizes.default),
            Some(Ok(size)) if (1..=sizes.max).contains(&size) => Some(size),
            Some(_) => {
                faults.add("page_size", format!("must be a whole number from 1 to {}", sizes.max));
                None
            }
        };
        let token = token.unwrap_or_default();
        if token.len() > LONGEST_TOKEN {
            faults.add("page_token", "must be the next_page_token of the page before");
            return None;
        }
        Some(Self { size: size?, token: token.to_owned() })
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Listing<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Asks for the next page, all other parameters being the same; null on the last page.
    #[schema(example = "bWV0ZXItMDA0Mg")]
    pub next_page_token: Option<String>,
}

impl<T> Listing<T> {
    /// A page as services answer it, where an empty token means that it is the last one.
    pub fn new(items: Vec<T>, next_page_token: String) -> Self {
        Self { items, next_page_token: Some(next_page_token).filter(|token| !token.is_empty()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_bounds_and_a_default() {
        for (text, expected) in [
            (None, Some(50)),
            (Some("1"), Some(1)),
            (Some("500"), Some(500)),
            (Some("501"), None),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("ten"), None),
            (Some(""), None),
            (Some("99999999999"), None),
        ] {
            let mut faults = Faults::default();
            let page = Page::read(text, None, REGISTRY, &mut faults);
            assert_eq!(page.as_ref().map(|page| page.size), expected, "{text:?}");
            assert_eq!(faults.settle(page).is_ok(), expected.is_some(), "{text:?}");
        }
        let long = "x".repeat(LONGEST_TOKEN + 1);
        assert_eq!(Page::read(None, Some(&long), USAGE, &mut Faults::default()), None);
    }

    #[test]
    fn the_last_page_has_no_token() {
        assert_eq!(Listing::new(vec![1], String::new()).next_page_token, None);
        assert_eq!(Listing::new(vec![1], "more".to_owned()).next_page_token.as_deref(), Some("more"));
    }
}
