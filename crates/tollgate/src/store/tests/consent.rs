//! Consent: nobody is a member unasked, and what was given does not outlive the right to give it.

use tollgate_core::tenancy::{OrganizationRole, ProjectRole};

use super::guests::{accept, groups, invite, map, open, place, role};
use super::people::*;
use super::rig::{at, on_both};
use crate::store::{
    AuditScope, Guest, Invitee, LeaversKeys, NewInvitation, Refusal, StandingChange, State, Ticket, Who,
};

#[tokio::test(flavor = "multi_thread")]
async fn v1_no_mapping_reaches_into_a_personal_space_old_ones_included() {
    on_both(async |url| {
        let store = open(url).await;
        let mal = meet_as_admin(&store, "mal", true).await;
        let (organization, project) = home(&store, &mal).await;
        for (place, role) in
            [((organization.as_str(), Some(project.as_str())), "viewer"), ((organization.as_str(), None), "member")]
        {
            for author in [by(&mal), by_admin(&mal)] {
                assert_eq!(refusal(map(&store, &author, place, ("all", role)).await), Refusal::Personal);
            }
        }
        // A release before, which still runs, may write one.
        let mut tx = store.begin().await.unwrap();
        crate::store::tx::on_tx!(tx, conn => {
            let insert = "INSERT INTO group_mappings (id, organization_id, project_id, issuer, group_name, role, created_at) \
                 VALUES ('gmp_old', $1, $2, 'keycloak', 'all', 'owner', 1)";
            sqlx::query(insert).bind(&organization).bind(&project).execute(conn).await.map(drop)
        })
        .unwrap();
        tx.commit(at(1)).await.unwrap();
        let victim = meet_with(&store, "victim", Some(&groups(&["all"]))).await;
        assert_eq!(role(&store, &victim, &project).await, None);
        assert_eq!(store.members::<ProjectRole>(&project, FIRST).await.unwrap().len(), 1);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_a_mapping_gives_no_more_than_its_makers_standing_does() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let (acme, project) = place(&store, &alice).await;
        let (in_project, in_acme) = ((acme.as_str(), Some(project.as_str())), (acme.as_str(), None));
        for wanted in ["manager", "owner"] {
            let made = map(&store, &by(&alice), in_project, ("leads", wanted)).await;
            let above = Refusal::MappingAbove {
                role: ProjectRole::parse(wanted).unwrap().as_str(),
                most: "developer",
            };
            assert_eq!(refusal(made), above);
        }
        let made = map(&store, &by(&alice), in_acme, ("leads", "admin")).await;
        assert_eq!(refusal(made), Refusal::MappingAbove { role: "admin", most: "member" });
        map(&store, &by(&alice), in_project, ("devs", "developer")).await.unwrap();

        // The platform's right alone maps to nothing in a project, and to no administrator.
        let root = meet_as_admin(&store, "root", true).await;
        for (place, wanted, thing) in [(in_project, "viewer", "project"), (in_acme, "admin", "organization")]
        {
            let made = map(&store, &by_admin(&root), place, ("g", wanted)).await;
            assert_eq!(refusal(made), Refusal::MembershipNeeded(thing));
        }
        map(&store, &by_admin(&root), in_acme, ("staff", "member")).await.unwrap();
        join(&store, &project, &root, ProjectRole::Manager).await;
        let above = Refusal::AboveOwnRole { own: ProjectRole::Manager, other: ProjectRole::Owner };
        assert_eq!(refusal(map(&store, &by_admin(&root), in_project, ("g", "owner")).await), above);
        let made = map(&store, &by_admin(&root), in_project, ("leads", "manager")).await.unwrap();
        assert_eq!((made.gives.as_str(), made.created_by.as_deref()), ("manager", Some(root.id.as_str())));

        let leads = groups(&["leads"]);
        let bob = meet_with(&store, "bob", Some(&leads)).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Manager));
        // Whoever is no platform administrator any more maps to no more than others.
        meet_as_admin(&store, "root", false).await;
        meet_with(&store, "bob", Some(&leads)).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Developer));
        let listed = store.group_mappings(&acme, at(2_000), FIRST).await.unwrap();
        let listed = listed.into_iter().find(|mapping| mapping.id == made.id).unwrap();
        assert_eq!((listed.role.as_str(), listed.gives.as_str()), ("manager", "developer"));
        // Another one who is vouches for it.
        let twice = map(&store, &by(&alice), in_project, ("devs", "developer")).await;
        assert_eq!(refusal(twice), Refusal::Twice("group mapping"));
        let alice = meet_as_admin(&store, "alice", true).await;
        let same = map(&store, &by_admin(&alice), in_project, ("leads", "manager")).await.unwrap();
        assert_eq!((same.id.as_str(), same.gives.as_str()), (made.id.as_str(), "manager"));
        assert_eq!(same.created_by, Some(alice.id.clone()));
        meet_with(&store, "bob", Some(&leads)).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Manager));
        // So does whoever is suspended, or has not been met as one for long.
        let far = at(2_000 + 91 * 86_400_000);
        let listed = store.group_mappings(&acme, far, FIRST).await.unwrap();
        assert!(listed.iter().all(|mapping| ["developer", "member"].contains(&mapping.gives.as_str())));
        commit!(store, tx => tx.set_person_suspended(StandingChange::Suspend(&operator()), &alice.id))
            .unwrap();
        meet_with(&store, "bob", Some(&leads)).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Developer));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_whoever_leaves_stays_away_from_what_groups_give() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let (acme, project) = place(&store, &alice).await;
        map(&store, &by(&alice), (&acme, Some(&project)), ("devs", "developer")).await.unwrap();
        map(&store, &by(&alice), (&acme, None), ("devs", "member")).await.unwrap();
        let devs = groups(&["devs"]);
        let bob = meet_with(&store, "bob", Some(&devs)).await;
        assert_eq!(role(&store, &bob, &project).await, Some(ProjectRole::Developer));
        let keys = LeaversKeys::Revoke;
        commit!(store, tx => tx.remove_project_member(&by(&bob), &project, &bob.id, keys)).unwrap();
        meet_with(&store, "bob", Some(&devs)).await;
        assert_eq!(role(&store, &bob, &project).await, None, "not pulled in again");
        assert!(store.organization_access(who(&bob), &acme).await.unwrap().is_some());
        commit!(store, tx => tx.remove_organization_member(&by(&bob), &acme, &bob.id, keys)).unwrap();
        meet_with(&store, "bob", Some(&devs)).await;
        assert!(store.organization_access(who(&bob), &acme).await.unwrap().is_none());
        // An invitation that they accept brings them back.
        invite(&store, &alice, &project, ("back", None, ProjectRole::Viewer)).await.unwrap();
        assert_eq!(accept(&store, &bob, "back", None).await.unwrap(), ProjectRole::Viewer);
        // Whom somebody else removes has not left.
        commit!(store, tx => tx.remove_project_member(&by(&alice), &project, &bob.id, keys)).unwrap();
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v4_an_invitation_is_judged_again_when_it_is_accepted() {
    use ProjectRole::{Manager, Owner, Viewer};
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let (bob, carol) = (meet(&store, "bob").await, meet(&store, "carol").await);
        let (acme, project) = place(&store, &alice).await;
        let root = meet_as_admin(&store, "root", true).await;

        // Suspended by hand, by the directory, and behind the store's back; resuming brings no invitation back.
        let directory = crate::store::DirectoryVerdict::Gone(crate::store::SuspensionCause::DirectoryAbsent);
        for (digest, by_directory) in [("s1", false), ("s2", true)] {
            join(&store, &project, &bob, Manager).await;
            invite(&store, &bob, &project, (digest, None, Manager)).await.unwrap();
            if by_directory {
                commit!(store, tx => tx.obey_directory(&operator(), &bob.id, directory)).unwrap();
            } else {
                commit!(store, tx => tx.set_person_suspended(StandingChange::Suspend(&operator()), &bob.id)).unwrap();
            }
            assert_eq!(store.open_invitations::<ProjectRole>(&project, at(4_000), FIRST).await.unwrap(), []);
            let record = store.audit_after(AuditScope::All, 0, 1000).await.unwrap().pop().unwrap();
            assert_eq!(record.action, "person.suspend");
            assert_eq!(record.after.unwrap()["withdrawn_invitations"].as_array().unwrap().len(), 1);
            assert_eq!(refusal(accept(&store, &carol, digest, None).await), Refusal::Invitation);
            commit!(store, tx => tx.set_person_suspended(StandingChange::Resume(&operator()), &bob.id)).unwrap();
            assert_eq!(refusal(accept(&store, &carol, digest, None).await), Refusal::Invitation);
        }
        for (digest, spoil) in [
            ("q1", "UPDATE people SET state = 'suspended' WHERE subject = 'bob'"),
            ("q2", "UPDATE project_members SET role = 'viewer' WHERE person_id IN (SELECT id FROM people WHERE subject = 'bob')"),
            ("q3", "DELETE FROM project_members WHERE person_id IN (SELECT id FROM people WHERE subject = 'bob')"),
        ] {
            join(&store, &project, &bob, Manager).await;
            invite(&store, &bob, &project, (digest, None, Manager)).await.unwrap();
            super::rig::write(&store, spoil, None).await;
            assert_eq!(refusal(accept(&store, &carol, digest, None).await), Refusal::Invitation, "{spoil}");
            super::rig::write(&store, "UPDATE people SET state = 'active' WHERE subject = 'bob'", None).await;
        }

        // The platform's right alone invites nobody; as a member it does, and the log shows how they became one.
        let new = |digest| NewInvitation {
            id: digest,
            place: &project,
            invitee: Invitee::Bearer,
            role: Viewer,
            token_digest: digest,
            expires_at: at(9_000),
        };
        let made = commit!(store, tx => tx.create_invitation(&by_admin(&root), new("p1")));
        assert_eq!(refusal(made), Refusal::MembershipNeeded("project"));
        commit!(store, tx => tx.put_project_member(&by_admin(&root), &project, &root.id, Owner)).unwrap();
        let record = store.audit_after(AuditScope::All, 0, 1000).await.unwrap().pop().unwrap();
        assert_eq!((record.action.as_str(), record.after.unwrap()["by_platform_right"].clone()), ("project.member.add", true.into()));
        commit!(store, tx => tx.create_invitation(&by_admin(&root), new("p2"))).unwrap();
        assert_eq!(accept(&store, &carol, "p2", None).await.unwrap(), Viewer);

        // An administrator of the organization invites as one; the right goes, the invitation goes.
        let admin = OrganizationRole::Admin;
        commit!(store, tx => tx.put_organization_member(&operator(), &acme, &bob.id, admin)).unwrap();
        join(&store, &project, &bob, Viewer).await;
        invite(&store, &bob, &project, ("o1", None, Owner)).await.unwrap();
        let to_acme = NewInvitation {
            id: "o2",
            place: &acme,
            invitee: Invitee::Person(&carol.id),
            role: admin,
            token_digest: "o2",
            expires_at: at(9_000),
        };
        commit!(store, tx => tx.create_organization_invitation(&by(&bob), to_acme)).unwrap();
        let member = OrganizationRole::Member;
        commit!(store, tx => tx.put_organization_member(&by(&alice), &acme, &bob.id, member)).unwrap();
        assert_eq!(store.open_invitations::<ProjectRole>(&project, at(4_000), FIRST).await.unwrap(), []);
        for digest in ["o1", "o2"] {
            assert_eq!(refusal(accept(&store, &carol, digest, None).await), Refusal::Invitation, "{digest}");
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v3_an_address_counts_for_the_issuer_that_is_named() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let bob = meet(&store, "bob").await;
        let (_, project) = place(&store, &alice).await;
        let address = "bob@example.com";
        invite(&store, &alice, &project, ("m1", Some(address), ProjectRole::Viewer)).await.unwrap();
        invite(&store, &alice, &project, ("m2", Some(address), ProjectRole::Viewer)).await.unwrap();
        let unnamed = "UPDATE invitations SET issuer = NULL WHERE token_digest = 'm2'";
        super::rig::write(&store, unnamed, None).await;
        let other = Guest { issuer: "partner", only_issuer: false, verified_email: Some(address) };
        let own = Guest { issuer: "keycloak", ..other };
        for (digest, guest) in [("m1", other), ("m2", other), ("m2", own)] {
            let done = commit!(store, tx => tx.accept_invitation(&by(&bob), Ticket::Token(digest), guest));
            assert_eq!(refusal(done), Refusal::Invitation, "{digest}");
        }
        let list = async |guest| store.invitations_for(&bob.id, guest, at(4_000), FIRST).await.unwrap().len();
        assert_eq!((list(other).await, list(own).await), (0, 1));
        let only = Guest { only_issuer: true, ..own };
        for digest in ["m1", "m2"] {
            commit!(store, tx => tx.accept_invitation(&by(&bob), Ticket::Token(digest), only)).unwrap();
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_the_last_one_may_leave_and_what_nobody_leads_is_suspended() {
    on_both(async |url| {
        let store = open(url).await;
        let (alice, bob) = (meet(&store, "alice").await, meet(&store, "bob").await);
        let (acme, project) = place(&store, &alice).await;
        let owner = ProjectRole::Owner;
        commit!(store, tx => tx.put_organization_member(&operator(), &acme, &bob.id, OrganizationRole::Member))
            .unwrap();
        let keys = LeaversKeys::Revoke;
        let state = async |id: &str| store.project_access(Who { person: "x", platform_admin: true }, id).await;
        // The organization's administrator is left.
        join(&store, &project, &bob, owner).await;
        for person in [&alice, &bob] {
            commit!(store, tx => tx.remove_project_member(&by(person), &project, &person.id, keys)).unwrap();
        }
        let fallen = state(&project).await.unwrap().unwrap();
        assert_eq!(fallen.project.state, State::Active);
        assert_eq!(role(&store, &alice, &project).await, Some(owner), "it has fallen to the administrator");
        // The last administrator leaves: nobody leads the organization, nor a project without an owner.
        commit!(store, tx => tx.remove_organization_member(&by(&alice), &acme, &alice.id, keys)).unwrap();
        let left = state(&project).await.unwrap().unwrap();
        assert_eq!((left.project.state, left.organization_state), (State::Suspended, State::Suspended));
        // A project whose last owner leaves where nobody administers.
        join(&store, &project, &bob, owner).await;
        commit!(store, tx => tx.set_project_suspended(StandingChange::Resume(&operator()), &project)).unwrap();
        commit!(store, tx => tx.remove_project_member(&by(&bob), &project, &bob.id, keys)).unwrap();
        assert_eq!(state(&project).await.unwrap().unwrap().project.state, State::Suspended);
        // The platform gives it an administrator, who resumes it.
        commit!(store, tx => tx.put_organization_member(&operator(), &acme, &bob.id, OrganizationRole::Admin))
            .unwrap();
        commit!(store, tx => tx.set_organization_suspended(StandingChange::Resume(&operator()), &acme)).unwrap();
        commit!(store, tx => tx.set_project_suspended(StandingChange::Resume(&by(&bob)), &project)).unwrap();
        assert_eq!(role(&store, &bob, &project).await, Some(owner));
        store.close().await;
    })
    .await;
}
