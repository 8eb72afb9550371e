//! Who should have been heard by now: devices are looked for, and the partitions that decide of areas and gateways are told when these were
//! heard and what time it is here.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use indowater_common::error::Retry;
use indowater_common::kafka::Ticket;
use indowater_common::mongo::outbox;

use super::device::Device;
use super::devices::Devices;
use crate::domain::network::Group;
use crate::domain::silence::{Beat, Listening};
use crate::mongo::Event;

/// Seconds of telemetry between two looks for devices that are overdue.
const LOOK: i64 = 60;
/// Devices that fall silent in one flush at most.
const MOST_SILENT: i64 = 1_000;

/// Seconds of telemetry between two beats of a group.
const BEAT: i64 = 120;
/// Overdue groups that are told of in one beat at most.
const MOST_GROUPS: i64 = 500;

/// Seconds of telemetry, and time besides, after which a device is missed by itself although nothing is known of its area or gateway. A
/// backlog may bring days of telemetry in a moment.
const PATIENCE: (i64, Duration) = (86_400, Duration::from_secs(60));

impl Devices {
    /// Has the devices looked at that should have been heard by now.
    pub(super) async fn find_silent(&mut self) -> Result<(), Retry> {
        if self.now - self.looked_at < LOOK {
            return Ok(());
        }
        let overdue = self.shared.store.overdue(self.partition, self.now, MOST_SILENT).await?;
        let unknown = overdue.iter().filter(|id| !self.devices.contains_key(id.as_str()));
        self.load(unknown.map(|id| (id.as_str(), None)).collect()).await?;
        let missed = overdue.iter().filter_map(|id| self.devices.get(id.as_str()));
        let groups: HashSet<Group> = missed.flat_map(Device::groups).collect();
        let known = self.shared.store.listening(groups.iter()).await?;
        let mut unreadable = Vec::new();
        for id in &overdue {
            let Some(device) = self.devices.get_mut(id.as_str()) else {
                unreadable.push(id.as_str());
                continue;
            };
            let (partition, now, due) = (self.partition, self.now, device.due());
            let is_open = |group: &Group| Listening::is_open_question(known.get(group), partition, due, now);
            let open: Vec<Group> = device.groups().filter(is_open).collect();
            if open.is_empty() {
                self.held.remove(id.as_str());
                device.look(true);
            } else {
                let since = self.held.entry(id.as_str().into()).or_insert_with(Instant::now);
                device.look(now >= due + PATIENCE.0 && since.elapsed() >= PATIENCE.1);
                self.asked.extend(open);
            }
            self.dirty.entry(id.as_str().into()).or_default();
        }
        if !unreadable.is_empty() {
            self.shared.store.forget_due(&unreadable).await?;
        }
        self.looked_at = self.now;
        Ok(())
    }

    /// Tells when areas and gateways were heard here, and of those that should have been what time it is.
    pub(super) async fn beat(&mut self) -> Result<(), Retry> {
        if self.now - self.beaten_at < BEAT {
            return Ok(());
        }
        let beat = |heard_at| Beat { partition: self.partition, heard_at, now: self.now };
        let heard = self.heard.iter().map(|((group, _), at)| (group.clone(), beat(*at)));
        let overdue = self.shared.store.overdue_groups(self.now, MOST_GROUPS).await?;
        let asked = overdue.into_iter().chain(self.asked.iter().cloned()).map(|group| (group, beat(0)));
        let ticket = Ticket::default();
        for (group, beat) in heard.chain(asked) {
            let row = self.shared.store.row(Event::Beat(&group, beat));
            let sent = outbox::send(&self.shared.publisher, &ticket, &row).await;
            sent.map_err(|error| Retry::because(&error))?;
        }
        ticket.delivered().await.map_err(|error| Retry::because(&error))?;
        self.heard.clear();
        self.asked.clear();
        self.beaten_at = self.now;
        Ok(())
    }
}
