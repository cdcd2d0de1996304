//! People, known by issuer and subject. They appear at their first login or call, with an organization and a project of
//! their own.

use serde::Serialize;
use serde_json::json;
use tollgate_core::ids::IdKind;
use tollgate_core::models::ModelPolicy;
use tollgate_core::time::Timestamp;

use super::author::{Author, Origin};
use super::changes::Change;
use super::db::{failed, on};
use super::fields::{Slice, State, impossible, moment};
use super::projects::NewProject;
use super::proof::StandingChange;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// A person, as the API and the audit log show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// `per_…`
    pub id: String,
    /// The configured name of the issuer.
    pub issuer: String,
    /// The subject there.
    pub subject: String,
    /// Their name there.
    pub username: String,
    /// Their address, if the issuer tells it.
    pub email: Option<String>,
    /// Whether they and their keys may act.
    pub state: State,
    /// Why they are suspended, when the issuer's directory said so. None: an administrator did it, or they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_because: Option<SuspensionCause>,
    /// Counts the edits.
    pub version: i64,
    /// First contact.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
    /// When they were edited last.
    #[serde(serialize_with = "moment")]
    pub updated_at: Timestamp,
    /// Last contact, to the minute.
    #[serde(serialize_with = "moment")]
    pub last_seen_at: Timestamp,
    /// When their groups last said that they administer the platform, to the day; None: the last time they did not.
    #[serde(skip)]
    pub platform_admin_at: Option<Timestamp>,
}

/// What a login or a token says about a person.
#[derive(Clone, Copy, Debug)]
pub struct Contact<'a> {
    /// The configured name of the issuer.
    pub issuer: &'a str,
    /// The subject there.
    pub subject: &'a str,
    /// The name there; the subject when there is none.
    pub username: &'a str,
    /// The address.
    pub email: Option<&'a str>,
    /// The groups. `None` when this login or token says nothing about groups, which is not the same as having none.
    pub groups: Option<&'a [String]>,
    /// Whether those groups make them an administrator of the platform; of no account without groups.
    pub platform_admin: bool,
}

/// What the issuer's directory says of somebody who may not act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspensionCause {
    /// There is no such user any more.
    DirectoryAbsent,
    /// The user is disabled there.
    DirectoryDisabled,
}

impl SuspensionCause {
    /// The text in database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DirectoryAbsent => "directory_absent",
            Self::DirectoryDisabled => "directory_disabled",
        }
    }

    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        [Self::DirectoryAbsent, Self::DirectoryDisabled]
            .into_iter()
            .find(|cause| cause.as_str() == text)
            .ok_or_else(|| impossible("people", "suspended_because", text))
    }
}

type PersonRow =
    (String, String, String, String, Option<String>, String, Option<String>, i64, i64, i64, i64, Option<i64>);

/// The columns of a row of people.
macro_rules! columns {
    () => {
        "id, issuer, subject, username, email, state, suspended_because, version, created_at, updated_at, last_seen_at, \
         platform_admin_at"
    };
}

const FIND_BY_SUBJECT: &str =
    concat!("SELECT ", columns!(), " FROM people WHERE issuer = $1 AND subject = $2");
const FIND: &str = concat!("SELECT ", columns!(), " FROM people WHERE id = $1");
const LIST: &str = concat!("SELECT ", columns!(), " FROM people WHERE id > $1 ORDER BY id LIMIT $2");
const INSERT: &str = "INSERT INTO people (id, issuer, subject, username, email, state, version, created_at, \
     updated_at, last_seen_at) VALUES ($1, $2, $3, $4, $5, 'active', 1, $6, $6, $6) \
     ON CONFLICT (issuer, subject) DO NOTHING";
const HOLD: &str = concat!(
    "UPDATE people SET last_seen_at = CASE WHEN last_seen_at < $1 THEN $1 ELSE last_seen_at END WHERE id = $2 RETURNING ",
    columns!()
);
const UPDATE: &str = concat!(
    "UPDATE people SET username = $1, email = $2, state = $3, suspended_because = $4, version = version + 1, \
     updated_at = $5 WHERE id = $6 RETURNING ",
    columns!()
);
const STANDING: &str =
    concat!("UPDATE people SET platform_admin_at = $1 WHERE id = $2 RETURNING ", columns!());
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FIND_BY_SUBJECT, FIND, LIST, INSERT, HOLD, UPDATE, STANDING];

/// How often a contact that says nothing new is written down, in milliseconds.
const SEEN_EVERY: i64 = 60_000;
/// How often it is written down again that somebody administers the platform, in milliseconds.
const STANDING_EVERY: i64 = 86_400_000;
/// How often a contact is written again when the database gave it up in favour of another.
const MOST_ATTEMPTS: u32 = 3;
/// Characters of a name or address that are kept.
const MOST_CHARS: usize = 320;
/// What the project is called that a person begins with.
const FIRST_PROJECT: &str = "personal";

