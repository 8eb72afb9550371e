//! The ladder, walked by the clock.

use proptest::prelude::*;

use super::*;
use crate::domain::person::QuietHours;

/// 2026-11-25 in Jakarta.
const MIDNIGHT: i64 = 1_795_539_600;
const NOON: i64 = MIDNIGHT + 12 * HOUR;

fn person() -> Person {
    Person { quiet: QuietHours::DEFAULT, revision: 1, ..Person::unknown("customer-001") }
}

fn course(severity: Severity, since: i64, tries: &[Try]) -> Course<'_> {
    Course { severity, in_digest: false, since, tries, is_heard: false, is_past: false }
}

fn tried(channel: Channel, at: i64, outcome: Outcome) -> Try {
    Try { channel, at, outcome }
}

fn sent(channel: Channel, at: i64) -> Try {
    tried(channel, at, Outcome::Sent("x".to_owned()))
}

const BOTH: [Channel; 2] = [Channel::Whatsapp, Channel::Email];

#[test]
fn only_what_is_critical_disturbs_the_night() {
    for (severity, at, expected) in [
        (Severity::Critical, MIDNIGHT, Step::Send(Channel::Whatsapp)),
        (Severity::High, MIDNIGHT, Step::Wait(MIDNIGHT + 6 * HOUR)),
        (Severity::Medium, MIDNIGHT + 22 * HOUR, Step::Wait(MIDNIGHT + 30 * HOUR)),
        (Severity::High, NOON, Step::Send(Channel::Whatsapp)),
    ] {
        assert_eq!(next(&course(severity, at, &[]), &person(), &BOTH, at), expected, "{severity:?} at {at}");
    }
}

#[test]
fn the_digest_is_at_eight() {
    let waiting = Course { in_digest: true, ..course(Severity::Low, NOON, &[]) };
    let eight = MIDNIGHT + 32 * HOUR;
    assert_eq!(next(&waiting, &person(), &BOTH, NOON), Step::Wait(eight));
    assert_eq!(next(&waiting, &person(), &BOTH, eight), Step::Send(Channel::Whatsapp));
    let done = [sent(Channel::Whatsapp, eight)];
    let done = Course { tries: &done, ..waiting };
    assert_eq!(next(&done, &person(), &BOTH, eight + 60), Step::Finish(Finish::Sent));
}

#[test]
fn the_next_channel_is_tried_when_nobody_reads_or_one_refuses() {
    let unread = [sent(Channel::Whatsapp, NOON)];
    let unread = course(Severity::High, NOON, &unread);
    assert_eq!(next(&unread, &person(), &BOTH, NOON + 5), Step::Wait(NOON + HOUR));
    assert_eq!(next(&unread, &person(), &BOTH, NOON + HOUR), Step::Send(Channel::Email));
    let read = Course { is_heard: true, ..unread };
    assert_eq!(next(&read, &person(), &BOTH, NOON + HOUR), Step::Finish(Finish::Sent));
    for outcome in [Outcome::Refused("no opt-in".to_owned()), Outcome::Ended("131026".to_owned())] {
        let refused = [tried(Channel::Whatsapp, NOON, outcome)];
        assert_eq!(
            next(&course(Severity::High, NOON, &refused), &person(), &BOTH, NOON),
            Step::Send(Channel::Email)
        );
        let only = next(&course(Severity::High, NOON, &refused), &person(), &BOTH[..1], NOON);
        assert_eq!(only, Step::Finish(Finish::Dead));
    }
}

#[test]
fn a_channel_that_fails_is_tried_again_ever_later_and_then_left() {
    let mut tries = Vec::new();
    let mut now = NOON;
    for pause in [30, 60, 120, 240] {
        tries.push(tried(Channel::Whatsapp, now, Outcome::Failed("503".to_owned())));
        assert_eq!(
            next(&course(Severity::High, NOON, &tries), &person(), &BOTH, now),
            Step::Wait(now + pause)
        );
        now += pause;
        assert_eq!(
            next(&course(Severity::High, NOON, &tries), &person(), &BOTH, now),
            Step::Send(Channel::Whatsapp)
        );
    }
    tries.push(tried(Channel::Whatsapp, now, Outcome::Failed("503".to_owned())));
    assert_eq!(
        next(&course(Severity::High, NOON, &tries), &person(), &BOTH, now),
        Step::Send(Channel::Email)
    );
}

#[test]
fn what_is_critical_comes_again_until_acknowledged_for_a_day() {
    let tries = [sent(Channel::Email, NOON)];
    let told = course(Severity::Critical, NOON, &tries);
    assert_eq!(next(&told, &person(), &BOTH[1..], NOON + 60), Step::Wait(NOON + HOUR));
    assert_eq!(next(&told, &person(), &BOTH[1..], NOON + HOUR), Step::Send(Channel::Email));
    let late = NOON + FOR_SO_LONG;
    assert_eq!(next(&told, &person(), &BOTH[1..], late), Step::Finish(Finish::Sent));
    let acknowledged = Course { is_heard: true, ..told };
    assert_eq!(next(&acknowledged, &person(), &BOTH[1..], NOON + HOUR), Step::Finish(Finish::Sent));
}

