//! Login at the development issuer: its form, its code, its tokens, from the first click to the session.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::Request;
use tower::ServiceExt as _;
use url::Url;

use super::site::{fresh_store, login_options, portal};
use crate::clock::SystemClock;
use crate::dev::issuer::{DevIssuer, DevIssuerOptions};
use crate::entropy::SystemEntropy;
use crate::portal::session::Login;

fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn alice_logs_in_at_the_development_issuer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/realms/master", listener.local_addr().unwrap());
    let options = DevIssuerOptions { issuer_url: url.clone(), ..DevIssuerOptions::default() };
    let issuer = DevIssuer::new(options, Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap();
    let key_set = issuer.jwks().to_string();
    let service = issuer.router().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });

    let (store, _dir) = fresh_store().await;
    let mut options = login_options(&url);
    // As `tollgate dev` is reached: without TLS, by a loopback address, as a public client.
    options.public_url = "http://localhost:3000".parse().unwrap();
    options.client_id = "tollgate-dev".into();
    options.client_secret = None;
    options.scopes.push("email".into());
    let router = portal(&store, Arc::new(SystemClock), (&url, key_set), Login::new(options).unwrap());
    let get = async |path: &str, cookie: &str| {
        let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    let location =
        |response: &axum::response::Response| response.headers()["location"].to_str().unwrap().to_owned();
    let cookie = |response: &axum::response::Response| {
        let line = response.headers()["set-cookie"].to_str().unwrap();
        assert!(line.starts_with("tollgate-") && !line.contains("Secure"), "{line}");
        line.split(';').next().unwrap().to_owned()
    };

    let begun = get("/login?next=/docs", "").await;
    let target: Url = location(&begun).parse().unwrap();
    let client =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let page = client.get(target.clone()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("tollgate-dev"), "{page}");
    let mut form = query(&target);
    form.extend([("username".into(), "alice".into()), ("password".into(), "alice".into())]);
    let mut endpoint = target;
    endpoint.set_query(None);
    let answered = client.post(endpoint).form(&form).send().await.unwrap();
    let back: Url = answered.headers()["location"].to_str().unwrap().parse().unwrap();
    assert_eq!(query(&back)["iss"], url);

    let path = format!("/login/callback?{}", back.query().unwrap());
    let arrived = get(&path, &cookie(&begun)).await;
    assert_eq!((arrived.status().as_u16(), location(&arrived).as_str()), (303, "http://localhost:3000/docs"));
    let me = get("/api/v1/me", &cookie(&arrived)).await;
    let me = axum::body::to_bytes(me.into_body(), 65_536).await.unwrap();
    let me: serde_json::Value = serde_json::from_slice(&me).unwrap();
    assert_eq!((me["name"].as_str(), me["email"].as_str()), (Some("alice"), Some("alice@example.com")));
    assert_eq!(get(&path, &cookie(&begun)).await.status(), 400, "the code and the state are used up");
}