impl Person {
    fn from_row(row: PersonRow) -> Result<Self, StoreError> {
        let (id, issuer, subject, username, email, state, because, version, created, updated, seen, admin) =
            row;
        let state = State::read("people", &state)?;
        // A release that knew no causes may have left one with somebody whom it let act again.
        let because = because.filter(|_| state == State::Suspended);
        Ok(Self {
            id,
            issuer,
            subject,
            username,
            email,
            state,
            suspended_because: because.as_deref().map(SuspensionCause::read).transpose()?,
            version,
            created_at: Timestamp::from_millis(created),
            updated_at: Timestamp::from_millis(updated),
            last_seen_at: Timestamp::from_millis(seen),
            platform_admin_at: admin.map(Timestamp::from_millis),
        })
    }

    /// This person as the contact describes them. What it does not say stays: not every client's tokens hold a name or an
    /// address.
    fn described_by(&self, contact: &Contact<'_>) -> Self {
        let mut person = self.clone();
        if contact.username != contact.subject {
            person.username = kept(contact.username);
        }
        if let Some(email) = contact.email {
            person.email = Some(kept(email));
        }
        person
    }
}

impl Contact<'_> {
    /// Whether what is known of the person's standing on the platform is what this contact says.
    fn confirms(&self, known: &Person, now: Timestamp) -> bool {
        match (self.groups, self.platform_admin) {
            (None, _) => true,
            (Some(_), false) => known.platform_admin_at.is_none(),
            (Some(_), true) => {
                known.platform_admin_at.is_some_and(|at| now.millis_since(at) < STANDING_EVERY)
            }
        }
    }
}

/// The text as it is kept: without control characters, and not longer than a name is.
fn kept(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect()
}

impl Store {
    /// The person that a login or token speaks of; made at the first contact together with a personal organization and a
    /// personal project, and otherwise brought up to date, memberships by group included. `random` is for the three ids.
    ///
    /// However many first contacts there are at once, there is one person.
    ///
    /// # Errors
    /// [`Refusal::Subject`]; or the database gave no answer.
    pub async fn meet_person(
        &self,
        contact: &Contact<'_>,
        origin: &Origin,
        random: &[u8; 30],
    ) -> Result<Person, StoreError> {
        if contact.subject.contains('\0') {
            // Postgres has no text with NUL in it.
            return Err(Refusal::Subject.into());
        }
        if let Some(known) = self.find_person_by_subject(contact.issuer, contact.subject).await? {
            let described = known.described_by(contact);
            let fresh = origin.at.millis_since(known.last_seen_at) < SEEN_EVERY;
            let confirmed = contact.confirms(&known, origin.at);
            if fresh
                && confirmed
                && described == known
                && !self.groups_differ(&known, contact.groups, origin.at).await?
            {
                return Ok(known);
            }
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.write_contact(contact, origin, random).await {
                // Groups can name many projects, and two people's may meet in a circle: the database breaks it.
                Err(StoreError::Again(_)) if attempts < MOST_ATTEMPTS => {}
                done => return done,
            }
        }
    }

    async fn write_contact(
        &self,
        contact: &Contact<'_>,
        origin: &Origin,
        random: &[u8; 30],
    ) -> Result<Person, StoreError> {
        let mut tx = self.begin().await?;
        let person = tx.meet_person(contact, origin, random).await?;
        tx.commit(origin.at).await?;
        Ok(person)
    }

    /// The person of this issuer and subject.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn find_person_by_subject(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Person>, StoreError> {
        let db = self.ready().await?;
        let row: Option<PersonRow> = on!(db, pool => {
            sqlx::query_as(FIND_BY_SUBJECT).bind(issuer).bind(subject).fetch_optional(pool).await
        })
        .map_err(|e| failed(&e))?;
        row.map(Person::from_row).transpose()
    }

    /// The person of this id.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn find_person(&self, id: &str) -> Result<Option<Person>, StoreError> {
        let db = self.ready().await?;
        let row: Option<PersonRow> =
            on!(db, pool => sqlx::query_as(FIND).bind(id).fetch_optional(pool).await)
                .map_err(|e| failed(&e))?;
        row.map(Person::from_row).transpose()
    }

    /// Everybody, by id; for platform administrators.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn every_person(&self, slice: Slice<'_>) -> Result<Vec<Person>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<PersonRow> =
            on!(db, pool => sqlx::query_as(LIST).bind(slice.after).bind(slice.limit).fetch_all(pool).await)
                .map_err(|e| failed(&e))?;
        rows.into_iter().map(Person::from_row).collect()
    }
}

