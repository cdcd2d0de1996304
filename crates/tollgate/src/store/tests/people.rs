//! What the tests of tenancy share: people, keys, and how to write.

use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_core::ids::IdKind;
use tollgate_core::recent::RecentProof;
use tollgate_core::tenancy::ProjectRole;
use tollgate_core::time::Timestamp;

use super::rig::at;
use crate::store::tx::on_tx;
use crate::store::{AuditScope, Author, Contact, FreshAuthor, Origin, Person, Slice, Store, StoreError, Who};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// An id that no other call gives.
pub fn make_id(kind: IdKind) -> String {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    kind.make(Timestamp::from_millis(1_000), random)
}

/// Bytes that no other call gives.
pub fn random() -> [u8; 30] {
    let mut bytes = [0; 30];
    for part in bytes.chunks_mut(10) {
        part[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    }
    bytes
}

/// Begins a unit of work, does one thing, and commits it if it was not refused.
macro_rules! commit {
    ($store:expr, $tx:ident => { $body:expr }) => { commit!($store, $tx => $body) };
    ($store:expr, $tx:ident => $body:expr) => {{
        let mut $tx = $store.begin().await.unwrap();
        match $body.await {
            Ok(done) => $tx.commit(crate::store::tests::rig::at(5_000)).await.map(|()| done),
            Err(refused) => Err(refused),
        }
    }};
}
pub(super) use commit;

/// The rule that was broken.
pub fn refusal<T: std::fmt::Debug>(done: Result<T, StoreError>) -> crate::store::Refusal {
    match done {
        Err(StoreError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub async fn meet_with(store: &Store, subject: &str, groups: Option<&[String]>) -> Person {
    let contact = Contact {
        issuer: "keycloak",
        subject,
        username: subject,
        email: Some(&format!("{subject}@example.com")),
        groups,
        platform_admin: false,
    };
    store.meet_person(&contact, &Origin::here(at(2_000)), &random()).await.unwrap()
}

/// Somebody whose groups make them an administrator of the platform, or, at a later contact, do not any more.
pub async fn meet_as_admin(store: &Store, subject: &str, platform_admin: bool) -> Person {
    let contact = Contact {
        issuer: "keycloak",
        subject,
        username: subject,
        email: None,
        groups: Some(&[]),
        platform_admin,
    };
    store.meet_person(&contact, &Origin::here(at(2_000)), &random()).await.unwrap()
}

pub async fn meet(store: &Store, subject: &str) -> Person {
    meet_with(store, subject, None).await
}

pub fn by(person: &Person) -> FreshAuthor {
    proven(person, false)
}

fn proven(person: &Person, platform_admin: bool) -> FreshAuthor {
    let proof = RecentProof::judge(None, None, at(3_000)).unwrap();
    let author = Author::person(&person.id, &person.username, platform_admin, Origin::here(at(3_000)));
    FreshAuthor::new(author, proof)
}

pub fn operator() -> FreshAuthor {
    FreshAuthor::operator("root", Origin::here(at(3_000)))
}

/// For edits that widen something.
pub fn proof() -> Result<FreshAuthor, StoreError> {
    Ok(operator())
}

/// As an administrator of the platform.
pub fn by_admin(person: &Person) -> FreshAuthor {
    proven(person, true)
}

/// Makes somebody a member without asking, as whoever is at the store itself can.
pub async fn join(store: &Store, project: &str, person: &Person, role: ProjectRole) {
    commit!(store, tx => tx.put_project_member(&operator(), project, &person.id, role)).unwrap();
}

pub fn who(person: &Person) -> Who<'_> {
    Who { person: &person.id, platform_admin: false }
}

pub const FIRST: Slice<'static> = Slice { after: "", limit: 100 };

/// A person's own organization and project.
pub async fn home(store: &Store, person: &Person) -> (String, String) {
    let mut projects = store.projects_of(who(person), "", FIRST).await.unwrap();
    let mut organizations = store.organizations_of(who(person), FIRST).await.unwrap();
    organizations.retain(|access| access.organization.personal);
    projects.retain(|access| access.project.organization_id == organizations[0].organization.id);
    (organizations[0].organization.id.clone(), projects[0].project.id.clone())
}

/// An organization of which `admin` is the administrator.
pub async fn organization(store: &Store, admin: &Person) -> String {
    let id = make_id(IdKind::Organization);
    commit!(store, tx => tx.create_organization(&operator(), (&id, "acme", false), &admin.id)).unwrap();
    id
}

/// A key of a person or, when the id says so, of a service account.
pub async fn key(store: &Store, id: &str, project: &str, owner: &str) {
    let (person, account) =
        if IdKind::Person.fits(owner) { (Some(owner), None) } else { (None, Some(owner)) };
    let mut tx = store.begin().await.unwrap();
    on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO api_keys (id, project_id, person_id, service_account_id, name, digest, state, models, \
             routes, addresses, tags, metadata, created_by, version, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, 'key', $1, 'live', '\"all\"', '\"all\"', '\"any\"', '[]', '{}', 'test', 1, 1, 1)",
        )
        .bind(id).bind(project).bind(person).bind(account).execute(conn).await.map(drop)
    })
    .unwrap();
    tx.commit(at(1)).await.unwrap();
}

/// A key's state and owner.
pub async fn key_state(store: &Store, id: &str) -> (String, Option<String>) {
    let mut tx = store.begin().await.unwrap();
    on_tx!(tx, conn => {
        sqlx::query_as("SELECT state, person_id FROM api_keys WHERE id = $1").bind(id).fetch_one(conn).await
    })
    .unwrap()
}

/// What was done, by name, oldest first.
pub async fn actions(store: &Store) -> Vec<String> {
    store
        .audit_after(AuditScope::All, 0, 1000)
        .await
        .unwrap()
        .into_iter()
        .map(|record| record.action)
        .collect()
}
