//! The registry over gRPC: calls to use cases and back, refusals to status codes.

use indowater_common::domain::meter::Unit;
use indowater_common::grpc::{continue_trace, invalid, refused_for, wrong};
use indowater_proto::registry::v1 as pb;
use indowater_proto::registry::v1::registry_service_server::{RegistryService, RegistryServiceServer};
use indowater_proto::telemetry::v1::RegisterUnit;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tracing::{Instrument, Span};

use crate::app::registry::Registry;
use crate::domain::registry::{
    self, Correction, DeviceChange, DeviceDraft, DeviceFilter, MeterExchange, Page, Problems, PropertyChange,
    PropertyDraft, Refusal,
};
use crate::wire;

/// What ingest serves.
pub fn routes(registry: Registry) -> Routes {
    Routes::new(RegistryServiceServer::new(Calls(registry)))
}

struct Calls(Registry);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl RegistryService for Calls {
    async fn get_property(
        &self,
        request: Request<pb::GetPropertyRequest>,
    ) -> Answer<pb::GetPropertyResponse> {
        let span = span("GetProperty", &request);
        let property = self.0.property(&request.get_ref().id).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::GetPropertyResponse { property: Some(wire::property(property)) }))
    }

    async fn list_properties(
        &self,
        request: Request<pb::ListPropertiesRequest>,
    ) -> Answer<pb::ListPropertiesResponse> {
        let span = span("ListProperties", &request);
        let request = request.into_inner();
        let page =
            Page::new(request.page_size, request.page_token).map_err(|problems| status(problems.into()))?;
        let customer_id = given(request.customer_id);
        let (properties, next_page_token) =
            self.0.properties(customer_id.as_deref(), &page).instrument(span).await.map_err(status)?;
        let properties = properties.into_iter().map(wire::property).collect();
        Ok(Response::new(pb::ListPropertiesResponse { properties, next_page_token }))
    }

    async fn create_property(
        &self,
        request: Request<pb::CreatePropertyRequest>,
    ) -> Answer<pb::CreatePropertyResponse> {
        let span = span("CreateProperty", &request);
        let property = request.into_inner().property.ok_or_else(|| missing("property"))?;
        let draft = PropertyDraft {
            id: property.id,
            name: property.name,
            address: property.address,
            customer_id: property.customer_id,
            property_type: property.property_type,
            time_zone: property.time_zone,
            tariff_class: property.tariff_class,
            area: property.area,
        };
        let property = self.0.create_property(draft).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::CreatePropertyResponse { property: Some(wire::property(property)) }))
    }

    async fn update_property(
        &self,
        request: Request<pb::UpdatePropertyRequest>,
    ) -> Answer<pb::UpdatePropertyResponse> {
        let span = span("UpdateProperty", &request);
        let request = request.into_inner();
        let change = PropertyChange {
            version: request.version,
            name: request.name,
            address: request.address,
            customer_id: request.customer_id,
            property_type: request.property_type,
            tariff_class: request.tariff_class,
            area: request.area,
            effective_from: request.effective_from,
        };
        let property = self.0.change_property(request.id, change).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::UpdatePropertyResponse { property: Some(wire::property(property)) }))
    }

    async fn get_device(&self, request: Request<pb::GetDeviceRequest>) -> Answer<pb::GetDeviceResponse> {
        let span = span("GetDevice", &request);
        let device = self.0.device(&request.get_ref().id).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::GetDeviceResponse { device: Some(wire::device(device)) }))
    }

    async fn list_devices(
        &self,
        request: Request<pb::ListDevicesRequest>,
    ) -> Answer<pb::ListDevicesResponse> {
        let span = span("ListDevices", &request);
        let request = request.into_inner();
        let page =
            Page::new(request.page_size, request.page_token).map_err(|problems| status(problems.into()))?;
        let filter = DeviceFilter {
            customer_id: given(request.customer_id),
            property_id: given(request.property_id),
            status: given(request.status).map(|name| status_named(&name)).transpose()?,
        };
        let (devices, next_page_token) =
            self.0.devices(&filter, &page).instrument(span).await.map_err(status)?;
        let devices = devices.into_iter().map(wire::device).collect();
        Ok(Response::new(pb::ListDevicesResponse { devices, next_page_token }))
    }

    async fn create_device(
        &self,
        request: Request<pb::CreateDeviceRequest>,
    ) -> Answer<pb::CreateDeviceResponse> {
        let span = span("CreateDevice", &request);
        let device = request.into_inner().device.ok_or_else(|| missing("device"))?;
        let device = self.0.create_device(draft(device)?).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::CreateDeviceResponse { device: Some(wire::device(device)) }))
    }

    async fn update_device(
        &self,
        request: Request<pb::UpdateDeviceRequest>,
    ) -> Answer<pb::UpdateDeviceResponse> {
        let span = span("UpdateDevice", &request);
        let request = request.into_inner();
        let change = DeviceChange {
            version: request.version,
            property_id: request.property_id,
            device_type: request.r#type,
            status: request.status,
            location: request.location,
            calibration_date: request.calibration_date,
            q3_litres_per_hour: request.q3_litres_per_hour,
            effective_from: request.effective_from,
            billable: request.billable,
            parent_device_id: request.parent_device_id,
        };
        let device = self.0.change_device(request.id, change).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::UpdateDeviceResponse { device: Some(wire::device(device)) }))
    }

    async fn enrol_devices(
        &self,
        request: Request<pb::EnrolDevicesRequest>,
    ) -> Answer<pb::EnrolDevicesResponse> {
        let span = span("EnrolDevices", &request);
        let drafts = request.into_inner().devices.into_iter().map(draft).collect::<Result<Vec<_>, _>>()?;
        let enrolled = self.0.enrol(drafts).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::EnrolDevicesResponse { enrolled: u32::try_from(enrolled).unwrap_or(u32::MAX) }))
    }

    async fn transfer_property(
        &self,
        request: Request<pb::TransferPropertyRequest>,
    ) -> Answer<pb::TransferPropertyResponse> {
        let span = span("TransferProperty", &request);
        let request = request.into_inner();
        let change = PropertyChange {
            version: request.version,
            effective_from: request.effective_from,
            // Left empty it is wrong, and named so.
            customer_id: Some(request.customer_id),
            ..PropertyChange::default()
        };
        let property = self.0.change_property(request.id, change).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::TransferPropertyResponse { property: Some(wire::property(property)) }))
    }

    async fn exchange_meter(
        &self,
        request: Request<pb::ExchangeMeterRequest>,
    ) -> Answer<pb::ExchangeMeterResponse> {
        let span = span("ExchangeMeter", &request);
        let request = request.into_inner();
        let exchange = MeterExchange {
            version: request.version,
            at: request.at,
            final_register: request.final_register,
            initial_register: request.initial_register,
            device_id: request.device_id,
            unit: unit(request.unit)?,
            register_digits: request.register_digits,
            q3_litres_per_hour: request.q3_litres_per_hour,
            wraps_at: request.wraps_at,
            resolution: request.resolution,
            reason: request.reason,
            by: request.by,
        };
        let device = self.0.exchange_meter(request.id, exchange).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::ExchangeMeterResponse { device: Some(wire::device(device)) }))
    }

    async fn correct_device(
        &self,
        request: Request<pb::CorrectDeviceRequest>,
    ) -> Answer<pb::CorrectDeviceResponse> {
        let span = span("CorrectDevice", &request);
        let request = request.into_inner();
        let correction = Correction {
            version: request.version,
            from: request.from,
            unit: unit(request.unit)?,
            register_digits: request.register_digits,
            q3_litres_per_hour: request.q3_litres_per_hour,
            wraps_at: request.wraps_at,
            resolution: request.resolution,
            device_type: request.r#type,
            billable: request.billable,
            installation_date: request.installation_date,
            reason: request.reason,
            by: request.by,
        };
        let device = self.0.correct_device(request.id, correction).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::CorrectDeviceResponse { device: Some(wire::device(device)) }))
    }
}

