//! A small world in which every role exists once: made once on either database, and copied for every try that changes
//! something.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_core::ids::IdKind;
use tollgate_core::time::Timestamp;

use crate::clock::Clock as _;
use crate::portal::PortalOptions;
use crate::portal::tests::rig::{ADMINS, Api};
use crate::store::tests::rig::Postgres;
use crate::store::{AuditScope, FreshAuthor, NewSession, Origin, SecretDigest};

/// Who tries, from nobody to the administrator of the deployment.
pub const ROLES: [&str; 10] = [
    "anonymous",
    "stranger",
    "viewer",
    "developer",
    "manager",
    "owner",
    "member",
    "admin",
    "platform",
    "key",
];

/// The id of the developer's key in their personal project, where the paths of the guide's time look.
pub const PERSONAL_KEY: &str = "personal key";

/// The id of an invitation to the organization.
pub const TO_ORGANIZATION: &str = "invitation to the organization";
/// The id of an invitation that names the developer.
pub const NAMED: &str = "invitation of the developer";

/// The world, asleep: a database, and the names of what is in it.
pub struct World {
    place: Place,
    /// By the name of the path parameter.
    pub ids: BTreeMap<String, String>,
    /// A key's whole text, and the token of an open invitation.
    pub secrets: BTreeMap<&'static str, String>,
}

/// Where it sleeps.
pub enum Place {
    /// A directory with an SQLite database.
    Lite(TempDir),
    /// A server, where every table stands twice.
    Server(Postgres),
}

/// Notes every table as it is.
const SAVE: &str = "DO $$ DECLARE t text; BEGIN \
     CREATE SCHEMA saved; \
     FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
       EXECUTE format('CREATE TABLE saved.%I AS TABLE public.%I', t, t); \
     END LOOP; END $$";
/// Makes every table as it was noted. A database for each try would take seconds.
const RESTORE: &str = "DO $$ DECLARE t text; BEGIN \
     SET LOCAL session_replication_role = replica; \
     FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'saved' LOOP \
       EXECUTE format('DELETE FROM public.%I', t); \
       EXECUTE format('INSERT INTO public.%I SELECT * FROM saved.%I', t, t); \
     END LOOP; END $$";

/// A world awake.
pub struct Awake<'w> {
    pub api: Api,
    _dir: Option<TempDir>,
    server: Option<&'w Postgres>,
}

