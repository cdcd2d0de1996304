//! Everything that outlives the process, on Postgres or SQLite with one SQL text. The only module that names `sqlx`.
//!
//! A check never comes here. A store that is away makes the process degraded, not unready: the store connects and
//! migrates in the background, and heals by itself.

mod acceptance;
mod access;
mod address_use;
pub mod api_keys;
pub mod audit;
mod audit_log;
mod author;
mod changes;
mod db;
mod departures;
mod digest;
mod directory;
mod fault;
mod fields;
mod group_grants;
mod group_mappings;
mod idempotency;
mod inspect;
mod invitations;
mod key_sets;
mod leases;
mod leavers;
mod listen;
mod logins;
mod logout_tokens;
mod members;
mod migrate;
mod organization_members;
mod organizations;
mod people;
mod postgres;
mod project_members;
mod projects;
mod proof;
mod refusal;
mod service_accounts;
mod sessions;
mod sqlite;
mod token_rules;
mod tx;
mod view_rows;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{OnceCell, watch};

pub use acceptance::{Acceptance, Guest, ReceivedInvitation, Ticket};
pub use access::{OrganizationAccess, ProjectAccess, Who};
pub use address_use::{AddressUse, address_use};
pub use api_keys::KeyUse;
pub use audit::{ActorKind, AuditEntry};
pub use audit_log::{AuditActor, AuditRecord, AuditScope, ChainHead, ChainReport};
pub use author::{Author, Origin};
pub use changes::{CHANNEL, Change, Position};
use db::Db;
pub use digest::SecretDigest;
pub use directory::{DirectoryPerson, DirectoryVerdict};
pub use fields::{Slice, Source, State, rfc3339};
pub use group_mappings::{GroupMapping, NewGroupMapping};
pub use idempotency::KeptAnswer;
pub use inspect::{Inspection, Schema, inspect};
pub use invitations::{Invitation, Invited, Invitee, NewInvitation};
pub use key_sets::StoredKeySet;
pub use leases::Lease;
pub use leavers::LeaversKeys;
pub use listen::ChangeListener;
pub use logins::Login;
pub use members::{Member, MemberRole};
pub use organization_members::OrganizationMember;
pub use organizations::Organization;
pub use people::{Contact, Person, SuspensionCause};
pub use project_members::ProjectMember;
pub use projects::{NewProject, Project, ProjectEdit};
pub use proof::{FreshAuthor, StandingChange};
pub use refusal::Refusal;
pub use service_accounts::ServiceAccount;
pub use sessions::{Alive, MAX_SESSIONS, NewSession, OwnedSession, Session};
pub use token_rules::{NewTokenRule, TokenRule, TokenRuleKind};
pub use tollgate_core::caller::Standing;
pub use tx::Tx;
pub use view_rows::{BATCH, Followed, KeyRow, OwnerRow, PersonStanding, ProjectRow, Rows, TokenRuleRow};

/// How to reach the database.
#[derive(Clone)]
pub struct StoreOptions {
    /// `postgres://…` or `sqlite://path`. May hold a password, so it is never printed.
    pub url: String,
    /// Connections at most (Postgres; SQLite has one writer).
    pub pool_size: u32,
    /// To get a connection.
    pub connect_timeout: Duration,
    /// For one statement.
    pub statement_timeout: Duration,
}

