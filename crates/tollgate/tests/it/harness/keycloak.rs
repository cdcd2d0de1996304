//! A real Keycloak, started once for all tests of the run, and its administration by REST.
//!
//! It runs in development mode on a private copy of the distribution (its first start rewrites parts of itself) with its
//! database in memory. Tests share it, so each makes a realm of its own with [`Keycloak::create_realm`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::process::Process;
use super::{client, free_port, need};

/// The bootstrap administrator's name and password.
const ADMIN: &str = "admin";

/// From start to ready; half a minute alone, more while other tests use the processors.
const START_LIMIT: Duration = Duration::from_secs(240);

/// Runs Keycloak until it ends, this script is told to end, or its standard input closes, which is when the test process
/// is gone, however it went: the value below lives in a static, and statics are not dropped. Keycloak gets a process
/// group of its own, so that the JVM ends with its script, and its private copy goes last, unless `KEEP_HOME` is set.
pub const WATCHDOG: &str = r#"
exec 3<&0 </dev/null
set -m
"$HOME_COPY/bin/kc.sh" "$@" 3<&- &
keycloak=$!
stop() {
    kill -TERM -- -$keycloak
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 -- -$keycloak || return
        sleep 0.5
    done
    kill -KILL -- -$keycloak
}
{ read -r _ <&3; stop; } 2>/dev/null &
reader=$!
trap 'stop 2>/dev/null' TERM INT
wait $keycloak
status=$?
# A trapped signal ends the first wait early.
wait $keycloak 2>/dev/null
kill -TERM -- -$reader 2>/dev/null
[ -n "${KEEP_HOME:-}" ] || rm -rf "$HOME_COPY"
exit $status
"#;

/// The running Keycloak.
#[derive(Debug)]
pub struct Keycloak {
    port: u16,
    /// Held for its open standard input.
    process: Process,
}

