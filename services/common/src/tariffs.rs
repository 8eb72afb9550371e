//! The tariffs as billing last published them, for whoever prices with them.
//!
//! A class of which billing published none has the versions that the platform comes with, which are also what billing starts
//! from. Days are priced by the version of their date, and a new version holds from a day that has not begun, so nothing that
//! was priced changes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use indowater_proto::billing::v1::TariffSchedule;
use indowater_proto::topics::TARIFFS;
use prost::Message;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::domain::tariff::{Tariff, TariffBook};
use crate::error::Fatal;
use crate::kafka::{Followed, From, follow};
use crate::wire;

/// The tariffs of now. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Tariffs(Arc<RwLock<Arc<TariffBook>>>);

impl Tariffs {
    /// Those that the platform comes with.
    pub fn built_in() -> Self {
        Self(Arc::new(RwLock::new(Arc::new(TariffBook::built_in()))))
    }

    /// The tariffs of now.
    pub fn now(&self) -> Arc<TariffBook> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, class: &str, versions: Vec<Tariff>) {
        let mut tariffs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *tariffs = Arc::new(tariffs.with(class, versions));
    }

    /// Follows the topic: when this returns, all that stood there is taken.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub async fn follow(
        self,
        kafka: &config::Kafka,
        stop: CancellationToken,
    ) -> Result<impl Future<Output = Result<(), Fatal>> + Send + 'static, Fatal> {
        let mut revisions: HashMap<String, i64> = HashMap::new();
        let apply = move |record: Followed<'_>| {
            let schedule = TariffSchedule::decode(record.value).map_err(|error| error.to_string());
            match schedule.and_then(|schedule| Ok((wire::versions(&schedule)?, schedule))) {
                // A former owner's record may follow a newer one.
                Ok((_, schedule)) if revisions.get(&schedule.class) > Some(&schedule.revision) => {}
                Ok((versions, schedule)) => {
                    self.set(&schedule.class, versions);
                    revisions.insert(schedule.class, schedule.revision);
                }
                Err(why) => tracing::error!(
                    why,
                    "a tariff that was published makes no sense; its class is priced as before"
                ),
            }
        };
        follow(kafka, TARIFFS.name(&kafka.topic_prefix), From::Beginning, stop, apply).await
    }
}
