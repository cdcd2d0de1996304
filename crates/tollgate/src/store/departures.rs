//! Who has left by themselves: group mappings do not bring them back, and what is left without owner or administrator is
//! suspended.

use std::collections::BTreeSet;

use super::StoreError;
use super::author::Author;
use super::db::failed;
use super::fields::State;
use super::organizations::Organization;
use super::projects::Project;
use super::tx::{Tx, on_tx};

const NOTE: &str = "INSERT INTO departures (place, person_id, at) VALUES ($1, $2, $3) ON CONFLICT (place, person_id) \
     DO UPDATE SET at = excluded.at";
const FORGET: &str = "DELETE FROM departures WHERE place = $1 AND person_id = $2";
pub(super) const LEFT_BY: &str = "SELECT place FROM departures WHERE person_id = $1";
const OWNERS: &str = "SELECT COUNT(*) FROM project_members m JOIN people p ON p.id = m.person_id \
     WHERE m.project_id = $1 AND m.role = 'owner' AND p.state = 'active'";
const ADMINS: &str = "SELECT COUNT(*) FROM organization_members m JOIN people p ON p.id = m.person_id \
     WHERE m.organization_id = $1 AND m.role = 'admin' AND p.state = 'active'";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[NOTE, FORGET, LEFT_BY, OWNERS, ADMINS];

impl Tx {
    /// Notes that somebody has left a project or an organization by themselves.
    pub(super) async fn note_departure(
        &mut self,
        author: &Author,
        place: &str,
        person: &str,
    ) -> Result<(), StoreError> {
        on_tx!(self, conn => {
            let note = sqlx::query(NOTE).bind(place).bind(person).bind(author.at().as_millis());
            note.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))
    }

    /// Forgets it: they are back, and not by a group.
    pub(super) async fn forget_departure(&mut self, place: &str, person: &str) -> Result<(), StoreError> {
        on_tx!(self, conn => sqlx::query(FORGET).bind(place).bind(person).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))
    }

    /// The projects and organizations that somebody has left by themselves.
    pub(super) async fn places_left_by(&mut self, person: &str) -> Result<BTreeSet<String>, StoreError> {
        let places: Vec<String> =
            on_tx!(self, conn => sqlx::query_scalar(LEFT_BY).bind(person).fetch_all(conn).await)
                .map_err(|e| failed(&e))?;
        Ok(places.into_iter().collect())
    }

    /// Suspends a held project that has neither an owner nor, above it, an administrator who may act.
    pub(super) async fn suspend_if_ownerless(
        &mut self,
        author: &Author,
        project: &Project,
    ) -> Result<(), StoreError> {
        let led =
            self.count(OWNERS, &project.id).await? + self.count(ADMINS, &project.organization_id).await?;
        if led > 0 || project.state != State::Active {
            return Ok(());
        }
        let after = Project { state: State::Suspended, ..project.clone() };
        self.write_project(author, "project.suspend", project, &after).await.map(drop)
    }

    /// Suspends a held organization that has no administrator who may act.
    pub(super) async fn suspend_if_unadministered(
        &mut self,
        author: &Author,
        organization: &Organization,
    ) -> Result<(), StoreError> {
        if self.count(ADMINS, &organization.id).await? > 0 || organization.state != State::Active {
            return Ok(());
        }
        let after = (organization.name.as_str(), State::Suspended);
        self.write_organization(author, "organization.suspend", organization, after).await.map(drop)
    }

    async fn count(&mut self, statement: &'static str, of: &str) -> Result<i64, StoreError> {
        on_tx!(self, conn => sqlx::query_scalar(statement).bind(of).fetch_one(conn).await)
            .map_err(|e| failed(&e))
    }
}
