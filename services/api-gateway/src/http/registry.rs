//! Routes to places and meters.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Gateway;
use super::extract::{Id, Query};
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::metering::{Device, DeviceStatus, Property};
use crate::domain::page::Listing;
use crate::domain::question::{ListQuestion, ListTexts};

/// Which properties.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PropertiesQuery {
    /// Those of this customer only. Staff may name anyone; customers see their own in any case.
    #[param(example = "customer-001")]
    customer_id: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 500, default = 50)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// List properties.
#[utoipa::path(
    get,
    path = "/properties",
    tag = "places and meters",
    params(PropertiesQuery),
    responses(
        (status = 200, description = "A page of properties.", body = Listing<Property>),
        (status = 403, description = "A customer named another customer."),
    ),
)]
pub async fn list_properties(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<PropertiesQuery>,
) -> Result<axum::Json<Listing<Property>>, Problem> {
    let question = ListQuestion::read(ListTexts {
        customer_id: query.customer_id.as_deref(),
        page_size: query.page_size.as_deref(),
        page_token: query.page_token.as_deref(),
        ..ListTexts::default()
    })?;
    Ok(axum::Json(gateway.app.properties(&caller.actor, question).await?))
}

/// Get a property.
#[utoipa::path(
    get,
    path = "/properties/{id}",
    tag = "places and meters",
    params(("id" = String, Path, description = "Its id.", example = "property-001")),
    responses((status = 200, description = "The property.", body = Property)),
)]
pub async fn get_property(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
) -> Result<axum::Json<Property>, Problem> {
    Ok(axum::Json(gateway.app.property(&caller.actor, &id).await?))
}

/// Which devices.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DevicesQuery {
    /// Those of this customer only. Staff may name anyone; customers see their own in any case.
    #[param(example = "customer-001")]
    customer_id: Option<String>,
    /// Those of this property only.
    #[param(example = "property-001")]
    property_id: Option<String>,
    /// Those in this status only.
    #[param(value_type = Option<DeviceStatus>)]
    status: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 500, default = 50)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// List devices.
#[utoipa::path(
    get,
    path = "/devices",
    tag = "places and meters",
    params(DevicesQuery),
    responses(
        (status = 200, description = "A page of devices.", body = Listing<Device>),
        (status = 403, description = "A customer named another customer."),
    ),
)]
pub async fn list_devices(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<DevicesQuery>,
) -> Result<axum::Json<Listing<Device>>, Problem> {
    let question = ListQuestion::read(ListTexts {
        customer_id: query.customer_id.as_deref(),
        property_id: query.property_id.as_deref(),
        status: query.status.as_deref(),
        page_size: query.page_size.as_deref(),
        page_token: query.page_token.as_deref(),
    })?;
    Ok(axum::Json(gateway.app.devices(&caller.actor, question).await?))
}

/// Get a device.
#[utoipa::path(
    get,
    path = "/devices/{id}",
    tag = "places and meters",
    params(("id" = String, Path, description = "Its id.", example = "device-001")),
    responses((status = 200, description = "The device.", body = Device)),
)]
pub async fn get_device(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
) -> Result<axum::Json<Device>, Problem> {
    Ok(axum::Json(gateway.app.device(&caller.actor, &id).await?))
}
