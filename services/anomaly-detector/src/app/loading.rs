//! Bringing devices of a partition into memory, each with all that judging it needs. What cannot be read spoils its own device alone.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use indowater_common::domain::facts::Timeline;
use indowater_common::domain::zone::Zone;
use indowater_common::error::Retry;

use super::device::{Device, Reading, Stored};
use super::devices::Devices;
use crate::mongo::{self, Unreadable};

/// Devices loaded at once when older weeks are needed.
const LOADS_AT_ONCE: usize = 16;
impl Devices {
    /// What a load says, unless a document of the device cannot be read: then it is spoilt.
    fn readable<T>(&mut self, id: &str, loaded: Result<T, mongo::Error>) -> Result<Option<T>, Retry> {
        match loaded {
            Ok(loaded) => Ok(Some(loaded)),
            Err(error) => {
                let Some(Unreadable(why)) = error.get_custom().cloned() else { return Err(error.into()) };
                self.spoil(id, why);
                Ok(None)
            }
        }
    }

    /// The same of a document by itself.
    fn unless_spoilt<T>(&mut self, id: &str, read: Result<T, Unreadable>) -> Option<T> {
        read.map_err(|Unreadable(why)| self.spoil(id, why)).ok()
    }

    /// Brings the newest week of every device into memory that is not there, with its events.
    pub(super) async fn load_newest(&mut self, readings: &[Reading]) -> Result<(), Retry> {
        let unknown = readings.iter().filter(|reading| !self.devices.contains_key(&reading.device_id));
        let unknown: HashMap<&str, &Reading> =
            unknown.map(|reading| (&*reading.device_id, reading)).collect();
        let places = unknown.into_iter().map(|(id, reading)| {
            let place = Some((reading.timeline.clone(), reading.zone.clone()));
            (id, place)
        });
        self.load(places.collect()).await
    }

    /// Brings devices into memory by their newest week, with their events, by one query each for all of them. What the registry says,
    /// and the zone, are given for those of which there may be no week.
    pub(super) async fn load(
        &mut self,
        places: HashMap<&str, Option<(Timeline, Zone)>>,
    ) -> Result<(), Retry> {
        if places.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = places.keys().copied().collect();
        let shared = self.shared.clone();
        let store = &shared.store;
        let mut weeks = store.newest_weeks(&ids).await?;
        let (mut leaks, mut tampering) = store.events(&ids).await?;
        let mut conditions = store.conditions(&ids).await?;
        let mut rests = store.rests(&ids).await?;
        let mut members = store.members(&ids).await?;
        let mut found = Vec::with_capacity(places.len());
        for (id, place) in places {
            let loaded = match weeks.remove(id).transpose() {
                Ok(loaded) => loaded.unwrap_or_default(),
                Err(why) => {
                    self.spoil(id, why);
                    continue;
                }
            };
            let Some((timeline, zone)) = place.or_else(|| loaded.place.clone()) else { continue };
            found.push((id, timeline, zone, loaded));
        }
        let properties = found.iter().map(|(_, timeline, ..)| &*timeline.newest().owner.property_id);
        let said = store.expectations(&properties.collect::<Vec<_>>()).await?;
        for (id, timeline, zone, loaded) in found {
            let besides = || {
                let expectations = said.get(&*timeline.newest().owner.property_id).cloned().transpose()?;
                let (rests, condition) = (rests.remove(id).transpose()?, conditions.remove(id).transpose()?);
                Ok((expectations, rests, condition, members.remove(id).transpose()?))
            };
            let Some((expectations, rests, condition, member)) = self.unless_spoilt(id, { besides }()) else {
                continue;
            };
            let stored = Stored {
                loaded,
                is_whole: false,
                leaks: leaks.remove(id).unwrap_or_default(),
                tampering: tampering.remove(id).unwrap_or_default(),
                expectations: expectations.unwrap_or_default(),
                rests: rests.unwrap_or_default(),
                condition,
                member,
            };
            self.devices.insert(id.into(), Device::new(timeline, zone, stored));
            self.shared.in_memory.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Brings all weeks of devices into memory that are kept.
    pub(super) async fn load_older(&mut self, ids: Vec<Box<str>>) -> Result<(), Retry> {
        if ids.is_empty() {
            return Ok(());
        }
        let store = &self.shared.store;
        self.shared.observe.late(ids.len());
        let wanted = ids.into_iter().filter_map(|id| {
            let weeks = self.devices.get(&id)?.history.weeks();
            Some((id, weeks.first()?.number, weeks.last()?.number))
        });
        let wanted: Vec<_> = wanted.collect();
        let loads = futures::stream::iter(wanted)
            .map(|(id, first, newest)| async move {
                let loaded = store.weeks(&id, Some(newest), Some(first)).await;
                (id, loaded)
            })
            .buffer_unordered(LOADS_AT_ONCE);
        let loaded: Vec<_> = loads.collect().await;
        for (id, loaded) in loaded {
            if let Some(loaded) = self.readable(&id, loaded)?
                && let Some(device) = self.devices.get_mut(&id)
            {
                device.history.prepend(loaded.weeks, false);
            }
        }
        Ok(())
    }

    /// Somebody else wrote this device, or people decided something about it: take what is stored and merge our reads into it.
    pub(super) async fn reload(&mut self, id: &str) -> Result<(), Retry> {
        let store = &self.shared.store;
        let loaded = store.weeks(id, None, None).await;
        let Some(loaded) = self.readable(id, loaded)? else { return Ok(()) };
        let Some(device) = self.devices.get(id) else { return Ok(()) };
        let store = &self.shared.store;
        let (mut leaks, mut tampering) = store.events(&[id]).await?;
        let property = device.timeline.newest().owner.property_id.clone();
        let said = store.expectations(&[&property]).await?.remove(&*property);
        let (rests, condition) =
            (store.rests(&[id]).await?.remove(id), store.conditions(&[id]).await?.remove(id));
        let member = store.members(&[id]).await?.remove(id);
        let read =
            || Ok((said.transpose()?, rests.transpose()?, condition.transpose()?, member.transpose()?));
        let Some((said, rests, condition, member)) = self.unless_spoilt(id, { read }()) else {
            return Ok(());
        };
        let Some(device) = self.devices.get(id) else { return Ok(()) };
        let stored = Stored {
            loaded,
            is_whole: true,
            leaks: leaks.remove(id).unwrap_or_default(),
            tampering: tampering.remove(id).unwrap_or_default(),
            expectations: said.unwrap_or_default(),
            rests: rests.unwrap_or_default(),
            condition,
            member,
        };
        let reloaded = device.reloaded(stored);
        self.devices.insert(id.into(), reloaded);
        Ok(())
    }
}
