//! Whom keys act for: people, and service accounts of projects.

use super::{Rows, in_batch, rows};
use crate::store::{Store, StoreError};

/// A person or a service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRow {
    /// `per_…` or `sva_…`
    pub id: String,
    /// The configured name of a person's issuer; `None` for a service account.
    pub issuer: Option<String>,
    /// A person's subject there; a service account's id.
    pub subject: String,
    /// A name that people recognise.
    pub name: String,
    /// A person's e-mail address.
    pub email: Option<String>,
    /// Whether they may act.
    pub active: bool,
}

/// People without a key need no room in the view.
const PEOPLE: &str = "SELECT id, issuer, subject, username, email, state FROM people WHERE id > $1 \
     AND EXISTS (SELECT 1 FROM api_keys WHERE person_id = people.id) ORDER BY id LIMIT $2";
const PEOPLE_BY_ID: &str =
    concat!("SELECT id, issuer, subject, username, email, state FROM people WHERE id", in_batch!());
const SERVICES: &str = "SELECT id, name, state FROM service_accounts WHERE id > $1 ORDER BY id LIMIT $2";
const SERVICES_BY_ID: &str = concat!("SELECT id, name, state FROM service_accounts WHERE id", in_batch!());
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PEOPLE, PEOPLE_BY_ID, SERVICES, SERVICES_BY_ID];

type PersonColumns = (String, String, String, String, Option<String>, String);

impl Store {
    /// People: a page of those who own keys, or some by id.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn view_people(&self, which: Rows<'_>) -> Result<Vec<OwnerRow>, StoreError> {
        let rows: Vec<PersonColumns> = rows!(self, which, PEOPLE; PEOPLE_BY_ID);
        let owner = |(id, issuer, subject, name, email, state): PersonColumns| OwnerRow {
            id,
            issuer: Some(issuer),
            subject,
            name,
            email,
            active: state == "active",
        };
        Ok(rows.into_iter().map(owner).collect())
    }

    /// Service accounts: a page, or some by id.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn view_service_accounts(&self, which: Rows<'_>) -> Result<Vec<OwnerRow>, StoreError> {
        let rows: Vec<(String, String, String)> = rows!(self, which, SERVICES; SERVICES_BY_ID);
        let owner = |(id, name, state): (String, String, String)| OwnerRow {
            subject: id.clone(),
            id,
            issuer: None,
            name,
            email: None,
            active: state == "active",
        };
        Ok(rows.into_iter().map(owner).collect())
    }
}
