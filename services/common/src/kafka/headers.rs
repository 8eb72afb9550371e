//! Record headers: `content-type`, CloudEvents 1.0 in binary mode (`ce_*`), and the W3C `traceparent`.

use jiff::Timestamp;
use rdkafka::message::{Header, OwnedHeaders};

/// The content type of protobuf values.
pub const PROTOBUF: &str = "application/protobuf";
/// The content type of JSON values.
pub const JSON: &str = "application/json";

/// What the names of our own headers on telemetry begin with.
pub(super) const OURS: &str = "indowater-";
/// On telemetry: `true` where its reads may be of any age.
pub const BACKFILL: &str = "indowater-backfill";
/// On telemetry that is sent again: where it stood and when it was taken at first, `partition:offset@milliseconds`.
pub const FIRST_RECEIVED: &str = "indowater-first-received";

/// On what services publish: which stint of writing it is of. The name rises with time; no name is older than all.
pub const WRITER: &str = "indowater-writer";
/// What the names of writers begin with.
pub const NAME: &str = "w";
/// The writer of what was published again because something stale was found: older than all.
pub(super) const OLDEST: &str = "r";

/// What an event says of itself outside its value.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// `ce_id`: the same for the same event however often it is published.
    pub id: &'a str,
    /// `ce_source`: the service that says it.
    pub source: &'a str,
    /// `ce_type`: full name of the protobuf message.
    pub kind: &'a str,
    /// `ce_time`: when it happened, seconds since the epoch; never the time of publishing.
    pub time: i64,
    /// The trace it belongs to.
    pub traceparent: Option<&'a str>,
}

impl Event<'_> {
    pub(super) fn headers(&self, writer: &str) -> OwnedHeaders {
        let time = Timestamp::from_second(self.time).unwrap_or(Timestamp::UNIX_EPOCH).to_string();
        let mut headers = OwnedHeaders::new_with_capacity(8)
            .insert(Header { key: "content-type", value: Some(PROTOBUF) })
            .insert(Header { key: "ce_specversion", value: Some("1.0") })
            .insert(Header { key: "ce_id", value: Some(self.id) })
            .insert(Header { key: "ce_source", value: Some(self.source) })
            .insert(Header { key: "ce_type", value: Some(self.kind) })
            .insert(Header { key: "ce_time", value: Some(&time) })
            .insert(Header { key: WRITER, value: Some(writer) });
        if let Some(traceparent) = self.traceparent {
            headers = headers.insert(Header { key: "traceparent", value: Some(traceparent) });
        }
        headers
    }
}
