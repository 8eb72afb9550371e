//! What of the network every instance has to know when it judges a meter: interruptions seen and planned, silences, wide drops.

use std::collections::HashMap;

use super::history::Week;
use super::leak::{Period, Stated};
use super::network::{Group, Kind};
use indowater_common::domain::zone::Day;

/// Seconds after an interruption in which tanks and pipes fill again: a household's tank holds a cubic metre, and its pipe brings some
/// 300 litres an hour.
const REFILL: i64 = 4 * 3_600;

/// An event of the network, as far as meters are judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of the event.
    pub id: String,
    /// Of what.
    pub group: Group,
    /// What happened, or will.
    pub kind: Kind,
    /// From when, seconds since the epoch.
    pub from: i64,
    /// Until when; `i64::MAX` while that is not known.
    pub until: i64,
    /// The earliest beginning that it ever had.
    pub earliest: i64,
    /// Whether it holds no more: withdrawn or called off.
    pub is_void: bool,
    /// Rises with every change of any.
    pub sequence: i64,
}

/// All notices that matter now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    by_group: HashMap<String, Vec<Notice>>,
    /// The newest sequence that is known.
    pub sequence: i64,
}

impl Notices {
    /// Takes notices, each in place of an older one of the same event; those that ended before `oldest` are forgotten.
    pub fn take(&mut self, new: Vec<Notice>, oldest: i64) {
        for notice in new {
            self.sequence = self.sequence.max(notice.sequence);
            let of_group = self.by_group.entry(notice.group.key()).or_default();
            match of_group.iter_mut().find(|known| known.id == notice.id) {
                Some(known) if known.sequence < notice.sequence => *known = notice,
                Some(_) => {}
                None => of_group.push(notice),
            }
        }
        self.by_group.retain(|_, of_group| {
            of_group.retain(|notice| notice.until >= oldest);
            !of_group.is_empty()
        });
    }

    fn of<'a>(&'a self, group: &Group) -> impl Iterator<Item = &'a Notice> + use<'a> {
        self.by_group.get(&group.key()).into_iter().flatten()
    }

    /// Times in which what the meters of an area count says nothing: interruptions, and the refill after them.
    pub fn quiet(&self, area: &str) -> Vec<Period> {
        let of_area = self.of(&Group::Area(area.into()));
        let interruptions = of_area.filter(|notice| notice.kind == Kind::Interruption && !notice.is_void);
        interruptions
            .map(|notice| Period {
                from: notice.from,
                until: notice.until.saturating_add(REFILL),
                what: Stated::Quiet,
            })
            .collect()
    }

    /// Whether many meters of an area dropped with the week of a day.
    pub fn is_wide_drop(&self, area: &str, day: Day) -> bool {
        let start = i64::from(Week::of(day)) * 7 * 86_400;
        self.of(&Group::Area(area.into())).any(|notice| notice.kind == Kind::Drop && notice.from == start)
    }

    /// Until when a silence of these excuses a device: `i64::MAX` while one goes on, none if there is none.
    pub fn silent_until(&self, groups: impl IntoIterator<Item = Group>) -> Option<i64> {
        let silent = |notice: &&Notice| notice.kind == Kind::Silence && !notice.is_void;
        groups
            .into_iter()
            .filter_map(|group| self.of(&group).filter(silent).map(|notice| notice.until).max())
            .max()
    }

    /// From when on the meters of an area are to be judged again, if anything has changed for them since a sequence.
    pub fn changed_since(&self, area: &str, sequence: i64) -> Option<i64> {
        let of_area = self.of(&Group::Area(area.into()));
        let changed = of_area.filter(|notice| notice.sequence > sequence && notice.kind != Kind::Silence);
        changed.map(|notice| notice.earliest).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn notice(id: &str, kind: Kind, from: i64, until: i64, sequence: i64) -> Notice {
        let group = Group::named("area:a").unwrap();
        Notice { id: id.into(), group, kind, from, until, earliest: from, is_void: false, sequence }
    }

    #[test]
    fn the_newest_of_each_event_holds() {
        let mut notices = Notices::default();
        notices.take(vec![notice("i", Kind::Interruption, 10 * HOUR, i64::MAX, 5)], 0);
        let open = Period { from: 10 * HOUR, until: i64::MAX, what: Stated::Quiet };
        assert_eq!((notices.quiet("a"), notices.quiet("b")), (vec![open], vec![]));
        assert_eq!((notices.changed_since("a", 4), notices.changed_since("a", 5)), (Some(10 * HOUR), None));
        notices.take(vec![notice("i", Kind::Interruption, 10 * HOUR, 15 * HOUR, 6)], 0);
        notices.take(vec![notice("i", Kind::Interruption, 10 * HOUR, i64::MAX, 5)], 0);
        assert_eq!(notices.quiet("a"), [Period { until: 19 * HOUR, ..open }]);
        let void = Notice { is_void: true, ..notice("i", Kind::Interruption, 10 * HOUR, 15 * HOUR, 7) };
        notices.take(vec![void], 0);
        assert_eq!((notices.quiet("a"), notices.changed_since("a", 6)), (vec![], Some(10 * HOUR)));
        notices.take(Vec::new(), 16 * HOUR);
        assert_eq!((notices.changed_since("a", 0), notices.sequence), (None, 7));
    }

    #[test]
    fn a_silence_excuses_while_it_lasts_and_a_wide_drop_its_week() {
        let mut notices = Notices::default();
        let week = 7 * 86_400;
        notices.take(
            vec![
                notice("s", Kind::Silence, 10 * HOUR, i64::MAX, 1),
                notice("d", Kind::Drop, 3 * week, 4 * week, 2),
            ],
            0,
        );
        let groups = || [Group::named("gateway:g").unwrap(), Group::named("area:a").unwrap()];
        assert_eq!(notices.silent_until(groups()), Some(i64::MAX));
        assert_eq!(notices.changed_since("a", 0), Some(3 * week), "a silence changes nothing that is judged");
        assert!(notices.is_wide_drop("a", Day(21)) && notices.is_wide_drop("a", Day(27)));
        assert!(!notices.is_wide_drop("a", Day(28)) && !notices.is_wide_drop("b", Day(21)));
    }
}
