//! The command line at a real Keycloak, by the client of docs/keys.md: a code that is typed in a browser, and this machine's
//! browser.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use url::Url;

use super::{Terminal, field};
use crate::harness::grpc::Checker;
use crate::harness::keycloak::Keycloak;
use crate::harness::process::Process;
use crate::harness::tollgate::Tollgate;
use crate::login::browser::Browser;
use crate::login::{PASSWORD, USER, documented};

const REALM: &str = "cli";

/// A Tollgate whose tools sign in at Keycloak as the documentation says.
async fn stand() -> Option<Tollgate> {
    let keycloak = Keycloak::shared().await?;
    keycloak.create_realm(REALM).await;
    keycloak.create_user(REALM, USER, PASSWORD).await;
    // Half of a token's life is the margin in which it is renewed.
    keycloak.set_access_token_lifespan(REALM, 32).await;
    let client = documented("keys.md", "cli-client", "");
    keycloak.admin(Method::POST, &format!("/{REALM}/clients"), Some(&client)).await;
    let mut settings = json!({
        "issuers": [{"name": "keycloak", "issuer": keycloak.issuer(REALM), "audiences": ["ai-gateway"],
            "payload_types": ["Bearer"], "allow_http": true}],
        "routes": [{"name": "all", "paths": [{"prefix": "/"}], "access": "authenticated"}],
        "api": {"cli": {"issuer": keycloak.issuer(REALM), "client_id": "tollgate-cli",
            "scopes": ["openid", "offline_access"]}},
    });
    let mut tollgate = Tollgate::start(&settings).await;
    settings["database"] = json!({"url": format!("sqlite://{}", tollgate.dir().join("state.db").display())});
    tollgate.rewrite(&settings);
    tollgate.restart().await;
    Some(tollgate)
}

/// `tollgate login` with these options, until it says which address to open; and the address.
async fn begin(terminal: &Terminal, name: &str, options: &[&str]) -> (Process, Url) {
    let log = terminal.state.path().join(name);
    let arguments = [&["login", "--no-open"], options].concat();
    let process = Process::start("tollgate login", &mut terminal.command(&arguments), &log);
    process.logs(0, "Open http").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let shown = process.log();
    let url = shown.split("Open ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    (process, url)
}

async fn ends(mut process: Process) -> (bool, String) {
    let status = process.ended(Duration::from_secs(30)).await.expect("login does not end");
    (status.success(), process.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_sign_in_at_keycloak_and_make_keys() {
    let Some(tollgate) = stand().await else { return };
    let terminal = Terminal::new(&format!("http://127.0.0.1:{}", tollgate.ports.http));

    // Refused in the browser: nothing is kept.
    let (process, url) = begin(&terminal, "refused.log", &["--device"]).await;
    Browser::new().walk(&url, "cancel").await;
    let (signed_in, shown) = ends(process).await;
    assert!(!signed_in && shown.contains("access_denied"), "{shown}");
    assert!(!terminal.logins().exists());

    let (process, url) = begin(&terminal, "device.log", &[]).await;
    let page = Browser::new().walk(&url, "accept").await;
    assert_eq!(page.status, 200, "{}", page.text);
    let (signed_in, shown) = ends(process).await;
    assert!(signed_in && shown.contains(&format!("as {USER}")), "{shown}\n{}", page.text);

    let made =
        terminal.json(&["keys", "create", "my-tool", "--project", "personal", "--expires-in-days", "90"]);
    let secret = field(&made, "secret");
    let checker = Checker::connect(tollgate.ports.grpc).await;
    let begun = std::time::Instant::now();
    while !checker.bearer(secret).await.permitted() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the new key does not open the gateway");
    }
    let listed = terminal.json(&["keys", "list", "--project", "personal"]);
    assert_eq!(field(&listed[0], "name"), "my-tool");
    assert!(!listed.to_string().contains(secret));
    assert!(terminal.text(&["whoami"]).contains(USER));

    // The token is renewed by the refresh token that Keycloak gave.
    let kept = || std::fs::read_to_string(terminal.logins()).unwrap();
    let before = kept();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(terminal.text(&["keys", "list", "--project", "personal"]).contains("my-tool"));
    assert_ne!(kept(), before, "it was renewed");

    assert!(terminal.text(&["logout"]).contains("Signed out"));
    assert_eq!(terminal.fails(&["whoami"]).0, 77);

    // By this machine's browser: any port of 127.0.0.1 is a way back.
    let (process, url) = begin(&terminal, "browser.log", &["--browser"]).await;
    let back = Browser::new().pass_issuer(&url, PASSWORD).await;
    assert_eq!((back.host_str(), back.path()), (Some("127.0.0.1"), "/callback"));
    assert_eq!(Browser::new().get(&back).await.status, 200);
    let (signed_in, shown) = ends(process).await;
    assert!(signed_in && shown.contains(&format!("as {USER}")), "{shown}");
    assert!(terminal.text(&["keys", "list", "--project", "personal"]).contains("my-tool"));
}
