//! The broker's users and their rights: calls of the admin client that are in librdkafka and not wrapped by its Rust client.
//!
//! The one file that speaks with the C library. What it makes there it owns in [`Owned`], which gives it back once, whatever
//! happens; what an answer holds belongs to the answer and is copied out of it. Each call waits on a queue of its own, for as
//! long as the request may take and no longer.

#![allow(unsafe_code, reason = "these calls are in the C library alone")]

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use indowater_common::config;
use indowater_common::kafka::base_config;
use rdkafka::admin::AdminClient;
use rdkafka::bindings::*;
use rdkafka::client::DefaultClientContext;

use super::rights::{Operation, Resource, Right};
use crate::clients::blocking;

/// How long one request may take, in milliseconds.
const PATIENCE: i32 = 20_000;
/// Rounds of the password's hash: the least that RFC 7677 allows, for the passwords are random.
const ITERATIONS: i32 = 4_096;
/// What the broker calls itself in rights.
const CLUSTER: &str = "kafka-cluster";

/// A right of a user.
pub type Granted = (String, Right);

/// The broker as its administrator sees it. Cheap to clone.
#[derive(Clone)]
pub struct Broker(Arc<AdminClient<DefaultClientContext>>);

impl Broker {
    /// The broker that `kafka` names, with the rights of the user that it names; it connects when it is first asked.
    ///
    /// # Errors
    /// Settings that the client refuses.
    pub fn open(kafka: &config::Kafka) -> Result<Self> {
        let client = base_config(kafka).create().context("the Kafka client cannot be made")?;
        Ok(Self(Arc::new(client)))
    }

    /// What users are allowed, as far as this tool grants it.
    ///
    /// # Errors
    /// The broker does not answer, has no authorizer, or refuses.
    pub async fn granted(&self) -> Result<BTreeSet<Granted>> {
        let broker = self.clone();
        blocking(move || broker.describe()).await.map_err(explain)
    }

    /// Allows what was not allowed.
    ///
    /// # Errors
    /// As above.
    pub async fn grant(&self, rights: Vec<Granted>) -> Result<()> {
        let broker = self.clone();
        blocking(move || broker.create(&rights)).await.map_err(explain)
    }

    /// Takes rights back.
    ///
    /// # Errors
    /// As above.
    pub async fn withdraw(&self, rights: Vec<Granted>) -> Result<()> {
        let broker = self.clone();
        blocking(move || broker.delete(&rights)).await.map_err(explain)
    }

