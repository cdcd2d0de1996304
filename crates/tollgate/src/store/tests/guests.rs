//! Memberships that nobody gives directly: by invitation, and by groups in a token.

use tollgate_core::ids::IdKind;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};

use super::people::*;
use super::rig::{at, becomes_ready, on_both, options};
use crate::store::{
    Acceptance, AuditScope, FreshAuthor, Guest, Invitee, LeaversKeys, NewGroupMapping, NewInvitation, Person,
    Refusal, Source, Store, StoreError, Ticket,
};

pub async fn open(url: String) -> std::sync::Arc<Store> {
    let store = Store::open(&options(url)).unwrap();
    becomes_ready(&store).await;
    store
}

pub async fn role(store: &Store, person: &Person, project: &str) -> Option<ProjectRole> {
    store.project_access(who(person), project).await.unwrap().map(|access| access.role)
}

pub fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// An invitation, its secret's digest, for anybody or for one address.
pub async fn invite(
    store: &Store,
    author: &Person,
    project: &str,
    (digest, email, role): (&str, Option<&str>, ProjectRole),
) -> Result<String, StoreError> {
    let id = make_id(IdKind::Invitation);
    let invitee = email.map_or(Invitee::Bearer, |address| Invitee::Email { address, issuer: "keycloak" });
    let new =
        NewInvitation { id: &id, place: project, invitee, role, token_digest: digest, expires_at: at(9_000) };
    commit!(store, tx => tx.create_invitation(&by(author), new)).map(|made| made.id)
}

pub async fn accept(
    store: &Store,
    person: &Person,
    digest: &str,
    email: Option<&str>,
) -> Result<ProjectRole, StoreError> {
    let done = commit!(store, tx => tx.accept_invitation(&by(person), Ticket::Token(digest), guest(email)))?;
    match done {
        Acceptance::Project(_, member) => Ok(member.role),
        Acceptance::Organization(..) => panic!("{done:?}"),
    }
}

