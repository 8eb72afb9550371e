//! Packed reads in a document: whole where they are few, in parts where they are many.
//!
//! A meter that reports every ten seconds has 30 KB of reads by the evening. They grow at their end, so all but the last part
//! of them is stored already and is not sent again.

use bson::raw::{CStr, cstr};
use bson::{Binary, RawArrayBuf, spec::BinarySubtype};

use crate::domain::day::StoredReads;

/// Bytes of a part: about a thousand reads. A day of hourly reads has a few hundred.
const PART: usize = 4_096;

/// The field of the last part, which is the whole where there is one part.
pub const READS: &CStr = cstr!("reads");
/// The field of the parts before it.
pub const EARLIER_READS: &CStr = cstr!("earlier_reads");

/// Bytes for a document.
pub fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// The parts of some bytes: those before the last one, and the last one.
fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(before_last(bytes.len()))
}

/// Where the last part of so many bytes begins.
const fn before_last(length: usize) -> usize {
    length.saturating_sub(1) / PART * PART
}

/// The last part.
pub fn last(bytes: &[u8]) -> Binary {
    binary(cut(bytes).1)
}

/// The parts before the last one, but for so many of the first.
pub fn earlier(bytes: &[u8], but: usize) -> RawArrayBuf {
    let mut parts = RawArrayBuf::new();
    cut(bytes).0.chunks(PART).skip(but).for_each(|part| parts.push(binary(part)));
    parts
}

/// How many of the parts before the last one of `bytes` a document has as they are there.
pub fn kept(stored: StoredReads, bytes: &[u8]) -> usize {
    stored.same.min(before_last(stored.length)).min(before_last(bytes.len())) / PART
}

/// The bytes again.
pub fn join(earlier: Vec<Binary>, last: Binary) -> Vec<u8> {
    if earlier.is_empty() {
        return last.bytes;
    }
    earlier.into_iter().chain([last]).flat_map(|part| part.bytes).collect()
}