    /// Gives users their passwords, and makes those that are not there.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub async fn set_passwords(&self, users: Vec<(String, String)>) -> Result<()> {
        let broker = self.clone();
        blocking(move || broker.upsert(&users)).await.map_err(explain)
    }

    /// Makes a user unknown: it logs in no more. Whether it was known.
    ///
    /// # Errors
    /// As above.
    pub async fn remove_user(&self, user: String) -> Result<bool> {
        let broker = self.clone();
        blocking(move || broker.remove(&user)).await.map_err(explain)
    }

    fn describe(&self) -> Result<BTreeSet<Granted>> {
        let filter = any()?;
        let event =
            self.ask(rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, |client, options, queue| {
                // SAFETY: all four live until the call returns, and it copies what it keeps.
                unsafe { rd_kafka_DescribeAcls(client, filter.get(), options, queue) }
            })?;
        let mut granted = BTreeSet::new();
        // SAFETY: the event is the answer to this very request, and what is taken out of it is used while it lives.
        unsafe {
            let answer = rd_kafka_event_DescribeAcls_result(event.get());
            for binding in listed(|count| rd_kafka_DescribeAcls_result_acls(answer, count)) {
                granted.extend(understand(binding));
            }
        }
        Ok(granted)
    }

    fn create(&self, rights: &[Granted]) -> Result<()> {
        let bindings = rights.iter().map(|granted| binding(granted, false)).collect::<Result<Vec<_>>>()?;
        let mut handed: Vec<_> = bindings.iter().map(Owned::get).collect();
        let event =
            self.ask(rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEACLS, |client, options, queue| {
                // SAFETY: the bindings outlive the call, which copies them.
                unsafe { rd_kafka_CreateAcls(client, handed.as_mut_ptr(), handed.len(), options, queue) }
            })?;
        // SAFETY: as in `describe`.
        unsafe {
            let answer = rd_kafka_event_CreateAcls_result(event.get());
            for result in listed(|count| rd_kafka_CreateAcls_result_acls(answer, count)) {
                check(rd_kafka_acl_result_error(result))?;
            }
        }
        Ok(())
    }

    fn delete(&self, rights: &[Granted]) -> Result<()> {
        let filters = rights.iter().map(|granted| binding(granted, true)).collect::<Result<Vec<_>>>()?;
        let mut handed: Vec<_> = filters.iter().map(Owned::get).collect();
        let event =
            self.ask(rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEACLS, |client, options, queue| {
                // SAFETY: the filters outlive the call, which copies them.
                unsafe { rd_kafka_DeleteAcls(client, handed.as_mut_ptr(), handed.len(), options, queue) }
            })?;
        // SAFETY: as in `describe`.
        unsafe {
            let answer = rd_kafka_event_DeleteAcls_result(event.get());
            for response in listed(|count| rd_kafka_DeleteAcls_result_responses(answer, count)) {
                check(rd_kafka_DeleteAcls_result_response_error(response))?;
            }
        }
        Ok(())
    }

    fn upsert(&self, users: &[(String, String)]) -> Result<()> {
        let mut alterations = Vec::with_capacity(users.len());
        for (user, password) in users {
            let name = c_string(user)?;
            // SAFETY: name and password are copied; without a salt the library draws one.
            let alteration = unsafe {
                rd_kafka_UserScramCredentialUpsertion_new(
                    name.as_ptr(),
                    rd_kafka_ScramMechanism_t::RD_KAFKA_SCRAM_MECHANISM_SHA_512,
                    ITERATIONS,
                    password.as_ptr(),
                    password.len(),
                    ptr::null(),
                    0,
                )
            };
            alterations.push(Owned::new(alteration, rd_kafka_UserScramCredentialAlteration_destroy)?);
        }
        Ok(self.alter(&alterations)?)
    }

    fn remove(&self, user: &str) -> Result<bool> {
        let name = c_string(user)?;
        // SAFETY: the name is copied.
        let deletion = unsafe {
            rd_kafka_UserScramCredentialDeletion_new(
                name.as_ptr(),
                rd_kafka_ScramMechanism_t::RD_KAFKA_SCRAM_MECHANISM_SHA_512,
            )
        };
        let deletion = Owned::new(deletion, rd_kafka_UserScramCredentialAlteration_destroy)?;
        match self.alter(&[deletion]) {
            Ok(()) => Ok(true),
            Err(Refusal { code: rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_RESOURCE_NOT_FOUND, .. }) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn alter(&self, alterations: &[Owned<rd_kafka_UserScramCredentialAlteration_t>]) -> Result<(), Refusal> {
        let mut handed: Vec<_> = alterations.iter().map(Owned::get).collect();
        let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERUSERSCRAMCREDENTIALS;
        let event = self.ask(operation, |client, options, queue| {
            // SAFETY: the alterations outlive the call, which copies them.
            unsafe {
                rd_kafka_AlterUserScramCredentials(client, handed.as_mut_ptr(), handed.len(), options, queue);
            }
        })?;
        // SAFETY: as in `describe`.
        unsafe {
            let answer = rd_kafka_event_AlterUserScramCredentials_result(event.get());
            for response in listed(|count| rd_kafka_AlterUserScramCredentials_result_responses(answer, count))
            {
                check(rd_kafka_AlterUserScramCredentials_result_response_error(response))?;
            }
        }
        Ok(())
    }

    /// Makes one request and waits for its answer.
    fn ask(
        &self,
        operation: rd_kafka_admin_op_t,
        request: impl FnOnce(*mut rd_kafka_t, *const rd_kafka_AdminOptions_t, *mut rd_kafka_queue_t),
    ) -> Result<Owned<rd_kafka_event_t>, Refusal> {
        let client = self.0.inner().native_ptr();
        // SAFETY: the client lives as long as `self`, and so longer than options, queue and event; the text of an error is
        // copied while its event lives.
        unsafe {
            let options =
                Owned::new(rd_kafka_AdminOptions_new(client, operation), rd_kafka_AdminOptions_destroy)?;
            let unset =
                rd_kafka_AdminOptions_set_request_timeout(options.get(), PATIENCE, ptr::null_mut(), 0);
            if unset != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(Refusal { code: unset, text: "the request's time cannot be set".to_owned() });
            }
            let queue = Owned::new(rd_kafka_queue_new(client), rd_kafka_queue_destroy)?;
            request(client, options.get(), queue.get());
            // The library answers by itself when the request's time is up; this is for one that never does.
            let event = Owned::new(rd_kafka_queue_poll(queue.get(), 2 * PATIENCE), rd_kafka_event_destroy)?;
            let code = rd_kafka_event_error(event.get());
            if code == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Ok(event);
            }
            Err(Refusal { code, text: text(rd_kafka_event_error_string(event.get())) })
        }
    }
}

