//! Whether a meter is heard: what its condition says, and whether somebody is working on it.

use serde::{Deserialize, Serialize};

/// A device, as two topics tell of it: the newest of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Whether it missed several intervals of its own.
    pub is_offline: bool,
    /// When it was heard last, seconds since the epoch.
    pub last_seen: i64,
    /// Of the condition.
    pub revision: i64,
    /// Whether somebody works on it, or it is out of use: silence is no news then.
    pub is_excused: bool,
    /// Where it stands.
    pub location: String,
    /// Of the registry's record.
    pub version: i64,
}

impl Device {
    /// Takes a condition. Whether it says anything new.
    pub fn condition(&mut self, is_offline: bool, last_seen: i64, revision: i64) -> bool {
        let is_newer = revision > self.revision;
        if is_newer {
            (self.is_offline, self.last_seen, self.revision) = (is_offline, last_seen, revision);
        }
        is_newer
    }

    /// Takes what the registry says. Whether it matters.
    pub fn registered(&mut self, is_excused: bool, location: &str, version: i64) -> bool {
        if version <= self.version {
            return false;
        }
        self.version = version;
        let matters = self.is_excused != is_excused || self.location != location;
        (self.is_excused, self.location) = (is_excused, location.to_owned());
        matters
    }

    /// Whether the customer should know that nothing is heard of it.
    pub const fn is_silent(&self) -> bool {
        self.is_offline && !self.is_excused
    }
}
