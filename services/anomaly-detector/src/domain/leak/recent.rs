//! The last slots as they were: flows of a day, and which of the last 64 could be judged and were dry.

use super::bank;
use super::rhythm::Scale;

/// How many flows are kept.
pub const FLOWS: usize = 24;
/// What rests for longer than so many hours rests as people do in their sleep. A valve that sticks for some minutes in every few
/// hours does not.
const REST: u8 = 3;
/// Nothing that runs and rests in turns, and would be told from use, rests for longer than so many hours: people do.
const LONG_REST: u8 = 6;
/// Flows are kept in tenths of a litre an hour.
const PARTS: f32 = 10.0;

/// The last slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// The last flows that could be judged, tenths of a litre an hour, a ring.
    pub(super) flows: [u16; FLOWS],
    /// Where the next one goes.
    pub(super) next: u8,
    /// How many there are.
    pub(super) held: u8,
    /// Which of the last 64 slots could be judged; the newest is the lowest bit.
    pub(super) judged: u64,
    /// Which of them were dry.
    pub(super) dry: u64,
    /// How many slots in a row have rested now: what seeps at a litre an hour keeps nobody from sleep.
    pub(super) rest: u8,
    /// How many slots ago a rest of more than [`REST`] hours ended.
    pub(super) restless: u8,
    /// How many slots ago one of more than [`LONG_REST`] hours ended.
    pub(super) sleepless: u8,
}

impl Recent {
    /// Notes slots that could be judged, of this flow (litres an hour); 0 for dry ones.
    pub fn judged(&mut self, slots: u8, flow: f32, scale: Scale) {
        let dry = flow == 0.0;
        self.rest = if flow < bank::LEAST { self.rest.saturating_add(slots) } else { 0 };
        self.restless = since(self.restless, slots, self.rest > REST / scale.hours());
        self.sleepless = since(self.sleepless, slots, self.rest > LONG_REST / scale.hours());
        self.shift(slots, true, dry);
        self.flows[usize::from(self.next) % FLOWS] = (flow * PARTS).round() as u16;
        self.next = (self.next + 1) % FLOWS as u8;
        self.held = (self.held + 1).min(FLOWS as u8);
    }

    /// Notes slots that say nothing: there may have been a rest among them.
    pub fn unknown(&mut self, slots: u8) {
        (self.rest, self.restless, self.sleepless) = (0, 0, 0);
        self.shift(slots, false, false);
    }

    fn shift(&mut self, slots: u8, judged: bool, dry: bool) {
        let new = u64::MAX.checked_shr(64_u32.saturating_sub(u32::from(slots))).unwrap_or(0);
        let shifted =
            |old: u64, set: bool| old.checked_shl(u32::from(slots)).unwrap_or(0) | if set { new } else { 0 };
        (self.judged, self.dry) = (shifted(self.judged, judged), shifted(self.dry, dry));
    }

    /// How many of the last so many slots could be judged, and how many of these were dry.
    pub fn last(&self, slots: u32) -> (u32, u32) {
        let mask = u64::MAX.checked_shr(64_u32.saturating_sub(slots)).unwrap_or(0);
        ((self.judged & mask).count_ones(), (self.dry & mask).count_ones())
    }

    /// For how many slots there was no rest longer than three hours.
    pub fn restless(&self) -> u8 {
        self.restless
    }

    /// For how many slots there was none longer than six hours.
    pub fn sleepless(&self) -> u8 {
        self.sleepless
    }

    /// What ran all the time in the last so many slots, litres an hour: of their flows the second to the eighth
    /// twelfth-part, on average, for the least may be a pause and the greater ones are use.
    pub fn floor(&self, slots: u8) -> f32 {
        let kept = usize::from(self.held.min(slots)).min(FLOWS);
        let mut flows: [u16; FLOWS] =
            std::array::from_fn(|back| self.flows[(usize::from(self.next) + FLOWS - 1 - back) % FLOWS]);
        let flows = &mut flows[..kept];
        flows.sort_unstable();
        let low = &flows[kept / 12..(kept / 3).max(kept / 12 + 1).min(kept)];
        let sum: f32 = low.iter().map(|flow| f32::from(*flow)).sum();
        sum / PARTS / (low.len().max(1) as f32)
    }
}

/// How many slots ago a rest ended, so many slots later.
fn since(before: u8, slots: u8, rests: bool) -> u8 {
    if rests { 0 } else { before.saturating_add(slots) }
}
