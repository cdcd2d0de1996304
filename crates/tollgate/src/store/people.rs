//! People: known by the configured issuer's name and their subject there, from the first contact on.

use serde_json::json;
use tollgate_core::caller::Standing;
use tollgate_core::ids::IdKind;
use tollgate_core::time::Timestamp;

use super::audit::{ActorKind, AuditEntry};
use super::changes::Change;
use super::db::failed;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// What a token or a login says about a person.
#[derive(Clone, Copy, Debug)]
pub struct Contact<'a> {
    /// The configured name of the issuer.
    pub issuer: &'a str,
    /// The subject there.
    pub subject: &'a str,
    /// The name a person recognises.
    pub username: &'a str,
    /// The e-mail address.
    pub email: Option<&'a str>,
    /// Groups and roles.
    pub groups: &'a [String],
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// `per_…`
    pub id: String,
    /// The configured name of the issuer.
    pub issuer: String,
    /// The subject there.
    pub subject: String,
    /// The name a person recognises.
    pub username: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether they may act.
    pub standing: Standing,
    /// Counts the edits.
    pub version: i64,
    /// First contact.
    pub created_at: Timestamp,
    /// Last contact, to the minute.
    pub last_seen_at: Timestamp,
}

type Columns = (String, String, String, String, Option<String>, String, i64, i64, i64);

/// How stale `last_seen_at` may be: more often it is not worth a write.
const SEEN_EVERY_MILLIS: i64 = 60_000;

const FIND_BY_SUBJECT: &str = "SELECT id, issuer, subject, username, email, state, version, created_at, \
     last_seen_at FROM people WHERE issuer = $1 AND subject = $2";
/// Somebody else may be making the same person: whoever comes second makes nothing.
const CREATE: &str = "INSERT INTO people (id, issuer, subject, username, email, state, version, created_at, \
     updated_at, last_seen_at) VALUES ($1, $2, $3, $4, $5, 'active', 1, $6, $6, $6) \
     ON CONFLICT (issuer, subject) DO NOTHING";
const SEEN: &str = "UPDATE people SET username = $2, email = $3, last_seen_at = $4 WHERE id = $1";
const CREATE_ORGANIZATION: &str = "INSERT INTO organizations (id, name, personal, state, version, created_at, \
     updated_at) VALUES ($1, $2, TRUE, 'active', 1, $3, $3)";
const JOIN_ORGANIZATION: &str = "INSERT INTO organization_members (organization_id, person_id, role, source, \
     created_at) VALUES ($1, $2, 'admin', 'manual', $3)";
const CREATE_PROJECT: &str = "INSERT INTO projects (id, organization_id, name, state, models, version, \
     created_at, updated_at) VALUES ($1, $2, 'personal', 'active', '\"all\"', 1, $3, $3)";
const JOIN_PROJECT: &str = "INSERT INTO project_members (project_id, person_id, role, source, created_at) \
     VALUES ($1, $2, 'owner', 'manual', $3)";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[FIND_BY_SUBJECT, CREATE, SEEN, CREATE_ORGANIZATION, JOIN_ORGANIZATION, CREATE_PROJECT, JOIN_PROJECT];

impl Store {
    /// The person of this contact. Who is new gets a row, an organization and a project of their own, all or nothing;
    /// `random` is for their three ids.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn first_contact(
        &self,
        contact: &Contact<'_>,
        now: Timestamp,
        random: &[u8; 30],
    ) -> Result<PersonRow, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(person) = tx.find_person_by_subject(contact.issuer, contact.subject).await? {
            return refresh(tx, person, contact, now).await;
        }
        create(&mut tx, contact, now, random).await?;
        let person = tx.find_person_by_subject(contact.issuer, contact.subject).await?;
        tx.commit(now).await?;
        person
            .ok_or_else(|| StoreError::Inconsistent { table: "people", what: "a new person is gone".into() })
    }
}

