//! Who may do what to which key; what is somebody else's is unknown.

use super::*;

#[tokio::test]
async fn a_role_brings_what_it_brings_and_no_more() {
    let scene = Scene::new().await;
    let theirs = scene.named("alice's").await;
    let (viewer, _) = scene.member("victor", ProjectRole::Viewer).await;
    let (developer, developer_id) = scene.member("dora", ProjectRole::Developer).await;
    let (manager, _) = scene.member("max", ProjectRole::Manager).await;
    let own = scene.create(&developer, json!({"name": "dora's"})).await;
    assert_eq!(own["owner"]["id"], developer_id.as_str());

    let try_all = async |token: &str, key: &Value| {
        let path = scene.key(key);
        let mut statuses = vec![scene.api.get(&path, token).await.status.as_u16()];
        for (method, path, body) in [
            ("PATCH", path.clone(), json!({"name": "renamed"})),
            ("POST", format!("{path}/disable"), Value::Null),
            ("POST", format!("{path}/enable"), Value::Null),
            ("POST", format!("{path}/rotate"), json!({"overlap": "now"})),
            ("POST", format!("{}/revoke", scene.keys()), json!({"owner": "me", "dry_run": true})),
        ] {
            statuses.push(scene.api.call(method, &path, token, body).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(try_all(&viewer, &theirs).await, [200, 403, 403, 403, 403, 403]);
    assert_eq!(try_all(&developer, &theirs).await, [200, 403, 403, 403, 403, 403]);
    assert_eq!(try_all(&developer, &own).await, [200, 200, 200, 200, 200, 403]);
    // Another secret for a person is that person's affair.
    assert_eq!(try_all(&manager, &own).await, [200, 200, 200, 200, 403, 200]);
    let create = async |token: &str, body: Value| scene.api.call("POST", &scene.keys(), token, body).await;
    assert_eq!(create(&viewer, json!({"name": "k"})).await.problem(403), "forbidden");
    let account = {
        let mut tx = scene.api.store.begin().await.unwrap();
        let id = "sva_00000000000000000000000001";
        tx.create_service_account(&scene.system(), &scene.project, (id, "ci")).await.unwrap();
        tx.commit(scene.now()).await.unwrap();
        id
    };
    let wish = json!({"name": "k", "service_account_id": account});
    assert_eq!(create(&developer, wish.clone()).await.problem(403), "forbidden");
    let key = create(&manager, wish).await.expect(201);
    assert_eq!((&key["owner"]["kind"], &key["owner"]["name"]), (&json!("service_account"), &json!("ci")));
    assert_eq!(scene.api.get(&scene.keys(), &viewer).await.expect(200)["items"].as_array().unwrap().len(), 3);
    let mine = scene.api.get(&format!("{}?owner=me", scene.keys()), &developer).await.expect(200);
    assert_eq!(mine["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn somebody_elses_is_word_for_word_what_nobody_has() {
    let scene = Scene::new().await;
    let key = scene.named("alice's").await;
    let mallory = scene.api.token("mallory", &[]);
    let mine = Scene { alice: mallory.clone(), ..Scene::on_same(&scene, &mallory).await };
    let unknown = json!({"id": "0000000000000000000000"});
    for (method, tail, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({"name": "x"})),
        ("POST", "/rotate", json!({"overlap": "now"})),
        ("POST", "/revoke", Value::Null),
        ("POST", "/disable", Value::Null),
        ("POST", "/enable", Value::Null),
    ] {
        // In the stranger's project, in the victim's, and an id that nobody has.
        let mut bodies = Vec::new();
        for path in [
            format!("/projects/{}/keys/{}{tail}", mine.project, text(&key, "id")),
            format!("{}{tail}", scene.key(&key)),
            format!("{}{tail}", scene.key(&unknown)),
            format!("/projects/{}/keys/{}{tail}", mine.project, text(&unknown, "id")),
        ] {
            let reply = scene.api.call(method, &path, &mallory, body.clone()).await;
            assert_eq!(reply.status, 404, "{method} {path}");
            bodies.push(reply.body);
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{method} {tail}: {bodies:?}");
    }
    for (method, path, body) in [
        ("GET", scene.keys(), Value::Null),
        ("POST", scene.keys(), json!({"name": "k"})),
        ("POST", format!("{}/revoke", scene.keys()), json!({"all": true})),
        ("GET", "/projects/prj_%FF/keys".to_owned(), Value::Null),
    ] {
        assert_eq!(scene.api.call(method, &path, &mallory, body).await.problem(404), "not_found", "{path}");
    }
    let secret = json!({"secret": key["secret"]});
    assert_eq!(scene.api.call("POST", "/keys/lookup", &mallory, secret).await.problem(404), "not_found");
    // A cursor from another tenant is a place in a list, and nothing more.
    let foreign = scene.api.get(&format!("{}?limit=1", scene.keys()), &scene.alice).await.expect(200);
    assert_eq!(foreign["next"], Value::Null);
    assert_eq!(scene.show(&key).await["version"], 1, "nothing was done to it");
}

impl Scene {
    /// Another person's project in the same API.
    async fn on_same(scene: &Self, token: &str) -> Self {
        let id = scene.api.get("/me", token).await.expect(200)["id"].as_str().unwrap().to_owned();
        let project = scene.api.store.begin().await.unwrap().personal_project(&id).await.unwrap().unwrap();
        Self { api: Api::with(scene.api.store.clone()).await, alice: token.to_owned(), project }
    }
}

#[tokio::test]
async fn a_key_is_no_wider_than_its_project_and_its_maker() {
    let life = |options: &mut PortalOptions| options.keys.lifetimes.max_days = Some(30);
    let scene = Scene::with(life).await;
    let (dora, _) = scene.member("dora", ProjectRole::Developer).await;
    let mallory = scene.api.token("mallory", &[]);
    let foreign = scene.api.get("/projects", &mallory).await.expect(200)["items"][0]["id"].clone();
    let accounts = format!("/projects/{}/service-accounts", foreign.as_str().unwrap());
    let account =
        scene.api.call("POST", &accounts, &mallory, json!({"name": "ci"})).await.expect(201)["id"].clone();
    let elsewhere = format!("/projects/{}/keys", foreign.as_str().unwrap());
    for (what, who, path, wish, status) in [
        ("longer than allowed", &dora, scene.keys(), json!({"name": "k", "expires_in_days": 31}), 400),
        ("for ever", &dora, scene.keys(), json!({"name": "k", "expires_at": "never"}), 400),
        ("in another project", &dora, elsewhere, json!({"name": "k"}), 404),
        (
            "for a robot, as developer",
            &dora,
            scene.keys(),
            json!({"name": "k", "service_account_id": account}),
            403,
        ),
        (
            "for another's robot",
            &scene.alice,
            scene.keys(),
            json!({"name": "k", "service_account_id": account}),
            400,
        ),
        ("for another person", &dora, scene.keys(), json!({"name": "k", "person_id": "per_1"}), 400),
        ("with a role", &dora, scene.keys(), json!({"name": "k", "role": "owner"}), 400),
        ("with a budget", &dora, scene.keys(), json!({"name": "k", "budget": 1}), 400),
    ] {
        let reply = scene.api.call("POST", &path, who, wish).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.body);
    }
    assert_eq!(scene.audit().await.len(), 0, "no key was made");
    // What a key says of models beyond its project's is no wider for it: both hold.
    let project = format!("/projects/{}", scene.project);
    scene.api.call("PATCH", &project, &scene.alice, json!({"models": ["gpt-*"]})).await.expect(200);
    let key = scene.create(&dora, json!({"name": "k", "models": "all"})).await;
    assert_eq!((&key["models"], &key["project_models"]), (&json!("all"), &json!(["gpt-*"])));
}

#[tokio::test]
async fn a_pasted_key_is_found_by_whoever_may_see_it() {
    let scene = Scene::new().await;
    let key = scene.named("leaked").await;
    let secret = text(&key, "secret");
    let (viewer, _) = scene.member("victor", ProjectRole::Viewer).await;
    for token in [&scene.alice, &viewer] {
        let body = json!({"secret": format!(" {secret}\n")});
        let found = scene.api.call("POST", "/keys/lookup", token, body).await.expect(200);
        assert_eq!((&found["key"]["id"], &found["secret"]), (&key["id"], &json!("current")));
        assert!(!found.to_string().contains(secret));
    }
    let mut other = secret.to_owned();
    other.replace_range(30..31, if &secret[30..31] == "A" { "B" } else { "A" });
    for bad in ["", "tgk_", "x' OR '1'='1", &other, &secret[..75], "\u{1F511}"] {
        let reply = scene.lookup(bad).await;
        assert!(!reply.body.to_string().contains(&secret[27..40]));
        assert_eq!(reply.problem(400), "invalid", "{bad}");
    }
    assert_eq!(
        scene.api.call("POST", "/keys/lookup", "", json!({"secret": secret})).await.problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let scene = Scene::new().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let tags = if n % 2 == 0 { json!(["even"]) } else { json!([]) };
        let key = scene.create(&scene.alice, json!({"name": format!("{n}"), "tags": tags})).await;
        ids.insert(0, text(&key, "id").to_owned());
        scene.api.pass(std::time::Duration::from_millis(u64::from(n % 3 == 0)));
    }
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = scene.api.get(&format!("{}?limit=3{next}", scene.keys()), &scene.alice).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|key| text(key, "id").to_owned()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(seen.len(), 7);
    seen.sort();
    ids.sort();
    assert_eq!(seen, ids, "each once");
    let count = async |query: &str| {
        let list = scene.api.get(&format!("{}?{query}", scene.keys()), &scene.alice).await.expect(200);
        list["items"].as_array().unwrap().len()
    };
    assert_eq!((count("tag=even").await, count("state=live").await, count("state=revoked").await), (4, 7, 0));
    assert_eq!((count("owner=me").await, count("owner=per_nobody").await), (7, 0));
    assert_eq!(count("unused_since=2040-01-01T00:00:00Z").await, 7);
    for bad in [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=%21",
        "cursor=AAAA",
        "state=Live",
        "tag=A",
        "owner=bob",
        "unused_since=now",
        "sort=name",
        "tag=a&tag=b",
    ] {
        let reply = scene.api.get(&format!("{}?{bad}", scene.keys()), &scene.alice).await;
        assert_eq!(reply.problem(400), "invalid", "{bad}");
    }
}
