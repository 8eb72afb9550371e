//! How a message came: when the broker took it, and what its headers say of that.

/// A place on the telemetry topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// The arrival of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it was first taken by the broker, milliseconds since the epoch.
    pub received_at_ms: i64,
    /// Where it stood then, if it was sent again since.
    pub first: Option<Place>,
    /// Whether its reads may be of any age.
    pub is_backfill: bool,
}

impl Arrival {
    /// An arrival at the time of the broker, with the values of the headers that say more. A first time is believed
    /// only where it is not later than the broker's: nobody received what was not sent yet.
    pub fn new(broker_ms: i64, first: Option<&str>, backfill: Option<&str>) -> Self {
        let first = first.and_then(parse).filter(|(_, at)| (0..=broker_ms).contains(at));
        Self {
            received_at_ms: first.map_or(broker_ms, |(_, at)| at),
            first: first.map(|(place, _)| place),
            is_backfill: backfill.is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
        }
    }

    /// When it was first taken by the broker, seconds since the epoch.
    pub const fn received_at(&self) -> i64 {
        self.received_at_ms.div_euclid(1_000)
    }
}

/// Reads `partition:offset@milliseconds`.
fn parse(text: &str) -> Option<(Place, i64)> {
    let (place, at) = text.split_once('@')?;
    let (partition, offset) = place.split_once(':')?;
    let place = Place { partition: partition.parse().ok()?, offset: offset.parse().ok()? };
    let at = at.parse().ok()?;
    (place.partition >= 0 && place.offset >= 0).then_some((place, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_250;

    #[test]
    fn the_first_time_counts_and_a_later_one_is_not_believed() {
        let first = Arrival::new(NOW, Some("3:42@1789999999999"), None);
        assert_eq!(first.first, Some(Place { partition: 3, offset: 42 }));
        assert_eq!((first.received_at_ms, first.received_at()), (1_789_999_999_999, 1_789_999_999));
        assert_eq!(Arrival::new(NOW, Some("0:0@1790000000250"), None).received_at_ms, NOW);
        for not_believed in [
            "3:42@1790000000251",
            "3:42@-1",
            "-3:42@1",
            "3:-42@1",
            "3:42",
            "42@1",
            "3:42@noon",
            "",
            "3:42@99999999999999999999",
        ] {
            let arrival = Arrival::new(NOW, Some(not_believed), None);
            assert_eq!((arrival.received_at_ms, arrival.first), (NOW, None), "{not_believed}");
        }
        assert_eq!(Arrival::new(-1, None, None).received_at(), -1);
    }

    #[test]
    fn a_backfill_is_declared() {
        for (value, expected) in
            [(Some("true"), true), (Some(" TRUE"), true), (Some("1"), false), (None, false)]
        {
            assert_eq!(Arrival::new(NOW, None, value).is_backfill, expected, "{value:?}");
        }
    }
}
