//! Meters and other devices, and what they read.

#[cfg(test)]
mod tests;

use axum::extract::State;
use indowater_common::domain::zone::Zone;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::access::{Actor, Resource, UserId, narrow, visible};
use crate::failure::Failure;
use crate::grpc::{INGEST, USAGE_AGGREGATOR, answer, one};
use crate::http::extract::{Id, Paged};
use crate::http::reply::{Answer, Listing, show};
use crate::session::Caller;
use crate::value::period::Window;
use crate::value::{Day, GivenId, Moment};
use crate::wire::form::Vocabulary;
use crate::wire::registry::v1::{Device, DeviceStatus, GetDeviceRequest, ListDevicesRequest};
use crate::wire::usage::v1::{ListReadsRequest, StoredRead};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_devices))
        .routes(routes!(get_device))
        .routes(routes!(list_readings))
}

/// A device that `actor` may see a resource of.
///
/// # Errors
/// There is none, or the registry does not answer.
pub async fn visible_device(
    gateway: &Gateway,
    actor: &Actor,
    resource: Resource,
    id: String,
) -> Result<Device, Failure> {
    let found = one(INGEST, "device", gateway.services.registry().get_device(GetDeviceRequest { id }).await)?;
    visible(actor, resource, "device", found)
}

/// Which devices.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DevicesQuery {
    /// Those of this customer only. Staff may name anyone; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
    /// Those of this property only.
    #[param(value_type = Option<String>, example = "property-001")]
    property_id: Option<GivenId>,
    /// Those in this status only.
    status: Option<DeviceStatus>,
}

/// List devices.
#[utoipa::path(
    get, path = "/devices", tag = "places and meters", params(Paged<DevicesQuery, 50, 500>),
    responses((status = 200, description = "A page of devices.", body = Listing<Device>)),
)]
async fn list_devices(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<DevicesQuery, 50, 500>,
) -> Answer {
    let request = ListDevicesRequest {
        customer_id: gateway.scope(&actor, Resource::Device, query.customer_id).await?.into(),
        property_id: query.property_id.map(|id| id.0).unwrap_or_default(),
        status: query.status.and_then(DeviceStatus::word).unwrap_or_default().to_owned(),
        page_size: page.size,
        page_token: page.token.clone(),
    };
    let found = answer(INGEST, "device", gateway.services.registry().list_devices(request).await)?;
    show(&actor, page.listing(found).owned(&actor, Resource::Device))
}

/// Get a device.
#[utoipa::path(
    get, path = "/devices/{id}", tag = "places and meters",
    params(("id" = String, Path, description = "Its id.", example = "device-001")),
    responses((status = 200, description = "The device.", body = Device)),
)]
async fn get_device(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(id): Id) -> Answer {
    show(&actor, visible_device(&gateway, &actor, Resource::Device, id).await?)
}

/// Which reads.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReadingsQuery {
    /// On this day of the device's property; instead of `from` and `to`.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-21")]
    date: Option<Day>,
    /// From this moment on, in whole seconds.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-20T17:00:00Z")]
    from: Option<Moment>,
    /// Before this moment, in whole seconds.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-21T17:00:00Z")]
    to: Option<Moment>,
}

impl ReadingsQuery {
    fn window(&self, time_zone: &str) -> Result<Window, Failure> {
        let Some(Day(date)) = self.date else {
            return Window::new(self.from.map(|from| from.0), self.to.map(|to| to.0));
        };
        if self.from.is_some() || self.to.is_some() {
            return Err(Failure::invalid("date", "is given instead of from and to"));
        }
        if date.year() <= 1970 {
            return Err(Failure::invalid("date", "must be after 1970"));
        }
        // The registry names no zone that nobody knows.
        Zone::named(time_zone).map(|zone| Window::of_day(date, &zone)).ok_or(Failure::Broken(INGEST))
    }
}

/// List the reads of a device, newest first.
///
/// Without bounds the latest. The link of an entry's explanation leads here, to the reads of one day.
#[utoipa::path(
    get, path = "/devices/{id}/readings", tag = "usage",
    params(("id" = String, Path, description = "The device's id.", example = "device-001"), Paged<ReadingsQuery, 100, 1000>),
    responses((status = 200, description = "A page of reads.", body = Listing<StoredRead>)),
)]
async fn list_readings(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Paged { query, page }: Paged<ReadingsQuery, 100, 1000>,
) -> Answer {
    let device = visible_device(&gateway, &actor, Resource::Reading, id).await?;
    let window = query.window(&device.time_zone)?;
    let request = ListReadsRequest {
        device_id: device.id,
        // Of customers only the reads of days that are theirs: a meter may have been somebody else's before.
        customer_id: narrow(&actor, Resource::Reading, None)?.into(),
        page_size: page.size,
        page_token: page.token.clone(),
        from: window.from,
        to: window.to,
    };
    let found = answer(USAGE_AGGREGATOR, "reading", gateway.services.usage().list_reads(request).await)?;
    show(&actor, page.listing(found))
}
