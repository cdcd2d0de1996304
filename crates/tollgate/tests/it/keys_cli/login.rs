//! Signing in at the command line: by code, by browser, by a token from elsewhere; renewed, refused, forgotten.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use url::Url;

use super::{Dev, Terminal, said};
use crate::harness::process::Process;
use crate::harness::{client, need, scratch};

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_by_code_or_browser_and_out_again() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let dir = scratch("issuer");
    let config = dir.path().join("issuer.yaml");
    // Tokens that are over after a minute: half of it is the margin in which they are renewed.
    std::fs::write(&config, "token_lifetime_secs: 32\n").unwrap();
    let dev = Dev::start(&binary, &["--issuer-config", config.to_str().unwrap()]).await;
    let terminal = Terminal::new(&dev.api());
    let (code, words) = terminal.fails(&["whoami"]);
    assert!(code == 77 && words.contains("tollgate login"), "{code}: {words}");

    let (signed_in, shown) = terminal.login(&dev, "refuse").await;
    assert!(!signed_in && shown.contains("refused"), "{shown}");
    assert!(!terminal.logins().exists(), "nothing is kept of a login that was none");
    let (signed_in, shown) = terminal.login(&dev, "allow").await;
    assert!(signed_in && shown.contains("as alice"), "{shown}");
    let kept = std::fs::metadata(terminal.logins()).unwrap().permissions().mode();
    assert_eq!(kept & 0o777, 0o600);
    let token = access_token(&terminal);
    assert!(terminal.text(&["whoami"]).contains("alice@example.com"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(terminal.text(&["whoami"]).contains("alice"));
    assert_ne!(access_token(&terminal), token, "it was renewed");

    // A token from elsewhere, in each of the ways that programs have.
    let elsewhere = Terminal::new(&dev.api());
    let token = access_token(&terminal);
    let file = elsewhere.state.path().join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let by_file = elsewhere.text(&["whoami", "--token-file", file.to_str().unwrap()]);
    let by_option = elsewhere.text(&["whoami", "--token", &token]);
    let by_variable = elsewhere.command(&["whoami"]).env("TOLLGATE_TOKEN", &token).output().unwrap();
    assert!([by_file, by_option, said(&by_variable)].iter().all(|text| text.contains("alice")));
    let (code, words) = elsewhere.fails(&["whoami", "--token", "nonsense"]);
    assert!(code == 77 && words.contains("unauthenticated"), "{code}: {words}");
    let (code, words) = elsewhere.fails(&["whoami", "--token", &token, "--api", "http://127.0.0.1:1"]);
    assert!(code == 69 && words.contains("cannot be reached"), "{code}: {words}");
    let (code, words) = elsewhere.fails(&["whoami", "--token", &token, "--api", "http://192.0.2.1:3000"]);
    assert!(code == 1 && words.contains("in clear"), "{code}: {words}");
    let (code, words) = elsewhere.fails(&["whoami", "--token", &token, "--api", &dev.gateway()]);
    assert!(code == 1 && words.contains("is --api right?"), "{code}: {words}");

    let browser = Terminal::new(&dev.api());
    let log = browser.state.path().join("browser.log");
    let mut login = Process::start("tollgate login", &mut browser.command(&["login", "--browser"]), &log);
    login.logs(0, "Open http").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let shown = login.log();
    let url = Url::parse(shown.split("Open ").nth(1).unwrap().split_whitespace().next().unwrap()).unwrap();
    let redirect = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    // Somebody else's answer changes nothing.
    let forged = client::http().get(format!("{redirect}?code=x&state=forged")).send().await.unwrap();
    assert_eq!(forged.status(), 404);
    let fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut form = fields.clone();
    form.extend([("username".into(), "alice".into()), ("password".into(), "alice".into())]);
    let mut page = url.clone();
    page.set_query(None);
    let answer = client::http().post(page).form(&form).send().await.unwrap();
    let back = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(back.starts_with(&redirect), "{back}");
    let closing = client::http().get(back).send().await.unwrap().text().await.unwrap();
    assert!(closing.contains("You are signed in"), "{closing}");
    let status = login.ended(Duration::from_secs(10)).await.expect("login does not end");
    assert!(status.success() && login.log().contains("as alice"), "{}", login.log());
    assert!(browser.text(&["projects", "list"]).contains("demo"));

    assert!(browser.text(&["logout"]).contains("Signed out"));
    assert!(!std::fs::read_to_string(browser.logins()).unwrap().contains("access_token"));
    assert_eq!(browser.fails(&["whoami"]).0, 77);
}

fn access_token(terminal: &Terminal) -> String {
    let kept = std::fs::read_to_string(terminal.logins()).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let (_, login) = kept["logins"].as_object().unwrap().iter().next().unwrap();
    login["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_are_managed_from_the_terminal() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let dev = Dev::start(&binary, &[]).await;
    let terminal = Terminal::new(&dev.api());
    terminal.login(&dev, "allow").await;
    let (code, words) = terminal.fails(&["keys", "list"]);
    assert!(code == 1 && words.contains("say which project") && words.contains("demo"), "{code}: {words}");
    for n in 0..3 {
        let name = format!("ci {n}");
        let made = ["keys", "create", &name, "--project", "demo", "--tag", "ci", "--address", "10.0.0.0/8"];
        let shown =
            terminal.text(&[&made[..], &["--metadata", "ticket=OPS-7", "--expires-in-days", "30"]].concat());
        assert!(shown.contains("shown this once"), "{shown}");
    }
    let listed = terminal.json(&["keys", "list", "--project", "demo", "--tag", "ci"]);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(listed[0]["metadata"]["ticket"], "OPS-7");
    let id = listed[0]["id"].as_str().unwrap();
    let shown = terminal.text(&["keys", "show", id, "--project", "demo"]);
    assert!(shown.contains("10.0.0.0/8") && shown.contains("ticket=OPS-7"), "{shown}");
    let stale = ["keys", "update", id, "--project", "demo", "--name", "x", "--if-version", "7"];
    assert!(terminal.fails(&stale).1.contains("precondition_failed"));
    let (code, words) = terminal.fails(&["keys", "create", "x", "--project", "demo", "--route", "nowhere"]);
    assert!(code == 1 && words.contains("no route 'nowhere'"), "{code}: {words}");
    let (code, words) =
        terminal.fails(&["keys", "create", "x", "--project", "demo", "--model", "all", "--model", "m"]);
    assert!(code == 1 && words.contains("stands alone"), "{code}: {words}");

    let look = terminal.json(&["keys", "revoke", "--project", "demo", "--tag", "ci", "--dry-run"]);
    assert_eq!((&look["count"], &look["dry_run"]), (&3.into(), &true.into()));
    let (code, words) = terminal.fails(&["keys", "revoke", "--project", "demo", "--tag", "ci"]);
    assert!(code == 1 && words.contains("--yes"), "nobody could have answered: {words}");
    let done = terminal.json(&["keys", "revoke", "--project", "demo", "--tag", "ci", "--yes"]);
    assert_eq!(done["count"], 3);
    let (code, words) = terminal.fails(&["keys", "revoke", "--project", "demo"]);
    assert!(code == 1 && words.contains("say which keys"), "{words}");
    let account = terminal.json(&["service-accounts", "create", "robot", "--project", "demo"]);
    let account = account["id"].as_str().unwrap();
    let key = terminal.json(&["keys", "create", "r", "--project", "demo", "--service-account", account]);
    assert_eq!(key["owner"]["name"], "robot");
    assert!(terminal.text(&["members", "list", "--project", "demo"]).contains("owner"));
    assert!(terminal.text(&["orgs", "list"]).contains("alice"));
    assert!(terminal.text(&["audit", "list", "--project", "demo"]).contains("key.revoke"));
}