impl Tx {
    /// The person of this subject.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn find_person_by_subject(
        &mut self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<PersonRow>, StoreError> {
        let row: Option<Columns> = on_tx!(self, conn => {
            sqlx::query_as(FIND_BY_SUBJECT).bind(issuer).bind(subject).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        row.map(person).transpose()
    }
}

/// Keeps name, address and last contact up to date. A name is shown to backends, so its change is a change.
async fn refresh(
    mut tx: Tx,
    person: PersonRow,
    contact: &Contact<'_>,
    now: Timestamp,
) -> Result<PersonRow, StoreError> {
    let renamed = person.username != contact.username || person.email.as_deref() != contact.email;
    if !renamed && now.millis_since(person.last_seen_at) < SEEN_EVERY_MILLIS {
        return Ok(person);
    }
    on_tx!(tx, conn => {
        let seen = sqlx::query(SEEN).bind(&person.id).bind(contact.username).bind(contact.email);
        seen.bind(now.as_millis()).execute(conn).await.map(drop)
    })
    .map_err(|e| failed(&e))?;
    if renamed {
        tx.change(Change::Person(person.id.clone()));
    }
    tx.commit(now).await?;
    let (username, email) = (contact.username.to_owned(), contact.email.map(str::to_owned));
    Ok(PersonRow { username, email, last_seen_at: now, ..person })
}

async fn create(
    tx: &mut Tx,
    contact: &Contact<'_>,
    now: Timestamp,
    random: &[u8; 30],
) -> Result<(), StoreError> {
    let part = |at: usize| {
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&random[at * 10..at * 10 + 10]);
        bytes
    };
    let id = IdKind::Person.make(now, part(0));
    let organization = IdKind::Organization.make(now, part(1));
    let project = IdKind::Project.make(now, part(2));
    let at = now.as_millis();
    let created = on_tx!(tx, conn => {
        let create = sqlx::query(CREATE).bind(&id).bind(contact.issuer).bind(contact.subject);
        let create = create.bind(contact.username).bind(contact.email).bind(at);
        create.execute(conn).await.map(|done| done.rows_affected())
    })
    .map_err(|e| failed(&e))?;
    if created == 0 {
        return Ok(());
    }
    for (statement, first, second) in [
        (CREATE_ORGANIZATION, &organization, contact.username),
        (JOIN_ORGANIZATION, &organization, &id),
        (CREATE_PROJECT, &project, &organization),
        (JOIN_PROJECT, &project, &id),
    ] {
        on_tx!(tx, conn => {
            sqlx::query(statement).bind(first).bind(second).bind(at).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
    }
    for change in [
        Change::Person(id.clone()),
        Change::Organization(organization.clone()),
        Change::Project(project.clone()),
    ] {
        tx.change(change);
    }
    tx.audit(AuditEntry {
        at: now,
        actor_kind: ActorKind::Person,
        actor_id: id.clone(),
        actor_name: contact.username.to_owned(),
        action: "person.appear",
        target_kind: "person",
        target_id: id,
        organization_id: Some(organization),
        project_id: Some(project),
        before: None,
        after: Some(
            json!({"issuer": contact.issuer, "subject": contact.subject, "username": contact.username}),
        ),
        address: None,
        user_agent: None,
        request_id: None,
    });
    Ok(())
}

fn person(columns: Columns) -> Result<PersonRow, StoreError> {
    let (id, issuer, subject, username, email, state, version, created_at, last_seen_at) = columns;
    Ok(PersonRow {
        standing: standing("people", &state)?,
        id,
        issuer,
        subject,
        username,
        email,
        version,
        created_at: Timestamp::from_millis(created_at),
        last_seen_at: Timestamp::from_millis(last_seen_at),
    })
}

/// A state column of things that can be suspended.
pub(super) fn standing(table: &'static str, state: &str) -> Result<Standing, StoreError> {
    match state {
        "active" => Ok(Standing::Active),
        "suspended" => Ok(Standing::Suspended),
        other => Err(StoreError::Inconsistent { table, what: format!("state '{other}'") }),
    }
}
