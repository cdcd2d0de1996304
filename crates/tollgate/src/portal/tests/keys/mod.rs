//! Keys over the API.

mod bulk;
mod changes;
mod creation;
mod guessing;
mod legacy;
mod me;
mod rights;
mod suspended;
mod v10_higher_role;
mod v1_another_persons_key;

use serde_json::{Value, json};
use tollgate_core::tenancy::ProjectRole;

use super::rig::{Api, Reply};
use crate::portal::PortalOptions;
use crate::store::tests::rig::{Postgres, lite};
use crate::store::{AuditScope, FreshAuthor, Origin, StandingChange};

/// An API in which alice has a personal project.
struct Scene {
    api: Api,
    alice: String,
    project: String,
}

impl Scene {
    async fn new() -> Self {
        Self::on(Api::start().await).await
    }

    async fn with(change: impl FnOnce(&mut PortalOptions)) -> Self {
        Self::on(Api::start_with(change).await).await
    }

    async fn on(api: Api) -> Self {
        let alice = api.token("alice", &[]);
        let id = api.get("/me", &alice).await.expect(200)["id"].as_str().unwrap().to_owned();
        let project = api.store.begin().await.unwrap().personal_project(&id).await.unwrap().unwrap();
        Self { api, alice, project }
    }

    /// A member of alice's project: their token and id.
    async fn member(&self, name: &str, role: ProjectRole) -> (String, String) {
        let token = self.api.token(name, &[]);
        let id = self.api.get("/me", &token).await.expect(200)["id"].as_str().unwrap().to_owned();
        let mut tx = self.api.store.begin().await.unwrap();
        tx.put_project_member(&self.system(), &self.project, &id, role).await.unwrap();
        tx.commit(self.now()).await.unwrap();
        (token, id)
    }

    fn now(&self) -> tollgate_core::time::Timestamp {
        crate::clock::Clock::now(&*self.api.clock)
    }

    fn system(&self) -> FreshAuthor {
        FreshAuthor::system(Origin::here(self.now()))
    }

    fn keys(&self) -> String {
        format!("/projects/{}/keys", self.project)
    }

    fn key(&self, key: &Value) -> String {
        format!("{}/{}", self.keys(), text(key, "id"))
    }

    /// As [`Scene::post`], as the holder of this token.
    async fn act(&self, token: &str, key: &Value, verb: &str, body: Value) -> Reply {
        self.api.call("POST", &format!("{}/{verb}", self.key(key)), token, body).await
    }

    /// A key of the guide's paths, changed as the holder of this token.
    async fn legacy_put(&self, token: &str, key: &Value, body: Value) -> Reply {
        self.api.call("PUT", &format!("/api-keys/{}", text(key, "id")), token, body).await
    }

    /// What `GET /me` answers to a key: 200 while it works.
    async fn works(&self, secret: &str) -> bool {
        self.api.get("/me", secret).await.status == 200
    }

    /// Removes a member and hands their keys over.
    async fn hand_over(&self, token: &str, leaver: &str, to: &str) -> Reply {
        let path = format!("/projects/{}/members/{leaver}?keys=hand_over&to={to}", self.project);
        self.api.call("DELETE", &path, token, Value::Null).await
    }

    async fn create(&self, token: &str, body: Value) -> Value {
        self.api.call("POST", &self.keys(), token, body).await.expect(201)
    }

    async fn named(&self, name: &str) -> Value {
        self.create(&self.alice, json!({"name": name})).await
    }

    /// Does something to a key as alice.
    async fn post(&self, key: &Value, verb: &str, body: Value) -> Reply {
        self.api.call("POST", &format!("{}/{verb}", self.key(key)), &self.alice, body).await
    }

    async fn patch(&self, key: &Value, body: Value) -> Reply {
        self.api.call("PATCH", &self.key(key), &self.alice, body).await
    }

    async fn show(&self, key: &Value) -> Value {
        self.api.get(&self.key(key), &self.alice).await.expect(200)
    }

    /// Which secret of which key this is, as alice may see it.
    async fn lookup(&self, secret: &str) -> Reply {
        self.api.call("POST", "/keys/lookup", &self.alice, json!({"secret": secret})).await
    }

    /// What the audit log says was done to keys, oldest first.
    async fn audit(&self) -> Vec<Value> {
        let all = self.api.store.audit_after(AuditScope::All, 0, 10_000).await.unwrap();
        let all = all.into_iter().map(|record| serde_json::to_value(record).unwrap());
        all.filter(|record| record["target_kind"] == "key").collect()
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

/// Runs one suite on SQLite and on a real Postgres; the latter is a visible skip when there is none.
async fn on_both<F: Future<Output = ()>>(change: fn(&mut PortalOptions), suite: impl Fn(Scene) -> F) {
    let dir = tempfile::tempdir().unwrap();
    suite(Scene::on(Api::on_with(lite(dir.path()), change).await).await).await;
    if let Some(postgres) = Postgres::start() {
        suite(Scene::on(Api::on_with(postgres.url(), change).await).await).await;
    }
}
