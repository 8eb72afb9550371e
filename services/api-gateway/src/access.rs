//! Who may see what: the one place that decides it.
//!
//! Every use case asks here, with the owner that the owning service names, before anything leaves the gateway. A
//! thing that is somebody else's is answered like a thing that is not there, so that nobody learns by probing ids what
//! others have.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::failure::Failure;

/// A user's id, `users.id`. Never empty, for an empty customer means everyone to the services.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(example = "customer-001")]
pub struct UserId(String);

impl TryFrom<String> for UserId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        if id.is_empty() { Err("must not be empty") } else { Ok(Self(id)) }
    }
}

impl UserId {
    /// The user of that id, if it can be one.
    pub fn new(id: &str) -> Option<Self> {
        Self::try_from(id.to_owned()).ok()
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0
    }
}

/// What a user is to the utility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Has meters and pays for water.
    Customer,
    /// Looks after meters.
    Technician,
    /// Looks after everything.
    #[serde(rename = "admin")]
    Administrator,
}

impl Role {
    /// The role of that name, as the data model has it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "customer" => Some(Self::Customer),
            "technician" => Some(Self::Technician),
            "admin" => Some(Self::Administrator),
            _ => None,
        }
    }
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Which user.
    pub id: UserId,
    /// What the user is at this moment, not when the token was made.
    pub role: Role,
}

/// What belongs to a customer.
pub trait Owned {
    /// `users.id` of the customer.
    fn customer_id(&self) -> &str;
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Places where meters stand.
    Property,
    /// Meters.
    Device,
    /// What meters read.
    Reading,
    /// Consumption and its cost.
    Usage,
    /// What is left on a balance, and what came and went.
    Balance,
    /// Corrections of a balance, to be posted.
    Adjustment,
    /// What water costs.
    Tariff,
    /// New prices.
    TariffChange,
    /// What was asked for, paid and given back.
    Payment,
    /// What the utility alone does to payments: take money by hand, confirm, refund.
    Settlement,
    /// Bills.
    Bill,
    /// Whether a customer pays before or after.
    BillingMode,
    /// The same, to be changed.
    BillingModeChange,
    /// What vouchers would save, and which were redeemed.
    VoucherUse,
    /// Vouchers: which there are, who redeemed them, new ones and the end of old ones.
    VoucherManagement,
    /// Leaks that were found, and what people say of them.
    Leak,
    /// What looks like tampering.
    Tampering,
    /// What is normal at a property.
    Expectation,
    /// What technicians do about findings: which are worth a visit, looking into tampering, settling it.
    Inspection,
    /// Interruptions of the supply.
    SupplyInterruption,
    /// The same, to be planned and called off.
    SupplyPlan,
    /// What the utility took in.
    Revenue,
    /// Who of the staff answers for something, and what they note about it.
    Author,
}

/// Of whom a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of all there are.
    Everyone,
    /// Of one customer.
    Customer(UserId),
}

impl From<Scope> for String {
    /// The customer's id, or nothing, which to the services means everyone.
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Everyone => Self::new(),
            Scope::Customer(customer) => customer.into(),
        }
    }
}

enum Grant {
    All,
    Own,
    Nothing,
}

/// The table. It names every pair, so that a new role or resource does not compile until somebody decided about it.
const fn grant(role: Role, resource: Resource) -> Grant {
    use Resource::{
        Adjustment, Author, Balance, Bill, BillingMode, BillingModeChange, Device, Expectation, Inspection,
        Leak, Payment, Property, Reading, Revenue, Settlement, SupplyInterruption, SupplyPlan, Tampering,
        Tariff, TariffChange, Usage, VoucherManagement, VoucherUse,
    };
    match (role, resource) {
        (Role::Administrator | Role::Technician, Property | Device | Reading | Usage) => Grant::All,
        (Role::Administrator | Role::Technician, Leak | Tampering | Expectation | Inspection) => Grant::All,
        (Role::Administrator, Balance | Payment | Bill | BillingMode | VoucherUse) => Grant::All,
        (
            Role::Administrator,
            Adjustment | TariffChange | Settlement | BillingModeChange | VoucherManagement | Revenue | Author
            | SupplyPlan,
        ) => Grant::All,
        (Role::Technician, Balance | Payment | Bill | BillingMode | VoucherUse) => Grant::Nothing,
        (Role::Customer, Property | Device | Reading | Usage | Leak | Tampering | Expectation) => Grant::Own,
        (Role::Customer, Inspection) => Grant::Nothing,
        (Role::Customer, Balance | Payment | Bill | BillingMode | VoucherUse) => Grant::Own,
        (
            Role::Technician | Role::Customer,
            Adjustment | TariffChange | Settlement | BillingModeChange | VoucherManagement | Revenue | Author
            | SupplyPlan,
        ) => Grant::Nothing,
        (Role::Administrator | Role::Technician | Role::Customer, Tariff | SupplyInterruption) => Grant::All,
    }
}