fn span<T>(call: &'static str, request: &Request<T>) -> Span {
    let span = tracing::info_span!("registry", otel.name = call, otel.kind = "server");
    continue_trace(&span, request);
    span
}

fn draft(device: pb::Device) -> Result<DeviceDraft, Status> {
    Ok(DeviceDraft {
        unit: unit(device.unit)?,
        id: device.id,
        device_id: device.device_id,
        property_id: device.property_id,
        device_type: device.r#type,
        status: device.status,
        location: device.location,
        installation_date: device.installation_date,
        calibration_date: device.calibration_date.unwrap_or_default(),
        register_digits: device.register_digits,
        q3_litres_per_hour: device.q3_litres_per_hour,
        wraps_at: device.wraps_at,
        resolution: device.resolution,
        billable: device.billable,
        parent_device_id: device.parent_device_id.unwrap_or_default(),
    })
}

fn unit(number: i32) -> Result<Option<Unit>, Status> {
    let unit = RegisterUnit::try_from(number).map_err(|_| invalid("unit", "is not known"))?;
    Ok(wire::unit_from_wire(unit))
}

fn status_named(name: &str) -> Result<registry::Status, Status> {
    registry::Status::named(name).ok_or_else(|| {
        let mut problems = Problems::default();
        problems.add("status", "must be active, inactive or maintenance");
        status(problems.into())
    })
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn missing(field: &'static str) -> Status {
    invalid(field, "is missing")
}

fn status(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::Invalid(problems) => wrong(problems),
        Refusal::NotFound { .. } => Status::not_found(message),
        Refusal::Taken { field, .. } => {
            refused_for(Code::AlreadyExists, &format!("{}_TAKEN", field.to_uppercase()), message)
        }
        Refusal::Precondition(_) => refused_for(Code::FailedPrecondition, "NOT_AS_THINGS_STAND", message),
        Refusal::Stale { .. } => refused_for(Code::Aborted, "STALE_VERSION", message),
        Refusal::Unavailable(_) => Status::unavailable(message),
    }
}
