//! Tokens that are refused before their time, for administrators of the deployment.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tollgate_core::ids::IdKind;
use tollgate_core::jwt::IssuerRules;
use tollgate_core::time::Timestamp;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;
use super::forms::{Ids, Moment, given};
use super::once::Create;
use super::page::{Page, PageQuery, PageRequest};
use super::problem::{Answer, Problem};
use super::rights::{Fresh, PlatformAdmin};
use super::words::Line;
use crate::entropy::bytes;
use crate::store::{NewTokenRule, Slice, TokenRule, TokenRuleKind};

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

/// Which tokens a rule refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindView {
    /// The one token whose id (`jti`) is `value`.
    Jti,
    /// Every token of the issuer's session (`sid`) `value`.
    Sid,
    /// The tokens of the subject `value` that were issued before `issued_before`.
    Subject,
    /// Every token of the issuer that was issued before `issued_before`.
    IssuedBefore,
}

/// A token rule.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TokenRuleView {
    /// `trl_…`
    pub id: String,
    /// The configured name of the issuer.
    pub issuer: String,
    /// Which tokens.
    pub kind: KindView,
    /// The token's id, the session or the subject; null for every token of the issuer.
    pub value: Option<String>,
    /// Tokens issued at this moment or later pass.
    pub issued_before: Option<Moment>,
    /// When no token that it could refuse can be alive any more; null when nobody can tell.
    pub expires_at: Option<Moment>,
    /// Why, in words.
    pub reason: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Moment,
}

impl From<TokenRule> for TokenRuleView {
    fn from(rule: TokenRule) -> Self {
        Self {
            id: rule.id,
            issuer: rule.issuer,
            kind: match rule.kind {
                TokenRuleKind::Jti => KindView::Jti,
                TokenRuleKind::Sid => KindView::Sid,
                TokenRuleKind::Subject => KindView::Subject,
                TokenRuleKind::IssuedBefore => KindView::IssuedBefore,
            },
            value: Some(rule.value).filter(|value| !value.is_empty()),
            issued_before: rule.issued_before.map(Moment),
            expires_at: rule.expires_at.map(Moment),
            reason: rule.reason,
            created_by: rule.created_by,
            created_at: Moment(rule.created_at),
        }
    }
}

/// A rule that somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTokenRule {
    /// The configured name of the issuer.
    issuer: Line,
    /// Which tokens.
    kind: KindView,
    /// The token's id, the session or the subject. Not for `issued_before`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Line)]
    value: Option<Line>,
    /// For `subject` and `issued_before`: tokens issued at this moment or later pass. Without it: now.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Moment)]
    issued_before: Option<Moment>,
    /// Why, in words.
    reason: Line,
}

/// The token rules
#[utoipa::path(
    get, path = "/token-rules", tag = "token rules", params(PageQuery),
    responses((status = 200, body = Page<TokenRuleView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    _: PlatformAdmin,
    page: PageRequest,
) -> Answer<Json<Page<TokenRuleView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let rules = portal.store()?.token_rules(slice).await?;
    Ok(Json(page.page(rules, |rule| rule.id.clone()).map(TokenRuleView::from)))
}

/// Refuse tokens before their time
///
/// It holds at every gateway within a second, for tokens that were verified before, too.
#[utoipa::path(
    post, path = "/token-rules", tag = "token rules", request_body = CreateTokenRule,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = TokenRuleView)),
)]
pub async fn create(
    State(portal): State<Portal>,
    admin: Fresh<PlatformAdmin>,
    Create { body, once }: Create<CreateTokenRule>,
) -> Answer<Response> {
    let now = portal.now();
    is_issuer(&portal, body.issuer.as_str())?;
    let (kind, issued_before) = meant(&body, now)?;
    let id = IdKind::TokenRule.make(now, bytes(portal.entropy())?);
    let expires_at = end(&portal, body.issuer.as_str(), issued_before.unwrap_or(now));
    let mut tx = portal.store()?.begin().await?;
    if let Some(answered) = once.replay(&mut tx, &admin.0.id, now).await? {
        return Ok(answered);
    }
    let new = NewTokenRule {
        id: &id,
        issuer: body.issuer.as_str(),
        kind,
        value: body.value.as_ref().map_or("", Line::as_str),
        issued_before,
        expires_at,
        reason: body.reason.as_str(),
    };
    let view: TokenRuleView = tx.create_token_rule(&admin.proven(now)?, new).await?.into();
    once.keep(&mut tx, &admin.0.id, (StatusCode::CREATED, &view), now).await?;
    tx.commit(now).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Lift a token rule
#[utoipa::path(
    delete, path = "/token-rules/{rule_id}", tag = "token rules", params(("rule_id" = String, Path)),
    responses((status = 204)),
)]
pub async fn delete(
    State(portal): State<Portal>,
    admin: Fresh<PlatformAdmin>,
    Ids(id): Ids<String>,
) -> Answer<StatusCode> {
    let now = portal.now();
    let author = admin.proven(now)?;
    let mut tx = portal.store()?.begin().await?;
    tx.delete_token_rule(&author, &id).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which tokens are meant: each kind takes its own fields, and no field is ignored.
fn meant(body: &CreateTokenRule, now: Timestamp) -> Answer<(TokenRuleKind, Option<Timestamp>)> {
    let (kind, named, dated) = match body.kind {
        KindView::Jti => (TokenRuleKind::Jti, true, false),
        KindView::Sid => (TokenRuleKind::Sid, true, false),
        KindView::Subject => (TokenRuleKind::Subject, true, true),
        KindView::IssuedBefore => (TokenRuleKind::IssuedBefore, false, true),
    };
    if named != body.value.is_some() {
        let detail =
            if named { "says which token, session or subject" } else { "does not go with this kind" };
        return Err(Problem::invalid("/value", detail));
    }
    if !dated && body.issued_before.is_some() {
        return Err(Problem::invalid("/issued_before", "goes with subject and issued_before only"));
    }
    Ok((kind, dated.then(|| body.issued_before.map_or(now, |moment| moment.0))))
}

/// When the last token that was issued before `issued` has ended, if the issuer's tokens have a longest life.
fn end(portal: &Portal, issuer: &str, issued: Timestamp) -> Option<Timestamp> {
    let rulebook = portal.rulebook().borrow();
    let rules = rulebook.policy.issuers().iter().find(|rules| rules.name == issuer)?;
    let life = i64::try_from(rules.max_lifetime_secs?).unwrap_or(i64::MAX);
    Some(issued.plus_secs(life.saturating_add(2 * i64::from(rules.leeway_secs))))
}

/// Whether an issuer of this name is configured.
///
/// # Errors
/// `invalid`, with the names that there are.
pub fn is_issuer(portal: &Portal, name: &str) -> Answer<()> {
    let rulebook = portal.rulebook().borrow();
    let names: Vec<&str> = rulebook
        .policy
        .issuers()
        .iter()
        .map(|rules: &std::sync::Arc<IssuerRules>| rules.name.as_str())
        .collect();
    if names.contains(&name) {
        return Ok(());
    }
    Err(Problem::invalid("/issuer", format!("must be a configured issuer: {}", names.join(", "))))
}
