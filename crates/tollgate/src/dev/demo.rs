//! Something to begin with: a project of the stand's own user with one key in it, made over the REST API as anybody would.

use anyhow::Context as _;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::client::{Api, Call, HttpOptions};

/// The project's name.
const PROJECT: &str = "demo";
/// The key's tag, by which a stand that is started again finds it.
const TAG: &str = "tollgate-dev";

/// What was made.
#[derive(Clone)]
pub struct Demo {
    /// The project's id.
    pub project: String,
    /// The whole key.
    pub key: String,
}

/// Makes the project and the key, or gives the key of an earlier run another secret.
///
/// # Errors
/// The API did not answer as it should.
pub async fn prepare(base: &str, token: String) -> anyhow::Result<Demo> {
    let api = Api::new(base, Some(SecretString::from(token)), &HttpOptions::default())?;
    let call = async |call: Call| anyhow::Ok(api.call(&call).await?.body);
    // The first call of a person makes their organization.
    call(Call::get(&["me"])).await.context("the demo's user")?;
    let named = |item: &Value| item["name"] == PROJECT;
    let projects = api.items(&Call::get(&["projects"]), None).await?;
    let project = match projects.iter().find(|project| named(project)) {
        Some(project) => project.clone(),
        None => {
            let organizations = api.items(&Call::get(&["organizations"]), None).await?;
            let own = organizations.iter().find(|organization| organization["personal"] == true);
            let organization = &own.context("the demo's user has no organization")?["id"];
            let body = json!({"organization_id": organization, "name": PROJECT});
            call(Call::post(&["projects"], body)).await.context("the demo's project")?
        }
    };
    let project = id(&project)?;
    let keys = ["projects", project.as_str(), "keys"];
    let known = Call::get(&keys).query("tag", Some(TAG)).query("state", Some("live"));
    let known = api.items(&known, Some(1)).await?;
    let key = match known.first() {
        Some(key) => {
            let path = [keys[0], keys[1], keys[2], &id(key)?, "rotate"];
            call(Call::post(&path, json!({"overlap": "now"}))).await.context("the demo's key")?
        }
        None => {
            let body = json!({"name": "demo key", "tags": [TAG]});
            call(Call::post(&keys, body)).await.context("the demo's key")?
        }
    };
    let key = key["secret"].as_str().context("the demo's key has no secret")?.to_owned();
    Ok(Demo { project, key })
}

fn id(thing: &Value) -> anyhow::Result<String> {
    Ok(thing["id"].as_str().context("a thing without an id")?.to_owned())
}

impl std::fmt::Debug for Demo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Demo").field("project", &self.project).finish_non_exhaustive()
    }
}