/// May `actor` see a resource that belongs to the customer `owner`? If not, it is to be as if it were not there.
pub fn sees(actor: &Actor, resource: Resource, owner: &str) -> bool {
    match grant(actor.role, resource) {
        Grant::All => true,
        Grant::Own => actor.id.as_str() == owner,
        Grant::Nothing => false,
    }
}

/// Whether `actor` may have or do what is of no single customer, or anyone's.
///
/// # Errors
/// [`Failure::Forbidden`] if not.
pub fn may(actor: &Actor, resource: Resource) -> Result<(), Failure> {
    match grant(actor.role, resource) {
        Grant::All => Ok(()),
        Grant::Own | Grant::Nothing => Err(NOT_FOR_THEM),
    }
}

const NOT_FOR_THEM: Failure = Failure::Forbidden("This is not for users of your role.");

/// Scope resources a list for `actor` shows, who may have named one `customer`.
///
/// # Errors
/// [`Failure::Forbidden`] if that is another customer, or nobody's of these are for `actor`. It says nothing about whether that customer exists.
pub fn narrow(actor: &Actor, resource: Resource, customer: Option<UserId>) -> Result<Scope, Failure> {
    match (grant(actor.role, resource), customer) {
        (Grant::All, None) => Ok(Scope::Everyone),
        (Grant::All, Some(customer)) => Ok(Scope::Customer(customer)),
        (Grant::Own, None) => Ok(Scope::Customer(actor.id.clone())),
        (Grant::Own, Some(customer)) if customer == actor.id => Ok(Scope::Customer(customer)),
        (Grant::Own, Some(_)) => Err(Failure::Forbidden("Only staff may name another customer.")),
        (Grant::Nothing, _) => Err(NOT_FOR_THEM),
    }
}

/// The one customer whose resource is meant, whom `actor` may have named.
///
/// # Errors
/// As [`narrow`], or nobody is named by those who have to.
pub fn one_customer(actor: &Actor, resource: Resource, customer: Option<UserId>) -> Result<UserId, Failure> {
    match narrow(actor, resource, customer)? {
        Scope::Customer(customer) => Ok(customer),
        Scope::Everyone => Err(Failure::invalid("customer_id", "administrators name a customer_id")),
    }
}

