//! A meter as bytes, for the document that keeps it.

use indowater_common::domain::meter::Point;
use indowater_common::domain::varint;

use super::Kind;
use super::bank::{Bank, Scores};
use super::burst::{Most, Peaks};
use super::daily::Daily;
use super::habit::Habit;
use super::life::Life;
use super::meter::{Judge, Meter, Reads};
use super::recent::Recent;
use super::rhythm::{Rhythm, Scale};
use super::slots::Slots;

/// The layout. Another one begins with another number, and of old ones only those that are still read are taken.
const VERSION: u8 = 2;
/// The layout before it knew of long rests.
const WITHOUT_LONG_RESTS: u8 = 1;

const KINDS: [Kind; 7] =
    [Kind::Drip, Kind::Cyclic, Kind::Pausing, Kind::Constant, Kind::WhileAway, Kind::Growing, Kind::Burst];
const SCALES: [Scale; 3] = [Scale::Hour, Scale::SixHours, Scale::Day];

impl Meter {
    /// At most 450 bytes in practice, with the version of their layout in front.
    pub fn encode(&self) -> Vec<u8> {
        let mut packed = Packed(vec![VERSION]);
        packed.option(self.reads.as_ref(), |packed, reads| {
            packed.number(reads.settled.at);
            packed.number(reads.settled.register);
            packed.number(reads.newest - reads.settled.at);
        });
        packed.place(&SCALES, self.rhythm.scale);
        packed.numbers([self.rhythm.against, self.rhythm.long]);
        packed.option(self.life.as_ref(), Packed::life);
        match &self.judge {
            Judge::Slots(slots) => {
                packed.place(&SCALES, slots.scale);
                packed.slots(slots);
            }
            Judge::Days(daily) => {
                packed.place(&SCALES, Scale::Day);
                packed.numbers(daily.days);
                packed.numbers([daily.next, daily.held, daily.age]);
                packed.number(daily.score);
            }
        }
        packed.0
    }

    /// What [`Meter::encode`] wrote; `None` for anything else, such as a layout that is no longer known: such a meter
    /// begins anew.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version @ (VERSION | WITHOUT_LONG_RESTS), rest) =
            bytes.split_first().map(|(version, rest)| (*version, rest))?
        else {
            return None;
        };
        let mut bytes = Bytes(rest);
        let reads = bytes.option(|bytes| {
            let settled = Point { at: bytes.number()?, register: bytes.number()? };
            Some(Reads { settled, newest: settled.at.checked_add(bytes.number()?)? })
        })?;
        let scale = bytes.place(&SCALES)?;
        let [against, long] = bytes.numbers()?;
        let life = bytes.option(Bytes::life)?;
        let judge = match bytes.place(&SCALES)? {
            Scale::Day => {
                let days = bytes.numbers()?;
                let [next, held, age] = bytes.numbers()?;
                Judge::Days(Daily { days, next, held, age, score: bytes.number()? })
            }
            scale => Judge::Slots(bytes.slots(scale, version)?),
        };
        let meter = Self { reads, rhythm: Rhythm { scale, against, long }, judge, life };
        bytes.0.is_empty().then_some(meter)
    }
}

struct Packed(Vec<u8>);

impl Packed {
    fn number(&mut self, number: impl Into<i64>) {
        varint::write(&mut self.0, number.into());
    }

    fn numbers<T: Into<i64>>(&mut self, numbers: impl IntoIterator<Item = T>) {
        numbers.into_iter().for_each(|number| self.number(number));
    }

    /// Counts that are mostly zero: each zero stands with how many follow it.
    fn sparse<T: Into<i64>>(&mut self, numbers: impl IntoIterator<Item = T>) {
        let mut zeros = 0;
        for number in numbers.into_iter().map(Into::into) {
            if number == 0 {
                zeros += 1;
                continue;
            }
            if zeros > 0 {
                self.numbers([0, zeros]);
                zeros = 0;
            }
            self.number(number);
        }
        if zeros > 0 {
            self.numbers([0, zeros]);
        }
    }

    fn place<T: PartialEq>(&mut self, all: &[T], one: T) {
        let place = all.iter().position(|other| *other == one).unwrap_or(0);
        self.0.push(u8::try_from(place).unwrap_or(0));
    }

    fn option<T>(&mut self, value: Option<&T>, pack: impl FnOnce(&mut Self, &T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            pack(self, value);
        }
    }

