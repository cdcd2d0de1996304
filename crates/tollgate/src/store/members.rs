//! What memberships of projects and of organizations have in common: how they are read and written, and that somebody is
//! left at the top.

use serde::Serialize;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::author::Author;
use super::db::{failed, on};
use super::fields::{Slice, Source, moment, organization_role, project_role};
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// A member, as the API and the audit log show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member<R> {
    /// `per_…`
    pub person_id: String,
    /// Their name at the issuer.
    pub username: String,
    /// Their address, if the issuer tells it.
    pub email: Option<String>,
    /// What they may.
    pub role: R,
    /// Where the membership comes from.
    pub source: Source,
    /// Since when.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
}

/// A role that members have in one kind of thing.
pub trait MemberRole: Copy + Eq + Send + Sync + 'static {
    /// The statements on the table of its members.
    const SQL: Statements;
    /// The role of which somebody has to be left.
    const TOP: Self;
    /// What is wrong when nobody would be.
    const NOBODY_AT_THE_TOP: Refusal;

    /// From the database's text.
    ///
    /// # Errors
    /// The text is of no role.
    fn read(text: &str) -> Result<Self, StoreError>;

    /// The database's text.
    fn text(self) -> &'static str;
}

/// The statements on one table of members.
#[derive(Clone, Copy, Debug)]
pub struct Statements {
    table: &'static str,
    list: &'static str,
    find: &'static str,
    put: &'static str,
    remove: &'static str,
    others_at_the_top: &'static str,
}

macro_rules! members {
    ($table:literal, $of:literal, $top:literal) => {
        Statements {
            table: $table,
            list: concat!(
                "SELECT m.person_id, p.username, p.email, m.role, m.source, m.created_at FROM ",
                $table,
                " m JOIN people p ON p.id = m.person_id WHERE m.",
                $of,
                " = $1 AND m.person_id > $2 ORDER BY m.person_id LIMIT $3"
            ),
            find: concat!(
                "SELECT m.person_id, p.username, p.email, m.role, m.source, m.created_at FROM ",
                $table,
                " m JOIN people p ON p.id = m.person_id WHERE m.",
                $of,
                " = $1 AND m.person_id = $2"
            ),
            put: concat!(
                "INSERT INTO ",
                $table,
                " (",
                $of,
                ", person_id, role, source, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (",
                $of,
                ", person_id) DO UPDATE SET role = excluded.role, source = excluded.source"
            ),
            remove: concat!("DELETE FROM ", $table, " WHERE ", $of, " = $1 AND person_id = $2"),
            others_at_the_top: concat!(
                "SELECT COUNT(*) FROM ",
                $table,
                " WHERE ",
                $of,
                " = $1 AND role = '",
                $top,
                "' AND person_id <> $2"
            ),
        }
    };
}

const OF_PROJECTS: Statements = members!("project_members", "project_id", "owner");
const OF_ORGANIZATIONS: Statements = members!("organization_members", "organization_id", "admin");
const PERSON: &str = "SELECT COUNT(*) FROM people WHERE id = $1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    OF_PROJECTS.list,
    OF_PROJECTS.find,
    OF_PROJECTS.put,
    OF_PROJECTS.remove,
    OF_PROJECTS.others_at_the_top,
    OF_ORGANIZATIONS.list,
    OF_ORGANIZATIONS.find,
    OF_ORGANIZATIONS.put,
    OF_ORGANIZATIONS.remove,
    OF_ORGANIZATIONS.others_at_the_top,
    PERSON,
];

impl MemberRole for ProjectRole {
    const SQL: Statements = OF_PROJECTS;
    const TOP: Self = Self::Owner;
    const NOBODY_AT_THE_TOP: Refusal = Refusal::LastOwner;

    fn read(text: &str) -> Result<Self, StoreError> {
        project_role(Self::SQL.table, text)
    }

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl MemberRole for OrganizationRole {
    const SQL: Statements = OF_ORGANIZATIONS;
    const TOP: Self = Self::Admin;
    const NOBODY_AT_THE_TOP: Refusal = Refusal::LastAdmin;

    fn read(text: &str) -> Result<Self, StoreError> {
        organization_role(Self::SQL.table, text)
    }

    fn text(self) -> &'static str {
        self.as_str()
    }
}

type Row = (String, String, Option<String>, String, String, i64);

impl<R: MemberRole> Member<R> {
    fn from_row((person_id, username, email, role, source, created_at): Row) -> Result<Self, StoreError> {
        Ok(Self {
            person_id,
            username,
            email,
            role: R::read(&role)?,
            source: Source::read(R::SQL.table, &source)?,
            created_at: Timestamp::from_millis(created_at),
        })
    }
}

impl Store {
    /// The members of a project or organization, by id. The caller has shown to see it.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn members<R: MemberRole>(
        &self,
        of: &str,
        slice: Slice<'_>,
    ) -> Result<Vec<Member<R>>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<Row> = on!(db, pool => {
            sqlx::query_as(R::SQL.list).bind(of).bind(slice.after).bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(Member::from_row).collect()
    }
}

impl Tx {
    pub(super) async fn find_member<R: MemberRole>(
        &mut self,
        of: &str,
        person: &str,
    ) -> Result<Option<Member<R>>, StoreError> {
        let row: Option<Row> = on_tx!(self, conn => {
            sqlx::query_as(R::SQL.find).bind(of).bind(person).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        row.map(Member::from_row).transpose()
    }

    /// Adds a membership or changes its role and source.
    pub(super) async fn write_member<R: MemberRole>(
        &mut self,
        author: &Author,
        of: &str,
        person: &str,
        (role, source): (R, Source),
    ) -> Result<(), StoreError> {
        on_tx!(self, conn => {
            let put = sqlx::query(R::SQL.put).bind(of).bind(person).bind(role.text()).bind(source.as_str());
            put.bind(author.at().as_millis()).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        match source {
            Source::Manual => self.forget_departure(of, person).await,
            Source::Group => Ok(()),
        }
    }

    pub(super) async fn delete_member<R: MemberRole>(
        &mut self,
        of: &str,
        person: &str,
    ) -> Result<(), StoreError> {
        on_tx!(self, conn => sqlx::query(R::SQL.remove).bind(of).bind(person).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))
    }

    /// Whether somebody else is left at the top of what is held, when this member has another role, or none.
    ///
    /// # Errors
    /// [`Refusal::LastOwner`] or [`Refusal::LastAdmin`]; or the database gave no answer.
    pub(super) async fn leaves_somebody<R: MemberRole>(
        &mut self,
        of: &str,
        before: &Member<R>,
        after: Option<R>,
    ) -> Result<(), StoreError> {
        if before.role != R::TOP || after == Some(R::TOP) {
            return Ok(());
        }
        let others: i64 = on_tx!(self, conn => {
            let count = sqlx::query_scalar(R::SQL.others_at_the_top);
            count.bind(of).bind(&before.person_id).fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        if others == 0 { Err(R::NOBODY_AT_THE_TOP.into()) } else { Ok(()) }
    }

    /// # Errors
    /// [`Refusal::Missing`] when there is no such person; or the database gave no answer.
    pub(super) async fn must_be_known(&mut self, person: &str) -> Result<(), StoreError> {
        let known: i64 = on_tx!(self, conn => sqlx::query_scalar(PERSON).bind(person).fetch_one(conn).await)
            .map_err(|e| failed(&e))?;
        if known == 0 { Err(Refusal::Missing("person").into()) } else { Ok(()) }
    }
}
