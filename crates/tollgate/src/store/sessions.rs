//! Browser sessions: found by the digest of the cookie's secret, ended by their owner, by time, or by the issuer.

use std::time::Duration;

use tollgate_core::time::Timestamp;

use super::db::{failed, on};
use super::digest::SecretDigest;
use super::tx::{Tx, on_tx};
use super::{State, Store, StoreError};

/// Sessions that one person may have at once; the login after that ends the oldest.
pub const MAX_SESSIONS: i64 = 50;
/// How often `last_seen_at` is written at most: a busy browser must not write at every request.
const TOUCH_EVERY: Duration = Duration::from_secs(30);

/// A session that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Of the cookie's secret.
    pub digest: SecretDigest,
    /// The public id, `ses_…`.
    pub id: String,
    /// Whose it is.
    pub person_id: String,
    /// The configured name of the issuer that said so.
    pub issuer: String,
    /// The issuer's own session, if it named one.
    pub sid: Option<String>,
    /// The person's groups as of now.
    pub groups: Vec<String>,
    /// Whether the issuer has verified the person's e-mail address.
    pub email_verified: bool,
    /// When the person last proved who they are (`auth_time`).
    pub authenticated_at: Timestamp,
    /// Now.
    pub created_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// From which address.
    pub address: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
}

/// A session as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The public id, `ses_…`.
    pub id: String,
    /// Whose it is.
    pub person_id: String,
    /// The configured name of the issuer.
    pub issuer: String,
    /// The issuer's own session.
    pub sid: Option<String>,
    /// The person's groups as of the login.
    pub groups: Vec<String>,
    /// When the person last proved who they are.
    pub authenticated_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to half a minute.
    pub last_seen_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// From which address it began.
    pub address: Option<String>,
    /// With which browser it began.
    pub user_agent: Option<String>,
}

/// A living session and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedSession {
    /// The session.
    pub session: Session,
    /// The person's subject at the issuer.
    pub subject: String,
    /// The name a person recognises.
    pub username: String,
    /// The e-mail address, and whether the issuer had verified it at the login.
    pub email: Option<(String, bool)>,
    /// Whether the person may act.
    pub state: State,
}

/// Until when sessions are alive: both ends are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Now.
    pub now: Timestamp,
    /// How long a session may lie unused.
    pub idle: Duration,
}

impl Alive {
    /// What `last_seen_at` must be later than.
    fn seen_after(self) -> i64 {
        let idle = i64::try_from(self.idle.as_millis()).unwrap_or(i64::MAX);
        self.now.as_millis().saturating_sub(idle)
    }
}

const INSERT: &str = "INSERT INTO sessions (digest, id, person_id, issuer, sid, groups, email_verified, authenticated_at, \
     created_at, last_seen_at, expires_at, address, user_agent) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12)";
const CROWD: &str = "DELETE FROM sessions WHERE person_id = $1 AND id NOT IN \
     (SELECT id FROM sessions WHERE person_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2)";
const FIND: &str = "SELECT s.id, s.person_id, s.issuer, s.sid, s.groups, s.authenticated_at, s.created_at, \
     s.last_seen_at, s.expires_at, s.address, s.user_agent, s.email_verified, p.subject, p.username, p.email, p.state \
     FROM sessions s JOIN people p ON p.id = s.person_id \
     WHERE s.digest = $1 AND s.expires_at > $2 AND s.last_seen_at > $3";
const TOUCH: &str = "UPDATE sessions SET last_seen_at = $2 WHERE digest = $1 AND last_seen_at < $3";
const OF_PERSON: &str = "SELECT id, person_id, issuer, sid, groups, authenticated_at, created_at, last_seen_at, \
     expires_at, address, user_agent FROM sessions WHERE person_id = $1 AND expires_at > $2 AND last_seen_at > $3 \
     ORDER BY last_seen_at DESC, id DESC";
const END_OWN: &str = "DELETE FROM sessions WHERE person_id = $1 AND id = $2";
const END_BY_SECRET: &str = "DELETE FROM sessions WHERE digest = $1";
const END_BY_SID: &str = "DELETE FROM sessions WHERE issuer = $1 AND sid = $2 RETURNING id, person_id";
const END_BY_SUBJECT: &str = "DELETE FROM sessions WHERE person_id IN \
     (SELECT id FROM people WHERE issuer = $1 AND subject = $2) RETURNING id, person_id";
const SWEEP: &str = "DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[INSERT, CROWD, FIND, TOUCH, OF_PERSON, END_OWN, END_BY_SECRET, END_BY_SID, END_BY_SUBJECT, SWEEP];

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    person_id: String,
    issuer: String,
    sid: Option<String>,
    groups: String,
    authenticated_at: i64,
    created_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    address: Option<String>,
    user_agent: Option<String>,
}

#[derive(sqlx::FromRow)]
struct OwnedRow {
    #[sqlx(flatten)]
    session: Row,
    email_verified: bool,
    subject: String,
    username: String,
    email: Option<String>,
    state: String,
}

impl TryFrom<OwnedRow> for OwnedSession {
    type Error = StoreError;

    fn try_from(row: OwnedRow) -> Result<Self, StoreError> {
        let verified = row.email_verified;
        Ok(Self {
            session: row.session.try_into()?,
            subject: row.subject,
            username: row.username,
            email: row.email.map(|email| (email, verified)),
            state: State::read("people", &row.state)?,
        })
    }
}