/// Why the store gave no answer. "There is no such row" is not among them: that is an `Option`.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The URL names no supported database.
    #[error("database.url must start with postgres:// or sqlite://")]
    Url,
    /// The database is away, refuses us, or took too long.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database answers and takes no writes: it is full, or read-only.
    #[error("the database takes no writes: {0}")]
    NoWrites(String),
    /// The database contradicts itself.
    #[error(
        "the database is damaged: {0}; stop Tollgate and restore a backup (docs/operations/backup-restore.md)"
    )]
    Damaged(String),
    /// The schema cannot be brought up to date.
    #[error("the database schema could not be migrated: {0}")]
    Migration(String),
    /// Somebody else's write came first: a name is taken, or a row changed meanwhile.
    #[error("conflicts with {0}")]
    Conflict(String),
    /// The database gave up this transaction in favour of another; the same work may succeed when done again.
    #[error("the database gave up a transaction in favour of another: {0}")]
    Again(String),
    /// The database would have taken it, and a rule of ours does not.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A row breaks a rule that the schema does not state.
    #[error("the database holds an impossible row in {table}: {what}")]
    Inconsistent {
        /// Where.
        table: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// The database, connected on first use.
pub struct Store {
    db: Arc<Db>,
    migrated: OnceCell<()>,
    /// The number of the last change that this process committed.
    published: Arc<watch::Sender<i64>>,
}

impl Store {
    /// Prepares a store; does not wait for the database.
    ///
    /// # Errors
    /// [`StoreError::Url`], or a URL that cannot be parsed.
    pub fn open(options: &StoreOptions) -> Result<Arc<Self>, StoreError> {
        Ok(Arc::new(Self {
            db: Arc::new(Db::open(options)?),
            migrated: OnceCell::new(),
            published: Arc::new(watch::Sender::new(0)),
        }))
    }

    /// The database, with its schema up to date. Migrations run once, under the database's lock, as soon as it can be
    /// reached.
    async fn ready(&self) -> Result<&Db, StoreError> {
        self.migrated
            .get_or_try_init(|| async {
                // A task of its own: a caller that leaves halfway must not leave the database's lock behind.
                let db = Arc::clone(&self.db);
                let migrated = tokio::spawn(async move { db.migrate().await }).await;
                migrated.unwrap_or_else(|lost| Err(StoreError::Unavailable(lost.to_string())))
            })
            .await?;
        Ok(&self.db)
    }

    /// Whether the database answers and its schema is up to date.
    ///
    /// # Errors
    /// Why not.
    pub async fn health(&self) -> Result<(), StoreError> {
        self.ready().await?.ping().await
    }

    /// Opens an embedded database and looks through its file, so that nothing is served from one that is damaged. Does
    /// nothing for a server. Trouble that can pass is left to the background.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub async fn examine(&self) -> Result<(), StoreError> {
        if !self.db.is_embedded() {
            return Ok(());
        }
        match self.ready().await {
            Err(damaged @ StoreError::Damaged(_)) => Err(damaged),
            _ => Ok(()),
        }
    }

    /// Takes over credentials and TLS parameters that were replaced; connections that are made from now on use them. False
    /// when these options lead to another database, which takes a restart.
    ///
    /// # Errors
    /// [`StoreError::Url`], or a URL that cannot be parsed.
    pub fn renew(&self, options: &StoreOptions) -> Result<bool, StoreError> {
        self.db.renew(options)
    }

    /// Lets go of all connections.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions").field("pool_size", &self.pool_size).finish_non_exhaustive()
    }
}

/// Every statement that both databases must understand; a test prepares each on both.
#[cfg(test)]
const STATEMENTS: &[&[&str]] = &[
    acceptance::STATEMENTS,
    access::STATEMENTS,
    address_use::STATEMENTS,
    api_keys::STATEMENTS[0],
    api_keys::STATEMENTS[1],
    api_keys::STATEMENTS[2],
    api_keys::STATEMENTS[3],
    api_keys::STATEMENTS[4],
    audit::STATEMENTS,
    audit_log::STATEMENTS,
    changes::STATEMENTS,
    db::STATEMENTS,
    departures::STATEMENTS,
    directory::STATEMENTS,
    group_grants::STATEMENTS,
    group_mappings::STATEMENTS,
    idempotency::STATEMENTS,
    invitations::STATEMENTS,
    key_sets::STATEMENTS,
    leases::STATEMENTS,
    leavers::STATEMENTS,
    members::STATEMENTS,
    organizations::STATEMENTS,
    people::STATEMENTS,
    projects::STATEMENTS,
    service_accounts::STATEMENTS,
    token_rules::STATEMENTS,
    view_rows::STATEMENTS[0],
    view_rows::STATEMENTS[1],
    view_rows::STATEMENTS[2],
    view_rows::STATEMENTS[3],
    logins::STATEMENTS,
    logout_tokens::STATEMENTS,
    sessions::STATEMENTS,
];

/// The number that a statement of a test gives.
#[cfg(test)]
pub(crate) async fn probe(store: &Store, statement: &'static str) -> i64 {
    #![expect(clippy::unwrap_used, reason = "for tests")]
    let mut tx = store.begin().await.unwrap();
    let number = tx::on_tx!(tx, conn => sqlx::query_scalar(statement).fetch_one(conn).await).unwrap();
    tx.commit(tollgate_core::time::Timestamp::from_millis(0)).await.unwrap();
    number
}

#[cfg(test)]
pub(crate) mod tests;