    fn life(&mut self, life: &Life) {
        let Life { opened, lost, since, until, told, calm, rate, first_rate, kind, runs } = *life;
        self.numbers([opened, lost]);
        self.numbers([since, until, told, calm, rate, first_rate]);
        self.place(&KINDS, kind);
        self.0.push(u8::from(runs));
    }

    fn slots(&mut self, slots: &Slots) {
        let Slots { scale: _, habit, bank, recent, peaks } = slots;
        self.sparse(habit.counts.into_iter().flatten());
        self.sparse(habit.waiting.into_iter().flatten());
        self.sparse(habit.dry_today);
        self.numbers([habit.wet_today, habit.spoilt, habit.doubted]);
        self.number(habit.days);
        self.numbers([habit.today, habit.waits_from]);
        self.sparse(bank.steady.parts);
        self.sparse(bank.steady.ages);
        self.sparse(bank.fitful.parts);
        self.sparse(bank.fitful.ages);
        self.sparse(bank.nights);
        self.sparse(recent.flows);
        self.numbers([recent.next, recent.held, recent.rest, recent.restless, recent.sleepless]);
        self.numbers([recent.judged.cast_signed(), recent.dry.cast_signed()]);
        for Most { one, two, night } in [peaks.known, peaks.today] {
            self.numbers([one, two, night]);
        }
        self.number(peaks.last);
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        T::try_from(varint::read(&mut self.0)?).ok()
    }

    fn numbers<T: TryFrom<i64> + Copy + Default, const N: usize>(&mut self) -> Option<[T; N]> {
        let mut numbers = [T::default(); N];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Some(numbers)
    }

    fn sparse<T: TryFrom<i64> + Copy + Default, const N: usize>(&mut self) -> Option<[T; N]> {
        let (mut numbers, mut place) = ([T::default(); N], 0_usize);
        while place < N {
            let number: i64 = self.number()?;
            let next = if number == 0 { self.number::<usize>()?.max(1) } else { 1 };
            numbers[place] = T::try_from(number).ok()?;
            place = place.checked_add(next).filter(|place| *place <= N)?;
        }
        Some(numbers)
    }

    /// Rows of counts.
    fn table<T: TryFrom<i64> + Copy + Default, const N: usize, const ROWS: usize, const ALL: usize>(
        &mut self,
    ) -> Option<[[T; N]; ROWS]> {
        let all: [T; ALL] = self.sparse()?;
        let mut rows = [[T::default(); N]; ROWS];
        rows.iter_mut().zip(all.chunks(N)).for_each(|(row, chunk)| row.copy_from_slice(chunk));
        Some(rows)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn place<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.byte()?)).copied()
    }

    /// `None` where the bytes are wrong, `Some(None)` where nothing was packed.
    fn option<T>(&mut self, unpack: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { unpack(self).map(Some) } else { Some(None) }
    }

    fn life(&mut self) -> Option<Life> {
        let [opened, lost] = self.numbers()?;
        let [since, until, told, calm, rate, first_rate] = self.numbers()?;
        let (kind, runs) = (self.place(&KINDS)?, self.flag()?);
        Some(Life { opened, lost, since, until, told, calm, rate, first_rate, kind, runs })
    }

    fn slots(&mut self, scale: Scale, version: u8) -> Option<Slots> {
        let counts = self.table::<_, _, _, { super::habit::CELLS }>()?;
        let waiting = self.table::<_, _, _, { super::habit::CELLS }>()?;
        let dry_today = self.sparse()?;
        let [wet_today, spoilt, doubted] = self.numbers::<u8, 3>()?.map(|flag| flag != 0);
        let days = self.number()?;
        let [today, waits_from] = self.numbers()?;
        let habit = Habit { counts, waiting, dry_today, wet_today, spoilt, doubted, today, waits_from, days };
        let steady = Scores { parts: self.sparse()?, ages: self.sparse()? };
        let fitful = Scores { parts: self.sparse()?, ages: self.sparse()? };
        let bank = Bank { steady, fitful, nights: self.sparse()? };
        let flows = self.sparse()?;
        let [next, held, rest, restless] = self.numbers()?;
        // What rested little rested no longer either.
        let sleepless = if version == WITHOUT_LONG_RESTS { restless } else { self.number()? };
        let [judged, dry] = self.numbers::<i64, 2>()?.map(i64::cast_unsigned);
        let recent = Recent { flows, next, held, judged, dry, rest, restless, sleepless };
        let mut most = || self.numbers().map(|[one, two, night]| Most { one, two, night });
        let peaks = Peaks { known: most()?, today: most()?, last: self.number()? };
        Some(Slots { scale, habit, bank, recent, peaks })
    }
}
