//! Which layer wins, what older keys mean, and what is shown.

use std::time::Duration;

use tollgate_core::jwt::Audiences;

use super::*;
use crate::config::settings::{AudienceSettings, LogFormat, Settings};
use crate::config::{IssuerLocation, ShowFormat, compile, restart_needed, show};

#[test]
fn the_compiled_in_file_says_what_the_code_says() {
    for loaded in
        [load(&Sources::default()).unwrap(), load_text("").unwrap(), load_text("# nothing\n").unwrap()]
    {
        assert_eq!(loaded.settings, Settings::default());
        assert!(loaded.compiled.policy.routes().is_empty());
        assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
        assert!(loaded.warnings[0].to_string().contains("every request is denied"));
    }
}

#[test]
fn environment_over_file_over_defaults() {
    let file = "server: {grpc: {listen: '127.0.0.1:4001', max_streams: 7}}\nchecks: {realm: file}\n";
    let loaded = load_with(
        file,
        &[
            ("TOLLGATE__SERVER__GRPC__LISTEN", "127.0.0.1:5001"),
            ("TOLLGATE__CHECKS__DEADLINE_MS", "50"),
            ("TOLLGATE__CREDENTIALS__HEADERS", "[{name: X-Token, form: bare}]"),
            ("TOLLGATE__LOGGING__FORMAT", "json"),
            ("TOLLGATE__IDENTITY__HEADERS__SUBJECT", "x-sub"),
            ("TOLLGATE_PORT", "tcp://10.0.0.1:80"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.server.grpc.listen.0.to_string(), "127.0.0.1:5001");
    assert_eq!(settings.server.grpc.max_streams, 7);
    assert_eq!(settings.checks.realm, "file");
    assert_eq!(settings.checks.deadline_ms, 50);
    assert_eq!(settings.logging.format, LogFormat::Json);
    assert_eq!(settings.identity.headers.subject, "x-sub");
    assert_eq!(settings.identity.headers.user, "x-tollgate-user");
    let headers = &loaded.compiled.policy.credential_headers;
    assert_eq!(headers.len(), 1, "lists replace");
    assert_eq!(headers[0].name, "x-token", "names are in lower case");

    let origin = |path: &str| {
        let text = loaded.origins.of(path).to_string();
        text.rsplit('/').next().unwrap_or_default().to_owned()
    };
    assert_eq!(origin("server.grpc.listen"), "environment TOLLGATE__SERVER__GRPC__LISTEN");
    assert_eq!(origin("server.grpc.max_streams"), "c.yaml:1");
    assert_eq!(origin("checks.realm"), "c.yaml:2");
    assert_eq!(origin("checks.max_concurrent"), "default");
}

#[test]
fn text_from_the_environment_needs_no_quotes() {
    let url = "postgres://u:p{a:ss]#@db/x";
    let loaded =
        load_with("", &[("TOLLGATE__DATABASE__URL", url), ("TOLLGATE__CHECKS__REALM", "12345")]).unwrap();
    assert_eq!(loaded.settings.database.url.unwrap().reveal(), url);
    assert_eq!(loaded.settings.checks.realm, "12345");
    for nothing in ["", "null", "~"] {
        let loaded =
            load_with("database: {url: 'sqlite://x'}", &[("TOLLGATE__DATABASE__URL", nothing)]).unwrap();
        assert_eq!(loaded.settings.database.url, None, "{nothing:?}");
    }
}

#[test]
fn sections_without_content_change_nothing() {
    let loaded = load_text("server:\n  grpc:\nlogging:\n").unwrap();
    assert_eq!(loaded.settings, Settings::default());
}

#[test]
fn config_path_names_the_file_unless_the_flag_does() {
    let scratch = Scratch::new();
    let named = scratch.write("env.yaml", "checks: {realm: env}");
    let flag = scratch.write("flag.yaml", "checks: {realm: flag}");
    let environment = variables(&[("CONFIG_PATH", named.to_str().unwrap())]);
    let realm =
        |path| load(&Sources { path, environment: environment.clone() }).unwrap().settings.checks.realm;
    assert_eq!(realm(None), "env");
    assert_eq!(realm(Some(flag)), "flag");
}

#[test]
fn the_guide_s_config_map() {
    let guide = "
server:
  rest: \"0.0.0.0:3000\"
  grpc: \"0.0.0.0:3001\"
logging:
  level: info
database:
  url: postgres://postgres:postgres@postgresql:5432/self-service-app
  pool_size: 10
oauth2:
  jwks_url: http://keycloak.envoy-gateway-system.svc.cluster.local:8080/realms/master/protocol/openid-connect/certs
";
    let loaded = load_with(guide, &[("RUST_LOG", "debug")]).unwrap();
    assert_eq!(loaded.settings.server.http.listen.0.to_string(), "0.0.0.0:3000");
    assert_eq!(loaded.settings.server.grpc.listen.0.to_string(), "0.0.0.0:3001");
    assert_eq!(loaded.settings.logging.level, "debug");
    assert_eq!(loaded.settings.database.pool_size, 10);
    let plan = &loaded.compiled.issuers[0];
    assert_eq!(plan.rules.name, "oauth2");
    let base = "http://keycloak.envoy-gateway-system.svc.cluster.local:8080/realms/master";
    assert_eq!(plan.rules.accepted_issuers, [base]);
    assert_eq!(plan.rules.audiences, Audiences::Any);
    assert_eq!(plan.location, IssuerLocation::Jwks { url: format!("{base}/protocol/openid-connect/certs") });
    let warnings: Vec<&str> = loaded.warnings.iter().map(|w| w.path.as_str()).collect();
    assert_eq!(warnings, ["routes", "oauth2.audiences", "oauth2.jwks_url"]);
}

#[test]
fn older_keys_in_every_form() {
    let table = [
        ("server: {rest: '127.0.0.1:80'}", "127.0.0.1:80", "0.0.0.0:3001"),
        ("server: {rest: {address: 127.0.0.1, port: 80}}", "127.0.0.1:80", "0.0.0.0:3001"),
        ("server: {rest: {host: '::1', port: 80}}", "[::1]:80", "0.0.0.0:3001"),
        ("server: {grpc: '127.0.0.1:81'}", "0.0.0.0:3000", "127.0.0.1:81"),
        ("server: {grpc: {host: 127.0.0.1, port: 81}}", "0.0.0.0:3000", "127.0.0.1:81"),
        ("server: {grpc: {address: '[::1]', port: 81, max_streams: 3}}", "0.0.0.0:3000", "[::1]:81"),
        ("server: {grpc: {listen: {port: 81}}, http: {listen: {port: 80}}}", "0.0.0.0:80", "0.0.0.0:81"),
    ];
    for (text, http, grpc) in table {
        let settings = load_text(text).unwrap().settings;
        assert_eq!(settings.server.http.listen.0.to_string(), http, "{text}");
        assert_eq!(settings.server.grpc.listen.0.to_string(), grpc, "{text}");
    }
    // Each layer is translated on its own, so old and new names override each other.
    let loaded =
        load_with("server: {rest: '127.0.0.1:80'}", &[("TOLLGATE__SERVER__HTTP__LISTEN", "127.0.0.1:90")]);
    assert_eq!(loaded.unwrap().settings.server.http.listen.0.port(), 90);
    let loaded =
        load_with("server: {http: {listen: '127.0.0.1:80'}}", &[("TOLLGATE__SERVER__REST", "127.0.0.1:90")]);
    assert_eq!(loaded.unwrap().settings.server.http.listen.0.port(), 90);
    let loaded = load_with("", &[("RUST_LOG", "debug"), ("TOLLGATE__LOGGING__LEVEL", "warn")]).unwrap();
    assert_eq!(loaded.settings.logging.level, "warn");

    let oauth2 = |more: &str| load_text(&format!("oauth2: {{jwks_url: 'https://k/certs', {more}}}"));
    let issuers = |more: &str| oauth2(more).unwrap().compiled.issuers[0].rules.accepted_issuers.clone();
    assert_eq!(issuers("issuer: 'https://k/a'"), ["https://k/a"]);
    assert_eq!(
        issuers("accepted_issuers: ['https://k/a', 'http://localhost/a']"),
        ["https://k/a", "http://localhost/a"]
    );
    assert!(lines(&oauth2("").unwrap_err())[0].contains("oauth2.issuer: missing"));
    let loaded = oauth2("issuer: 'https://k/a', audiences: [x]").unwrap();
    assert_eq!(loaded.compiled.issuers[0].rules.audiences, Audiences::OneOf(vec!["x".into()]));
    assert_eq!(loaded.warnings.len(), 1, "only the empty routes: {:?}", loaded.warnings);
}

#[test]
fn secrets_by_file() {
    let scratch = Scratch::new();
    let url = scratch.write("url", "sqlite://from-file.db\n");
    let headers = scratch.write("headers", "Authorization: Bearer hunter2\n\nx-team: a:b\n");
    let text = format!(
        "database: {{url_file: {url:?}}}\ntelemetry: {{otlp: {{headers_file: {headers:?}, headers: {{x-team: own}}}}}}\n"
    );
    let loaded = load_text(&text).unwrap();
    assert_eq!(loaded.settings.database.url.as_ref().unwrap().reveal(), "sqlite://from-file.db");
    let header = |name: &str| loaded.settings.telemetry.otlp.headers[name].reveal().to_owned();
    assert_eq!(header("Authorization"), "Bearer hunter2");
    assert_eq!(header("x-team"), "own");
    assert_eq!(loaded.files, [url, headers]);
    for format in [ShowFormat::Yaml, ShowFormat::Json] {
        assert!(!show(&loaded, format, true).contains("hunter2"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let warned = |mode| {
            std::fs::set_permissions(scratch.path("url"), std::fs::Permissions::from_mode(mode)).unwrap();
            load_text(&text).unwrap().warnings.iter().any(|w| w.path == "database.url_file")
        };
        assert!(warned(0o644));
        assert!(!warned(0o640));
    }
    let loaded = load_with(&text, &[("TOLLGATE__DATABASE__URL", "sqlite://env.db")]).unwrap();
    assert_eq!(loaded.settings.database.url.unwrap().reveal(), "sqlite://env.db", "the higher layer wins");
    let other = scratch.write("other", "sqlite://other.db");
    let loaded = load_with(
        "database: {url: 'sqlite://x'}",
        &[("TOLLGATE__DATABASE__URL_FILE", other.to_str().unwrap())],
    );
    assert_eq!(loaded.unwrap().settings.database.url.unwrap().reveal(), "sqlite://other.db");
}

#[test]
fn shown_configurations_hide_secrets_and_read_back() {
    let text = format!(
        "{ISSUER}{}",
        "
database: {url: 'postgres://u:hunter2@db/x?sslpassword=hunter2'}
telemetry: {otlp: {headers: {authorization: 'Bearer hunter2'}}}
routes:
  - {name: 'yes', paths: [{prefix: /v1}], access: {condition: 'claims.a == \"b: #c\"'}}
"
    );
    let loaded = load_with(&text, &[("TOLLGATE__CHECKS__REALM", "00:12")]).unwrap();
    for (format, origin) in [(ShowFormat::Yaml, true), (ShowFormat::Json, true), (ShowFormat::Json, false)] {
        let shown = show(&loaded, format, origin);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("postgres://u:***@db/x?sslpassword=***"), "{shown}");
    }
    assert!(!format!("{loaded:?}").contains("hunter2"), "not even for debugging");
    let yaml = show(&loaded, ShowFormat::Yaml, true);
    assert!(yaml.contains("  realm: \"00:12\"  # environment TOLLGATE__CHECKS__REALM\n"), "{yaml}");
    assert!(yaml.contains("  deadline_ms: 100  # default\n"), "{yaml}");
    let json: serde_json::Value = serde_json::from_str(&show(&loaded, ShowFormat::Json, true)).unwrap();
    assert_eq!(json["routes[0].name"]["value"], "yes");

    let masked = text.replace("hunter2", "***").replace("Bearer ***", "***");
    let again = load_with(show(&loaded, ShowFormat::Yaml, true), &[]).unwrap();
    let expected = load_with(masked, &[("TOLLGATE__CHECKS__REALM", "00:12")]).unwrap();
    assert_eq!(again.settings, expected.settings);
}

#[test]
fn issuers_and_routes_become_rules() {
    let scratch = Scratch::new();
    let jwks = scratch.write("jwks.json", "{\"keys\": []}");
    let text = format!(
        "
issuers:
  - name: a
    issuer: http://a.example
    audiences: [x, y]
    algorithms: [ES256]
    allow_http: true
    leeway_secs: 5
    cooldown_secs: 7
    required_claims: {{tenant.id: [one]}}
  - {{name: b, issuer: 'https://b.example', audiences: any, jwks_file: {jwks:?}}}
routes:
  - {{name: one, hosts: ['*.example'], paths: [{{exact: /a}}], access: public, unauthenticated_status: 403}}
  - {{name: two, paths: [{{prefix: /}}], methods: [GET], access: {{groups_any: [g], condition: 'true'}}}}
"
    );
    let loaded = load_text(&text).unwrap();
    let [a, b] = loaded.compiled.issuers.as_slice() else { unreachable!("two issuers") };
    assert_eq!(a.location, IssuerLocation::Discovery { issuer_url: "http://a.example".into() });
    assert_eq!((a.cooldown, a.refresh), (Duration::from_secs(7), Duration::from_secs(300)));
    assert_eq!(a.rules.leeway_secs, 5);
    assert_eq!(a.rules.algorithms.len(), 1);
    assert_eq!(a.rules.audiences, Audiences::OneOf(vec!["x".into(), "y".into()]));
    assert_eq!(b.location, IssuerLocation::Static { jwks: "{\"keys\": []}".into() });
    assert_eq!(loaded.files, [jwks]);
    let names: Vec<&str> = loaded.compiled.policy.routes().iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(
        loaded.warnings.iter().map(|w| w.path.as_str()).collect::<Vec<_>>(),
        ["issuers[0].allow_http"]
    );
    assert_eq!(
        loaded.warnings[0].to_string().rsplit('/').next().unwrap().split(' ').next(),
        Some("c.yaml:7:")
    );
}

#[test]
fn what_deserves_a_warning() {
    let table = [
        ("checks: {deadline_ms: 200}", "checks.deadline_ms"),
        ("server: {check: {unavailable_status: 503}}", "server.check.unavailable_status"),
        ("server: {check: {trusted_peers: [0.0.0.0/0]}}", "server.check.trusted_peers[0]"),
        ("routes: [{name: a, paths: [{prefix: /}], access: authenticated}]", "issuers"),
    ];
    for (text, path) in table {
        let loaded = load_text(text).unwrap();
        assert!(loaded.warnings.iter().any(|w| w.path == path), "{text}: {:?}", loaded.warnings);
    }
    assert!(
        !load_text("checks: {deadline_ms: 199}")
            .unwrap()
            .warnings
            .iter()
            .any(|w| w.path.starts_with("checks"))
    );
}

#[test]
fn what_a_running_process_cannot_take_over() {
    let settings = |text: &str| load_text(text).unwrap().settings;
    let base = settings("");
    let table: [(&str, &[&str]); 5] = [
        ("", &[]),
        ("checks: {deadline_ms: 10}", &[]),
        ("server: {check: {trusted_peers: [10.0.0.0/8]}}", &["server.check"]),
        (
            "server: {http: {listen: '0.0.0.0:4000'}, check: {listen: '0.0.0.0:4002'}}",
            &["server.http", "server.check"],
        ),
        ("database: {url: 'sqlite://x'}", &["database"]),
    ];
    for (text, expected) in table {
        assert_eq!(restart_needed(&base, &settings(text)), expected, "{text}");
    }
}

#[test]
fn settings_made_in_code_compile() {
    use crate::config::settings::IssuerSettings;
    let issuer = IssuerSettings::new("dev", "http://127.0.0.1:1", AudienceSettings::ANY);
    let mut settings = Settings { issuers: vec![issuer], ..Settings::default() };
    let problems = compile(&settings).unwrap_err();
    assert!(problems[0].to_string().contains("allow_http: true"), "{problems:?}");
    settings.issuers[0].allow_http = true;
    assert_eq!(compile(&settings).unwrap().issuers.len(), 1);
}

#[test]
fn listeners_with_tls() {
    let scratch = Scratch::new();
    let ((cert, key), (_, other_key)) = (certificate(), certificate());
    let cert = scratch.write("cert.pem", cert);
    let key = scratch.write("key.pem", key);
    let other = scratch.write("other.pem", other_key);
    let empty = scratch.write("empty.pem", "");
    let with = |cert: &PathBuf, key: &PathBuf| {
        load_text(&format!(
            "server: {{grpc: {{tls: {{cert_file: {cert:?}, key_file: {key:?}, client_ca_file: {cert:?}}}}}}}"
        ))
    };
    let loaded = with(&cert, &key).unwrap();
    assert_eq!(loaded.settings.server.grpc.tls.unwrap().reload_secs, 60);
    assert_eq!(loaded.files, [cert.clone(), key.clone(), cert.clone()]);
    let table = [
        (&cert, &other, "key_file: does not fit the certificate"),
        (&cert, &cert, "key_file: no private key could be read"),
        (&key, &key, "cert_file: there is no PEM certificate"),
        (&empty, &key, "cert_file: there is no PEM certificate"),
        (&scratch.path("none"), &key, "cert_file: no certificate could be read"),
    ];
    for (cert, key, expected) in table {
        let error = with(cert, key).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
