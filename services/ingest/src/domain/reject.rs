//! Why telemetry cannot be used: a reason a machine can count and a detail a person can act on.
//!
//! A fault of the message as such (nobody's device, no JSON) sets all of it aside. A fault of a read concerns that read
//! alone; the reads of a message that have the same fault go together.

use std::fmt::{self, Write as _};

use indowater_common::domain::terminal;

/// The kinds of fault. `proto/README.md` tells how each is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not what its content type promised.
    Malformed,
    /// A content type that is not known.
    UnsupportedContentType,
    /// No such device in the registry.
    UnknownDevice,
    /// The device is retired.
    InactiveDevice,
    /// A value the meter cannot have shown.
    ImpossibleValue,
    /// More bytes or reads than a message may have.
    Oversized,
    /// The record's key names another device than its value.
    KeyMismatch,
    /// A read from before the installation date.
    BeforeInstallation,
    /// A read that was received too long after its time.
    TooOld,
}

impl Reason {
    /// Every reason, in the order of their declaration: `ALL[reason as usize] == reason`.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::UnsupportedContentType,
        Self::UnknownDevice,
        Self::InactiveDevice,
        Self::ImpossibleValue,
        Self::Oversized,
        Self::KeyMismatch,
        Self::BeforeInstallation,
        Self::TooOld,
    ];

    /// How metrics, logs and event ids call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedContentType => "unsupported_content_type",
            Self::UnknownDevice => "unknown_device",
            Self::InactiveDevice => "inactive_device",
            Self::ImpossibleValue => "impossible_value",
            Self::Oversized => "oversized",
            Self::KeyMismatch => "key_mismatch",
            Self::BeforeInstallation => "before_installation",
            Self::TooOld => "too_old",
        }
    }

    /// What makes such reads good, where they themselves are not at fault.
    const fn remedy(self) -> &'static str {
        match self {
            Self::BeforeInstallation => ": correct the installation date, then re-drive",
            Self::TooOld => ": if they are true, re-drive them as a backfill",
            _ => "",
        }
    }
}

/// What is wrong with one read of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its place in the message, from 0.
    pub place: u32,
    /// The kind of fault.
    pub reason: Reason,
    /// What exactly is wrong.
    pub why: String,
}

/// A message, or some reads of it, that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The kind of fault.
    pub reason: Reason,
    /// What exactly is wrong and where; fit for a terminal.
    pub detail: String,
    /// Which reads, by their places, rising; empty: the whole message.
    pub places: Vec<u32>,
    /// How many reads the message has; 0 if it cannot be read.
    pub message_reads: u32,
}

/// Characters of a detail at most: it may quote what a stranger sent.
const MOST_DETAIL: usize = 500;
/// Reads of which a detail says what is wrong, and in how many characters of each: one that quotes much must not hide the
/// others.
const MOST_TOLD: usize = 3;
const WHY: usize = 120;

impl Reject {
    /// A reject of that kind of a whole message that cannot be read.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        let mut detail = detail.to_string();
        if let Some((end, _)) = detail.char_indices().nth(MOST_DETAIL) {
            detail.truncate(end);
            detail.push('…');
        }
        let detail = terminal::line(&detail).into_owned();
        Self { reason, detail, places: Vec::new(), message_reads: 0 }
    }

    /// The same of a whole message with so many reads.
    pub fn of(self, message_reads: u32) -> Self {
        Self { message_reads, ..self }
    }

    /// The rejects of single reads of a message: one for each kind of fault.
    pub fn of_reads(mut faults: Vec<Fault>, message_reads: u32) -> Vec<Self> {
        faults.sort_unstable_by_key(|fault| (fault.reason as usize, fault.place));
        let alike = faults.chunk_by(|one, next| one.reason == next.reason);
        let reject = |faults: &[Fault]| {
            let reason = faults.first()?.reason;
            let places = faults.iter().map(|fault| fault.place).collect();
            Some(Self { places, message_reads, ..Self::new(reason, told(reason, faults)) })
        };
        alike.filter_map(reject).collect()
    }

    /// How many reads it sets aside; a message that cannot be read, or has none, counts as one.
    pub fn reads(&self) -> u64 {
        if self.places.is_empty() { u64::from(self.message_reads.max(1)) } else { self.places.len() as u64 }
    }
}

fn told(reason: Reason, faults: &[Fault]) -> String {
    let mut text = String::new();
    for (number, Fault { place, why, .. }) in faults.iter().take(MOST_TOLD).enumerate() {
        let separator = if number == 0 { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}reads[{place}]: {why:.WHY$}");
    }
    if let Some(more) = faults.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        let _ = write!(text, "; and {more} more");
    }
    text.push_str(reason.remedy());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_short_whatever_it_quotes() {
        let reject = Reject::new(Reason::Malformed, "é".repeat(1_000_000));
        assert_eq!(reject.detail.chars().count(), MOST_DETAIL + 1);
    }

    #[test]
    fn a_detail_moves_no_cursor() {
        let reject = Reject::new(Reason::Malformed, "unit `\x1b[2J` \u{202e}");
        assert_eq!(reject.detail, "unit `\\u001b[2J` \\u202e");
    }

    #[test]
    fn reasons_are_their_own_index() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn reads_with_the_same_fault_go_together() {
        let fault = |place, reason| Fault { place, reason, why: format!("why {place}") };
        let faults = vec![
            fault(9, Reason::TooOld),
            fault(4, Reason::ImpossibleValue),
            fault(7, Reason::TooOld),
            fault(1, Reason::TooOld),
            fault(0, Reason::TooOld),
            fault(2, Reason::TooOld),
        ];
        let rejects = Reject::of_reads(faults, 24);
        let places: Vec<_> = rejects.iter().map(|reject| (reject.reason, &*reject.places)).collect();
        assert_eq!(places, [(Reason::ImpossibleValue, &[4][..]), (Reason::TooOld, &[0, 1, 2, 7, 9])]);
        assert_eq!(rejects[0].detail, "reads[4]: why 4");
        assert_eq!(
            rejects[1].detail,
            "reads[0]: why 0; reads[1]: why 1; reads[2]: why 2; and 2 more: if they are true, re-drive them as a backfill"
        );
        assert!(rejects.iter().all(|reject| reject.message_reads == 24));
        assert_eq!((rejects[0].reads(), rejects[1].reads()), (1, 5));
        assert_eq!(Reject::of_reads(Vec::new(), 3), []);
        let endless = |place| Fault { why: "x".repeat(9_999), ..fault(place, Reason::Malformed) };
        let detail = &Reject::of_reads(vec![endless(0), endless(1), endless(2)], 3)[0].detail;
        assert!(detail.contains("reads[1]") && detail.contains("reads[2]"), "{detail}");
    }

    #[test]
    fn a_whole_message_counts_by_its_reads() {
        let whole = Reject::new(Reason::UnknownDevice, "?");
        assert_eq!((whole.reads(), whole.of(24).reads()), (1, 24));
    }
}
