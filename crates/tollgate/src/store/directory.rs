//! People as an issuer's directory is asked about them, and what becomes of them on its word.

use tollgate_core::time::Timestamp;

use super::author::Author;
use super::db::{failed, on};
use super::fields::{Slice, State};
use super::people::{Person, SuspensionCause};
use super::tx::Tx;
use super::{Store, StoreError};

/// Somebody about whom the directory is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryPerson {
    /// `per_…`
    pub id: String,
    /// Their subject at the issuer.
    pub subject: String,
    /// Why they are suspended; None while they may act.
    pub suspended_because: Option<SuspensionCause>,
}

/// What the directory says of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryVerdict {
    /// They are there, and enabled.
    Enabled,
    /// They may not act.
    Gone(SuspensionCause),
}

/// Whoever could do something: by a key that works, or by a browser's session. And whoever was suspended on the directory's
/// word, since they may be back. Whom an administrator suspended is none of the directory's business.
const ASKED: &str = "SELECT id, subject, state, suspended_because FROM people WHERE issuer = $1 AND id > $2 AND \
     ((state = 'suspended' AND suspended_because IS NOT NULL) OR (state = 'active' AND \
     (EXISTS (SELECT 1 FROM api_keys k WHERE k.person_id = people.id AND k.state = 'live' \
     AND (k.expires_at IS NULL OR k.expires_at > $3)) \
     OR EXISTS (SELECT 1 FROM sessions s WHERE s.person_id = people.id AND s.expires_at > $3)))) ORDER BY id LIMIT $4";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[ASKED];

impl Store {
    /// A page of the people of an issuer about whom its directory is to be asked.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn people_to_ask_about(
        &self,
        issuer: &str,
        slice: Slice<'_>,
        now: Timestamp,
    ) -> Result<Vec<DirectoryPerson>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<(String, String, String, Option<String>)> = on!(db, pool => {
            let ask = sqlx::query_as(ASKED).bind(issuer).bind(slice.after).bind(now.as_millis()).bind(slice.limit);
            ask.fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        let person = |(id, subject, state, because): (String, String, String, Option<String>)| {
            let because = because.filter(|_| state == State::Suspended.as_str());
            let suspended_because = because.as_deref().map(SuspensionCause::read).transpose()?;
            Ok(DirectoryPerson { id, subject, suspended_because })
        };
        rows.into_iter().map(person).collect()
    }
}

impl Tx {
    /// Suspends a person on the directory's word, or lets them act again whom the directory had suspended. The person as they
    /// are now, when that changed something. Whom an administrator suspended meanwhile stays as they are.
    ///
    /// # Errors
    /// [`super::Refusal::Missing`]; or the database gave no answer.
    pub async fn obey_directory(
        &mut self,
        author: &Author,
        id: &str,
        verdict: DirectoryVerdict,
    ) -> Result<Option<Person>, StoreError> {
        let before = self.hold_person_quietly(author, id).await?;
        let (action, state, because) = match (before.state, before.suspended_because, verdict) {
            (State::Active, _, DirectoryVerdict::Gone(cause)) => {
                ("person.suspend", State::Suspended, Some(cause))
            }
            // Disabled first and deleted afterwards: the reason that people are told is the present one.
            (State::Suspended, Some(was), DirectoryVerdict::Gone(cause)) if was != cause => {
                ("person.suspend", State::Suspended, Some(cause))
            }
            (State::Suspended, Some(_), DirectoryVerdict::Enabled) => ("person.resume", State::Active, None),
            _ => return Ok(None),
        };
        let after = Person { state, suspended_because: because, ..before.clone() };
        self.write_person(author, action, &before, &after).await.map(Some)
    }
}
