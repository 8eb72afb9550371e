//! Where a device belongs besides its property.

use super::network::Group;

/// Where a device belongs besides its property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its area; empty: none.
    pub area: Box<str>,
    /// The gateway that heard it last; empty: not known.
    pub gateway_id: Box<str>,
    /// The newest notice of the area that it was judged by.
    pub judged_by: i64,
}

impl Place {
    /// The area and the gateway, where they are known.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        let area = (!self.area.is_empty()).then(|| Group::Area(self.area.clone()));
        let gateway = (!self.gateway_id.is_empty()).then(|| Group::Gateway(self.gateway_id.clone()));
        area.into_iter().chain(gateway)
    }
}
