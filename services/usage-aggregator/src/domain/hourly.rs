//! A day by the hour, from its reads: for history and charts. Hours are cut like days, by linear interpolation, so
//! they add up to the day. Leak rules must not use this: one draw spread over two hours looks like a leak.

use indowater_common::domain::meter::Point;

use super::day::{Context, DayRecord, Quality, part_before};

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
pub fn hours(record: &DayRecord, next: Option<Point>, context: Context<'_>) -> Vec<Hour> {
    let (start, end) = (context.zone.start_of(record.day), context.zone.start_of(record.day.next()));
    let of_day = record.taken_apart(context);
    let points = of_day.chain(record, next);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let hour = |from: i64| {
        let to = (from + 3_600).min(end);
        let mut hour = Hour { start: from, volume: 0, quality: Quality::Measured };
        for pair in points.windows(2).filter(|pair| pair[0].at < to && pair[1].at > from) {
            let (a, b) = (pair[0], pair[1]);
            let volume = context.timeline.step(a, b, of_day.rhythm.learned, context.zone).volume;
            hour.volume += part_before(to, a, b, volume) - part_before(from, a, b, volume);
            if a.at < from || b.at > to {
                let gap = if b.at - a.at > 86_400 { Quality::Estimated } else { Quality::Interpolated };
                hour.quality = hour.quality.max(gap);
            }
        }
        hour
    };
    (start..end).step_by(3_600).filter(|from| *from < last.at && from + 3_600 > first.at).map(hour).collect()
}
