//! The wire format: bytes to what a device said, and what ingest decided back to bytes. Nothing here decides.

mod finding;
mod json;
mod protobuf;
mod registry;
mod timeline;

pub use finding::decode_finding;
pub use protobuf::{Encoder, MOST_KEY, Origin, unit_from_wire};
pub use registry::{
    decode_device, device, device_version, encode_device, encode_property, property, property_version,
};
pub use timeline::encode_facts;

use crate::domain::reject::{Reason, Reject};
use crate::domain::uplink::Uplink;

/// Decodes a telemetry value as its content type says; a value without one is JSON if it looks like it.
///
/// # Errors
/// Why it cannot be read.
pub fn decode<'a>(
    content_type: Option<&str>,
    value: &'a [u8],
    most_bytes: usize,
) -> Result<Uplink<'a>, Reject> {
    if value.len() > most_bytes {
        let detail = format!("{} bytes or more; a message may have {most_bytes}", value.len());
        return Err(Reject::new(Reason::Oversized, detail));
    }
    match content_type.map(essence) {
        Some(kind) if kind.eq_ignore_ascii_case("application/json") => json::decode(value),
        Some(kind)
            if ["application/protobuf", "application/x-protobuf"]
                .iter()
                .any(|known| kind.eq_ignore_ascii_case(known)) =>
        {
            protobuf::decode(value)
        }
        None if value.trim_ascii_start().starts_with(b"{") => json::decode(value),
        None => {
            let detail = "no content-type header, and the value is no JSON object";
            Err(Reject::new(Reason::UnsupportedContentType, detail))
        }
        Some(kind) => {
            let detail =
                format!("content-type {kind:?} is neither application/json nor application/protobuf");
            Err(Reject::new(Reason::UnsupportedContentType, detail))
        }
    }
}

/// A content type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests;
