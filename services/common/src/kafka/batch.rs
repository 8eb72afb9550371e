//! Records of one partition, copied out of the client into one buffer: a batch costs a handful of allocations, not
//! several for each record.

use std::ops::Range;

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use super::headers::OURS;

/// What is copied of a value at most: the largest that the table of topics allows, and a byte by which it is seen that there
/// was more. A batch that compresses well can unpack to hundreds of times what the broker lets through.
const MOST_COPIED: usize = (2 << 20) + 1;

/// Records of one partition in offset order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The partition all of them are from.
    pub partition: i32,
    data: Vec<u8>,
    records: Vec<Slots>,
    /// Names and values of the headers of our own, of all records; nearly no record has any.
    ours: Vec<(Range<usize>, Range<usize>)>,
}

#[derive(Clone, Debug)]
struct Slots {
    offset: i64,
    timestamp_ms: i64,
    key: Range<usize>,
    value: Range<usize>,
    content_type: Option<Range<usize>>,
    traceparent: Option<Range<usize>>,
    ours: Range<usize>,
}

/// One record as it stands on the broker.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// The broker's or the producer's time stamp, by the topic's setting; milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The key; empty if there is none.
    pub key: &'a [u8],
    /// The value; empty if there is none.
    pub value: &'a [u8],
    /// The `content-type` header, if it is there and is text.
    pub content_type: Option<&'a str>,
    /// The W3C `traceparent` header, if it is there and is text.
    pub traceparent: Option<&'a str>,
    ours: Ours<'a>,
}

/// The headers of our own of one record.
#[derive(Clone, Copy, Debug)]
struct Ours<'a> {
    data: &'a [u8],
    headers: &'a [(Range<usize>, Range<usize>)],
}

impl<'a> Record<'a> {
    /// The first header of that name, if it is there and is text. Only names that begin with `indowater-` are kept.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let Ours { data, headers } = self.ours;
        let (_, value) = headers.iter().find(|(known, _)| data[known.clone()] == *name.as_bytes())?;
        std::str::from_utf8(&data[value.clone()]).ok()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new(partition: i32) -> Self {
        Self { partition, data: Vec::new(), records: Vec::new(), ours: Vec::new() }
    }

    pub(super) fn push(&mut self, message: &BorrowedMessage<'_>) {
        let key = self.copy(message.key().unwrap_or_default());
        let payload = message.payload().unwrap_or_default();
        let value = self.copy(&payload[..payload.len().min(MOST_COPIED)]);
        let (mut content_type, mut traceparent) = (None, None);
        let ours = self.ours.len();
        if let Some(headers) = message.headers() {
            for header in headers.iter() {
                let slot = match header.key {
                    "content-type" => &mut content_type,
                    "traceparent" => &mut traceparent,
                    name if name.starts_with(OURS) => {
                        let name = self.copy(name.as_bytes());
                        let value = self.copy(header.value.unwrap_or_default());
                        self.ours.push((name, value));
                        continue;
                    }
                    _ => continue,
                };
                *slot = header.value.map(|value| self.copy(value));
            }
        }
        self.records.push(Slots {
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
            key,
            value,
            content_type,
            traceparent,
            ours: ours..self.ours.len(),
        });
    }

    /// Adds a record that came before and was set aside. Headers of our own are telemetry's, which is never set aside so.
    pub(crate) fn push_again(
        &mut self,
        offset: i64,
        timestamp_ms: i64,
        key: &[u8],
        value: &[u8],
        content_type: Option<&str>,
    ) {
        let slots = Slots {
            offset,
            timestamp_ms,
            key: self.copy(key),
            value: self.copy(value),
            content_type: content_type.map(|text| self.copy(text.as_bytes())),
            traceparent: None,
            ours: self.ours.len()..self.ours.len(),
        };
        self.records.push(slots);
    }

    /// Adds a record with these headers of our own.
    #[cfg(test)]
    pub(crate) fn push_with(&mut self, offset: i64, ours: &[(&str, &str)], value: &[u8]) {
        self.push_again(offset, 0, b"key", value, None);
        let mut copy = |text: &str| self.copy(text.as_bytes());
        let ours: Vec<_> = ours.iter().map(|(name, value)| (copy(name), copy(value))).collect();
        let start = self.ours.len();
        self.ours.extend(ours);
        if let Some(record) = self.records.last_mut() {
            record.ours = start..self.ours.len();
        }
    }

    /// Adds the records of the batch that comes next.
    pub(super) fn append(&mut self, next: Self) {
        let (shift, ours) = (self.data.len(), self.ours.len());
        let move_on = |range: Range<usize>| range.start + shift..range.end + shift;
        self.data.extend_from_slice(&next.data);
        self.records.extend(next.records.into_iter().map(|slots| Slots {
            key: move_on(slots.key),
            value: move_on(slots.value),
            content_type: slots.content_type.map(move_on),
            traceparent: slots.traceparent.map(move_on),
            ours: slots.ours.start + ours..slots.ours.end + ours,
            ..slots
        }));
        self.ours.extend(next.ours.into_iter().map(|(name, value)| (move_on(name), move_on(value))));
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.data.len();
        self.data.extend_from_slice(bytes);
        start..self.data.len()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many bytes of keys, values and headers there are.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The offset to go on from once all of this is durable.
    pub fn next_offset(&self) -> Option<i64> {
        self.records.last().map(|record| record.offset + 1)
    }

    /// The records in offset order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.records.iter().map(|slots| Record {
            offset: slots.offset,
            timestamp_ms: slots.timestamp_ms,
            key: &self.data[slots.key.clone()],
            value: &self.data[slots.value.clone()],
            content_type: slots.content_type.clone().and_then(|r| std::str::from_utf8(&self.data[r]).ok()),
            traceparent: slots.traceparent.clone().and_then(|r| std::str::from_utf8(&self.data[r]).ok()),
            ours: Ours { data: &self.data, headers: &self.ours[slots.ours.clone()] },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(offset: i64, ours: &[(&str, &str)]) -> Batch {
        let mut batch = Batch::new(0);
        batch.push_with(offset, ours, b"value");
        batch
    }

    #[test]
    fn headers_stay_with_their_record_when_batches_are_joined() {
        let mut all = one(1, &[("indowater-a", "1")]);
        all.append(one(2, &[]));
        all.append(one(3, &[("indowater-a", "3"), ("indowater-b", "x")]));
        let told: Vec<_> = all
            .records()
            .map(|record| (record.offset, record.header("indowater-a"), record.header("indowater-b")))
            .collect();
        assert_eq!(told, [(1, Some("1"), None), (2, None, None), (3, Some("3"), Some("x"))]);
        assert!(all.records().all(|record| record.key == b"key" && record.value == b"value"));
    }
}