/// A thing that `actor` asked for by its id.
///
/// # Errors
/// It is somebody else's, which is answered like that there is no such `what`.
pub fn visible<T: Owned>(
    actor: &Actor,
    resource: Resource,
    what: &'static str,
    thing: T,
) -> Result<T, Failure> {
    if sees(actor, resource, thing.customer_id()) { Ok(thing) } else { Err(Failure::NotFound(what)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METERING: [Resource; 7] = [
        Resource::Property,
        Resource::Device,
        Resource::Reading,
        Resource::Usage,
        Resource::Leak,
        Resource::Tampering,
        Resource::Expectation,
    ];
    /// Money that is somebody's.
    const OWNED: [Resource; 5] =
        [Resource::Balance, Resource::Payment, Resource::Bill, Resource::BillingMode, Resource::VoucherUse];
    /// What the utility keeps to itself.
    const OFFICE: [Resource; 7] = [
        Resource::Adjustment,
        Resource::TariffChange,
        Resource::Settlement,
        Resource::BillingModeChange,
        Resource::VoucherManagement,
        Resource::Revenue,
        Resource::Author,
    ];

    #[test]
    fn nobody_is_nameless() {
        assert_eq!(UserId::new(""), None);
        assert!(serde_json::from_str::<UserId>("\"\"").is_err());
        assert_eq!(serde_json::from_str::<UserId>("\"a\"").ok(), UserId::new("a"));
    }

    #[test]
    fn roles_are_written_as_the_data_model_says() {
        for (role, text) in
            [(Role::Customer, "customer"), (Role::Technician, "technician"), (Role::Administrator, "admin")]
        {
            assert_eq!(Role::named(text), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), text);
        }
        assert_eq!(Role::named("administrator"), None);
    }

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn staff_see_everything() {
        let everything = METERING.iter().chain(&OWNED).chain(&OFFICE);
        for (role, resources) in [
            (Role::Administrator, everything.collect::<Vec<_>>()),
            (Role::Technician, METERING.iter().collect()),
        ] {
            for &resource in resources {
                let staff = Actor { id: user("staff-1"), role };
                assert!(sees(&staff, resource, "customer-1") && sees(&staff, resource, ""));
                assert_eq!(narrow(&staff, resource, None), Ok(Scope::Everyone));
                assert_eq!(may(&staff, resource), Ok(()));
                let one = user("customer-1");
                assert_eq!(narrow(&staff, resource, Some(one.clone())), Ok(Scope::Customer(one)));
            }
        }
    }

    #[test]
    fn a_customer_sees_only_what_is_theirs() {
        let customer = Actor { id: user("customer-1"), role: Role::Customer };
        let own = Scope::Customer(customer.id.clone());
        for resource in METERING.into_iter().chain(OWNED) {
            assert!(sees(&customer, resource, "customer-1"));
            for other in ["customer-2", "customer-10", "customer-", "CUSTOMER-1", ""] {
                assert!(!sees(&customer, resource, other), "{other}");
            }
            for other in ["customer-2", "customer-10", "CUSTOMER-1"] {
                let refused = narrow(&customer, resource, Some(user(other)));
                assert!(matches!(refused, Err(Failure::Forbidden(_))), "{other}");
            }
            assert_eq!(narrow(&customer, resource, None), Ok(own.clone()));
            assert_eq!(narrow(&customer, resource, Some(user("customer-1"))), Ok(own.clone()));
        }
    }

    #[test]
    fn money_is_no_technicians_and_only_administrators_change_it() {
        let refused = |outcome: Result<Scope, Failure>| matches!(outcome, Err(Failure::Forbidden(_)));
        let customer = Actor { id: user("customer-1"), role: Role::Customer };
        let technician = Actor { id: user("tech-1"), role: Role::Technician };
        for resource in OWNED.into_iter().chain(OFFICE) {
            assert!(!sees(&technician, resource, "tech-1") && may(&technician, resource).is_err());
            assert!(refused(narrow(&technician, resource, None)));
            assert!(refused(narrow(&technician, resource, Some(user("customer-1")))));
        }
        for resource in OFFICE {
            assert!(!sees(&customer, resource, "customer-1") && may(&customer, resource).is_err());
            assert!(refused(narrow(&customer, resource, None)));
            assert!(refused(narrow(&customer, resource, Some(user("customer-1")))));
        }
        for resource in OWNED {
            assert!(may(&customer, resource).is_err(), "anyone's {resource:?} is not for customers");
        }
    }

    #[test]
    fn visits_are_the_staffs() {
        for (role, may_it) in [(Role::Administrator, true), (Role::Technician, true), (Role::Customer, false)]
        {
            assert_eq!(may(&Actor { id: user("a"), role }, Resource::Inspection).is_ok(), may_it);
        }
    }

    #[test]
    fn tariffs_are_everyones() {
        for role in [Role::Administrator, Role::Technician, Role::Customer] {
            assert_eq!(may(&Actor { id: user("a"), role }, Resource::Tariff), Ok(()));
        }
    }
}