/// Somebody of the issuer, with this verified address.
pub fn guest(verified_email: Option<&str>) -> Guest<'_> {
    Guest { issuer: "keycloak", only_issuer: true, verified_email }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_works_once_in_time_and_for_whom_it_is() {
    use ProjectRole::{Developer, Manager, Owner, Viewer};
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let bob = meet(&store, "bob").await;
        let carol = meet(&store, "carol").await;
        let (_, project) = home(&store, &alice).await;
        invite(&store, &alice, &project, ("d1", None, Developer)).await.unwrap();
        assert_eq!(accept(&store, &bob, "d1", None).await.unwrap(), Developer);
        for person in [&bob, &carol] {
            assert_eq!(refusal(accept(&store, person, "d1", None).await), Refusal::Invitation, "used");
        }
        assert_eq!(refusal(accept(&store, &carol, "never", None).await), Refusal::Invitation);
        assert_eq!(
            refusal(invite(&store, &bob, &project, ("d2", None, Viewer)).await),
            Refusal::ProjectRoleNeeded(Manager)
        );

        let mail = Some("carol@example.com");
        invite(&store, &alice, &project, ("d3", mail, Viewer)).await.unwrap();
        for (person, verified) in [(&carol, None), (&bob, Some("bob@example.com"))] {
            assert_eq!(refusal(accept(&store, person, "d3", verified).await), Refusal::Invitation);
        }
        assert_eq!(accept(&store, &carol, "d3", Some("Carol@Example.com")).await.unwrap(), Viewer);
        // The stronger role stays.
        invite(&store, &alice, &project, ("d4", None, Viewer)).await.unwrap();
        assert_eq!(accept(&store, &bob, "d4", None).await.unwrap(), Developer);
        let late =
            crate::store::Author { origin: crate::store::Origin::here(at(9_000)), ..(*by(&carol)).clone() };
        invite(&store, &alice, &project, ("d5", None, Owner)).await.unwrap();
        let expired = commit!(store, tx => tx.accept_invitation(&late, Ticket::Token("d5"), guest(None)));
        assert_eq!(refusal(expired), Refusal::Invitation);
        let id = invite(&store, &alice, &project, ("d6", None, Owner)).await.unwrap();
        assert_eq!(store.open_invitations::<ProjectRole>(&project, at(4_000), FIRST).await.unwrap().len(), 2);
        commit!(store, tx => tx.withdraw_invitation(&by(&alice), &project, &id)).unwrap();
        assert_eq!(refusal(accept(&store, &carol, "d6", None).await), Refusal::Invitation);
        assert_eq!(
            refusal(commit!(store, tx => tx.withdraw_invitation(&by(&alice), &project, &id))),
            Refusal::Missing("invitation")
        );
        let dump = format!("{:?}", store.audit_after(AuditScope::All, 0, 1000).await.unwrap());
        assert!(!dump.contains("\"d1\""), "not even a digest of a link is in the log");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_ends_with_the_right_to_make_it() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let bob = meet(&store, "bob").await;
        let carol = meet(&store, "carol").await;
        let (_, project) = home(&store, &alice).await;
        let manager = ProjectRole::Manager;
        for (digest, demote) in [("e1", true), ("e2", false)] {
            join(&store, &project, &bob, manager).await;
            invite(&store, &bob, &project, (digest, None, manager)).await.unwrap();
            if demote {
                let role = ProjectRole::Developer;
                commit!(store, tx => tx.put_project_member(&by(&alice), &project, &bob.id, role)).unwrap();
            } else {
                let keys = LeaversKeys::Revoke;
                commit!(store, tx => tx.remove_project_member(&by(&alice), &project, &bob.id, keys)).unwrap();
            }
            assert_eq!(refusal(accept(&store, &carol, digest, None).await), Refusal::Invitation);
        }
        invite(&store, &alice, &project, ("e3", None, manager)).await.unwrap();
        commit!(store, tx => tx.delete_project(&by(&alice), &project, None)).unwrap();
        assert_eq!(refusal(accept(&store, &carol, "e3", None).await), Refusal::Invitation);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_accept_one_invitation_and_one_gets_in() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let (_, project) = home(&store, &alice).await;
        invite(&store, &alice, &project, ("once", None, ProjectRole::Viewer)).await.unwrap();
        let mut tasks = Vec::new();
        for n in 0..10 {
            let guest = meet(&store, &format!("guest{n}")).await;
            let store = store.clone();
            tasks.push(tokio::spawn(async move { accept(&store, &guest, "once", None).await.is_ok() }));
        }
        let mut inside = 0;
        for task in tasks {
            inside += i32::from(task.await.unwrap());
        }
        assert_eq!(inside, 1);
        assert_eq!(store.members::<ProjectRole>(&project, FIRST).await.unwrap().len(), 2);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_grant_change_and_end_memberships() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let acme = organization(&store, &alice).await;
        let project = make_id(IdKind::Project);
        let new = crate::store::NewProject {
            id: &project,
            organization_id: &acme,
            name: "p",
            models: &tollgate_core::models::ModelPolicy::All,
        };
        commit!(store, tx => tx.create_project(&by(&alice), new, Some(&alice.id))).unwrap();
        let alice = meet_as_admin(&store, "alice", true).await;
        let map = |group: &str, role: &str, project: Option<&str>| {
            let (store, author, acme) = (store.clone(), by_admin(&alice), acme.clone());
            let (group, role, project) = (group.to_owned(), role.to_owned(), project.map(str::to_owned));
            async move {
                let id = make_id(IdKind::GroupMapping);
                let new = NewGroupMapping {
                    id: &id,
                    organization_id: &acme,
                    project_id: project.as_deref(),
                    issuer: "keycloak",
                    group: &group,
                    role: &role,
                };
                commit!(store, tx => tx.create_group_mapping(&author, new)).map(|made| made.id)
            }
        };
        let staff = map("staff", "member", None).await.unwrap();
        map("devs", "developer", Some(&project)).await.unwrap();
        let leads = map("leads", "manager", Some(&project)).await.unwrap();
        assert_eq!(refusal(map("devs", "viewer", Some(&project)).await), Refusal::Twice("group mapping"));
        assert_eq!(refusal(map("x", "owner", None).await), Refusal::Role("owner".into()));
        assert_eq!(refusal(map("x", "admin", Some(&project)).await), Refusal::Role("admin".into()));
        let (_, foreign) = home(&store, &alice).await;
        assert_eq!(refusal(map("x", "viewer", Some(&foreign)).await), Refusal::Missing("project"));

        let bob = meet_with(&store, "bob", Some(&groups(&["staff", "devs", "leads", "other"]))).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Manager), "the strongest counts");
        let access = store.organization_access(who(&bob), &acme).await.unwrap().unwrap();
        assert_eq!(access.role, OrganizationRole::Member);
        key(&store, "g1", &project, &bob.id).await;
        let entries = actions(&store).await.len();
        meet_with(&store, "bob", Some(&groups(&["leads", "staff"]))).await;
        assert_eq!(actions(&store).await.len(), entries, "nothing changes, nothing is written");
        meet_with(&store, "bob", None).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Manager), "silence is not leaving");
        meet_with(&store, "bob", Some(&groups(&["devs"]))).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Developer));
        assert!(store.organization_access(who(&bob), &acme).await.unwrap().is_none());
        meet_with(&store, "bob", Some(&[])).await;
        assert_eq!(role(&store, &bob, &project).await, None);
        assert_eq!(key_state(&store, "g1").await.0, "disabled");

        // What was given by hand stays, whatever the groups say.
        let viewer = ProjectRole::Viewer;
        join(&store, &project, &bob, viewer).await;
        meet_with(&store, "bob", Some(&groups(&["leads"]))).await;
        assert_eq!(role(&store, &bob, &project).await, Some(viewer));
        meet_with(&store, "bob", Some(&[])).await;
        assert_eq!(role(&store, &bob, &project).await, Some(viewer));

        // Deleting the last mapping of an organization ends what it gave, at once.
        let carol = meet_with(&store, "carol", Some(&groups(&["staff", "leads"]))).await;
        assert!(store.organization_access(who(&carol), &acme).await.unwrap().is_some());
        commit!(store, tx => tx.delete_group_mapping(&by(&alice), &acme, &staff)).unwrap();
        assert!(store.organization_access(who(&carol), &acme).await.unwrap().is_none());
        commit!(store, tx => tx.delete_group_mapping(&by(&alice), &acme, &leads)).unwrap();
        assert_eq!(role(&store, &carol, &project).await, Some(ProjectRole::Manager), "another is left");
        meet_with(&store, "carol", Some(&groups(&["staff", "leads"]))).await;
        assert_eq!(role(&store, &carol, &project).await, None);
        assert_eq!(
            refusal(commit!(store, tx => tx.delete_group_mapping(&by(&alice), &acme, &leads))),
            Refusal::Missing("group mapping")
        );
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_never_take_the_last_owner() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet_as_admin(&store, "alice", true).await;
        let bob = meet(&store, "bob").await;
        let (acme, project) = place(&store, &alice).await;
        map(&store, &by_admin(&alice), (&acme, Some(&project)), ("owners", "owner")).await.unwrap();
        meet_with(&store, "bob", Some(&groups(&["owners"]))).await;
        let keys = LeaversKeys::Revoke;
        commit!(store, tx => tx.remove_project_member(&by(&bob), &project, &alice.id, keys)).unwrap();
        meet_with(&store, "bob", Some(&[])).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Owner), "nobody else is left");
        let owner = ProjectRole::Owner;
        join(&store, &project, &alice, owner).await;
        meet_with(&store, "bob", Some(&[])).await;
        assert_eq!(role(&store, &bob, &project).await, None);
        let members = store.members::<ProjectRole>(&project, FIRST).await.unwrap();
        assert_eq!((members.len(), members[0].source), (1, Source::Manual));
        store.close().await;
    })
    .await;
}

/// An organization and a project in it, both of this person.
pub async fn place(store: &Store, person: &Person) -> (String, String) {
    let acme = organization(store, person).await;
    let project = make_id(IdKind::Project);
    let models = &tollgate_core::models::ModelPolicy::All;
    let new = crate::store::NewProject { id: &project, organization_id: &acme, name: "p", models };
    commit!(store, tx => tx.create_project(&by(person), new, Some(&person.id))).unwrap();
    (acme, project)
}

/// A mapping of a group to a role in a project or an organization.
pub async fn map(
    store: &Store,
    author: &FreshAuthor,
    (organization_id, project_id): (&str, Option<&str>),
    (group, role): (&str, &str),
) -> Result<crate::store::GroupMapping, StoreError> {
    let id = make_id(IdKind::GroupMapping);
    let new = NewGroupMapping { id: &id, organization_id, project_id, issuer: "keycloak", group, role };
    commit!(store, tx => tx.create_group_mapping(author, new))
}
