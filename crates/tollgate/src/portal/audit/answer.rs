//! Entries as an answer: a page, or a stream that holds one stride in memory whatever the length of the log.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::Wanted;
use super::view::AuditView;
use crate::portal::problem::Answer;
use crate::store::{AuditRecord, AuditScope, Store, StoreError};

/// Entries that are read at once for an export.
const STRIDE: i64 = 500;

/// The wanted entries of a scope.
///
/// # Errors
/// The database gave no answer. An export that it fails half-way is cut off, which a client sees as a broken body.
pub async fn entries(store: &Arc<Store>, scope: AuditScope<'_>, wanted: Wanted) -> Answer<Response> {
    match wanted {
        Wanted::Page(page, before) => {
            let found = store.audit_page(scope, before, page.fetch()).await?;
            let page = page.page(found, |record| record.seq.to_string()).map(AuditView::from);
            Ok(Json(page).into_response())
        }
        Wanted::Export => {
            let first = store.audit_after(scope, 0, STRIDE).await?;
            let (store, scope) = (Arc::clone(store), Scope::of(scope));
            let rest = stream::try_unfold(Some(first), move |records| {
                let (store, scope) = (Arc::clone(&store), scope.clone());
                async move { step(&store, &scope, records).await }
            });
            let body = Body::from_stream(rest);
            Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
        }
    }
}

/// A scope that outlives the request's borrow.
#[derive(Clone)]
enum Scope {
    Project(String),
    Organization(String),
    All,
}

impl Scope {
    fn of(scope: AuditScope<'_>) -> Self {
        match scope {
            AuditScope::Project(id) => Self::Project(id.to_owned()),
            AuditScope::Organization(id) => Self::Organization(id.to_owned()),
            AuditScope::All => Self::All,
        }
    }

    fn borrow(&self) -> AuditScope<'_> {
        match self {
            Self::Project(id) => AuditScope::Project(id),
            Self::Organization(id) => AuditScope::Organization(id),
            Self::All => AuditScope::All,
        }
    }
}

/// The lines of these records, and the records after them.
async fn step(
    store: &Store,
    scope: &Scope,
    records: Option<Vec<AuditRecord>>,
) -> Result<Option<(Bytes, Option<Vec<AuditRecord>>)>, StoreError> {
    let Some(records) = records.filter(|records| !records.is_empty()) else { return Ok(None) };
    let last = records.last().map_or(0, |record| record.seq);
    let full = i64::try_from(records.len()).is_ok_and(|count| count >= STRIDE);
    let mut lines = String::new();
    for record in records {
        lines.push_str(&AuditView::from(record).line());
        lines.push('\n');
    }
    let next = if full { Some(store.audit_after(scope.borrow(), last, STRIDE).await?) } else { None };
    Ok(Some((Bytes::from(lines), next)))
}
