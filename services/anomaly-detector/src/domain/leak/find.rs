//! When a bank is sure enough to tell of a leak.

use super::Kind;
use super::bank::{Bank, Best};
use super::life::Found;
use super::recent::Recent;
use super::rhythm::Scale;

/// A steady leak is told at so many nats: one in nine million, if hours were independent, which they are not quite.
const STEADY_OPENS: f32 = 16.0;
/// And once it was kept up for so many hours. Every home has wet evenings; a whole day without rest has a night in it. Each
/// hour more would cost half a per cent of what runs for a day only.
const STEADY_KEEPS: u8 = 26;
/// One that pauses is told apart from busy days by a second day.
const PAUSING_KEEPS: u8 = 48;
/// A drip has time: at 3 L/h five days lose a third of a cubic metre, and registers of whole litres show it as chance would.
const DRIP_KEEPS: u8 = 120;
/// What runs at less is a drip, litres an hour: it is the least that is promised within thirty hours, less what a
/// register of whole litres hides of it.
const DRIP: f32 = 4.5;
/// The window in which a steady leak is looked at, hours; so many of them may be unknown, and so many dry.
const WINDOW: u8 = 24;
const UNKNOWN: u8 = 4;
const DRY: u8 = 2;

/// A fitful leak is told at so many nats by all hours; or by the nights, if all hours say something as well and there was no
/// longer rest meanwhile: even a few minutes of flow in every few hours are told from use then.
const FITFUL_OPENS: f32 = 44.0;
const NIGHTS_OPEN: f32 = 12.0;
const NIGHTS_NEED: f32 = 6.0;
/// By all hours once it was kept up for so many, without one long rest: guests stay for a weekend, seldom for six days, and
/// sleep.
const FITFUL_KEEPS: u8 = 144;
/// By the nights once it was kept up without any rest for so many hours: three nights in which nobody slept through.
const NIGHTS_KEEP: u8 = 72;
/// Of the last 64 slots, three in four must be known: rests and lost reads look alike.
const FITFUL_KNOWN: u32 = 48;
/// At no more than these nothing speaks for a leak any more: two fifths and seven tenths of what opens it.
const STEADY_CALM: f32 = 6.4;
const FITFUL_CALM: f32 = 31.0;
/// What still runs at this share of its rate is the same leak.
const STILL: f32 = 0.3;
/// From these on what a meter draws may be a leak, and is not learned.
const STEADY_NEAR: f32 = 8.0;
const FITFUL_NEAR: f32 = 10.0;

/// Whether so little speaks for a steady leak of about this rate, litres an hour, or of a greater one, that it seems to have
/// stopped. That a busy home may hide a drip does not keep a leak open that was far more.
pub fn is_steady_calm(bank: &Bank, rate: f32) -> bool {
    bank.steady_above(rate * STILL) <= STEADY_CALM
}

/// Whether so little speaks for a leak of any kind and about this rate.
pub fn is_calm(bank: &Bank, rate: f32) -> bool {
    is_steady_calm(bank, rate) && bank.fitful_above(rate * STILL) <= FITFUL_CALM
}

/// Whether so much speaks for a leak that it must not become a habit.
pub fn is_near(bank: &Bank) -> bool {
    bank.steady(0).score > STEADY_NEAR || bank.fitful(0).score > FITFUL_NEAR
}

/// The slots that steady leaks are looked at in.
pub fn window(scale: Scale) -> u8 {
    WINDOW / scale.hours()
}

/// The leak that a bank is sure of at the end of a slot, if it is of one; so large a share of slots is usually dry.
pub fn find(bank: &Bank, recent: &Recent, usually_dry: f32, scale: Scale, at: i64) -> Option<Found> {
    let hours = scale.hours();
    let found = |kind, rate: f32, best: &Best, share: f32| {
        let lost = rate * share * f32::from(best.age) * f32::from(hours);
        Found {
            kind,
            rate: (rate * 1_000.0) as u32,
            since: at - i64::from(best.age) * scale.seconds(),
            lost: (lost * 1_000.0) as i64,
        }
    };
    let floor = recent.floor(window(scale));
    let (judged, dry) = recent.last(window(scale).into());
    let (kind, keeps) = match dry {
        _ if floor < DRIP => (Kind::Drip, DRIP_KEEPS),
        0 => (Kind::Constant, STEADY_KEEPS),
        _ => (Kind::Pausing, PAUSING_KEEPS),
    };
    let steady = bank.steady(keeps.div_ceil(hours));
    let known = judged >= u32::from((WINDOW - UNKNOWN) / hours);
    if steady.score >= STEADY_OPENS && known && dry <= u32::from(DRY / hours) {
        return Some(found(kind, floor.max(0.1), &steady, 1.0));
    }
    let (judged, dry) = recent.last(u64::BITS);
    let fitful = fitful(bank, recent, hours).filter(|_| judged >= FITFUL_KNOWN)?;
    // It ran in that share of the slots that would usually have been dry and were not.
    let usually_dry = usually_dry * judged as f32;
    let share = (1.0 - dry as f32 / usually_dry.max(1.0)).clamp(0.2, 1.0);
    Some(found(Kind::Cyclic, fitful.rate, &fitful, share))
}

/// The leak that runs some of the time, if a bank is sure of one.
fn fitful(bank: &Bank, recent: &Recent, hours: u8) -> Option<Best> {
    let (by_all, by_nights) = (FITFUL_KEEPS.div_ceil(hours), NIGHTS_KEEP.div_ceil(hours));
    let long = bank.fitful(by_all);
    if long.score >= FITFUL_OPENS && recent.sleepless() >= by_all {
        return Some(long);
    }
    let short = bank.fitful(by_nights);
    let speaks = short.score >= NIGHTS_NEED && bank.nights() >= NIGHTS_OPEN;
    (speaks && recent.restless() >= by_nights).then_some(short)
}
