//! What people said is normal, as documents of `flow_expectations`: one a property.

use bson::{DateTime, doc};
use indowater_common::mongo::{is_duplicate_key, seconds, time};
use mongodb::ClientSession;
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use super::{ById, EXPECTATIONS, Stale, Store, touch};
use crate::domain::expectation::{Expectations, Statement};

#[derive(Serialize, Deserialize)]
struct ExpectationsDocument {
    /// `properties.id`.
    #[serde(rename = "_id")]
    property_id: String,
    revision: i64,
    statements: Vec<StatementDocument>,
}

#[derive(Serialize, Deserialize)]
struct StatementDocument {
    at: DateTime,
    by: String,
    /// Millilitres an hour.
    normal: Option<i64>,
    away_from: Option<DateTime>,
    away_until: Option<DateTime>,
}

impl From<&Statement> for StatementDocument {
    fn from(said: &Statement) -> Self {
        Self {
            at: time(said.at),
            by: said.by.clone(),
            normal: said.normal,
            away_from: said.away.map(|(from, _)| time(from)),
            away_until: said.away.map(|(_, until)| time(until)),
        }
    }
}

impl From<StatementDocument> for Statement {
    fn from(stored: StatementDocument) -> Self {
        let away = stored.away_from.zip(stored.away_until);
        Self {
            at: seconds(stored.at),
            by: stored.by,
            normal: stored.normal,
            away: away.map(|(from, until)| (seconds(from), seconds(until))),
        }
    }
}

impl Store {
    /// What was said of these properties.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn expectations(&self, properties: &[&str]) -> Result<ById<Expectations>, Error> {
        self.by_id(EXPECTATIONS, properties, |stored: ExpectationsDocument| {
            let statements = stored.statements.into_iter().map(Statement::from).collect();
            Expectations { statements, revision: stored.revision }
        })
        .await
    }

    /// Writes what was said of a property in place of the revision before, and has whoever holds its devices look at everything
    /// again. False if another revision is there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn state(&self, property_id: &str, expectations: &Expectations) -> Result<bool, Error> {
        let document = ExpectationsDocument {
            property_id: property_id.to_owned(),
            revision: expectations.revision,
            statements: expectations.statements.iter().map(StatementDocument::from).collect(),
        };
        let (of_property, before) = (doc! { "property_id": property_id }, expectations.revision - 1);
        let database = self.database.clone();
        let mut session = self.database.client().start_session().await?;
        let written = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let collection = database.collection::<ExpectationsDocument>(EXPECTATIONS);
                if before == 0 {
                    collection.insert_one(&document).session(&mut *session).await?;
                } else {
                    let known = doc! { "_id": &document.property_id, "revision": before };
                    let replaced = collection.replace_one(known, &document).session(&mut *session).await?;
                    if replaced.matched_count == 0 {
                        return Err(Error::custom(Stale));
                    }
                }
                touch(&database, session, of_property.clone()).await
            })
            .await;
        match written {
            Ok(()) => Ok(true),
            Err(error) if is_duplicate_key(&error) || error.get_custom::<Stale>().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
