//! History for people: days, hours, months and the reads themselves, page by page.

use indowater_common::error::Retry;

use crate::domain::hourly;
use crate::domain::question::{Filter, Found, HoursOfDay, Month, Page, PageToken, Reads, Span, Whose};
use crate::mongo::Store;

/// Days of reads loaded at once.
const DAYS_OF_READS: i64 = 8;

/// Answers from the stored records.
pub struct Questions {
    store: Store,
}

impl Questions {
    /// From that database.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// A page of days.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn days(&self, filter: &Filter) -> Result<Page<Found>, Retry> {
        let found = self.store.days(filter).await?;
        Ok(Page::of(found, filter.page, |found| PageToken {
            day: found.record.day,
            id: found.record.id(&found.device_id),
        }))
    }

    /// Hours of whole days: as many days as a page holds, at least one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hours(&self, filter: &Filter) -> Result<Page<HoursOfDay>, Retry> {
        let filter = Filter { page: (filter.page / 24).max(1), ..filter.clone() };
        let Page { entries, next } = self.days(&filter).await?;
        let mut days = Vec::with_capacity(entries.len());
        for found in entries {
            let after = if found.record.figures.complete {
                self.store.first_read_after(&found.device_id, found.record.day).await?
            } else {
                None
            };
            let mut hours = hourly::hours(&found.record, after, found.context());
            if !filter.ascending {
                hours.reverse();
            }
            days.push(HoursOfDay { found, hours });
        }
        Ok(Page { entries: days, next })
    }

    /// A page of months.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn months(&self, filter: &Filter) -> Result<Page<Month>, Retry> {
        let found = self.store.months(filter).await?;
        Ok(Page::of(found, filter.page, |month| PageToken { day: month.month, id: month.device_id.clone() }))
    }

    /// At most `page` reads of one device from a span, newest first. A moment is never split.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn reads(&self, of: &Whose, span: Span, page: usize) -> Result<Reads, Retry> {
        let mut reads = Vec::new();
        let mut left = span;
        while reads.len() < page {
            let days = self.store.days_with_reads(of, left, DAYS_OF_READS).await?;
            let Some(oldest) = days.last().and_then(|found| found.record.reads.iter().next()) else { break };
            left = left.up_to(oldest.at);
            reads.extend(days.iter().flat_map(|found| found.reads(span)));
        }
        Ok(Reads::of(reads, page))
    }
}
