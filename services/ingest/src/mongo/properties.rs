//! Changes of properties, and of their devices with them.

use bson::doc;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::error::Error;

use super::documents::PropertyDocument;
use super::registry::{Announced, Changed, Registry, abort, failed, settable};
use crate::domain::registry::{Property, PropertyChange, PropertyChanged, Refusal};

impl Registry {
    /// Creates a property.
    ///
    /// # Errors
    /// Its id is taken, or the database does not answer.
    pub async fn create_property(self, property: Property) -> Result<Property, Refusal> {
        let id = property.id.clone();
        let mut session = self.session().await?;
        let created = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let document = PropertyDocument::from(&property);
                self.properties.insert_one(document).session(&mut *session).await?;
                self.tell(&[Announced::Property(&property)], session).await?;
                Ok(property.clone())
            })
            .await;
        created.map_err(|error| failed(error, Some(("id", &id))))
    }

    /// Changes a property, and with it the devices that stand there when it changes. Returns how many entries changed.
    ///
    /// # Errors
    /// There is none, the change cannot be, or the database does not answer.
    pub async fn change_property(
        self,
        id: String,
        change: PropertyChange,
        now: Timestamp,
    ) -> Result<(Property, usize), Refusal> {
        let mut session = self.session().await?;
        let changed = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let before = self.find_property(&id, session).await?;
                let changed = before.change(&change, now).map_err(abort)?;
                self.save_property(&before, changed, session).await
            })
            .await;
        changed.map_err(|error| failed(error, None))
    }

    /// Brings a property up to date whose day has come.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn turn_property(self, id: String, now: Timestamp) -> Result<(), Refusal> {
        let mut session = self.session().await?;
        let turned = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let before = self.find_property(&id, session).await?;
                // Its devices know of the day already, and turn by themselves.
                let changed = PropertyChanged { property: before.turn(now), from: None };
                self.save_property(&before, changed, session).await.map(|_| ())
            })
            .await;
        turned.map_err(|error| failed(error, None))
    }

    async fn save_property(
        &self,
        before: &Property,
        changed: PropertyChanged,
        session: &mut ClientSession,
    ) -> Result<(Property, usize), Error> {
        let PropertyChanged { property, from } = changed;
        if property == *before {
            return Ok((property, 0));
        }
        let set = settable(&PropertyDocument::from(&property), &[])?;
        self.properties.update_one(doc! { "id": &property.id }, set).session(&mut *session).await?;
        let mut devices = Vec::new();
        if let Some(from) = from {
            // Those that stood there at some time; an older system's documents know the present only.
            let there =
                doc! { "$or": [{ "property_id": &property.id }, { "timeline.property_id": &property.id }] };
            let found = self.find_devices(there, session).await?.into_iter();
            let followed = found.map(|before| Changed { after: before.follow(&property, from), before });
            devices = followed.filter(|changed| changed.after != changed.before).collect();
            self.save_all(&devices, session).await?;
        }
        let mut told = vec![Announced::Property(&property)];
        told.extend(devices.iter().flat_map(Changed::records));
        self.tell(&told, session).await?;
        Ok((property.clone(), 1 + devices.len()))
    }
}
