//! The REST API of the running binary: generated requests against its own description, and SIGKILL between its writes.

mod crash;
mod described;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{client, scratch};
use crate::stand::Stand;

/// A stand with a SQLite of its own, whose usual caller administers the deployment.
struct ApiStand {
    stand: Stand,
    database: std::path::PathBuf,
    _dir: TempDir,
}

impl ApiStand {
    async fn start() -> Self {
        let dir = scratch("api");
        let database = dir.path().join("tollgate.db");
        let more = json!({
            "database": {"url": format!("sqlite://{}", database.display())},
            "tenancy": {"admin_groups": ["dev"]},
            "api": {"requests_per_minute": 1_000_000},
        });
        Self { stand: Stand::with(&more).await, database, _dir: dir }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.stand.tollgate.ports.http)
    }

    /// A call below `/api/v1`; status and body. An error is a connection that broke.
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> reqwest::Result<(u16, Value)> {
        let request = client::http().request(method.parse().unwrap(), self.url(&format!("/api/v1{path}")));
        let mut request = request.bearer_auth(self.stand.token());
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }
}
