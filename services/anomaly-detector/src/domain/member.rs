//! A meter as a member of its area: what it told last, and when that is news.

use super::supply::Told;

/// What a meter told its area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The area; empty: none.
    pub area: Box<str>,
    /// How its supply is; none where it says nothing: it is out of service, or its habit is not known.
    pub told: Option<Told>,
    /// Rises with every change; 0 if nothing was ever told.
    pub revision: i64,
}

impl Member {
    /// What is to be told now, if that is another thing, as of the same revision.
    pub fn news(&self, area: &str, told: Option<&Told>) -> Option<Self> {
        let told = told.filter(|_| !area.is_empty());
        let is_same = told == self.told.as_ref() && (told.is_none() || *area == *self.area);
        // Whoever is in no area any more leaves the one it was in.
        let area = if area.is_empty() { self.area.clone() } else { area.into() };
        (!is_same).then(|| Self { area, told: told.cloned(), revision: self.revision })
    }

    /// Takes what is told of it, unless something newer is known. Says whether anything has changed.
    pub fn take(&mut self, newer: Self) -> bool {
        let is_newer = newer.revision > self.revision;
        if is_newer {
            *self = newer;
        }
        is_newer
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(known_from: i64) -> Told {
        Told { known_from, ..Told::default() }
    }

    #[test]
    fn only_what_is_another_thing_is_told() {
        let nothing = Member::default();
        assert_eq!((nothing.news("a", None), nothing.news("", Some(&told(1)))), (None, None));
        let first = nothing.news("a", Some(&told(1))).unwrap();
        assert_eq!((first.news("a", Some(&told(1))), first.news("b", None).unwrap().told), (None, None));
        assert_eq!(&*first.news("b", Some(&told(1))).unwrap().area, "b", "it has moved");
        assert!(first.news("a", None).is_some_and(|left| left.told.is_none()), "it is out of service");
    }

    proptest! {
        /// What a member is known to say is what it said last, in whatever order and however often that comes.
        #[test]
        fn the_newest_revision_holds(order in proptest::collection::vec(1..6_i64, 1..20)) {
            let mut member = Member::default();
            for revision in &order {
                member.take(Member { area: "a".into(), told: Some(told(*revision)), revision: *revision });
            }
            let newest = order.into_iter().max().unwrap();
            prop_assert_eq!((member.told, member.revision), (Some(told(newest)), newest));
        }
    }
}
