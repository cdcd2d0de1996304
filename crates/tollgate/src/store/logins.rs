//! Logins under way: from the redirect to the issuer until the browser comes back, once.

use tollgate_core::time::Timestamp;

use super::db::{failed, on};
use super::digest::SecretDigest;
use super::{Store, StoreError};

/// A login under way.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Of the `state` parameter.
    pub state: SecretDigest,
    /// Of the cookie that binds the login to its browser.
    pub browser: SecretDigest,
    /// The configured name of the issuer that was asked.
    pub issuer: String,
    /// What the ID token must repeat.
    pub nonce: String,
    /// PKCE's verifier (RFC 7636).
    pub verifier: String,
    /// Where the browser goes afterwards: a path of this site.
    pub next: String,
    /// What the person's proof of who they are must not be older than, when a new one was asked for.
    pub authenticated_after: Option<Timestamp>,
    /// When it began.
    pub created_at: Timestamp,
    /// Until when the browser must be back.
    pub expires_at: Timestamp,
}

const PUT: &str = "INSERT INTO logins (state_digest, browser_digest, issuer, nonce, verifier, next, \
     authenticated_after, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const TAKE: &str = "DELETE FROM logins WHERE state_digest = $1 \
     RETURNING browser_digest, issuer, nonce, verifier, next, authenticated_after, created_at, expires_at";
const SWEEP: &str = "DELETE FROM logins WHERE expires_at <= $1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PUT, TAKE, SWEEP];

#[derive(sqlx::FromRow)]
struct Row {
    browser_digest: String,
    issuer: String,
    nonce: String,
    verifier: String,
    next: String,
    authenticated_after: Option<i64>,
    created_at: i64,
    expires_at: i64,
}

impl Store {
    /// Remembers a login until the browser is back.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn put_login(&self, login: &Login) -> Result<(), StoreError> {
        let db = self.ready().await?;
        on!(db, pool => {
            let put = sqlx::query(PUT)
                .bind(login.state.as_str()).bind(login.browser.as_str()).bind(&login.issuer).bind(&login.nonce)
                .bind(&login.verifier).bind(&login.next).bind(login.authenticated_after.map(Timestamp::as_millis))
                .bind(login.created_at.as_millis())
                .bind(login.expires_at.as_millis());
            put.execute(pool).await.map(drop)
        })
        .map_err(|e| failed(&e))
    }

    /// Takes a login out, whatever comes of it: a state that was seen once is gone. `None` when there is none, when it is
    /// another browser's, or when its time is over at `now`.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn take_login(
        &self,
        state: &SecretDigest,
        browser: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Login>, StoreError> {
        let db = self.ready().await?;
        let row: Option<Row> =
            on!(db, pool => sqlx::query_as(TAKE).bind(state.as_str()).fetch_optional(pool).await)
                .map_err(|e| failed(&e))?;
        let alive = |row: &Row| row.browser_digest == browser.as_str() && row.expires_at > now.as_millis();
        Ok(row.filter(alive).map(|row| Login {
            state: state.clone(),
            browser: browser.clone(),
            issuer: row.issuer,
            nonce: row.nonce,
            verifier: row.verifier,
            next: row.next,
            authenticated_after: row.authenticated_after.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
        }))
    }

    /// Forgets logins from which no browser came back; the number.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn sweep_logins(&self, now: Timestamp) -> Result<u64, StoreError> {
        let db = self.ready().await?;
        on!(db, pool => {
            sqlx::query(SWEEP).bind(now.as_millis()).execute(pool).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("issuer", &self.issuer)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
