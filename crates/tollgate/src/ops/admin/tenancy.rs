//! The first organization, and the first member of anything.

use anyhow::{Context as _, bail};
use serde_json::json;
use tollgate_core::ids::IdKind;
use tollgate_core::key_limits::KeyName;
use tollgate_core::models::ModelPolicy;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};

use super::{Admin, Done, Whom};
use crate::entropy::bytes;
use crate::store::NewProject;

/// Where somebody is to be a member, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// In an organization.
    Organization(String, String),
    /// In a project.
    Project(String, String),
}

impl Admin {
    /// Makes an organization.
    ///
    /// # Errors
    /// The name is none, the administrator is not known, or the database gave no answer.
    pub async fn create_organization(&self, name: &str, admin: &Whom) -> anyhow::Result<Done> {
        let name = KeyName::try_from(name.to_owned())?;
        let admin = self.person(admin).await?;
        let now = self.now();
        let id = IdKind::Organization.make(now, bytes(self.entropy.as_ref())?);
        let mut tx = self.store.begin().await?;
        let new = (id.as_str(), name.as_str(), false);
        let organization = tx.create_organization(&self.author(now), new, &admin.id).await?;
        tx.commit(now).await?;
        let text = format!("{id}: organization '{}', administrator {}", name.as_str(), admin.username);
        Ok(Done { text, json: json!(organization) })
    }

    /// Makes a project in an organization.
    ///
    /// # Errors
    /// The name is none, the owner or the organization is not known, or the database gave no answer.
    pub async fn create_project(&self, organization: &str, name: &str, owner: &Whom) -> anyhow::Result<Done> {
        let name = KeyName::try_from(name.to_owned())?;
        let owner = self.person(owner).await?;
        let now = self.now();
        let id = IdKind::Project.make(now, bytes(self.entropy.as_ref())?);
        let new = NewProject {
            id: &id,
            organization_id: organization,
            name: name.as_str(),
            models: &ModelPolicy::All,
        };
        let mut tx = self.store.begin().await?;
        let project = tx.create_project(&self.author(now), new, Some(&owner.id)).await?;
        tx.commit(now).await?;
        let text = format!("{id}: project '{}', owner {}", name.as_str(), owner.username);
        Ok(Done { text, json: json!(project) })
    }

    /// Gives somebody a role.
    ///
    /// # Errors
    /// There is no such role, organization, project or person, or the database gave no answer.
    pub async fn add_member(&self, membership: &Membership, whom: &Whom) -> anyhow::Result<Done> {
        let person = self.person(whom).await?;
        let now = self.now();
        let author = self.author(now);
        let mut tx = self.store.begin().await?;
        let (at, role, json) = match membership {
            Membership::Organization(id, role) => {
                let role = OrganizationRole::parse(role)
                    .with_context(|| format!("'{role}' is not a role in an organization: member or admin"))?;
                let member = tx.put_organization_member(&author, id, &person.id, role).await?;
                (id, member.role.to_string(), json!(member))
            }
            Membership::Project(id, role) => {
                let Some(role) = ProjectRole::parse(role) else {
                    bail!("'{role}' is not a role in a project: viewer, developer, manager or owner");
                };
                let member = tx.put_project_member(&author, id, &person.id, role).await?;
                (id, member.role.to_string(), json!(member))
            }
        };
        tx.commit(now).await?;
        Ok(Done { text: format!("{} is {role} of {at}", person.username), json })
    }
}
