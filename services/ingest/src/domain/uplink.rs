//! What a device said, before anyone knows whether it can be believed.

use std::borrow::Cow;

use indowater_common::domain::identifier;
use indowater_common::domain::meter::Unit;

use super::number::Number;
use super::reject::Fault;

/// One message of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink<'a> {
    /// The identifier on the meter, as it was sent.
    pub device_id: Cow<'a, str>,
    /// The same as it is compared.
    pub device_key: Cow<'a, str>,
    /// What its registers are counted in; the unit of the registry if it does not say.
    pub unit: Option<SaidUnit>,
    /// Its reads, in the order they were sent.
    pub reads: Vec<SaidRead>,
    /// Those that are no reads.
    pub faults: Vec<Fault>,
    /// How many there are of both, also where they are too many to look at.
    pub message_reads: u32,
    /// What it tells of itself.
    pub state: State,
    /// The gateway that took it, if its network says so.
    pub gateway_id: Option<Cow<'a, str>>,
}

/// A read as the device said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaidRead {
    /// Its place in the message, from 0.
    pub place: u32,
    /// Device time, seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// The cumulative register, in the unit of the message.
    pub register: Number,
    /// Momentary flow.
    pub flow_litres_per_hour: Option<u32>,
}

/// An identifier as it is compared; where it is so already, it is not copied.
pub fn device_key<'a>(device_id: &Cow<'a, str>) -> Cow<'a, str> {
    match device_id {
        Cow::Borrowed(text) => identifier::key(text),
        Cow::Owned(text) => Cow::Owned(identifier::key(text).into_owned()),
    }
}

/// What a device tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Battery, percent.
    pub battery_percent: Option<u32>,
    /// Received signal strength.
    pub rssi_dbm: Option<i32>,
    /// What the meter complains about.
    pub alarms: Alarms,
}

/// The units a device may count in; the registry knows only the meter's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidUnit {
    /// Litres.
    Litre,
    /// Millilitres.
    Millilitre,
    /// Cubic metres, with decimals.
    CubicMetre,
}

impl SaidUnit {
    /// Its power of ten in millilitres.
    pub const fn exponent(self) -> i32 {
        match self {
            Self::Millilitre => 0,
            Self::Litre => 3,
            Self::CubicMetre => 6,
        }
    }
}

impl From<Unit> for SaidUnit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Litre => Self::Litre,
            Unit::Millilitre => Self::Millilitre,
        }
    }
}

/// What a meter can complain about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Alarm {
    Leak,
    Burst,
    Magnetic,
    CaseOpen,
    Tilt,
    ReverseFlow,
    Dry,
    Freeze,
    LowBattery,
}

impl Alarm {
    /// Every alarm.
    pub const ALL: [Self; 9] = [
        Self::Leak,
        Self::Burst,
        Self::Magnetic,
        Self::CaseOpen,
        Self::Tilt,
        Self::ReverseFlow,
        Self::Dry,
        Self::Freeze,
        Self::LowBattery,
    ];
}

/// A set of alarms. An alarm that is not known yet is left out: a newer meter's reads are still reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarms(u16);

impl Alarms {
    /// The alarms of the set.
    pub fn iter(self) -> impl Iterator<Item = Alarm> {
        Alarm::ALL.into_iter().filter(move |alarm| self.0 & bit(*alarm) != 0)
    }
}

impl FromIterator<Alarm> for Alarms {
    fn from_iter<I: IntoIterator<Item = Alarm>>(alarms: I) -> Self {
        Self(alarms.into_iter().fold(0, |set, alarm| set | bit(alarm)))
    }
}

const fn bit(alarm: Alarm) -> u16 {
    1 << alarm as u16
}
