//! Keys of one project in pages, newest first, by who owns them, state, tag and last use.

use tollgate_core::time::Timestamp;

use super::ApiKey;
use super::row::{KeyRow, select_keys};
use crate::store::StoreError;
use crate::store::db::failed;
use crate::store::tx::{Tx, on_tx};

/// Which keys of a project. Every part narrows; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Those of this person.
    pub person: Option<String>,
    /// Those of this service account.
    pub service_account: Option<String>,
    /// Those with this tag.
    pub tag: Option<String>,
    /// Those in this state.
    pub state: Option<ShownState>,
    /// Those that were last used, or made and never used, before this.
    pub unused_since: Option<Timestamp>,
    /// Those that are not revoked.
    pub unrevoked: bool,
}

/// The state of a key as people see it: expiry is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownState {
    /// Usable.
    Live,
    /// Switched off for now.
    Disabled,
    /// Past its time.
    Expired,
    /// Ended for good.
    Revoked,
}

impl ShownState {
    /// The text in API and command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// The place of a key in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCursor {
    /// When it was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: String,
}

/// A tag is looked for with its quotes, as JSON has it; `replace` minds case on both databases, `LIKE` does not.
const LIST: &str = select_keys!(
    "WHERE k.project_id = $1 \
     AND (CAST($2 AS TEXT) IS NULL OR k.person_id = $2) \
     AND (CAST($3 AS TEXT) IS NULL OR k.service_account_id = $3) \
     AND (CAST($4 AS TEXT) IS NULL OR replace(k.tags, $4, '') <> k.tags) \
     AND (CAST($5 AS BIGINT) IS NULL OR COALESCE(k.last_used_at, k.created_at) < $5) \
     AND (CAST($6 AS TEXT) IS NULL \
       OR CASE WHEN k.state = 'live' AND k.expires_at <= $7 THEN 'expired' ELSE k.state END = $6) \
     AND (NOT CAST($8 AS BOOLEAN) OR k.state <> 'revoked') \
     AND (CAST($9 AS BIGINT) IS NULL OR (k.created_at, k.id) < ($9, $10)) \
     ORDER BY k.created_at DESC, k.id DESC LIMIT $11"
);
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LIST];

impl Tx {
    /// Keys of a project, newest first, `limit` at most.
    ///
    /// # Errors
    /// The database gave no answer, or holds an impossible key.
    pub async fn list_keys(
        &mut self,
        project: &str,
        filter: &KeyFilter,
        (after, limit): (Option<&KeyCursor>, i64),
        now: Timestamp,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let tag = filter.tag.as_ref().map(|tag| format!("\"{tag}\""));
        let rows: Vec<KeyRow> = on_tx!(self, conn => {
            let list = sqlx::query_as(LIST).bind(project).bind(&filter.person).bind(&filter.service_account);
            let list = list.bind(&tag).bind(filter.unused_since.map(Timestamp::as_millis));
            let list = list.bind(filter.state.map(ShownState::as_str)).bind(now.as_millis()).bind(filter.unrevoked);
            let list = list.bind(after.map(|cursor| cursor.created_at.as_millis()));
            list.bind(after.map(|cursor| cursor.id.as_str())).bind(limit).fetch_all(conn).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }
}
