//! Corrections that a person answers for.

use jiff::Timestamp;

use super::ledger::{Account, Draft, Entry, Kind, Leg};

/// A correction that a person answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Chosen by whoever asks; the same id is posted once.
    pub id: String,
    /// `users.id`.
    pub customer_id: String,
    /// Whole rupiah; positive raises the balance.
    pub amount: i64,
    /// For the customer to read.
    pub reason: String,
    /// `users.id` of the administrator.
    pub made_by: String,
    /// When it was asked for first.
    pub asked_at: Timestamp,
}

/// The id of the entry that posts the correction of that id.
pub fn entry_id(id: &str) -> String {
    format!("adjustment:{id}")
}

/// An entry that posts something at no moment there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a correction was posted at a moment beyond the calendar")]
pub struct BeyondCalendar;

impl Correction {
    /// The correction of that id that an entry posted.
    ///
    /// # Errors
    /// Its time is none.
    pub fn of_entry(id: &str, entry: Entry) -> Result<Self, BeyondCalendar> {
        Ok(Self {
            id: id.to_owned(),
            customer_id: entry.customer_id.into(),
            amount: entry.amount,
            reason: entry.draft.description,
            made_by: entry.draft.made_by.unwrap_or_default(),
            asked_at: Timestamp::from_second(entry.draft.occurred_at).map_err(|_| BeyondCalendar)?,
        })
    }

    /// Whether `again` asks for the same, whenever it does.
    pub fn is(&self, again: &Self) -> bool {
        *self == Self { asked_at: self.asked_at, ..again.clone() }
    }

    /// What the ledger is to post.
    pub fn draft(self) -> Draft {
        Draft {
            id: entry_id(&self.id),
            kind: Kind::Adjustment,
            others: vec![Leg { account: Account::adjustments(), amount: -self.amount }],
            description: self.reason,
            payment_id: None,
            occurred_at: self.asked_at.as_second(),
            made_by: Some(self.made_by),
            usage: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Balance;
    use super::*;

    fn correction() -> Correction {
        Correction {
            id: "goodwill-1".to_owned(),
            customer_id: "customer-001".to_owned(),
            amount: 5_000,
            reason: "Goodwill".to_owned(),
            made_by: "admin-001".to_owned(),
            asked_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_same_content_is_the_same_whenever_it_comes_and_any_other_is_not() {
        let one = correction();
        assert!(one.is(&Correction { asked_at: Timestamp::MAX, ..one.clone() }));
        let text = || "another".to_owned();
        for other in [
            Correction { customer_id: text(), ..one.clone() },
            Correction { amount: 5_001, ..one.clone() },
            Correction { reason: text(), ..one.clone() },
            Correction { made_by: text(), ..one.clone() },
        ] {
            assert!(!one.is(&other), "{other:?}");
        }
    }

    #[test]
    fn a_correction_is_known_again_by_its_entry() {
        let one = correction();
        let entry = Balance::default().post(&one.customer_id, one.clone().draft()).unwrap();
        assert_eq!((entry.draft.id.as_str(), entry.amount), ("adjustment:goodwill-1", 5_000));
        assert_eq!(Correction::of_entry("goodwill-1", entry), Ok(one));
    }
}
