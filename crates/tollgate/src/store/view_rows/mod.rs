//! What the view of API keys and token rules is filled from: read-only statements, each for a page of everything or for a
//! few rows by id. None of them takes the write lock, and none runs on the path of a check.

mod changes;
mod keys;
mod owners;
mod projects;
mod tokens;

pub use changes::Followed;
pub use keys::KeyRow;
pub use owners::OwnerRow;
pub use projects::ProjectRow;
pub use tokens::{PersonStanding, TokenRuleRow};

/// Which rows to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows<'a> {
    /// A page in the order of ids: those after this one, so many at most. The empty id begins.
    After(&'a str, i64),
    /// Those of these ids, which are [`BATCH`] at most.
    Ids(&'a [String]),
}

/// Ids of one statement at most.
pub const BATCH: usize = 32;

/// The ids that a statement with [`BATCH`] parameters is given: missing ones are filled up with the first.
fn padded(ids: &[String]) -> impl Iterator<Item = &str> {
    let first = ids.first().map_or("", String::as_str);
    (0..BATCH).map(move |at| ids.get(at).map_or(first, String::as_str))
}

/// `IN (…)` with [`BATCH`] parameters.
macro_rules! in_batch {
    () => {
        " IN ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27,\
         $28,$29,$30,$31,$32)"
    };
}
use in_batch;

/// The rows of `$which` as a vector of tuples: `$page` takes the id, `$extra`… and the limit; `$batch` the ids.
macro_rules! rows {
    ($store:expr, $which:expr, $page:expr $(, $extra:expr)*; $batch:expr) => {{
        let db = $store.ready().await?;
        $crate::store::db::on_views!(db, pool => match $which {
            $crate::store::view_rows::Rows::After(id, limit) => {
                sqlx::query_as($page).bind(id)$(.bind($extra))*.bind(limit).fetch_all(pool).await
            }
            $crate::store::view_rows::Rows::Ids(ids) => {
                let query = $crate::store::view_rows::padded(ids).fold(sqlx::query_as($batch), |query, id| query.bind(id));
                query.fetch_all(pool).await
            }
        })
        .map_err(|e| $crate::store::db::failed(&e))?
    }};
}
use rows;

#[cfg(test)]
pub(super) const STATEMENTS: [&[&str]; 4] =
    [keys::STATEMENTS, owners::STATEMENTS, projects::STATEMENTS, tokens::STATEMENTS];
