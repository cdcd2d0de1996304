//! Lists in pages: the cursor is the key of the last item, so that no item is skipped or shown twice while others come
//! and go.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Portal;
use super::problem::Problem;

/// Items on a page unless asked otherwise.
pub const DEFAULT_LIMIT: u32 = 50;
/// Items on a page at most.
pub const MAX_LIMIT: u32 = 200;

/// The query of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items on a page: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Where a page begins and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Items at most.
    pub limit: u32,
    /// The key of the last item of the page before.
    pub after: Option<String>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The next page's `cursor`; null on the last.
    pub next: Option<String>,
}

impl PageRequest {
    /// From the query.
    ///
    /// # Errors
    /// A limit out of range, or a cursor that is not ours.
    pub fn new(query: &PageQuery) -> Result<Self, Problem> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::invalid("limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        let after = match &query.cursor {
            None => None,
            Some(cursor) => {
                let key = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|key| key.len() <= 200);
                let key = key.and_then(|key| String::from_utf8(key).ok()).filter(|key| !key.contains('\0'));
                Some(key.ok_or_else(|| Problem::invalid("cursor", "is not the 'next' of a page"))?)
            }
        };
        Ok(Self { limit, after })
    }

    /// What to ask the store for: one more than is shown tells whether there is a next page.
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of what the store gave for [`PageRequest::fetch`].
    pub fn page<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        Page { items, next }
    }
}

impl<T> Page<T> {
    /// The same page with its items in another form.
    pub fn map<U>(self, form: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(form).collect(), next: self.next }
    }
}

impl FromRequestParts<Portal> for PageRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let query = Query::<PageQuery>::from_request_parts(parts, portal).await;
        let Query(query) = query.map_err(|error| Problem::invalid("limit", error.body_text()))?;
        Self::new(&query)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn pages_meet_without_gap_or_overlap() {
        let all: Vec<u32> = (0..7).collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let request = PageRequest::new(&PageQuery { limit: Some(3), cursor }).unwrap();
            let from = request.after.as_deref().map_or(0, |after| after.parse::<usize>().unwrap() + 1);
            let fetched = all[from..].iter().copied().take(4).collect();
            let page = request.page(fetched, u32::to_string);
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn foreign_cursors_and_limits_are_refused() {
        for (limit, cursor) in [(Some(0), None), (Some(201), None), (None, Some("%%")), (None, Some("AA"))] {
            let cursor = cursor.map(str::to_owned);
            assert!(PageRequest::new(&PageQuery { limit, cursor }).is_err());
        }
    }
}
