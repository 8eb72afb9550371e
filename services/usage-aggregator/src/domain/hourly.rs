//! A day by the hour, from its reads: for history and charts. Hours are cut like days, by linear interpolation, so
//! they add up to the day. Leak rules must not use this: one draw spread over two hours looks like a leak.

use super::day::{Context, DayRecord, Next, Quality, part_before};

/// One hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// Its start, seconds since the epoch.
    pub start: i64,
    /// Net volume, millilitres.
    pub volume: i64,
    /// How sure.
    pub quality: Quality,
}

/// The hours of a day that lie between known reads. `next` is the first read on the path after the day.
pub fn hours(record: &DayRecord, next: Option<Next>, context: Context<'_>) -> Vec<Hour> {
    let (start, end) = (context.zone.start_of(record.day), context.zone.start_of(record.day.next()));
    let steps = record.taken_apart(context).steps(record, next, context);
    let Some(((first, ..), (_, last, _))) = steps.first().zip(steps.last()) else { return Vec::new() };
    let hour = |from: i64| {
        let to = (from + 3_600).min(end);
        let mut hour = Hour { start: from, volume: 0, quality: Quality::Measured };
        for (a, b, step) in steps.iter().copied().filter(|(a, b, _)| a.at < to && b.at > from) {
            hour.volume += part_before(to, a, b, step) - part_before(from, a, b, step);
            if a.at < from || b.at > to {
                let gap = if b.at - a.at > 86_400 { Quality::Estimated } else { Quality::Interpolated };
                hour.quality = hour.quality.max(gap);
            }
        }
        hour
    };
    (start..end).step_by(3_600).filter(|from| *from < last.at && from + 3_600 > first.at).map(hour).collect()
}
