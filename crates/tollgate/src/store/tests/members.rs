//! Members come and go: who may give what, the last owner and administrator, keys of those who leave, service accounts.

use tollgate_core::ids::IdKind;
use tollgate_core::models::ModelPolicy;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};

use super::people::*;
use super::rig::{becomes_ready, on_both, options};
use crate::store::{
    AuditScope, Change, LeaversKeys, NewProject, Person, Refusal, StandingChange, State, Store, StoreError,
};

async fn open(url: String) -> std::sync::Arc<Store> {
    let store = Store::open(&options(url)).unwrap();
    becomes_ready(&store).await;
    store
}

async fn put(
    store: &Store,
    author: &Person,
    project: &str,
    person: &Person,
    role: ProjectRole,
) -> Result<(), StoreError> {
    commit!(store, tx => tx.put_project_member(&by(author), project, &person.id, role)).map(drop)
}

async fn remove(
    store: &Store,
    author: &Person,
    project: &str,
    person: &Person,
    keys: LeaversKeys<'_>,
) -> Result<(), StoreError> {
    commit!(store, tx => tx.remove_project_member(&by(author), project, &person.id, keys))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_or_takes_more_than_they_have() {
    use ProjectRole::{Developer, Manager, Owner, Viewer};
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let bob = meet(&store, "bob").await;
        let carol = meet(&store, "carol").await;
        let (_, project) = home(&store, &alice).await;
        join(&store, &project, &bob, Manager).await;
        join(&store, &project, &carol, Manager).await;
        put(&store, &bob, &project, &carol, Developer).await.unwrap();
        let above = Refusal::AboveOwnRole { own: Manager, other: Owner };
        assert_eq!(refusal(put(&store, &bob, &project, &bob, Owner).await), above, "no self-promotion");
        assert_eq!(refusal(put(&store, &bob, &project, &alice, Viewer).await), above);
        assert_eq!(refusal(remove(&store, &bob, &project, &alice, LeaversKeys::Revoke).await), above);
        let needed = Refusal::ProjectRoleNeeded(Manager);
        assert_eq!(refusal(put(&store, &carol, &project, &carol, Owner).await), needed);
        assert_eq!(refusal(remove(&store, &carol, &project, &bob, LeaversKeys::Revoke).await), needed);
        remove(&store, &carol, &project, &carol, LeaversKeys::Revoke).await.unwrap();
        assert_eq!(store.project_access(who(&carol), &project).await.unwrap(), None, "everybody may leave");
        let nobody = Person { id: make_id(IdKind::Person), ..carol.clone() };
        for person in [&nobody, &carol] {
            let put = put(&store, &alice, &project, person, Viewer).await;
            assert_eq!(refusal(put), Refusal::InvitationNeeded, "whether or not there is such a person");
        }
        let put = commit!(store, tx => tx.put_project_member(&operator(), &project, &nobody.id, Viewer));
        assert_eq!(refusal(put), Refusal::Missing("person"));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_stays() {
    on_both(async |url| {
        let store = open(url).await;
        let (alice, bob) = (meet(&store, "alice").await, meet(&store, "bob").await);
        let (organization, project) = home(&store, &alice).await;
        let last = Refusal::LastOwner;
        let removed =
            commit!(store, tx => tx.remove_project_member(&operator(), &project, &alice.id, LeaversKeys::Revoke));
        assert_eq!(refusal(removed), last);
        assert_eq!(refusal(put(&store, &alice, &project, &alice, ProjectRole::Viewer).await), last);
        join(&store, &project, &bob, ProjectRole::Owner).await;
        // Two owners remove each other at once: one of them stays.
        for _ in 0..5 {
            let tasks =
                [(alice.clone(), bob.clone()), (bob.clone(), alice.clone())].map(|(author, other)| {
                    let (store, project) = (store.clone(), project.clone());
                    tokio::spawn(async move {
                        remove(&store, &author, &project, &other, LeaversKeys::Revoke).await
                    })
                });
            let mut gone = 0;
            for task in tasks {
                gone += i32::from(task.await.unwrap().is_ok());
            }
            assert_eq!(gone, 1);
            let members = store.members::<ProjectRole>(&project, FIRST).await.unwrap();
            assert_eq!((members.len(), members[0].role), (1, ProjectRole::Owner));
            for person in [&alice, &bob] {
                commit!(store, tx => {
                    tx.put_project_member(&operator(), &project, &person.id, ProjectRole::Owner)
                })
                .unwrap();
            }
        }
        let admin = commit!(store, tx => {
            tx.remove_organization_member(&operator(), &organization, &alice.id, LeaversKeys::Revoke)
        });
        assert_eq!(refusal(admin), Refusal::Personal);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leavers_keys_end_or_go_to_a_named_member() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let bob = meet(&store, "bob").await;
        let carol = meet(&store, "carol").await;
        let (_, project) = home(&store, &alice).await;
        let (_, elsewhere) = home(&store, &bob).await;
        join(&store, &project, &bob, ProjectRole::Developer).await;
        key(&store, "b1", &project, &bob.id).await;
        key(&store, "b2", &elsewhere, &bob.id).await;
        key(&store, "a1", &project, &alice.id).await;
        let to_carol = LeaversKeys::HandOver { to: &carol.id };
        let no_heir = Refusal::NoHeir(project.clone());
        assert_eq!(refusal(remove(&store, &alice, &project, &bob, to_carol).await), no_heir);
        let to_bob = LeaversKeys::HandOver { to: &bob.id };
        assert_eq!(refusal(remove(&store, &alice, &project, &bob, to_bob).await), no_heir);
        assert_eq!(key_state(&store, "b1").await, ("live".into(), Some(bob.id.clone())), "undone whole");
        join(&store, &project, &carol, ProjectRole::Viewer).await;
        assert_eq!(refusal(remove(&store, &alice, &project, &bob, to_carol).await), no_heir);
        put(&store, &alice, &project, &carol, ProjectRole::Developer).await.unwrap();
        remove(&store, &alice, &project, &bob, to_carol).await.unwrap();
        assert_eq!(key_state(&store, "b1").await, ("disabled".into(), Some(carol.id.clone())));
        assert_eq!(key_state(&store, "b2").await.0, "live", "other projects are not touched");

        put(&store, &alice, &project, &carol, ProjectRole::Viewer).await.unwrap();
        assert_eq!(key_state(&store, "b1").await.0, "disabled", "a viewer has no keys that work");
        remove(&store, &alice, &project, &carol, LeaversKeys::Revoke).await.unwrap();
        assert_eq!(key_state(&store, "b1").await.0, "revoked");
        assert_eq!(key_state(&store, "a1").await.0, "live");
        let said = store.changes_since(0, 100).await.unwrap();
        let said = said.iter().filter(|(_, change, _)| *change == Change::Key("b1".into())).count();
        assert_eq!(said, 3, "followers hear of every step");
        let record = store.audit_after(AuditScope::All, 0, 1000).await.unwrap().pop().unwrap();
        assert_eq!(record.action, "project.member.remove");
        assert_eq!(record.after.unwrap()["revoked_keys"], serde_json::json!(["b1"]));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_an_organization_leaves_its_projects() {
    on_both(async |url| {
        let store = open(url).await;
        let (alice, bob) = (meet(&store, "alice").await, meet(&store, "bob").await);
        let acme = organization(&store, &alice).await;
        let last = commit!(store, tx => {
            tx.remove_organization_member(&operator(), &acme, &alice.id, LeaversKeys::Revoke)
        });
        assert_eq!(refusal(last), Refusal::LastAdmin);
        let demoted = commit!(store, tx => {
            tx.put_organization_member(&by(&alice), &acme, &alice.id, OrganizationRole::Member)
        });
        assert_eq!(refusal(demoted), Refusal::LastAdmin);
        commit!(store, tx => {
            tx.put_organization_member(&operator(), &acme, &bob.id, OrganizationRole::Admin)
        })
        .unwrap();
        let ids = [make_id(IdKind::Project), make_id(IdKind::Project)];
        for (id, owner) in ids.iter().zip([&bob, &alice]) {
            let new = NewProject { id, organization_id: &acme, name: "p", models: &ModelPolicy::All };
            commit!(store, tx => tx.create_project(&by(owner), new, Some(&owner.id))).unwrap();
        }
        // Bob has a key where he is a member, and one where he is only the administrator.
        key(&store, "m", &ids[0], &bob.id).await;
        key(&store, "n", &ids[1], &bob.id).await;
        commit!(store, tx => {
            tx.put_organization_member(&by(&alice), &acme, &bob.id, OrganizationRole::Member)
        })
        .unwrap();
        assert_eq!(key_state(&store, "m").await.0, "live");
        assert_eq!(key_state(&store, "n").await.0, "disabled", "the right that it came from is gone");
        commit!(store, tx => {
            tx.remove_organization_member(&by(&alice), &acme, &bob.id, LeaversKeys::Revoke)
        })
        .unwrap();
        assert_eq!(key_state(&store, "m").await.0, "revoked");
        assert_eq!(key_state(&store, "n").await.0, "revoked");
        assert_eq!(store.project_access(who(&bob), &ids[0]).await.unwrap(), None);
        let owner = store.project_access(who(&alice), &ids[0]).await.unwrap().unwrap();
        assert_eq!(owner.role, ProjectRole::Owner, "the administrator owns what he left");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_accounts_have_names_of_their_own_and_take_their_keys_along() {
    on_both(async |url| {
        let store = open(url).await;
        let (alice, bob) = (meet(&store, "alice").await, meet(&store, "bob").await);
        let (_, project) = home(&store, &alice).await;
        join(&store, &project, &bob, ProjectRole::Developer).await;
        let (id, other) = (make_id(IdKind::ServiceAccount), make_id(IdKind::ServiceAccount));
        let make = |author: &Person, id: &str, name: &str| {
            let (store, author, project) = (store.clone(), by(author), project.clone());
            let (id, name) = (id.to_owned(), name.to_owned());
            async move { commit!(store, tx => tx.create_service_account(&author, &project, (&id, &name))) }
        };
        assert_eq!(refusal(make(&bob, &id, "ci").await), Refusal::ProjectRoleNeeded(ProjectRole::Manager));
        make(&alice, &id, "ci").await.unwrap();
        let taken = Refusal::NameTaken { thing: "service account", name: "ci".into() };
        assert_eq!(refusal(make(&alice, &other, "ci").await), taken);
        make(&alice, &other, "cd").await.unwrap();
        let at = (project.as_str(), other.as_str());
        let renamed = commit!(store, tx => tx.rename_service_account(&by(&alice), at, "ci", None));
        assert_eq!(refusal(renamed), taken);
        key(&store, "s1", &project, &id).await;
        let at = (project.as_str(), id.as_str());
        let suspended =
            commit!(store, tx => tx.set_service_account_suspended(StandingChange::Suspend(&by(&alice)), at))
                .unwrap();
        assert_eq!((suspended.state, suspended.version), (State::Suspended, 2));
        assert_eq!(key_state(&store, "s1").await.0, "live");
        let stale = commit!(store, tx => tx.delete_service_account(&by(&alice), at, Some(1)));
        assert_eq!(refusal(stale), Refusal::Stale { thing: "service account", version: 2 });
        commit!(store, tx => tx.delete_service_account(&by(&alice), at, Some(2))).unwrap();
        assert_eq!(key_state(&store, "s1").await.0, "revoked");
        make(&alice, &make_id(IdKind::ServiceAccount), "ci").await.unwrap();
        assert_eq!(store.service_accounts(&project, FIRST).await.unwrap().len(), 2);
        let (_, foreign) = home(&store, &bob).await;
        assert_eq!(store.find_service_account(&foreign, &other).await.unwrap(), None);
        store.close().await;
    })
    .await;
}