/// What the broker said no with.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Refusal {
    code: rd_kafka_resp_err_t,
    text: String,
}

/// Says what mends a refusal that has a known cause.
fn explain(error: anyhow::Error) -> anyhow::Error {
    use rd_kafka_resp_err_t as code;
    match error.downcast_ref::<Refusal>().map(|refusal| refusal.code) {
        Some(code::RD_KAFKA_RESP_ERR_SECURITY_DISABLED) => anyhow!(
            "the broker has no authorizer, so everyone may do everything there: set authorizer.class.name \
             (org.apache.kafka.metadata.authorizer.StandardAuthorizer) and super.users, then run this again"
        ),
        Some(code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) => {
            anyhow!(
                "the broker refuses: users and rights are made by one of its super.users; name it with --kafka-user"
            )
        }
        _ => error.context("users and rights were not made at the broker"),
    }
}

/// Something of the C library's that is given back when it is dropped.
struct Owned<T> {
    it: NonNull<T>,
    give_back: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// Takes what the library made; nothing if it made nothing.
    fn new(it: *mut T, give_back: unsafe extern "C" fn(*mut T)) -> Result<Self, Refusal> {
        let code = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT;
        let text = || "the Kafka client gave no answer".to_owned();
        NonNull::new(it).map(|it| Self { it, give_back }).ok_or_else(|| Refusal { code, text: text() })
    }

    fn get(&self) -> *mut T {
        self.it.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: it was made by the library for whoever made it here, and nobody else gives it back.
        unsafe { (self.give_back)(self.it.as_ptr()) }
    }
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).with_context(|| format!("{text:?} has a zero byte"))
}

/// Copies a text of the library's; an absent one is empty.
///
/// # Safety
/// It ends in a zero byte and lives during the call.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The elements of an array whose length `array` tells.
///
/// # Safety
/// The array and what is in it live as long as they are used.
unsafe fn listed<T>(array: impl FnOnce(*mut usize) -> *mut *const T) -> Vec<*const T> {
    let mut count = 0;
    let first = array(&raw mut count);
    if first.is_null() {
        return Vec::new();
    }
    // SAFETY: the library says how many there are.
    unsafe { std::slice::from_raw_parts(first, count) }.to_vec()
}

/// # Safety
/// `error` is null or lives during the call.
unsafe fn check(error: *const rd_kafka_error_t) -> Result<(), Refusal> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: as the caller says.
    let (code, text) = unsafe { (rd_kafka_error_code(error), text(rd_kafka_error_string(error))) };
    if code == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(Refusal { code, text }) }
}

/// A filter that every right passes.
fn any() -> Result<Owned<rd_kafka_AclBinding_t>> {
    // SAFETY: absent texts mean any.
    let filter = unsafe {
        rd_kafka_AclBindingFilter_new(
            rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_ANY,
            ptr::null(),
            rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_ANY,
            ptr::null(),
            ptr::null(),
            rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_ANY,
            rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
            ptr::null_mut(),
            0,
        )
    };
    Ok(Owned::new(filter, rd_kafka_AclBinding_destroy)?)
}

