//! Which tokens open the API, and whose people there are.

use serde_json::{Value, json};

use super::rig::{ADMINS, Api};
use crate::portal::PortalOptions;

async fn answers(change: impl FnOnce(&mut PortalOptions), claims: &Value) -> (u16, String) {
    let api = Api::start_with(change).await;
    let reply = api.get("/me", &api.token_with("alice", claims)).await;
    let text = reply.body["detail"].as_str().unwrap_or_default().to_owned();
    (reply.status.as_u16(), text)
}

#[tokio::test]
async fn a_token_of_the_gateway_opens_the_api_only_with_what_the_deployment_asks_for() {
    let list = |texts: &[&str]| Some(texts.iter().map(ToString::to_string).collect::<Vec<_>>());
    for (aud, expected) in [
        (json!("api"), 403),
        (json!(["api", "portal-api"]), 200),
        (json!(["api", "portal-api2"]), 403),
        (json!(["api", "PORTAL-API"]), 403),
    ] {
        let (status, text) =
            answers(|options| options.admission.audiences = list(&["portal-api"]), &json!({"aud": aud}))
                .await;
        assert_eq!(status, expected, "{aud}: {text}");
        assert_eq!(status == 403, text.contains("portal-api (api.audiences)"), "{text}");
    }
    for (claims, expected) in [
        (json!({}), 403),
        (json!({"azp": "backend"}), 403),
        (json!({"azp": ["tollgate-cli"]}), 403),
        (json!({"azp": "tollgate-cli"}), 200),
        (json!({"client_id": "tollgate-cli"}), 200),
        (json!({"azp": "backend", "client_id": "tollgate-cli"}), 403),
    ] {
        let cli = list(&["tollgate-cli", "other"]);
        let (status, text) = answers(|options| options.admission.authorized_parties = cli, &claims).await;
        assert_eq!(status, expected, "{claims}: {text}");
        assert_eq!(status == 403, text.contains("tollgate-cli or other (api.authorized_parties)"), "{text}");
    }
    for (claims, expected) in [
        (json!({}), 403),
        (json!({"scope": "openid tollgates"}), 403),
        (json!({"scope": "openid tollgate"}), 403),
        (json!({"scope": "manage openid tollgate"}), 200),
        (json!({"scp": ["tollgate", "manage"]}), 200),
        (json!({"scope": {"tollgate": true}}), 403),
    ] {
        let scopes = vec!["tollgate".to_owned(), "manage".to_owned()];
        let (status, text) = answers(|options| options.admission.scopes = scopes, &claims).await;
        assert_eq!(status, expected, "{claims}: {text}");
    }
}

#[tokio::test]
async fn v3_an_issuer_that_makes_no_people_opens_nothing() {
    let (status, text) =
        answers(|options| options.admission.issuers = Some(vec!["company".into()]), &json!({})).await;
    assert_eq!(status, 403);
    assert!(text.contains("api.issuers"), "{text}");
}

#[tokio::test]
async fn v3_the_groups_of_one_issuer_make_no_administrators_of_another() {
    use tollgate_core::groups::IssuerGroup;
    for (issuer, expected) in [("one", true), ("company", false), ("On", false)] {
        let api =
            Api::start_with(|options| options.admin_groups = vec![IssuerGroup::of(issuer, ADMINS)]).await;
        let token = api.token("mallory", &[ADMINS]);
        assert_eq!(api.get("/me", &token).await.expect(200)["platform_admin"], expected, "{issuer}");
        let status = api.get("/people", &token).await.status.as_u16();
        assert_eq!(status, if expected { 200 } else { 403 }, "{issuer}");
    }
}
