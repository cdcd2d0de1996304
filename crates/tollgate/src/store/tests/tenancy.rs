//! Organizations, projects and people: what is made, seen, changed and ended.

use tollgate_core::ids::IdKind;
use tollgate_core::models::ModelPolicy;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};

use super::people::*;
use super::rig::{at, becomes_ready, on_both, options};
use crate::store::{
    Change, Contact, LeaversKeys, NewProject, Origin, ProjectEdit, Refusal, Slice, StandingChange, State,
    Store, StoreError, Who,
};

async fn open(url: String) -> std::sync::Arc<Store> {
    let store = Store::open(&options(url)).unwrap();
    becomes_ready(&store).await;
    store
}

async fn changes(store: &Store) -> Vec<Change> {
    store.changes_since(0, 1000).await.unwrap().into_iter().map(|(_, change, _)| change).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_first_contacts_make_one_person() {
    on_both(async |url| {
        let store = open(url).await;
        let contacts = (0..20).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { meet(&store, "alice").await.id })
        });
        let mut ids = Vec::new();
        for contact in contacts.collect::<Vec<_>>() {
            ids.push(contact.await.unwrap());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert_eq!(store.every_person(FIRST).await.unwrap().len(), 1);
        assert_eq!(store.every_organization(FIRST).await.unwrap().len(), 1);
        assert_eq!(store.every_project("", FIRST).await.unwrap().len(), 1);
        let expected = [
            "person.appear",
            "organization.create",
            "organization.member.add",
            "project.create",
            "project.member.add",
        ];
        assert_eq!(actions(&store).await, expected, "written down once");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_brings_a_person_up_to_date_and_forgets_nothing() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        assert_eq!(alice.email.as_deref(), Some("alice@example.com"));
        let say = |username, email| Contact {
            issuer: "keycloak",
            subject: "alice",
            username,
            email,
            groups: None,
            platform_admin: false,
        };
        let again = |contact, millis| {
            let store = store.clone();
            async move { store.meet_person(&contact, &Origin::here(at(millis)), &random()).await.unwrap() }
        };
        let silent = again(say("alice", None), 3_000).await;
        assert_eq!(silent, alice, "a token without a name or an address takes nothing away");
        let seen = again(say("alice", None), 90_000).await;
        assert_eq!((seen.last_seen_at, seen.version), (at(90_000), alice.version));
        let renamed = again(say("Alice\u{0} Liddell", Some("al@example.com")), 91_000).await;
        assert_eq!((renamed.username.as_str(), renamed.version), ("Alice Liddell", alice.version + 1));
        assert!(changes(&store).await.contains(&Change::Person(alice.id.clone())));
        let other = Contact { issuer: "other", ..say("alice", None) };
        assert_ne!(again(other, 3_000).await.id, alice.id, "a subject is somebody only at its issuer");
        let odd = Contact { subject: "a\0b", ..say("x", None) };
        assert_eq!(refusal(store.meet_person(&odd, &Origin::here(at(1)), &random()).await), Refusal::Subject);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_see_nothing_and_change_nothing() {
    on_both(async |url| {
        let store = open(url).await;
        let (alice, mallory) = (meet(&store, "alice").await, meet(&store, "mallory").await);
        let (organization, project) = home(&store, &alice).await;
        let unknown = make_id(IdKind::Project);
        for id in [&project, &unknown] {
            assert_eq!(store.project_access(who(&mallory), id).await.unwrap(), None);
            let (author, missing) = (by(&mallory), Refusal::Missing("project"));
            let edit = ProjectEdit { name: Some("mine"), models: None };
            assert_eq!(
                refusal(commit!(store, tx => tx.update_project(&author, id, (edit, None), proof))),
                missing
            );
            assert_eq!(
                refusal(commit!(store, tx => tx.set_project_suspended(StandingChange::Suspend(&author), id))),
                missing
            );
            assert_eq!(refusal(commit!(store, tx => tx.delete_project(&author, id, None))), missing);
            let role = ProjectRole::Owner;
            assert_eq!(
                refusal(commit!(store, tx => tx.put_project_member(&author, id, &mallory.id, role))),
                missing
            );
            let keys = LeaversKeys::Revoke;
            assert_eq!(
                refusal(commit!(store, tx => tx.remove_project_member(&author, id, &alice.id, keys))),
                missing
            );
            assert_eq!(
                refusal(commit!(store, tx => tx.create_service_account(&author, id, ("sva_1", "x")))),
                missing
            );
        }
        assert_eq!(store.organization_access(who(&mallory), &organization).await.unwrap(), None);
        let new =
            NewProject { id: &unknown, organization_id: &organization, name: "x", models: &ModelPolicy::All };
        let missing = Refusal::Missing("organization");
        assert_eq!(refusal(commit!(store, tx => tx.create_project(&by(&mallory), new, None))), missing);
        assert_eq!(
            refusal(commit!(store, tx => tx.delete_organization(&by(&mallory), &organization, None))),
            missing
        );
        assert_eq!(store.projects_of(who(&mallory), &organization, FIRST).await.unwrap(), []);
        // A platform administrator sees everything.
        let admin = Who { person: &mallory.id, platform_admin: true };
        assert_eq!(store.project_access(admin, &project).await.unwrap().unwrap().role, ProjectRole::Owner);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_edited_by_version_suspended_and_ended() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let (organization, project) = home(&store, &alice).await;
        let author = by(&alice);
        let edit = ProjectEdit { name: Some("research"), models: Some(&ModelPolicy::None) };
        let edited =
            commit!(store, tx => tx.update_project(&author, &project, (edit, Some(1)), proof)).unwrap();
        assert_eq!(
            (edited.name.as_str(), &edited.models, edited.version),
            ("research", &ModelPolicy::None, 2)
        );
        let stale = Refusal::Stale { thing: "project", version: 2 };
        assert_eq!(
            refusal(commit!(store, tx => tx.update_project(&author, &project, (edit, Some(1)), proof))),
            stale
        );
        let same = commit!(store, tx => tx.update_project(&author, &project, (edit, None), proof)).unwrap();
        assert_eq!(same.version, 2, "an edit that changes nothing is none");
        let suspended =
            commit!(store, tx => tx.set_project_suspended(StandingChange::Suspend(&author), &project))
                .unwrap();
        assert_eq!(suspended.state, State::Suspended);
        let access = store.project_access(who(&alice), &project).await.unwrap().unwrap();
        assert_eq!(access.project.state, State::Suspended, "its people still see it");
        commit!(store, tx => tx.set_project_suspended(StandingChange::Resume(&author), &project)).unwrap();

        key(&store, "k1", &project, &alice.id).await;
        commit!(store, tx => tx.delete_project(&author, &project, None)).unwrap();
        assert_eq!(key_state(&store, "k1").await.0, "revoked");
        assert_eq!(store.project_access(who(&alice), &project).await.unwrap(), None);
        assert!(changes(&store).await.contains(&Change::Key("k1".into())));
        let missing = Refusal::Missing("project");
        assert_eq!(
            refusal(
                commit!(store, tx => tx.set_project_suspended(StandingChange::Resume(&author), &project))
            ),
            missing
        );
        // A new one of the same name has its own id and nothing of the old one.
        let id = make_id(IdKind::Project);
        let new = NewProject {
            id: &id,
            organization_id: &organization,
            name: "research",
            models: &ModelPolicy::All,
        };
        commit!(store, tx => tx.create_project(&author, new, Some(&alice.id))).unwrap();
        let projects = store.projects_of(who(&alice), "", FIRST).await.unwrap();
        assert_eq!((projects.len(), projects[0].project.models.clone()), (1, ModelPolicy::All));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_end_with_their_projects() {
    on_both(async |url| {
        let store = open(url).await;
        let (alice, bob) = (meet(&store, "alice").await, meet(&store, "bob").await);
        let acme = organization(&store, &alice).await;
        commit!(store, tx => {
            tx.put_organization_member(&operator(), &acme, &bob.id, OrganizationRole::Member)
        })
        .unwrap();
        let id = make_id(IdKind::Project);
        let new = NewProject { id: &id, organization_id: &acme, name: "p", models: &ModelPolicy::All };
        commit!(store, tx => tx.create_project(&by(&bob), new, Some(&bob.id))).unwrap();
        let access = store.project_access(who(&alice), &id).await.unwrap().unwrap();
        assert_eq!(access.role, ProjectRole::Owner, "an administrator owns every project");
        assert_eq!(store.projects_of(who(&alice), &acme, FIRST).await.unwrap().len(), 1);
        key(&store, "k2", &id, &bob.id).await;

        let needed = Refusal::OrganizationRoleNeeded(OrganizationRole::Admin);
        assert_eq!(refusal(commit!(store, tx => tx.delete_organization(&by(&bob), &acme, None))), needed);
        assert_eq!(
            refusal(commit!(store, tx => tx.set_organization_suspended(StandingChange::Suspend(&by(&alice)), &acme))),
            Refusal::PlatformAdminNeeded
        );
        commit!(store, tx => tx.set_organization_suspended(StandingChange::Suspend(&operator()), &acme)).unwrap();
        let access = store.project_access(who(&bob), &id).await.unwrap().unwrap();
        assert_eq!((access.project.state, access.organization_state), (State::Active, State::Suspended));
        assert_eq!(key_state(&store, "k2").await.0, "live", "a suspension touches no key");
        assert!(changes(&store).await.contains(&Change::Organization(acme.clone())));

        commit!(store, tx => tx.delete_organization(&by(&alice), &acme, None)).unwrap();
        assert_eq!(key_state(&store, "k2").await.0, "revoked");
        assert_eq!(store.project_access(who(&bob), &id).await.unwrap(), None);
        assert_eq!(store.organizations_of(who(&bob), FIRST).await.unwrap().len(), 1, "their own is left");
        let (own, _) = home(&store, &alice).await;
        assert_eq!(
            refusal(commit!(store, tx => tx.delete_organization(&by(&alice), &own, None))),
            Refusal::Personal
        );
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_suspended_without_touching_their_keys() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let (_, project) = home(&store, &alice).await;
        key(&store, "k3", &project, &alice.id).await;
        assert_eq!(
            refusal(
                commit!(store, tx => tx.set_person_suspended(StandingChange::Resume(&by(&alice)), &alice.id))
            ),
            Refusal::PlatformAdminNeeded
        );
        let suspended =
            commit!(store, tx => tx.set_person_suspended(StandingChange::Suspend(&operator()), &alice.id))
                .unwrap();
        assert_eq!((suspended.state, suspended.last_seen_at), (State::Suspended, alice.last_seen_at));
        assert_eq!(meet(&store, "alice").await.state, State::Suspended, "a login does not lift it");
        assert_eq!(key_state(&store, "k3").await.0, "live");
        assert_eq!(changes(&store).await.last(), Some(&Change::Person(alice.id.clone())));
        let unknown = make_id(IdKind::Person);
        assert_eq!(
            refusal(
                commit!(store, tx => tx.set_person_suspended(StandingChange::Suspend(&operator()), &unknown))
            ),
            Refusal::Missing("person")
        );
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let (organization, _) = home(&store, &alice).await;
        for n in 0..4 {
            let (id, name) = (make_id(IdKind::Project), format!("p{n}"));
            let new = NewProject {
                id: &id,
                organization_id: &organization,
                name: &name,
                models: &ModelPolicy::All,
            };
            commit!(store, tx => tx.create_project(&by(&alice), new, Some(&alice.id))).unwrap();
        }
        let (mut after, mut seen) = (String::new(), Vec::new());
        loop {
            let page = store.projects_of(who(&alice), "", Slice { after: &after, limit: 2 }).await.unwrap();
            let Some(last) = page.last() else { break };
            after.clone_from(&last.project.id);
            seen.extend(page.into_iter().map(|access| access.project.name));
        }
        // Ids of one millisecond come in any order among themselves.
        seen.sort();
        assert_eq!(seen, ["p0", "p1", "p2", "p3", "personal"], "each once, none missing");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_deleted_while_it_is_handed_over_and_one_comes_first() {
    on_both(async |url| {
        let store = open(url).await;
        let (alice, bob) = (meet(&store, "alice").await, meet(&store, "bob").await);
        let (_, project) = home(&store, &alice).await;
        let (deleting, adding) = (store.clone(), store.clone());
        let (author, id) = (by(&alice), project.clone());
        let delete =
            tokio::spawn(async move { commit!(deleting, tx => tx.delete_project(&author, &id, None)) });
        let (author, id) = (operator(), project.clone());
        let add = tokio::spawn(async move {
            let role = ProjectRole::Owner;
            let added = commit!(adding, tx => tx.put_project_member(&author, &id, &bob.id, role)).map(drop);
            (bob, added)
        });
        delete.await.unwrap().unwrap();
        let (bob, added) = add.await.unwrap();
        match added {
            Ok(()) | Err(StoreError::Refused(Refusal::Missing("project"))) => {}
            other => panic!("{other:?}"),
        }
        for person in [&alice, &bob] {
            let who = Who { person: &person.id, platform_admin: false };
            assert!(store.project_access(who, &project).await.unwrap().is_none(), "it is gone for everybody");
        }
        store.close().await;
    })
    .await;
}