impl TryFrom<Row> for Session {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let groups = serde_json::from_str(&row.groups).map_err(|wrong| StoreError::Inconsistent {
            table: "sessions",
            what: format!("groups of {}: {wrong}", row.id),
        })?;
        let at = Timestamp::from_millis;
        Ok(Self {
            id: row.id,
            person_id: row.person_id,
            issuer: row.issuer,
            sid: row.sid,
            groups,
            authenticated_at: at(row.authenticated_at),
            created_at: at(row.created_at),
            last_seen_at: at(row.last_seen_at),
            expires_at: at(row.expires_at),
            address: row.address,
            user_agent: row.user_agent,
        })
    }
}

impl Store {
    /// The living session of a cookie's secret; using it makes it live on until it has lain idle.
    ///
    /// # Errors
    /// The database gave no answer, or a row cannot be read.
    pub async fn use_session(
        &self,
        digest: &SecretDigest,
        alive: Alive,
    ) -> Result<Option<OwnedSession>, StoreError> {
        let db = self.ready().await?;
        let (now, seen_after) = (alive.now.as_millis(), alive.seen_after());
        let row: Option<OwnedRow> = on!(db, pool => {
            sqlx::query_as(FIND).bind(digest.as_str()).bind(now).bind(seen_after).fetch_optional(pool).await
        })
        .map_err(|e| failed(&e))?;
        let Some(owned) = row.map(OwnedSession::try_from).transpose()? else { return Ok(None) };
        let stale = now.saturating_sub(i64::try_from(TOUCH_EVERY.as_millis()).unwrap_or(i64::MAX));
        if owned.session.last_seen_at.as_millis() < stale {
            on!(db, pool => {
                sqlx::query(TOUCH).bind(digest.as_str()).bind(now).bind(stale).execute(pool).await.map(drop)
            })
            .map_err(|e| failed(&e))?;
        }
        Ok(Some(owned))
    }

    /// A person's living sessions, the last used first.
    ///
    /// # Errors
    /// The database gave no answer, or a row cannot be read.
    pub async fn sessions_of(&self, person_id: &str, alive: Alive) -> Result<Vec<Session>, StoreError> {
        let db = self.ready().await?;
        let (now, seen_after) = (alive.now.as_millis(), alive.seen_after());
        let rows: Vec<Row> = on!(db, pool => {
            sqlx::query_as(OF_PERSON).bind(person_id).bind(now).bind(seen_after).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(Session::try_from).collect()
    }

    /// Forgets sessions that are over; the number.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn sweep_sessions(&self, alive: Alive) -> Result<u64, StoreError> {
        let db = self.ready().await?;
        on!(db, pool => {
            let sweep = sqlx::query(SWEEP).bind(alive.now.as_millis()).bind(alive.seen_after());
            sweep.execute(pool).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))
    }
}

impl Tx {
    /// Begins a session. A person with [`MAX_SESSIONS`] loses the oldest.
    ///
    /// # Errors
    /// The database gave no answer, or there is no such person.
    pub async fn add_session(&mut self, new: &NewSession) -> Result<(), StoreError> {
        let groups = serde_json::Value::from(new.groups.clone()).to_string();
        on_tx!(self, conn => {
            let insert = sqlx::query(INSERT)
                .bind(new.digest.as_str()).bind(&new.id).bind(&new.person_id).bind(&new.issuer).bind(&new.sid)
                .bind(&groups).bind(new.email_verified).bind(new.authenticated_at.as_millis()).bind(new.created_at.as_millis())
                .bind(new.expires_at.as_millis()).bind(&new.address).bind(&new.user_agent);
            insert.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        on_tx!(self, conn => {
            sqlx::query(CROWD).bind(&new.person_id).bind(MAX_SESSIONS).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))
    }

    /// Ends one of a person's own sessions; whether there was one.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn end_session(&mut self, person_id: &str, id: &str) -> Result<bool, StoreError> {
        on_tx!(self, conn => {
            let end = sqlx::query(END_OWN).bind(person_id).bind(id);
            end.execute(conn).await.map(|done| done.rows_affected() > 0)
        })
        .map_err(|e| failed(&e))
    }

    /// Ends the session of a cookie's secret, if there is one.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn end_session_by_secret(&mut self, digest: &SecretDigest) -> Result<(), StoreError> {
        on_tx!(self, conn => sqlx::query(END_BY_SECRET).bind(digest.as_str()).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))
    }

    /// Ends every session that belongs to one session at the issuer: their ids, each with its person's.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn end_sessions_by_sid(
        &mut self,
        issuer: &str,
        sid: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        on_tx!(self, conn => sqlx::query_as(END_BY_SID).bind(issuer).bind(sid).fetch_all(conn).await)
            .map_err(|e| failed(&e))
    }

    /// Ends every session of one of the issuer's subjects: their ids, each with the person's.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn end_sessions_by_subject(
        &mut self,
        issuer: &str,
        subject: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        on_tx!(self, conn => sqlx::query_as(END_BY_SUBJECT).bind(issuer).bind(subject).fetch_all(conn).await)
            .map_err(|e| failed(&e))
    }
}
