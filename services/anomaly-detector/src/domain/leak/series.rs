//! What a finding rests on, as a person can see it: the reads of some days beside the meter's usual hours.

use indowater_common::domain::meter::Point;

use super::meter::Judge;
use super::step::Step;
use super::{Meter, Read, Setting};

/// An hour of a meter (a longer step where it reports seldom or reads are missing) beside what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// The moment of the read that ends it, seconds since the epoch.
    pub at: i64,
    /// How long it took since the read before, seconds.
    pub seconds: i64,
    /// What flowed, millilitres.
    pub volume: i64,
    /// How many of a hundred usual ones of this time of the day and this length are dry.
    pub usually_dry: u8,
    /// Half of the usual ones take no more than this, millilitres.
    pub usual: i64,
    /// Nineteen of twenty usual ones take no more than this, millilitres.
    pub usual_at_most: i64,
}

/// What a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The hours, oldest first.
    pub hours: Vec<Hour>,
    /// How many of them were dry.
    pub dry: usize,
    /// How many of them would usually have been dry.
    pub usually_dry: usize,
    /// The least that flowed in a wet one, millilitres an hour.
    pub least: Option<i64>,
}

/// What `meter` makes of reads, by time, such as those of the three days before an episode opened. What is stated to be normal
/// is left out of the volumes.
pub fn explain(meter: &Meter, reads: &[Read], setting: &Setting<'_>) -> Explanation {
    let (mut steps, mut begin) = (Vec::new(), None);
    for read in reads {
        let point = Point { at: read.at, register: read.register };
        let Some(from) = begin.filter(|_| read.joined) else {
            begin = Some(point);
            continue;
        };
        let step = Step::between(from, point, setting);
        if step.seconds() >= meter.rhythm.least(meter.scale()) {
            steps.push(step);
            begin = Some(point);
        }
    }
    let hours: Vec<Hour> = steps.iter().map(|step| meter.beside_usual(step, setting)).collect();
    let usually_dry: usize = hours.iter().map(|hour| usize::from(hour.usually_dry)).sum();
    Explanation {
        dry: steps.iter().filter(|step| step.is_dry()).count(),
        usually_dry: (usually_dry + 50) / 100,
        least: steps.iter().filter(|step| !step.is_dry()).map(|step| i64::from(step.flow())).min(),
        hours,
    }
}

impl Meter {
    fn beside_usual(&self, step: &Step, setting: &Setting<'_>) -> Hour {
        let (at, seconds, volume) = (step.until, step.seconds(), step.volume);
        let slots = self.scale().slots(seconds);
        let millilitres = |litres: f32| (litres * 1_000.0) as i64;
        match &self.judge {
            Judge::Slots(judge) => {
                let odds = judge.usual(step, slots, setting);
                Hour {
                    at,
                    seconds,
                    volume,
                    usually_dry: (odds.dry() * 100.0).round() as u8,
                    usual: millilitres(odds.quantile(0.5)),
                    usual_at_most: millilitres(odds.quantile(0.95)),
                }
            }
            Judge::Days(daily) => {
                let of_days = |share| millilitres(daily.quantile(share) * slots as f32);
                Hour {
                    at,
                    seconds,
                    volume,
                    usually_dry: 0,
                    usual: of_days(0.5),
                    usual_at_most: of_days(0.95),
                }
            }
        }
    }
}
