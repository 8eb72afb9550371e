//! On which channel a message goes, when, and when to stop: quiet hours, the ladder, repetition and the digest.
//!
//! A decision rests on what was tried so far alone, so it is the same whichever instance makes it, and after a crash again.

use indowater_common::domain::zone::Zone;
use serde::{Deserialize, Serialize};

use super::kinds::Severity;
use super::person::Person;
use super::preferences::Preferences;

/// A way to a person. The inbox is none of these: everything is there at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// What people in Indonesia read.
    Whatsapp,
    /// A note on the phone.
    Push,
    /// Mail.
    Email,
}

impl Channel {
    /// All there are, in the order of the ladder.
    pub const LADDER: [Self; 3] = [Self::Whatsapp, Self::Push, Self::Email];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Push => "push",
            Self::Email => "email",
        }
    }
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The channel took it, and calls it so.
    Sent(String),
    /// It did not, and may later: time-outs, 429, 5xx.
    Failed(String),
    /// It never will, for what the message is.
    Refused(String),
    /// It never will, for that address is none any more.
    Ended(String),
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// On which channel.
    pub channel: Channel,
    /// When, seconds since the epoch.
    pub at: i64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What is known of a message's way so far.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// How much the message matters.
    pub severity: Severity,
    /// Whether it waits for the daily digest: it is of low severity, or its kind is over its budget.
    pub in_digest: bool,
    /// When it was made, seconds since the epoch.
    pub since: i64,
    /// All tries, oldest first.
    pub tries: &'a [Try],
    /// Whether its reader has it: they read it in the inbox, or acknowledged a critical one.
    pub is_heard: bool,
    /// Whether what it tells has ended meanwhile.
    pub is_past: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing until then, seconds since the epoch.
    Wait(i64),
    /// Try this channel now.
    Send(Channel),
    /// No more.
    Finish(Finish),
}

/// How a message's way ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was sent, as often as it is.
    Sent,
    /// Its reader had it before.
    Heard,
    /// What it tells ended before it was sent.
    Past,
    /// There is no channel to its reader: it stays in the inbox.
    Unreachable,
    /// Every channel was tried in vain: a dead letter, with the reasons in its tries.
    Dead,
}

impl Finish {
    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Heard => "heard",
            Self::Past => "past",
            Self::Unreachable => "unreachable",
            Self::Dead => "dead",
        }
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// Tries on one channel in a row before the next one's turn, and the pause after the first; it doubles.
const TRIES: usize = 5;
const FIRST_PAUSE: i64 = 30;
/// What is critical is told again every hour until acknowledged, for a day.
const AGAIN: i64 = HOUR;
/// Seconds after which what nobody could be told, and is critical, is tried again.
const AGAIN_UNTOLD: i64 = 600;
/// Seconds for which a message waits for a person of whom the accounts have not told yet, and how often it looks.
const UNKNOWN_FOR: i64 = 24 * HOUR;
const LOOK_AGAIN: i64 = 60;
const FOR_SO_LONG: i64 = 24 * HOUR;
/// The local hour of the daily digest.
const DIGEST_HOUR: i64 = 8;

/// How long a reader may take before the next channel is tried.
const fn patience(severity: Severity) -> i64 {
    match severity {
        Severity::Critical => 10 * MINUTE,
        Severity::High => HOUR,
        Severity::Medium | Severity::Low => 4 * HOUR,
    }
}

/// The channels to a person that they want and have an address for, in the order of the ladder. `has_push` says whether a phone of
/// theirs is known.
pub fn channels(person: &Person, preferences: &Preferences, has_push: bool) -> Vec<Channel> {
    let reaches = |channel: &Channel| match channel {
        Channel::Whatsapp => person.whatsapp.is_some() && preferences.whatsapp_notifications,
        Channel::Push => has_push && person.wants_push && preferences.push_notifications,
        Channel::Email => person.email.is_some() && preferences.email_notifications,
    };
    Channel::LADDER.into_iter().filter(|channel| person.is_active && reaches(channel)).collect()
}

/// The first digest at or after `at`.
pub fn digest_after(zone: &Zone, at: i64) -> i64 {
    let today = zone.day_of(at);
    let of = |day| zone.start_of(day) + DIGEST_HOUR * HOUR;
    if of(today) >= at { of(today) } else { of(today.next()) }
}

/// What to do next with a message to `person`, who is reached on `channels`.
pub fn next(course: &Course<'_>, person: &Person, channels: &[Channel], now: i64) -> Step {
    let Course { severity, tries, .. } = *course;
    let was_sent = tries.iter().any(|one| matches!(one.outcome, Outcome::Sent(_)));
    if course.is_heard {
        return Step::Finish(if was_sent { Finish::Sent } else { Finish::Heard });
    }
    if course.is_past {
        return Step::Finish(if was_sent { Finish::Sent } else { Finish::Past });
    }
    if person.revision == 0 && tries.is_empty() && now - course.since < UNKNOWN_FOR {
        return Step::Wait(now + LOOK_AGAIN);
    }
    if channels.is_empty() {
        return Step::Finish(match tries {
            [] => Finish::Unreachable,
            _ if was_sent => Finish::Sent,
            _ => Finish::Dead,
        });
    }
    let quiet = if severity == Severity::Critical { None } else { person.quiet.end(&person.zone, now) };
    // When something may be sent that should be from `due` on.
    let at_or_later = |due: i64, channel: Channel| match quiet {
        _ if due > now => Step::Wait(due),
        Some(end) => Step::Wait(end),
        None => Step::Send(channel),
    };
    let Some(last) = tries.last() else {
        let due = if course.in_digest { digest_after(&person.zone, course.since) } else { course.since };
        return at_or_later(due, channels[0]);
    };
    let step = match &last.outcome {
        Outcome::Failed(_) => {
            let in_a_row = tries
                .iter()
                .rev()
                .take_while(|one| one.channel == last.channel && matches!(one.outcome, Outcome::Failed(_)));
            let failures = in_a_row.count();
            if failures < TRIES && channels.contains(&last.channel) {
                let pause = FIRST_PAUSE << (failures - 1);
                return at_or_later(last.at + pause, last.channel);
            }
            climb(course, channels, was_sent, |channel| at_or_later(now, channel))
        }
        Outcome::Refused(_) | Outcome::Ended(_) => {
            climb(course, channels, was_sent, |channel| at_or_later(now, channel))
        }
        // Nobody is asked twice a day about what is good to know.
        Outcome::Sent(_) if course.in_digest => Step::Finish(Finish::Sent),
        Outcome::Sent(_) => {
            climb(course, channels, was_sent, |channel| at_or_later(last.at + patience(severity), channel))
        }
    };
    match step {
        // What is critical is told until it is heard, on the channel that took it last; and tried sooner where none did.
        Step::Finish(_) if severity == Severity::Critical && now - course.since < FOR_SO_LONG => {
            let took =
                |one: &&Try| matches!(one.outcome, Outcome::Sent(_)) && channels.contains(&one.channel);
            let channel = tries.iter().rev().find(took).map_or(channels[0], |one| one.channel);
            at_or_later(last.at + if was_sent { AGAIN } else { AGAIN_UNTOLD }, channel)
        }
        other => other,
    }
}

/// The first channel that was not tried, or the end.
fn climb(course: &Course<'_>, channels: &[Channel], was_sent: bool, step: impl Fn(Channel) -> Step) -> Step {
    let untried = channels.iter().find(|channel| course.tries.iter().all(|one| one.channel != **channel));
    match untried {
        Some(channel) => step(*channel),
        None => Step::Finish(if was_sent { Finish::Sent } else { Finish::Dead }),
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
