//! Suspending and resuming, when nobody who may can reach the API.

use serde_json::json;

use super::{Admin, Done, Whom};
use crate::store::{StandingChange, State};

/// What is suspended or resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A person with all their keys and tokens.
    Person(Whom),
    /// A project with all its keys.
    Project(String),
    /// An organization with all its projects.
    Organization(String),
}

impl Admin {
    /// Suspends, or lets act again.
    ///
    /// # Errors
    /// There is no such thing, or the database gave no answer.
    pub async fn set_suspended(&self, thing: &Thing, suspended: bool) -> anyhow::Result<Done> {
        // Somebody who is to be refused before their first contact is met here.
        let person = match thing {
            Thing::Person(whom) => Some(self.person(whom).await?.id),
            Thing::Project(_) | Thing::Organization(_) => None,
        };
        let now = self.now();
        let author = self.author(now);
        let standing =
            if suspended { StandingChange::Suspend(&author) } else { StandingChange::Resume(&author) };
        let mut tx = self.store.begin().await?;
        let (id, name, state, json) = match (thing, person) {
            (Thing::Project(id), _) => {
                let done = tx.set_project_suspended(standing, id).await?;
                (done.id.clone(), done.name.clone(), done.state, json!(done))
            }
            (Thing::Organization(id), _) => {
                let done = tx.set_organization_suspended(standing, id).await?;
                (done.id.clone(), done.name.clone(), done.state, json!(done))
            }
            (Thing::Person(_), person) => {
                let done = tx.set_person_suspended(standing, &person.unwrap_or_default()).await?;
                (done.id.clone(), done.username.clone(), done.state, json!(done))
            }
        };
        tx.commit(now).await?;
        let state = if state == State::Suspended { "suspended" } else { "active" };
        Ok(Done { text: format!("{id}: '{name}' is {state}"), json })
    }
}
