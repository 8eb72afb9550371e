//! Who may see what: the one place that decides it.
//!
//! Every use case asks here, with the owner that the owning service told it, before anything leaves the gateway. A
//! thing that is somebody else's is answered like a thing that is not there, so that nobody learns by probing ids what
//! others have.

use crate::domain::failure::Failure;
use crate::domain::user::{Actor, Role, UserId};

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
}

/// Whose things a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All there are.
    Everyones,
    /// Those of one customer.
    Of(UserId),
}

impl Whose {
    /// The customer's id, or nothing, which to the services means everyone.
    pub fn customer_id(&self) -> &str {
        match self {
            Self::Everyones => "",
            Self::Of(customer) => customer.as_str(),
        }
    }
}

enum Grant {
    All,
    Own,
}

/// The table. It names every pair, so that a new role or resource does not compile until somebody decided about it.
const fn grant(role: Role, resource: Resource) -> Grant {
    use Resource::{Device, Property, Reading, Usage};
    match (role, resource) {
        (Role::Administrator | Role::Technician, Property | Device | Reading | Usage) => Grant::All,
        (Role::Customer, Property | Device | Reading | Usage) => Grant::Own,
    }
}

/// May `actor` see a resource that belongs to the customer `owner`? If not, it is to be as if it were not there.
pub fn sees(actor: &Actor, resource: Resource, owner: &str) -> bool {
    match grant(actor.role, resource) {
        Grant::All => true,
        Grant::Own => actor.id.as_str() == owner,
    }
}

/// Whose resources a list for `actor` shows, who may have `asked` for those of one customer.
///
/// # Errors
/// [`Failure::Forbidden`] if that is another customer. It says nothing about whether that customer exists.
pub fn narrow(actor: &Actor, resource: Resource, asked: Option<UserId>) -> Result<Whose, Failure> {
    match (grant(actor.role, resource), asked) {
        (Grant::All, None) => Ok(Whose::Everyones),
        (Grant::All, Some(customer)) => Ok(Whose::Of(customer)),
        (Grant::Own, None) => Ok(Whose::Of(actor.id.clone())),
        (Grant::Own, Some(customer)) if customer == actor.id => Ok(Whose::Of(customer)),
        (Grant::Own, Some(_)) => Err(Failure::Forbidden("Only staff may name another customer.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCES: [Resource; 4] =
        [Resource::Property, Resource::Device, Resource::Reading, Resource::Usage];

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn staff_see_everything() {
        for role in [Role::Administrator, Role::Technician] {
            for resource in RESOURCES {
                let staff = Actor { id: user("staff-1"), role };
                assert!(sees(&staff, resource, "customer-1") && sees(&staff, resource, ""));
                assert_eq!(narrow(&staff, resource, None), Ok(Whose::Everyones));
                let one = user("customer-1");
                assert_eq!(narrow(&staff, resource, Some(one.clone())), Ok(Whose::Of(one)));
            }
        }
    }

    #[test]
    fn a_customer_sees_only_what_is_theirs() {
        let customer = Actor { id: user("customer-1"), role: Role::Customer };
        let own = Whose::Of(customer.id.clone());
        for resource in RESOURCES {
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
}
