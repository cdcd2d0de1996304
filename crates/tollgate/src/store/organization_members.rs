//! Members of organizations. Somebody who leaves an organization leaves its projects too.

use serde_json::json;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};

use super::StoreError;
use super::author::Author;
use super::fields::Source;
use super::leavers::LeaversKeys;
use super::members::Member;
use super::organizations::Organization;
use super::proof::FreshAuthor;
use super::refusal::Refusal;
use super::tx::Tx;

/// A member of an organization.
pub type OrganizationMember = Member<OrganizationRole>;

impl Tx {
    /// Gives a member of an organization another role; whoever administers the platform adds members, too. Everybody else
    /// is invited. The membership is then a given one: group mappings leave it alone.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::LastAdmin`], [`Refusal::Personal`],
    /// [`Refusal::InvitationNeeded`]; or the database gave no answer.
    pub async fn put_organization_member(
        &mut self,
        author: &FreshAuthor,
        organization: &str,
        person: &str,
        role: OrganizationRole,
    ) -> Result<OrganizationMember, StoreError> {
        let organization = self.hold_organization(author, organization, OrganizationRole::Admin).await?;
        if organization.personal {
            return Err(Refusal::Personal.into());
        }
        let Some(before) = self.find_member::<OrganizationRole>(&organization.id, person).await? else {
            if !author.platform_admin {
                return Err(Refusal::InvitationNeeded.into());
            }
            self.must_be_known(person).await?;
            return self.add_organization_member(author, &organization, person, role).await;
        };
        if before.role == role && before.source == Source::Manual {
            return Ok(before);
        }
        self.change_organization_member(author, &organization, &before, (role, Source::Manual)).await
    }

    /// Removes somebody from an organization and from all its projects, whose administrators remain their owners. `keys`
    /// says what becomes of the keys that they have there. Everybody may leave by themselves: an organization whose last
    /// administrator leaves is suspended, until an administrator of the platform has given it another.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::LastAdmin`], [`Refusal::Personal`],
    /// [`Refusal::NoHeir`]; or the database gave no answer.
    pub async fn remove_organization_member(
        &mut self,
        author: &Author,
        organization: &str,
        person: &str,
        keys: LeaversKeys<'_>,
    ) -> Result<(), StoreError> {
        let needed = if author.id == person { OrganizationRole::Member } else { OrganizationRole::Admin };
        let organization = self.hold_organization(author, organization, needed).await?;
        let before = self.find_member::<OrganizationRole>(&organization.id, person).await?;
        let before = before.ok_or(Refusal::Missing("member"))?;
        if organization.personal {
            return Err(Refusal::Personal.into());
        }
        if author.id != person {
            self.leaves_somebody(&organization.id, &before, None).await?;
            return self.end_organization_member(author, &organization, &before, (keys, true)).await;
        }
        self.end_organization_member(author, &organization, &before, (keys, true)).await?;
        self.note_departure(author, &organization.id, person).await?;
        for project in self.project_ids(&organization.id).await? {
            let (project, _) = self.hold_project(&host(author), &project, ProjectRole::Viewer).await?;
            self.suspend_if_ownerless(author, &project).await?;
        }
        self.suspend_if_unadministered(author, &organization).await
    }

    /// Adds a member to a held organization by hand; they are known not to be one.
    pub(super) async fn add_organization_member(
        &mut self,
        author: &Author,
        organization: &Organization,
        person: &str,
        role: OrganizationRole,
    ) -> Result<OrganizationMember, StoreError> {
        self.grant_organization_member(author, organization, person, (role, Source::Manual)).await
    }

    /// Adds a member to a held organization; they are known not to be one.
    pub(super) async fn grant_organization_member(
        &mut self,
        author: &Author,
        organization: &Organization,
        person: &str,
        (role, source): (OrganizationRole, Source),
    ) -> Result<OrganizationMember, StoreError> {
        // As it was before: whoever adds themselves has had nothing but the platform's right.
        let own = self.find_member::<OrganizationRole>(&organization.id, &author.id).await?;
        let administers = own.is_some_and(|own| own.role == OrganizationRole::Admin);
        self.write_member(author, &organization.id, person, (role, source)).await?;
        let member = self.find_member::<OrganizationRole>(&organization.id, person).await?;
        let member = member.ok_or(Refusal::Missing("person"))?;
        let mut shown = json!(member);
        if author.by_platform_right() && source == Source::Manual && !administers {
            shown["by_platform_right"] = true.into();
        }
        let entry = author.entry("organization.member.add", "person", person);
        self.audit(entry.in_organization(&organization.id).after(&shown));
        Ok(member)
    }

    /// Changes a member of a held organization.
    pub(super) async fn change_organization_member(
        &mut self,
        author: &Author,
        organization: &Organization,
        before: &OrganizationMember,
        (role, source): (OrganizationRole, Source),
    ) -> Result<OrganizationMember, StoreError> {
        self.leaves_somebody(&organization.id, before, Some(role)).await?;
        self.write_member(author, &organization.id, &before.person_id, (role, source)).await?;
        let after = OrganizationMember { role, source, ..before.clone() };
        let mut shown = json!(after);
        if role < before.role {
            let keys = LeaversKeys::Disable;
            let person = before.person_id.as_str();
            let ids = self.leave_projects(author, organization, person, (keys, false)).await?;
            self.withdraw_invitations_to::<OrganizationRole>(author, &organization.id, person).await?;
            shown["disabled_keys"] = json!(ids);
        }
        let entry = author.entry("organization.member.change", "person", &before.person_id);
        self.audit(entry.in_organization(&organization.id).before(before).after(&shown));
        Ok(after)
    }

    /// Ends a membership of a held organization and, with `members_too`, those of its projects.
    pub(super) async fn end_organization_member(
        &mut self,
        author: &Author,
        organization: &Organization,
        before: &OrganizationMember,
        (keys, members_too): (LeaversKeys<'_>, bool),
    ) -> Result<(), StoreError> {
        let person = before.person_id.as_str();
        let ids = self.leave_projects(author, organization, person, (keys, members_too)).await?;
        self.withdraw_invitations_to::<OrganizationRole>(author, &organization.id, person).await?;
        self.delete_member::<OrganizationRole>(&organization.id, person).await?;
        let entry = author.entry("organization.member.remove", "person", person);
        self.audit(entry.in_organization(&organization.id).before(before).after(&json!({"keys": ids})));
        Ok(())
    }

    /// Takes from somebody what they were to the projects of a held organization as its administrator, and, with
    /// `members_too`, their memberships. The keys that they have made as administrator, by id.
    async fn leave_projects(
        &mut self,
        author: &Author,
        organization: &Organization,
        person: &str,
        (keys, members_too): (LeaversKeys<'_>, bool),
    ) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        for project in self.project_ids(&organization.id).await? {
            let (project, _) = self.hold_project(&host(author), &project, ProjectRole::Viewer).await?;
            match self.find_member::<ProjectRole>(&project.id, person).await? {
                Some(member) if members_too => {
                    self.end_project_member(author, &project, &member, keys).await?;
                }
                left => {
                    self.withdraw_invitations_to::<ProjectRole>(author, &project.id, person).await?;
                    if left.is_some_and(|member| member.role >= ProjectRole::Developer) {
                        continue;
                    }
                    ids.extend(self.settle_leavers_keys(author, &project, person, keys).await?);
                }
            }
        }
        Ok(ids)
    }
}

/// The author as they may end what is below an organization that they hold as its administrator, or leave.
fn host(author: &Author) -> Author {
    Author { platform_admin: true, ..author.clone() }
}