/// A right as the library takes it: to be granted, or as a filter that it alone passes.
fn binding((user, right): &Granted, is_filter: bool) -> Result<Owned<rd_kafka_AclBinding_t>> {
    use rd_kafka_ResourcePatternType_t as pattern;
    use rd_kafka_ResourceType_t as kind;
    let (kind, name, pattern) = match &right.on {
        Resource::Topic(name) => {
            (kind::RD_KAFKA_RESOURCE_TOPIC, name.as_str(), pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL)
        }
        Resource::Topics(name) => {
            (kind::RD_KAFKA_RESOURCE_TOPIC, name.as_str(), pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED)
        }
        Resource::Group(name) => {
            (kind::RD_KAFKA_RESOURCE_GROUP, name.as_str(), pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL)
        }
        Resource::Groups(name) => {
            (kind::RD_KAFKA_RESOURCE_GROUP, name.as_str(), pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED)
        }
        Resource::Cluster => {
            (kind::RD_KAFKA_RESOURCE_BROKER, CLUSTER, pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL)
        }
    };
    let (name, principal) = (c_string(name)?, c_string(&format!("User:{user}"))?);
    let make = if is_filter { rd_kafka_AclBindingFilter_new } else { rd_kafka_AclBinding_new };
    // SAFETY: the texts are copied.
    let binding = unsafe {
        make(
            kind,
            name.as_ptr(),
            pattern,
            principal.as_ptr(),
            c"*".as_ptr(),
            operation_of(right.operation),
            rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
            ptr::null_mut(),
            0,
        )
    };
    match Owned::new(binding, rd_kafka_AclBinding_destroy) {
        Ok(binding) => Ok(binding),
        Err(_) => bail!("the Kafka client refuses the right {right:?} of {user}"),
    }
}

const OPERATIONS: [(Operation, rd_kafka_AclOperation_t); 7] = [
    (Operation::Read, rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ),
    (Operation::Write, rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE),
    (Operation::Describe, rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE),
    (Operation::DescribeConfigs, rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS),
    (Operation::AlterConfigs, rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS),
    (Operation::Create, rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_CREATE),
    (Operation::IdempotentWrite, rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE),
];

fn operation_of(wanted: Operation) -> rd_kafka_AclOperation_t {
    let found = OPERATIONS.iter().find(|(operation, _)| *operation == wanted);
    found.map_or(rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_UNKNOWN, |(_, native)| *native)
}

/// What a right of the broker's says, if it is one that this tool grants.
///
/// # Safety
/// The binding lives during the call.
unsafe fn understand(binding: *const rd_kafka_AclBinding_t) -> Option<Granted> {
    use rd_kafka_ResourcePatternType_t as pattern;
    use rd_kafka_ResourceType_t as kind;
    // SAFETY: as the caller says; the library turns numbers that it does not know into UNKNOWN.
    let (kind, name, pattern, principal, host, operation, permission) = unsafe {
        (
            rd_kafka_AclBinding_restype(binding),
            text(rd_kafka_AclBinding_name(binding)),
            rd_kafka_AclBinding_resource_pattern_type(binding),
            text(rd_kafka_AclBinding_principal(binding)),
            text(rd_kafka_AclBinding_host(binding)),
            rd_kafka_AclBinding_operation(binding),
            rd_kafka_AclBinding_permission_type(binding),
        )
    };
    let allowed = permission == rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW;
    let on = match (kind, pattern) {
        _ if !allowed || host != "*" => return None,
        (kind::RD_KAFKA_RESOURCE_TOPIC, pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL) => Resource::Topic(name),
        (kind::RD_KAFKA_RESOURCE_TOPIC, pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED) => {
            Resource::Topics(name)
        }
        (kind::RD_KAFKA_RESOURCE_GROUP, pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL) => Resource::Group(name),
        (kind::RD_KAFKA_RESOURCE_GROUP, pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED) => {
            Resource::Groups(name)
        }
        (kind::RD_KAFKA_RESOURCE_BROKER, _) if name == CLUSTER => Resource::Cluster,
        _ => return None,
    };
    let (operation, _) = OPERATIONS.iter().find(|(_, native)| *native == operation)?;
    Some((principal.strip_prefix("User:")?.to_owned(), Right { on, operation: *operation }))
}
