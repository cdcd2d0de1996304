//! Rights as handler arguments: a handler that takes `InProject<Manager>` runs for managers of the project in its path and
//! for nobody else. Whoever is nothing to the project gets the answer that an unknown id gets.
//!
//! This is the early answer. Writes look again under the lock of what they write to, so that a right that was taken away
//! meanwhile is gone.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use tollgate_core::ids::IdKind;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::Portal;
use super::person::Person;
use super::problem::{Answer, Problem};
use super::session;
use crate::store::{FreshAuthor, OrganizationAccess, ProjectAccess, Refusal};

/// The least role that a handler asks for.
pub trait Right: Send {
    /// What kind of role.
    type Role;
    /// Which.
    const LEAST: Self::Role;
}

/// Viewers of the project and everybody above.
#[derive(Clone, Copy, Debug)]
pub enum Viewer {}

/// Managers and owners of the project.
#[derive(Clone, Copy, Debug)]
pub enum Manager {}

/// Owners of the project.
#[derive(Clone, Copy, Debug)]
pub enum Owner {}

/// Members of the organization and its administrators.
#[derive(Clone, Copy, Debug)]
pub enum Member {}

/// Administrators of the organization.
#[derive(Clone, Copy, Debug)]
pub enum Admin {}

impl Right for Viewer {
    type Role = ProjectRole;
    const LEAST: ProjectRole = ProjectRole::Viewer;
}

impl Right for Manager {
    type Role = ProjectRole;
    const LEAST: ProjectRole = ProjectRole::Manager;
}

impl Right for Owner {
    type Role = ProjectRole;
    const LEAST: ProjectRole = ProjectRole::Owner;
}

impl Right for Member {
    type Role = OrganizationRole;
    const LEAST: OrganizationRole = OrganizationRole::Member;
}

impl Right for Admin {
    type Role = OrganizationRole;
    const LEAST: OrganizationRole = OrganizationRole::Admin;
}

/// Somebody with a right in the project of the path (`{project_id}`).
#[derive(Debug)]
pub struct InProject<R> {
    /// Who.
    pub person: Person,
    /// The project, and what they are to it.
    pub access: ProjectAccess,
    right: PhantomData<R>,
}

/// Somebody with a right in the organization of the path (`{organization_id}`).
#[derive(Debug)]
pub struct InOrganization<R> {
    /// Who.
    pub person: Person,
    /// The organization, and what they are to it.
    pub access: OrganizationAccess,
    right: PhantomData<R>,
}

/// Somebody who administers the whole deployment.
#[derive(Clone, Debug)]
pub struct PlatformAdmin(pub Person);

/// What gives or widens a right, or shows a secret: a handler that takes `Fresh<InProject<Manager>>` can ask for the recent
/// proof without which the store does not write such a thing.
#[derive(Debug)]
pub struct Fresh<T> {
    who: T,
    portal: Portal,
}

impl<T: AsRef<Person>> Fresh<T> {
    /// As the author of what they write at this moment, with the proof that it is them. Ask once their right to it is
    /// known, and before anything is made: somebody who may not learns that, and does not log in for nothing.
    ///
    /// # Errors
    /// `reauthentication_required`, with the way to it.
    pub fn proven(&self, at: Timestamp) -> Answer<FreshAuthor> {
        let person = self.who.as_ref();
        let proof = session::recent_proof(&self.portal, person)?;
        Ok(FreshAuthor::new(person.author(at), proof))
    }
}

impl<T> Deref for Fresh<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.who
    }
}

impl AsRef<Person> for Person {
    fn as_ref(&self) -> &Person {
        self
    }
}

impl<R> AsRef<Person> for InProject<R> {
    fn as_ref(&self) -> &Person {
        &self.person
    }
}

impl<R> AsRef<Person> for InOrganization<R> {
    fn as_ref(&self) -> &Person {
        &self.person
    }
}

impl AsRef<Person> for PlatformAdmin {
    fn as_ref(&self) -> &Person {
        &self.0
    }
}

impl<T: FromRequestParts<Portal, Rejection = Problem> + Send> FromRequestParts<Portal> for Fresh<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        Ok(Self { who: T::from_request_parts(parts, portal).await?, portal: portal.clone() })
    }
}

impl<R: Right<Role = ProjectRole>> FromRequestParts<Portal> for InProject<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let person = Person::from_request_parts(parts, portal).await?;
        let id = id_in_path(parts, portal, "project_id", IdKind::Project).await?;
        let access = portal.store()?.project_access(person.who(), &id).await?;
        let access = access.ok_or_else(Problem::not_found)?;
        if access.role < R::LEAST {
            return Err(Refusal::ProjectRoleNeeded(R::LEAST).into());
        }
        Ok(Self { person, access, right: PhantomData })
    }
}

impl<R: Right<Role = OrganizationRole>> FromRequestParts<Portal> for InOrganization<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let person = Person::from_request_parts(parts, portal).await?;
        let id = id_in_path(parts, portal, "organization_id", IdKind::Organization).await?;
        let access = portal.store()?.organization_access(person.who(), &id).await?;
        let access = access.ok_or_else(Problem::not_found)?;
        if access.role < R::LEAST {
            return Err(Refusal::OrganizationRoleNeeded(R::LEAST).into());
        }
        Ok(Self { person, access, right: PhantomData })
    }
}

impl FromRequestParts<Portal> for PlatformAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let person = Person::from_request_parts(parts, portal).await?;
        if person.platform_admin { Ok(Self(person)) } else { Err(Refusal::PlatformAdminNeeded.into()) }
    }
}

async fn id_in_path(parts: &mut Parts, portal: &Portal, name: &str, kind: IdKind) -> Answer<String> {
    let path = RawPathParams::from_request_parts(parts, portal).await.map_err(|_| Problem::not_found())?;
    let id = path.iter().find(|(parameter, _)| *parameter == name).map(|(_, value)| value);
    id.filter(|id| kind.fits(id)).map(str::to_owned).ok_or_else(Problem::not_found)
}
