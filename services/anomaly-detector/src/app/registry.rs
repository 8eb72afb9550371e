//! What the registry says of devices that no reading does: whether they are in service.

use std::collections::HashMap;
use std::sync::Arc;

use indowater_common::error::Retry;
use indowater_common::quarantine::Spoilt;

use super::devices::Shared;
use crate::mongo::Unreadable;

/// What an entry of the registry says of a device, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `devices.id`.
    pub device_id: String,
    /// Rises with every change of the entry.
    pub version: i64,
    /// `active`, `inactive` or `maintenance`.
    pub status: String,
    /// When the entry changed, seconds since the epoch.
    pub changed_at: i64,
}

/// The entries of one partition that wait to be heard.
pub struct Registry {
    shared: Arc<Shared>,
    entries: HashMap<String, Vec<Entry>>,
    /// Devices of which what is noted cannot be read.
    spoilt: Vec<Spoilt>,
}

impl Registry {
    /// No entries yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, entries: HashMap::new(), spoilt: Vec::new() }
    }

    /// The devices of which what is noted cannot be read: their entries are to be set aside.
    pub fn spoilt(&mut self) -> &mut Vec<Spoilt> {
        &mut self.spoilt
    }

    /// How many devices wait.
    pub fn pending(&self) -> usize {
        self.entries.len()
    }

    /// Takes an entry.
    pub fn take(&mut self, entry: Entry) {
        self.entries.entry(entry.device_id.clone()).or_default().push(entry);
    }

    /// Notes durably who left service, and who is back.
    ///
    /// # Errors
    /// The database did not answer; doing it again is safe.
    pub async fn flush(&mut self) -> Result<(), Retry> {
        let ids: Vec<&str> = self.entries.keys().map(String::as_str).collect();
        let mut known = self.shared.store.rests(&ids).await?;
        for (id, entries) in &self.entries {
            let mut rests = match known.remove(id).transpose() {
                Ok(rests) => rests.unwrap_or_default(),
                Err(Unreadable(reason)) => {
                    self.spoilt.push(Spoilt { key: id.as_str().into(), reason });
                    continue;
                }
            };
            let mut news = false;
            for entry in entries {
                news |= rests.note(entry.version, &entry.status, entry.changed_at);
            }
            if news {
                self.shared.store.write_rests(id, &rests).await?;
            }
        }
        self.entries.clear();
        Ok(())
    }
}