impl Tx {
    async fn meet_person(
        &mut self,
        contact: &Contact<'_>,
        origin: &Origin,
        random: &[u8; 30],
    ) -> Result<Person, StoreError> {
        let part = |at: usize| {
            let mut bytes = [0; 10];
            bytes.copy_from_slice(&random[at * 10..at * 10 + 10]);
            bytes
        };
        let id = IdKind::Person.make(origin.at, part(0));
        let (username, email) = (kept(contact.username), contact.email.map(kept));
        let made = on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(&id).bind(contact.issuer).bind(contact.subject);
            let insert = insert.bind(&username).bind(&email).bind(origin.at.as_millis());
            insert.execute(conn).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))?;
        // Somebody else's first contact of the same person has won if nothing was made, and is committed by now.
        let found: PersonRow = on_tx!(self, conn => {
            sqlx::query_as(FIND_BY_SUBJECT).bind(contact.issuer).bind(contact.subject).fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        let author = Author::person(&found.0, &found.3, false, origin.clone());
        let person = self.hold_person(&author, &found.0).await?;
        if made > 0 {
            self.change(Change::Person(person.id.clone()));
            self.audit(author.entry("person.appear", "person", &person.id).after(&person));
            let organization = IdKind::Organization.make(origin.at, part(1));
            let new = (organization.as_str(), person.username.as_str(), true);
            self.found_organization(&author, new, &person.id).await?;
            let new = NewProject {
                id: &IdKind::Project.make(origin.at, part(2)),
                organization_id: &organization,
                name: FIRST_PROJECT,
                models: &ModelPolicy::All,
            };
            self.found_project(&author, new, Some(&person.id)).await?;
        }
        let described = person.described_by(contact);
        let person = if described == person {
            person
        } else {
            self.write_person(&author, "person.update", &person, &described).await?
        };
        let person = if contact.confirms(&person, origin.at) {
            person
        } else {
            self.write_standing(&person, contact.platform_admin.then_some(origin.at)).await?
        };
        if let Some(groups) = contact.groups {
            self.apply_group_mappings(&person, groups, origin).await?;
        }
        Ok(person)
    }

    /// Suspends a person or lets them act again; for platform administrators. Their keys follow, without being touched.
    ///
    /// # Errors
    /// [`Refusal::PlatformAdminNeeded`], [`Refusal::Oneself`], [`Refusal::Missing`]; or the database gave no answer.
    pub async fn set_person_suspended(
        &mut self,
        standing: StandingChange<'_>,
        id: &str,
    ) -> Result<Person, StoreError> {
        let author = standing.author();
        if !author.platform_admin {
            return Err(Refusal::PlatformAdminNeeded.into());
        }
        let (state, action) = standing.done(("person.suspend", "person.resume"));
        if state == State::Suspended && author.id == id {
            return Err(Refusal::Oneself.into());
        }
        let before = self.hold_person_quietly(author, id).await?;
        // An administrator's word goes over the directory's: whom they suspend, the directory does not let in again.
        if before.state == state && before.suspended_because.is_none() {
            return Ok(before);
        }
        let after = Person { state, suspended_because: None, ..before.clone() };
        self.write_person(author, action, &before, &after).await
    }

    async fn write_standing(&mut self, person: &Person, at: Option<Timestamp>) -> Result<Person, StoreError> {
        let at = at.map(Timestamp::as_millis);
        let row: PersonRow =
            on_tx!(self, conn => sqlx::query_as(STANDING).bind(at).bind(&person.id).fetch_one(conn).await)
                .map_err(|e| failed(&e))?;
        Person::from_row(row)
    }

    /// As [`Tx::hold_person`], without a contact: to be looked after is none.
    pub(super) async fn hold_person_quietly(
        &mut self,
        author: &Author,
        id: &str,
    ) -> Result<Person, StoreError> {
        let mut quiet = author.clone();
        quiet.origin.at = Timestamp::from_millis(0);
        self.hold_person(&quiet, id).await
    }

    /// Locks a person until the end of this unit of work, and writes down the contact.
    async fn hold_person(&mut self, author: &Author, id: &str) -> Result<Person, StoreError> {
        let row: Option<PersonRow> = on_tx!(self, conn => {
            sqlx::query_as(HOLD).bind(author.at().as_millis()).bind(id).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        Person::from_row(row.ok_or(Refusal::Missing("person"))?)
    }

    pub(super) async fn write_person(
        &mut self,
        author: &Author,
        action: &'static str,
        before: &Person,
        after: &Person,
    ) -> Result<Person, StoreError> {
        let row: PersonRow = on_tx!(self, conn => {
            let update = sqlx::query_as(UPDATE).bind(&after.username).bind(&after.email);
            let update = update.bind(after.state.as_str()).bind(after.suspended_because.map(SuspensionCause::as_str));
            let update = update.bind(author.at().as_millis()).bind(&before.id);
            update.fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        let after = Person::from_row(row)?;
        let mut shown = json!(after);
        if after.state == State::Suspended && before.state != State::Suspended {
            let ids = self.withdraw_every_invitation_by(author, &after.id).await?;
            if !ids.is_empty() {
                shown["withdrawn_invitations"] = json!(ids);
            }
        }
        self.audit(author.entry(action, "person", &after.id).before(before).after(&shown));
        self.change(Change::Person(after.id.clone()));
        Ok(after)
    }
}
