//! Services that answer from memory, for tests of what stands before them: three devices on two properties of two
//! customers. device-003 belonged to customer-001 until January. Billing's services and voucher are in files of
//! their own.

use indowater_proto::billing::v1::bill_service_server::BillServiceServer;
use indowater_proto::billing::v1::ledger_service_server::LedgerServiceServer;
use indowater_proto::billing::v1::payment_service_server::PaymentServiceServer;
use indowater_proto::billing::v1::tariff_service_server::TariffServiceServer;
use indowater_proto::registry::v1 as registry;
use indowater_proto::registry::v1::registry_service_server::{RegistryService, RegistryServiceServer};
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::usage::v1 as usage;
use indowater_proto::usage::v1::usage_service_server::{UsageService, UsageServiceServer};
use indowater_proto::voucher::v1::voucher_service_server::VoucherServiceServer;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// All services.
#[derive(Clone, Copy)]
pub struct Fake;

const CREATED: &str = "2026-01-05T02:00:00Z";
const PROPERTIES: [(&str, &str); 2] = [("property-001", "customer-001"), ("property-002", "customer-002")];
const DEVICES: [(&str, &str, &str); 3] = [
    ("device-001", "property-001", "customer-001"),
    ("device-002", "property-002", "customer-002"),
    ("device-003", "property-002", "customer-002"),
];
/// Device, day, and whose it was on that day.
const DAYS: [(&str, &str, &str); 4] = [
    ("device-001", "2026-11-21", "customer-001"),
    ("device-002", "2026-11-21", "customer-002"),
    ("device-003", "2026-11-21", "customer-002"),
    ("device-003", "2026-01-01", "customer-001"),
];

impl Fake {
    /// All services as routes of one server.
    pub fn routes() -> Routes {
        Routes::new(RegistryServiceServer::new(Self))
            .add_service(UsageServiceServer::new(Self))
            .add_service(LedgerServiceServer::new(Self))
            .add_service(TariffServiceServer::new(Self))
            .add_service(PaymentServiceServer::new(Self))
            .add_service(BillServiceServer::new(Self))
            .add_service(VoucherServiceServer::new(Self))
    }
}

fn property(id: &str, customer: &str) -> registry::Property {
    registry::Property {
        id: id.to_owned(),
        customer_id: customer.to_owned(),
        property_type: "residential".to_owned(),
        time_zone: "Asia/Jakarta".to_owned(),
        created_at: CREATED.to_owned(),
        updated_at: CREATED.to_owned(),
        ..registry::Property::default()
    }
}

fn device(id: &str, property: &str, customer: &str) -> registry::Device {
    registry::Device {
        id: id.to_owned(),
        property_id: property.to_owned(),
        customer_id: customer.to_owned(),
        r#type: "water_meter".to_owned(),
        status: "active".to_owned(),
        unit: RegisterUnit::Litre.into(),
        last_reading: Some("120.512".to_owned()),
        time_zone: "Asia/Jakarta".to_owned(),
        tariff_class: "social-1".to_owned(),
        created_at: CREATED.to_owned(),
        updated_at: CREATED.to_owned(),
        ..registry::Device::default()
    }
}

fn is(wanted: &str, is: &str) -> bool {
    wanted.is_empty() || wanted == is
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl RegistryService for Fake {
    async fn get_property(
        &self,
        request: Request<registry::GetPropertyRequest>,
    ) -> Answer<registry::GetPropertyResponse> {
        let id = request.into_inner().id;
        let found =
            PROPERTIES.iter().find(|property| property.0 == id).ok_or_else(|| Status::not_found("no"))?;
        Ok(Response::new(registry::GetPropertyResponse { property: Some(property(found.0, found.1)) }))
    }

    async fn list_properties(
        &self,
        request: Request<registry::ListPropertiesRequest>,
    ) -> Answer<registry::ListPropertiesResponse> {
        let request = request.into_inner();
        let found = PROPERTIES.iter().filter(|property| is(&request.customer_id, property.1));
        let properties = found.map(|(id, customer)| property(id, customer)).collect();
        Ok(Response::new(registry::ListPropertiesResponse { properties, next_page_token: String::new() }))
    }

    async fn get_device(
        &self,
        request: Request<registry::GetDeviceRequest>,
    ) -> Answer<registry::GetDeviceResponse> {
        let id = request.into_inner().id;
        let found = DEVICES.iter().find(|device| device.0 == id).ok_or_else(|| Status::not_found("no"))?;
        Ok(Response::new(registry::GetDeviceResponse { device: Some(device(found.0, found.1, found.2)) }))
    }

    async fn list_devices(
        &self,
        request: Request<registry::ListDevicesRequest>,
    ) -> Answer<registry::ListDevicesResponse> {
        let request = request.into_inner();
        let wrong = |_| Status::invalid_argument("page_token: is none of ours");
        let skip: usize = match request.page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(wrong)?,
        };
        let size = usize::try_from(request.page_size).unwrap();
        let mut found = DEVICES.iter().filter(|(_, property, customer)| {
            is(&request.customer_id, customer)
                && is(&request.property_id, property)
                && is(&request.status, "active")
        });
        let devices = found.by_ref().skip(skip).take(size).map(|(id, p, c)| device(id, p, c)).collect();
        let next_page_token = found.next().map(|_| (skip + size).to_string()).unwrap_or_default();
        Ok(Response::new(registry::ListDevicesResponse { devices, next_page_token }))
    }

    async fn create_property(
        &self,
        _: Request<registry::CreatePropertyRequest>,
    ) -> Answer<registry::CreatePropertyResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn update_property(
        &self,
        _: Request<registry::UpdatePropertyRequest>,
    ) -> Answer<registry::UpdatePropertyResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn create_device(
        &self,
        _: Request<registry::CreateDeviceRequest>,
    ) -> Answer<registry::CreateDeviceResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn update_device(
        &self,
        _: Request<registry::UpdateDeviceRequest>,
    ) -> Answer<registry::UpdateDeviceResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn transfer_property(
        &self,
        _: Request<registry::TransferPropertyRequest>,
    ) -> Answer<registry::TransferPropertyResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn exchange_meter(
        &self,
        _: Request<registry::ExchangeMeterRequest>,
    ) -> Answer<registry::ExchangeMeterResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn correct_device(
        &self,
        _: Request<registry::CorrectDeviceRequest>,
    ) -> Answer<registry::CorrectDeviceResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn enrol_devices(
        &self,
        _: Request<registry::EnrolDevicesRequest>,
    ) -> Answer<registry::EnrolDevicesResponse> {
        Err(Status::unimplemented("not asked for"))
    }
}

