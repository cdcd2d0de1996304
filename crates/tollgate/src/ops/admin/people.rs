//! Whom an operator means: somebody by id, or by issuer and subject, who need not have been here before.

use anyhow::{Context as _, bail};
use tollgate_core::ids::IdKind;

use super::Admin;
use crate::entropy::bytes;
use crate::store::{Contact, Origin, Person};

/// A person, as an operator names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// By `per_…`.
    Id(String),
    /// By the configured issuer's name and the subject there. Made known if they were never here.
    Subject {
        /// The issuer's configured name.
        issuer: String,
        /// The subject.
        subject: String,
    },
}

impl Admin {
    /// The person who is meant.
    ///
    /// # Errors
    /// There is none of this id, the issuer is not configured, or the database gave no answer.
    pub(super) async fn person(&self, whom: &Whom) -> anyhow::Result<Person> {
        match whom {
            Whom::Id(id) => {
                let found = if IdKind::Person.fits(id) { self.store.find_person(id).await? } else { None };
                found.with_context(|| format!("there is no person '{id}'"))
            }
            Whom::Subject { issuer, subject } => {
                if !self.issuers.contains(issuer) {
                    bail!("'{issuer}' is not a configured issuer; there are: {}", self.issuers.join(", "));
                }
                if let Some(known) = self.store.find_person_by_subject(issuer, subject).await? {
                    return Ok(known);
                }
                // The name comes with their first token.
                let contact = Contact {
                    issuer,
                    subject,
                    username: subject,
                    email: None,
                    groups: None,
                    platform_admin: false,
                };
                let origin = Origin::here(self.now());
                let random = bytes::<30>(self.entropy.as_ref())?;
                Ok(self.store.meet_person(&contact, &origin, &random).await?)
            }
        }
    }
}
