//! Members of projects: who they are, what they may, and their going.

use serde_json::json;
use tollgate_core::tenancy::ProjectRole;

use super::StoreError;
use super::author::Author;
use super::fields::Source;
use super::leavers::LeaversKeys;
use super::members::Member;
use super::projects::Project;
use super::proof::FreshAuthor;
use super::refusal::Refusal;
use super::tx::Tx;

/// A member of a project.
pub type ProjectMember = Member<ProjectRole>;

impl Tx {
    /// Gives a member of a project another role; whoever administers the platform adds members, too, and whoever
    /// administers the organization adds themselves. Everybody else is invited. The membership is then a given one: group
    /// mappings leave it alone. Somebody who may no longer make keys has theirs switched off.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::AboveOwnRole`], [`Refusal::LastOwner`],
    /// [`Refusal::InvitationNeeded`]; or the database gave no answer.
    pub async fn put_project_member(
        &mut self,
        author: &FreshAuthor,
        project: &str,
        person: &str,
        role: ProjectRole,
    ) -> Result<ProjectMember, StoreError> {
        let (project, own) = self.hold_project(author, project, ProjectRole::Manager).await?;
        may_grant(own, role)?;
        let before = self.find_member::<ProjectRole>(&project.id, person).await?;
        let Some(before) = before else {
            if !author.platform_admin && author.id != person {
                return Err(Refusal::InvitationNeeded.into());
            }
            self.must_be_known(person).await?;
            return self.add_project_member(author, &project, person, role).await;
        };
        may_grant(own, before.role)?;
        if before.role == role && before.source == Source::Manual {
            return Ok(before);
        }
        self.change_project_member(author, &project, &before, (role, Source::Manual)).await
    }

    /// Removes somebody from a project. `keys` says what becomes of the keys that they have in it. Everybody may leave by
    /// themselves: a project whose last owner leaves falls to the organization's administrators, and is suspended when there
    /// is none.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::AboveOwnRole`], [`Refusal::LastOwner`],
    /// [`Refusal::NoHeir`]; or the database gave no answer.
    pub async fn remove_project_member(
        &mut self,
        author: &Author,
        project: &str,
        person: &str,
        keys: LeaversKeys<'_>,
    ) -> Result<(), StoreError> {
        let (project, own) = self.hold_project(author, project, ProjectRole::Viewer).await?;
        let leaves = author.id == person;
        if !leaves && own < ProjectRole::Manager {
            return Err(Refusal::ProjectRoleNeeded(ProjectRole::Manager).into());
        }
        let before =
            self.find_member::<ProjectRole>(&project.id, person).await?.ok_or(Refusal::Missing("member"))?;
        if leaves {
            self.end_project_member(author, &project, &before, keys).await?;
            self.note_departure(author, &project.id, person).await?;
            return self.suspend_if_ownerless(author, &project).await;
        }
        may_grant(own, before.role)?;
        self.leaves_somebody(&project.id, &before, None).await?;
        self.end_project_member(author, &project, &before, keys).await
    }

    /// Adds a member to a held project by hand; they are known not to be one.
    pub(super) async fn add_project_member(
        &mut self,
        author: &Author,
        project: &Project,
        person: &str,
        role: ProjectRole,
    ) -> Result<ProjectMember, StoreError> {
        self.grant_project_member(author, project, person, (role, Source::Manual)).await
    }

    /// Adds a member to a held project; they are known not to be one.
    pub(super) async fn grant_project_member(
        &mut self,
        author: &Author,
        project: &Project,
        person: &str,
        (role, source): (ProjectRole, Source),
    ) -> Result<ProjectMember, StoreError> {
        // As it was before: whoever adds themselves has had nothing but the platform's right.
        let by_membership = self.role_by_membership(&project.id, &author.id).await?;
        self.write_member(author, &project.id, person, (role, source)).await?;
        let member =
            self.find_member::<ProjectRole>(&project.id, person).await?.ok_or(Refusal::Missing("person"))?;
        let mut shown = json!(member);
        if author.by_platform_right()
            && source == Source::Manual
            && !by_membership.is_some_and(|own| own.may_grant(role))
        {
            shown["by_platform_right"] = true.into();
        }
        let entry = author.entry("project.member.add", "person", person);
        self.audit(entry.in_project(&project.organization_id, &project.id).after(&shown));
        Ok(member)
    }

    /// Changes a member of a held project.
    pub(super) async fn change_project_member(
        &mut self,
        author: &Author,
        project: &Project,
        before: &ProjectMember,
        (role, source): (ProjectRole, Source),
    ) -> Result<ProjectMember, StoreError> {
        self.leaves_somebody(&project.id, before, Some(role)).await?;
        self.write_member(author, &project.id, &before.person_id, (role, source)).await?;
        if role < before.role {
            self.withdraw_invitations_to::<ProjectRole>(author, &project.id, &before.person_id).await?;
        }
        let after = ProjectMember { role, source, ..before.clone() };
        let mut shown = json!(after);
        if role < ProjectRole::Developer && before.role >= ProjectRole::Developer {
            let keys = LeaversKeys::Disable;
            let ids = self.settle_leavers_keys(author, project, &before.person_id, keys).await?;
            shown["disabled_keys"] = json!(ids);
        }
        let entry = author.entry("project.member.change", "person", &before.person_id);
        self.audit(entry.in_project(&project.organization_id, &project.id).before(before).after(&shown));
        Ok(after)
    }

    /// Ends a membership of a held project, whatever that leaves.
    pub(super) async fn end_project_member(
        &mut self,
        author: &Author,
        project: &Project,
        before: &ProjectMember,
        keys: LeaversKeys<'_>,
    ) -> Result<(), StoreError> {
        let person = before.person_id.as_str();
        let ids = self.settle_leavers_keys(author, project, person, keys).await?;
        self.withdraw_invitations_to::<ProjectRole>(author, &project.id, person).await?;
        self.delete_member::<ProjectRole>(&project.id, person).await?;
        let after = match keys {
            LeaversKeys::Revoke => json!({"revoked_keys": ids}),
            LeaversKeys::Disable => json!({"disabled_keys": ids}),
            LeaversKeys::HandOver { to } => json!({"keys_handed_over": ids, "to": to}),
        };
        let entry = author.entry("project.member.remove", "person", person);
        self.audit(entry.in_project(&project.organization_id, &project.id).before(before).after(&after));
        Ok(())
    }
}

/// Whether somebody of the role `own` may give, change or take `other`.
fn may_grant(own: ProjectRole, other: ProjectRole) -> Result<(), Refusal> {
    if own.may_grant(other) { Ok(()) } else { Err(Refusal::AboveOwnRole { own, other }) }
}
