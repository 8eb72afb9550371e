//! Records of one partition, copied out of the client into one buffer: a batch costs a handful of allocations, not
//! several for each record.

use std::ops::Range;

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

/// Records of one partition in offset order.
#[derive(Debug)]
pub struct Batch {
    /// The partition all of them are from.
    pub partition: i32,
    data: Vec<u8>,
    records: Vec<Slots>,
}

#[derive(Debug)]
struct Slots {
    offset: i64,
    timestamp_ms: i64,
    key: Range<usize>,
    value: Range<usize>,
    content_type: Option<Range<usize>>,
    traceparent: Option<Range<usize>>,
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
}

impl Batch {
    /// An empty batch.
    pub fn new(partition: i32) -> Self {
        Self { partition, data: Vec::new(), records: Vec::new() }
    }

    pub(super) fn push(&mut self, message: &BorrowedMessage<'_>) {
        let key = self.copy(message.key().unwrap_or_default());
        let value = self.copy(message.payload().unwrap_or_default());
        let (mut content_type, mut traceparent) = (None, None);
        if let Some(headers) = message.headers() {
            for header in headers.iter() {
                let slot = match header.key {
                    "content-type" => &mut content_type,
                    "traceparent" => &mut traceparent,
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
        });
    }

    /// Adds the records of the batch that comes next.
    pub(super) fn append(&mut self, next: Self) {
        let shift = self.data.len();
        let move_on = |range: Range<usize>| range.start + shift..range.end + shift;
        self.data.extend_from_slice(&next.data);
        self.records.extend(next.records.into_iter().map(|slots| Slots {
            key: move_on(slots.key),
            value: move_on(slots.value),
            content_type: slots.content_type.map(move_on),
            traceparent: slots.traceparent.map(move_on),
            ..slots
        }));
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
        })
    }
}
