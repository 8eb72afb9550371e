//! Places where meters stand.

#[cfg(test)]
mod tests;

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::access::{Actor, Resource, UserId, visible};
use crate::failure::Failure;
use crate::grpc::{INGEST, answer, one};
use crate::http::extract::{Id, Paged};
use crate::http::reply::{Answer, Listing, show};
use crate::session::Caller;
use crate::wire::registry::v1::{GetPropertyRequest, ListPropertiesRequest, Property};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list_properties)).routes(routes!(get_property))
}

/// A property that `actor` may see a resource of.
///
/// # Errors
/// There is none, or the registry does not answer.
pub async fn visible_property(
    gateway: &Gateway,
    actor: &Actor,
    resource: Resource,
    id: String,
) -> Result<Property, Failure> {
    let found = gateway.services.registry().get_property(GetPropertyRequest { id }).await;
    visible(actor, resource, "property", one(INGEST, "property", found)?)
}

/// Which properties.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PropertiesQuery {
    /// Those of this customer only. Staff may name anyone; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
}

/// List properties.
#[utoipa::path(
    get, path = "/properties", tag = "places and meters", params(Paged<PropertiesQuery, 50, 500>),
    responses((status = 200, description = "A page of properties.", body = Listing<Property>)),
)]
async fn list_properties(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<PropertiesQuery, 50, 500>,
) -> Answer {
    let customer_id = gateway.scope(&actor, Resource::Property, query.customer_id).await?.into();
    let request = ListPropertiesRequest { customer_id, page_size: page.size, page_token: page.token.clone() };
    let found = answer(INGEST, "property", gateway.services.registry().list_properties(request).await)?;
    show(&actor, page.listing(found).owned(&actor, Resource::Property))
}

/// Get a property.
#[utoipa::path(
    get, path = "/properties/{id}", tag = "places and meters",
    params(("id" = String, Path, description = "Its id.", example = "property-001")),
    responses((status = 200, description = "The property.", body = Property)),
)]
async fn get_property(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(id): Id) -> Answer {
    show(&actor, visible_property(&gateway, &actor, Resource::Property, id).await?)
}