impl World {
    /// On SQLite.
    pub async fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = url(&dir.path().join("tollgate.db"));
        Self::made(Place::Lite(dir), url).await
    }

    /// On a real Postgres; a visible skip when there is none.
    pub async fn on_postgres() -> Option<Self> {
        let postgres = Postgres::start()?;
        let url = postgres.url();
        let world = Self::made(Place::Server(postgres), url).await;
        if let Place::Server(postgres) = &world.place {
            postgres.run(SAVE).await;
        }
        Some(world)
    }

    async fn made(place: Place, url: String) -> Self {
        let api = Api::on_with(url, |_| {}).await;
        let mut people = BTreeMap::new();
        for name in
            ["founder", "stranger", "viewer", "developer", "manager", "owner", "member", "admin", "guest"]
        {
            let me = api.get("/me", &api.token(name, &[])).await.expect(200);
            people.insert(name, me["id"].as_str().unwrap().to_owned());
        }
        let founder = api.token("founder", &[]);
        let organization = IdKind::Organization.make(Timestamp::from_millis(1), [1; 10]);
        let author = FreshAuthor::operator("root", Origin::here(Timestamp::from_millis(1)));
        let mut tx = api.store.begin().await.unwrap();
        let new = (organization.as_str(), "acme", false);
        tx.create_organization(&author, new, &people["founder"]).await.unwrap();
        tx.commit(Timestamp::from_millis(1)).await.unwrap();
        let platform = api.token("platform", &[ADMINS]);
        for (name, role) in [("member", "member"), ("admin", "admin"), ("guest", "member")] {
            let path = format!("/organizations/{organization}/members/{}", people[name]);
            api.call("PUT", &path, &platform, json!({"role": role})).await.expect(200);
        }
        let wish = json!({"organization_id": organization, "name": "research", "models": ["gpt-*"]});
        let project = id(&api.call("POST", "/projects", &founder, wish).await.expect(201));
        for name in ["viewer", "developer", "manager", "owner"] {
            let path = format!("/projects/{project}/members/{}", people[name]);
            api.call("PUT", &path, &platform, json!({"role": name})).await.expect(200);
        }
        let path = format!("/projects/{project}/members/{}", people["guest"]);
        api.call("PUT", &path, &platform, json!({"role": "viewer"})).await.expect(200);

        let below = format!("/projects/{project}");
        let make = async |path: &str, by: &str, wish: Value| {
            let by = if by == "platform" { api.token(by, &[ADMINS]) } else { api.token(by, &[]) };
            api.call("POST", path, &by, wish).await.expect(201)
        };
        let account = make(&format!("{below}/service-accounts"), "founder", json!({"name": "ci"})).await;
        let invitation = make(&format!("{below}/invitations"), "founder", json!({"role": "viewer"})).await;
        let above = format!("/organizations/{organization}/invitations");
        let to_acme = make(&above, "founder", json!({"role": "member"})).await;
        let named = json!({"role": "viewer", "person_id": people["developer"]});
        let named = make(&format!("{below}/invitations"), "founder", named).await;
        let key =
            make(&format!("{below}/keys"), "developer", json!({"name": "laptop", "models": ["gpt-4o"]}))
                .await;
        let personal =
            make("/api-keys", "developer", json!({"name": "home", "expires_at": "2027-03-01T00:00:00Z"}))
                .await;
        let mapping = json!({"issuer": "one", "group": "staff", "role": "member"});
        let mapping =
            make(&format!("/organizations/{organization}/group-mappings"), "founder", mapping).await;
        let rule = json!({"issuer": "one", "kind": "jti", "value": "x", "reason": "lost"});
        let rule = make("/token-rules", "platform", rule).await;
        let session = session(&api, &people["developer"]).await;
        let ids = [
            ("organization_id", organization),
            ("project_id", project),
            ("person_id", people["guest"].clone()),
            ("heir", people["developer"].clone()),
            ("service_account_id", id(&account)),
            ("invitation_id", id(&invitation)),
            (TO_ORGANIZATION, id(&to_acme)),
            (NAMED, id(&named)),
            ("key_id", id(&key)),
            (PERSONAL_KEY, id(&personal)),
            ("mapping_id", id(&mapping)),
            ("rule_id", id(&rule)),
            ("session_id", session),
        ];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let secrets = [("key", text(&key["secret"])), ("invitation", text(&invitation["token"]))];
        api.store.close().await;
        drop(api);
        let ids = ids.into_iter().map(|(name, id)| (name.to_owned(), id)).collect();
        Self { place, ids, secrets: secrets.into_iter().collect() }
    }

    /// A copy of it, awake. On a server there is one at a time: [`Awake::end`] makes it as it was.
    pub async fn copy(&self) -> Awake<'_> {
        self.copy_with(|_| {}).await
    }

    /// As [`World::copy`], with other options.
    pub async fn copy_with(&self, change: impl FnOnce(&mut PortalOptions)) -> Awake<'_> {
        match &self.place {
            Place::Lite(asleep) => {
                let dir = tempfile::tempdir().unwrap();
                for file in std::fs::read_dir(asleep.path()).unwrap() {
                    let file = file.unwrap();
                    std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
                }
                let api = Api::on_with(url(&dir.path().join("tollgate.db")), change).await;
                Awake { api, _dir: Some(dir), server: None }
            }
            Place::Server(postgres) => {
                let api = Api::on_with(postgres.url(), change).await;
                Awake { api, _dir: None, server: Some(postgres) }
            }
        }
    }

    /// The credential of a role, in a world awake.
    pub fn credential(&self, api: &Api, role: &str) -> String {
        match role {
            "anonymous" => String::new(),
            "platform" => api.token(role, &[ADMINS]),
            "key" => self.secrets["key"].clone(),
            name => api.token(name, &[]),
        }
    }
}

impl Awake<'_> {
    /// The number of the last thing that was written down: nobody writes anything without an entry.
    pub async fn written(&self) -> i64 {
        self.api.store.audit_page(AuditScope::All, i64::MAX, 1).await.unwrap()[0].seq
    }

    /// Leaves room for the next.
    pub async fn end(self) {
        self.api.store.close().await;
        if let Some(postgres) = self.server {
            postgres.run(RESTORE).await;
        }
    }
}

/// Runs one suite in a world on SQLite and in one on a real Postgres.
pub async fn on_both(suite: impl AsyncFn(World)) {
    suite(World::make().await).await;
    if let Some(world) = World::on_postgres().await {
        suite(world).await;
    }
}

/// A browser's session of this person.
async fn session(api: &Api, person: &str) -> String {
    let (begin, id) = (api.clock.now(), IdKind::Session.make(Timestamp::from_millis(1), [1; 10]));
    let new = NewSession {
        digest: SecretDigest::of("a browser's secret"),
        id: id.clone(),
        person_id: person.to_owned(),
        issuer: "one".into(),
        sid: None,
        groups: Vec::new(),
        email_verified: false,
        authenticated_at: begin,
        created_at: begin,
        expires_at: begin.plus_secs(3600),
        address: None,
        user_agent: None,
    };
    let mut tx = api.store.begin().await.unwrap();
    tx.add_session(&new).await.unwrap();
    tx.commit(begin).await.unwrap();
    id
}

/// The `id` of an answer.
pub fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}