#[tonic::async_trait]
impl UsageService for Fake {
    async fn list_hourly_usage(
        &self,
        _: Request<usage::ListHourlyUsageRequest>,
    ) -> Answer<usage::ListHourlyUsageResponse> {
        Ok(Response::new(usage::ListHourlyUsageResponse::default()))
    }

    async fn list_daily_usage(
        &self,
        request: Request<usage::ListDailyUsageRequest>,
    ) -> Answer<usage::ListDailyUsageResponse> {
        let filter = request.into_inner().filter.unwrap();
        let property_of = |device: &str| DEVICES.iter().find(|known| known.0 == device).unwrap().1;
        // Like the service at its most generous: the first id counts.
        let found = DAYS.iter().filter(|(device, _, customer)| {
            if !filter.device_id.is_empty() {
                filter.device_id == *device
            } else if !filter.property_id.is_empty() {
                filter.property_id == property_of(device)
            } else {
                filter.customer_id == *customer
            }
        });
        let days = found.map(|(device, date, customer)| usage::DailyUsage {
            id: format!("{device}|{date}"),
            device_id: (*device).to_owned(),
            customer_id: (*customer).to_owned(),
            date: (*date).to_owned(),
            cost: "2355.2".to_owned(),
            flags: vec![usage::UsageFlag::Glitch.into()],
            billable: Some(*device != "device-003"),
            glitches: 1,
            unbilled_ml: 80_000_000,
            ..usage::DailyUsage::default()
        });
        Ok(Response::new(usage::ListDailyUsageResponse {
            days: days.collect(),
            next_page_token: String::new(),
        }))
    }

    async fn list_monthly_usage(
        &self,
        request: Request<usage::ListMonthlyUsageRequest>,
    ) -> Answer<usage::ListMonthlyUsageResponse> {
        let filter = request.into_inner().filter.unwrap();
        // One for each owner of the month: it changed hands.
        let month = |(customer, consumption): (&str, &str)| usage::MonthlyUsage {
            device_id: filter.device_id.clone(),
            customer_id: customer.to_owned(),
            month: filter.from[.."YYYY-MM".len()].to_owned(),
            consumption: consumption.to_owned(),
            cost: "14950".to_owned(),
            ..usage::MonthlyUsage::default()
        };
        let owners = [("customer-009", "12.5"), ("customer-001", "3.250")];
        let months =
            if filter.device_id.is_empty() { Vec::new() } else { owners.into_iter().map(month).collect() };
        Ok(Response::new(usage::ListMonthlyUsageResponse { months, ..Default::default() }))
    }

    async fn list_reads(
        &self,
        request: Request<usage::ListReadsRequest>,
    ) -> Answer<usage::ListReadsResponse> {
        let request = request.into_inner();
        assert!(!request.device_id.is_empty());
        // 2026-11-21T03:15:00Z and a day later.
        let reads = [(1_795_230_900, "2026-11-21T03:15:00Z"), (1_795_317_300, "2026-11-22T03:15:00Z")];
        let inside =
            |at: i64| (request.from == 0 || request.from <= at) && (request.to == 0 || at < request.to);
        let read = |(_, read_at): (i64, &str)| usage::StoredRead {
            read_at: read_at.to_owned(),
            register: 120_512,
            unit: RegisterUnit::Litre.into(),
            source: "telemetry".to_owned(),
            verdict: usage::ReadVerdict::BeforeInstallation.into(),
            clock_corrected: true,
        };
        let reads = reads.into_iter().rev().filter(|(at, _)| inside(*at)).map(read).collect();
        Ok(Response::new(usage::ListReadsResponse { reads, next_page_token: String::new() }))
    }
}