#[test]
fn what_is_critical_is_tried_for_a_day_where_nobody_could_be_told() {
    let failed: Vec<Try> =
        (0..5_i64).map(|at| tried(Channel::Email, NOON + at, Outcome::Failed("down".to_owned()))).collect();
    let (last, mail) = (NOON + 4, &BOTH[1..]);
    let untold = |severity| next(&course(severity, NOON, &failed), &person(), mail, last + 1);
    assert_eq!(untold(Severity::High), Step::Finish(Finish::Dead));
    assert_eq!(untold(Severity::Critical), Step::Wait(last + AGAIN_UNTOLD));
    let later = next(&course(Severity::Critical, NOON, &failed), &person(), mail, last + AGAIN_UNTOLD);
    assert_eq!(later, Step::Send(Channel::Email));
    // One that refuses does not end what another one takes.
    let one_refuses =
        [tried(Channel::Whatsapp, NOON, Outcome::Refused("no".to_owned())), sent(Channel::Email, NOON + 1)];
    let again = next(&course(Severity::Critical, NOON, &one_refuses), &person(), &BOTH, NOON + 1 + AGAIN);
    assert_eq!(again, Step::Send(Channel::Email));
}

#[test]
fn whoever_is_not_known_yet_is_waited_for() {
    let unknown = Person::unknown("customer-001");
    let waiting = |now| next(&course(Severity::High, NOON, &[]), &unknown, &[], now);
    assert_eq!(waiting(NOON), Step::Wait(NOON + LOOK_AGAIN));
    assert_eq!(waiting(NOON + UNKNOWN_FOR), Step::Finish(Finish::Unreachable));
}

#[test]
fn what_ended_before_it_was_sent_is_not_sent() {
    let past = Course { is_past: true, ..course(Severity::High, NOON, &[]) };
    assert_eq!(next(&past, &person(), &BOTH, NOON), Step::Finish(Finish::Past));
    let unreachable = next(&course(Severity::High, NOON, &[]), &person(), &[], NOON);
    assert_eq!(unreachable, Step::Finish(Finish::Unreachable));
    let ended = [tried(Channel::Email, NOON, Outcome::Ended("5.1.1".to_owned()))];
    let ended = next(&course(Severity::High, NOON, &ended), &person(), &[], NOON);
    assert_eq!(ended, Step::Finish(Finish::Dead), "its only address is none any more");
}

#[test]
fn a_channel_needs_an_address_and_the_wish() {
    let wishes = Preferences::default_of("customer-001");
    let reached = Person {
        email: Some("budi@example.com".to_owned()),
        whatsapp: Some("+628123456789".to_owned()),
        wants_push: true,
        ..person()
    };
    assert_eq!(channels(&reached, &wishes, true), Channel::LADDER);
    assert_eq!(channels(&reached, &wishes, false), BOTH);
    let no_mail = Preferences { email_notifications: false, ..wishes.clone() };
    assert_eq!(channels(&reached, &no_mail, false), [Channel::Whatsapp]);
    assert!(channels(&Person { is_active: false, ..reached }, &wishes, true).is_empty());
    assert!(channels(&person(), &wishes, true).is_empty());
}

proptest! {
    /// Whatever the channels do, a message's way ends, nothing but what is critical is sent in quiet hours, and no channel but
    /// for a critical message is used again once it took the message.
    #[test]
    fn every_way_ends(
        severity in prop::sample::select(Severity::ALL.to_vec()),
        in_digest: bool,
        start in 0..86_400_i64,
        outcomes in prop::collection::vec(0..4_u8, 60),
    ) {
        let in_digest = in_digest && severity != Severity::Critical;
        let (person, mut now, mut tries) = (person(), MIDNIGHT + start, Vec::<Try>::new());
        let since = now;
        let mut outcomes = outcomes.into_iter().cycle();
        for _ in 0..500 {
            let course = Course { severity, in_digest, since, tries: &tries, is_heard: false, is_past: false };
            match next(&course, &person, &Channel::LADDER, now) {
                Step::Wait(until) => {
                    prop_assert!(until > now);
                    now = until;
                }
                Step::Send(channel) => {
                    prop_assert!(severity == Severity::Critical || person.quiet.end(&person.zone, now).is_none());
                    let taken = tries.iter().any(|one| one.channel == channel && matches!(one.outcome, Outcome::Sent(_)));
                    prop_assert!(!taken || severity == Severity::Critical);
                    let why = || "x".to_owned();
                    let outcome = match outcomes.next() {
                        Some(0) => Outcome::Failed(why()),
                        Some(1) => Outcome::Refused(why()),
                        Some(2) => Outcome::Ended(why()),
                        _ => Outcome::Sent(why()),
                    };
                    tries.push(tried(channel, now, outcome));
                }
                Step::Finish(_) => return Ok(()),
            }
        }
        prop_assert!(false, "it goes on forever: {tries:?}");
    }
}
