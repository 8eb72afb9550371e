//! Properties and devices, through ingest's registry: the tool enrols meters as any client would, so that what it makes
//! is checked, versioned and published like everything else.

mod command;
mod show;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indowater_proto::registry::v1::registry_service_client::RegistryServiceClient;
use indowater_proto::registry::v1::{
    CorrectDeviceRequest, CreatePropertyRequest, Device, EnrolDevicesRequest, ExchangeMeterRequest,
    GetDeviceRequest, ListDevicesRequest, Property, TransferPropertyRequest,
};
use tonic::transport::Channel;
use tonic::{Code, Status};

pub use command::{Args, run};

use crate::clients;
use crate::system::System;

/// Devices of one enrolment, the most that the registry takes.
const PER_ENROLMENT: usize = 1_000;
/// Calls on their way at once.
const AT_ONCE: usize = 16;
/// Devices of one page, the most that the registry gives.
const PAGE: i32 = 500;

/// Where the registry is, for commands that enrol devices; put it in with `#[command(flatten)]`.
#[derive(Debug, Clone, clap::Args)]
pub struct RegistryAddress {
    /// URL of ingest's gRPC to use instead of the running system's
    #[arg(
        long = "registry",
        env = "INDOWATER_REGISTRY_URL",
        value_name = "URL",
        help_heading = "Which system"
    )]
    pub url: Option<String>,
}

impl RegistryAddress {
    /// The registry that the flag names, or else the one of `system`.
    ///
    /// # Errors
    /// Neither is known, or the address is no URL.
    pub fn open(&self, system: &System) -> Result<Registry> {
        let Some(url) = self.url.as_ref().or(system.registry_url.as_ref()) else {
            bail!(
                "where the registry is, is not known: name ingest's gRPC address with --registry, such as http://127.0.0.1:9000"
            );
        };
        Registry::at(url, system.certificates.as_deref())
    }
}

/// A client of the registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    client: RegistryServiceClient<Channel>,
    url: String,
}

impl Registry {
    /// The registry at `url`, which connects when it is first asked, with the certificate in `certificates`.
    ///
    /// # Errors
    /// The address is no URL, or not of the kind that goes with certificates; the folder holds none.
    pub fn at(url: &str, certificates: Option<&Path>) -> Result<Self> {
        let channel = clients::channel(url, "ingest", certificates)?;
        Ok(Self { client: RegistryServiceClient::new(channel), url: url.to_owned() })
    }

    /// Creates the properties that are not there yet; those that are stay as they are. Returns how many were new.
    ///
    /// # Errors
    /// The registry does not answer, or refuses one.
    pub async fn create_properties(&self, properties: Vec<Property>) -> Result<usize> {
        let created: Vec<bool> = stream::iter(properties)
            .map(|property| self.create_property(property))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(created.into_iter().filter(|new| *new).count())
    }

    async fn create_property(&self, property: Property) -> Result<bool> {
        let id = property.id.clone();
        let request = CreatePropertyRequest { property: Some(property) };
        match self.client.clone().create_property(request).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::AlreadyExists => Ok(false),
            Err(status) => {
                Err(self.explain(&status)).with_context(|| format!("property {id} was not created"))
            }
        }
    }

    /// Enrols the devices that are not there yet; those that are stay as they are. Returns how many were new.
    ///
    /// # Errors
    /// The registry does not answer, or refuses them.
    pub async fn enrol(&self, devices: &[Device]) -> Result<u64> {
        let mut enrolled = 0;
        for chunk in devices.chunks(PER_ENROLMENT) {
            let request = EnrolDevicesRequest { devices: chunk.to_vec() };
            let answer = self.client.clone().enrol_devices(request).await;
            let answer = answer.map_err(|status| self.explain(&status)).with_context(|| {
                let first = chunk.first().map_or("", |device| &device.device_id);
                format!("{} devices from {first} on were not enrolled", chunk.len())
            })?;
            enrolled += u64::from(answer.into_inner().enrolled);
        }
        Ok(enrolled)
    }

    /// All devices of one customer, or of everyone.
    ///
    /// # Errors
    /// The registry does not answer.
    pub async fn devices(&self, customer: Option<&str>) -> Result<Vec<Device>> {
        let mut devices = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListDevicesRequest {
                customer_id: customer.unwrap_or_default().to_owned(),
                page_size: PAGE,
                page_token,
                ..Default::default()
            };
            let page = self.client.clone().list_devices(request).await;
            let page = page
                .map_err(|status| self.explain(&status))
                .context("the devices were not listed")?
                .into_inner();
            devices.extend(page.devices);
            if page.next_page_token.is_empty() {
                return Ok(devices);
            }
            page_token = page.next_page_token;
        }
    }

    /// The device of that id.
    ///
    /// # Errors
    /// The registry does not answer, or there is none.
    pub async fn device(&self, id: &str) -> Result<Device> {
        let answer = self.client.clone().get_device(GetDeviceRequest { id: id.to_owned() }).await;
        let answer = answer.map_err(|status| self.explain(&status))?;
        answer.into_inner().device.context("the registry answers without a device")
    }

    /// Corrects a device.
    ///
    /// # Errors
    /// The registry does not answer, or refuses it.
    pub async fn correct(&self, correction: CorrectDeviceRequest) -> Result<Device> {
        let answer = self.client.clone().correct_device(correction).await;
        let answer = answer.map_err(|status| self.explain(&status)).context("nothing was corrected")?;
        answer.into_inner().device.context("the registry answers without a device")
    }

    /// Puts another meter in at a device.
    ///
    /// # Errors
    /// The registry does not answer, or refuses it.
    pub async fn exchange(&self, exchange: ExchangeMeterRequest) -> Result<Device> {
        let answer = self.client.clone().exchange_meter(exchange).await;
        let answer = answer.map_err(|status| self.explain(&status)).context("no meter was exchanged")?;
        answer.into_inner().device.context("the registry answers without a device")
    }

    /// Makes a property another customer's.
    ///
    /// # Errors
    /// The registry does not answer, or refuses it.
    pub async fn transfer(&self, transfer: TransferPropertyRequest) -> Result<Property> {
        let answer = self.client.clone().transfer_property(transfer).await;
        let answer = answer.map_err(|status| self.explain(&status)).context("nothing was transferred")?;
        answer.into_inner().property.context("the registry answers without a property")
    }

    fn explain(&self, status: &Status) -> anyhow::Error {
        match status.code() {
            Code::Unavailable => anyhow::anyhow!(
                "the registry at {} does not answer ({}): start ingest, or name its gRPC address with --registry",
                self.url,
                clients::why(status)
            ),
            code => anyhow::anyhow!("the registry says {code:?}: {}", status.message()),
        }
    }
}