impl Keycloak {
    /// The one Keycloak of this run; the first caller starts it. `None` after a skip when there is none to start.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Keycloak> = OnceCell::const_new();
        let dist = need("TOLLGATE_TEST_KEYCLOAK")?;
        let java = need("TOLLGATE_TEST_JAVA_HOME")?;
        Some(SHARED.get_or_init(|| Self::start(dist, java)).await)
    }

    async fn start(dist: PathBuf, java: PathBuf) -> Self {
        let (port, management) = (free_port(), free_port());
        let home =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("keycloak-{}-{port}", std::process::id()));
        let copied = Command::new("cp").arg("-a").arg(&dist).arg(&home).status().unwrap();
        assert!(copied.success(), "cannot copy {} to {}", dist.display(), home.display());
        let mut command = Command::new("bash");
        command.args([
            "-c",
            WATCHDOG,
            "keycloak-watchdog",
            "start-dev",
            "--db=dev-mem",
            "--health-enabled=true",
        ]);
        command.args(["--http-host=127.0.0.1", &format!("--http-port={port}")]);
        command.arg(format!("--http-management-port={management}"));
        command
            .env("HOME_COPY", &home)
            .env("JAVA_HOME", java)
            .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx512m")
            .env("JAVA_OPTS_APPEND", "-XX:TieredStopAtLevel=1")
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN)
            .env_remove("JAVA_OPTS")
            .stdin(Stdio::piped());
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keycloak.log");
        let mut process = Process::start_with_stdin("keycloak", &mut command, &log);
        process.ready(&format!("http://127.0.0.1:{management}/health/ready"), START_LIMIT).await;
        Self { port, process }
    }

    /// The issuer identifier of a realm.
    pub fn issuer(&self, realm: &str) -> String {
        format!("http://127.0.0.1:{}/realms/{realm}", self.port)
    }

    /// A token response by the password grant, whatever it says: look at `access_token` or `error`.
    pub async fn grant(&self, realm: &str, client_id: &str, user: &str, password: &str) -> Value {
        let form = [
            ("grant_type", "password"),
            ("client_id", client_id),
            ("username", user),
            ("password", password),
            ("scope", "openid"),
        ];
        let url = format!("{}/protocol/openid-connect/token", self.issuer(realm));
        client::http().post(url).form(&form).send().await.unwrap().json().await.unwrap()
    }

    /// An access token by the password grant; a refusal ends the test.
    pub async fn token(&self, realm: &str, client_id: &str, user: &str, password: &str) -> String {
        let answer = self.grant(realm, client_id, user, password).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token for {user}: {answer}")).to_owned()
    }

    /// The key ids in a realm's published key set that are for signatures.
    pub async fn signing_kids(&self, realm: &str) -> Vec<String> {
        let url = format!("{}/protocol/openid-connect/certs", self.issuer(realm));
        let set: Value = client::http().get(url).send().await.unwrap().json().await.unwrap();
        let keys = set["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "sig");
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// One call of the administration API under `/admin/realms`; the answer's JSON, or the `Location` of what was made.
    pub async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        // Lives for a minute, so every call takes a fresh one.
        let token = self.token("master", "admin-cli", ADMIN, ADMIN).await;
        let url = format!("http://127.0.0.1:{}/admin/realms{path}", self.port);
        let mut request = client::http().request(method.clone(), url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        if let Some(location) = location {
            return Value::from(location);
        }
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// An empty realm with the profile rules relaxed, so that a user needs a name and a password only.
    pub async fn create_realm(&self, realm: &str) {
        self.admin(Method::POST, "", Some(&json!({"realm": realm, "enabled": true}))).await;
        let path = format!("/{realm}/users/profile");
        let mut profile = self.admin(Method::GET, &path, None).await;
        for attribute in profile["attributes"].as_array_mut().unwrap() {
            attribute.as_object_mut().unwrap().remove("required");
        }
        self.admin(Method::PUT, &path, Some(&profile)).await;
    }

    /// How long this realm's access tokens live.
    pub async fn set_access_token_lifespan(&self, realm: &str, seconds: u32) {
        let body = json!({"accessTokenLifespan": seconds});
        self.admin(Method::PUT, &format!("/{realm}"), Some(&body)).await;
    }

    /// A public client that may use the password grant, its access tokens carrying `audience` when one is given.
    pub async fn create_client(&self, realm: &str, client_id: &str, audience: Option<&str>) {
        let mappers: Vec<Value> = audience
            .map(|audience| {
                json!({
                    "name": "audience",
                    "protocol": "openid-connect",
                    "protocolMapper": "oidc-audience-mapper",
                    "config": {"included.custom.audience": audience, "access.token.claim": "true"},
                })
            })
            .into_iter()
            .collect();
        let body = json!({
            "clientId": client_id,
            "enabled": true,
            "publicClient": true,
            "directAccessGrantsEnabled": true,
            "standardFlowEnabled": false,
            "protocolMappers": mappers,
        });
        self.admin(Method::POST, &format!("/{realm}/clients"), Some(&body)).await;
    }

    /// A user who can log in at once.
    pub async fn create_user(&self, realm: &str, user: &str, password: &str) {
        let body = json!({
            "username": user,
            "enabled": true,
            "credentials": [{"type": "password", "value": password, "temporary": false}],
        });
        self.admin(Method::POST, &format!("/{realm}/users"), Some(&body)).await;
    }

    /// Switches a client between full and lightweight access tokens (the latter carry no `sub` and no `aud`).
    pub async fn set_lightweight(&self, realm: &str, client_id: &str, lightweight: bool) {
        let found = self.admin(Method::GET, &format!("/{realm}/clients?clientId={client_id}"), None).await;
        let mut client = found[0].clone();
        let id =
            client["id"].as_str().unwrap_or_else(|| panic!("no client {client_id} in {realm}")).to_owned();
        client["attributes"]["client.use.lightweight.access.token.enabled"] =
            Value::from(lightweight.to_string());
        self.admin(Method::PUT, &format!("/{realm}/clients/{id}"), Some(&client)).await;
    }

    /// Adds an RS256 key that signs from now on when `priority` is above all others (a realm's first key has 100, and
    /// the old one stays published). Answers the new key's id.
    pub async fn rotate_key(&self, realm: &str, priority: u32) -> String {
        let before = self.signing_kids(realm).await;
        let body = json!({
            "name": format!("rotated-{priority}"),
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {
                "priority": [priority.to_string()],
                "enabled": ["true"],
                "active": ["true"],
                "keySize": ["2048"],
                "algorithm": ["RS256"],
            },
        });
        self.admin(Method::POST, &format!("/{realm}/components"), Some(&body)).await;
        let after = self.signing_kids(realm).await;
        let mut new = after.into_iter().filter(|kid| !before.contains(kid));
        new.next().expect("the realm publishes its new key")
    }

    /// Takes a signing key out of the key set; its tokens must fail from then on.
    pub async fn disable_key(&self, realm: &str, kid: &str) {
        let status = self.admin(Method::GET, &format!("/{realm}/keys"), None).await;
        let keys = status["keys"].as_array().unwrap();
        let key =
            keys.iter().find(|key| key["kid"] == kid).unwrap_or_else(|| panic!("no key {kid} in {realm}"));
        let path = format!("/{realm}/components/{}", key["providerId"].as_str().unwrap());
        let mut component = self.admin(Method::GET, &path, None).await;
        component["config"]["enabled"] = json!(["false"]);
        component["config"]["active"] = json!(["false"]);
        self.admin(Method::PUT, &path, Some(&component)).await;
    }
}
