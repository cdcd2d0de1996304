//! What is refused, and what it says.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// One route, and what else it says.
macro_rules! route {
    ($more:literal) => {
        concat!("routes: [{name: a, paths: [{prefix: /}], access: authenticated, ", $more, "}]")
    };
}

/// A Keycloak with its directory, and what else either says.
macro_rules! directory {
    ($issuer:literal, $directory:literal) => {
        concat!(
            "{database: {url: 'sqlite://a'}, issuers: [{name: a, issuer: 'https://k.test/realms/ai', audiences: any, ",
            $issuer,
            "}], tenancy: {directories: [{kind: keycloak, client_id: b, ",
            $directory,
            "}]}}"
        )
    };
}

/// A public key on P-256.
macro_rules! pem {
    () => {
        r#""-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzgy27r0qRhoWFrnr1dYXqlBi6lxU\n\
ed5r0PsIQfYG4Q2XYI0ClYpj3taUxUs1SmL2AA8Z7ulxefTU2PoFpmv0QQ==\n-----END PUBLIC KEY-----\n""#
    };
}

/// Each text, and a part of one line of what it says.
const TABLE: &[(&str, &str)] = &[
    // unknown keys
    (
        "server:\n  gprc: {listen: '0.0.0.0:1'}",
        "c.yaml:2: server.gprc: unknown key; did you mean 'server.grpc'?",
    ),
    ("sever: {}", "c.yaml:1: sever: unknown key; did you mean 'server'?"),
    ("checks: {deadline-ms: 1}", "checks.deadline-ms: unknown key; did you mean 'checks.deadline_ms'?"),
    ("level: debug", "level: unknown key; did you mean 'logging.level'?"),
    ("logging: {zzz: 1}", "logging.zzz: unknown key; known here: level, format, decisions"),
    ("identity: {headers: {subjct: x}}", "did you mean 'identity.headers.subject'?"),
    (
        "issuers: [{name: a, issuer: 'https://a', audience: any}]",
        "issuers[0].audience: unknown key; did you mean 'issuers[0].audiences'?",
    ),
    ("\"a\\nb\\e[31m\": 1", "c.yaml:1: a b\u{fffd}[31m: unknown key"),
    // types and ranges
    ("checks:\n  deadline_ms: fast", "c.yaml:2: checks.deadline_ms: expected a whole number, found text"),
    ("checks: {deadline_ms: 0}", "checks.deadline_ms: 0 is out of range; write 1 to 10000"),
    ("checks: {deadline_ms: -1}", "-1 is out of range"),
    ("checks: {deadline_ms: 1.5}", "expected a whole number"),
    ("checks: {deadline_ms: 99999999999999999999999}", "checks.deadline_ms"),
    ("checks: {realm: 5}", "checks.realm: expected text, found a number (quote it if it is text)"),
    ("checks: {realm: ''}", "checks.realm: must not be empty"),
    ("checks: {realm: 'a\"b'}", "checks.realm: write printable ASCII"),
    ("checks: {realm:}", "checks.realm: expected text, found nothing"),
    ("checks: []", "checks: expected a mapping, found a list"),
    ("checks: {unauthenticated_status: 402}", "402 is not known here; write 401 or 403"),
    ("server: {check: {unavailable_status: 500}}", "write 403 or 503"),
    ("logging: {decisions: yes}", "logging.decisions: expected true or false, found text"),
    ("logging: {format: jsn}", "'jsn' is not known here; did you mean 'json'?"),
    ("logging: {level: 'info,=='}", "logging.level: 'info,==' is not understood"),
    ("logging: {level: inof}", "'inof' is not a level; a module's is written inof=debug"),
    ("logging: {level: ''}", "logging.level: '' is not understood"),
    ("telemetry: {otlp: {sample_ratio: 1.5}}", "write 0 to 1"),
    ("telemetry: {otlp: {endpoint: collector}}", "write an absolute URL"),
    ("telemetry: {otlp: {headers: {'a b': x}}}", "telemetry.otlp.headers.a b: not a header name"),
    ("routes:", "routes: expected a list, found nothing"),
    ("keys: {max_per_project: 0}", "keys.max_per_project: 0 is out of range"),
    (
        "keys: {max_lifetime_days: 30, default_lifetime_days: 31}",
        "keys.default_lifetime_days: 31 is more than keys.max_lifetime_days, which is 30",
    ),
    // models
    ("models: {aliases: {a: b, b: c}}", "models.aliases.a: 'b' is an alias itself; write what it stands for"),
    ("models: {aliases: {'a*': b}}", "models.aliases.a*: 'a*: b' is not a name for a name"),
    ("models: {aliases: {a: ''}}", "models.aliases.a: 'a: ' is not a name"),
    ("models: {trusted_header: 'a b'}", "models.trusted_header: "),
    ("models: {trusted_header: Content-Type}", "models.trusted_header: 'content-type' says something else"),
    ("models: {trusted_header: x-api-key}", "models.trusted_header: 'x-api-key' says something else"),
    ("models: {trusted_header: x-tollgate-user}", "'x-tollgate-user' says something else"),
    (route!("models: everything"), "routes[0].models: 'everything' is not known here"),
    (route!("models: []"), "routes[0].models: the list needs at least 1 entry"),
    (route!("models:"), "routes[0].models: expected "),
    (route!("models: ['a b']"), "routes[0].models: 'a b' is not a model name or pattern"),
    (route!("models: [a, a]"), "routes[0].models: 'a' stands in the list twice"),
    (route!("model_from: body, uses_models: false"), "routes[0].model_from: says where a model is read"),
    (route!("model_from: path"), "routes[0].model_from"),
    (route!("models: none, uses_models: false"), "routes[0].uses_models: says that no model is used here"),
    (route!("model_list: []"), "routes[0].model_list: the list needs at least 1 entry"),
    (route!("model_list: ['a*']"), "routes[0].model_list: 'a*' is not a model name"),
    (
        concat!("models: {aliases: {fast: m}}\n", route!("models: [fast]")),
        "routes[0].models[0]: 'fast' is an alias; list what it stands for: 'm'",
    ),
    // browser login and introspection
    ("portal: {login: {client_id: a}}", "portal.login.issuer: missing"),
    (
        "{database: {url: 'sqlite://a'}, portal: {public_url: 'https://t', login: {issuer: x, client_id: a}}}",
        "c.yaml:1: portal.login.issuer: no issuer is named 'x'; known: none is configured",
    ),
    (
        "{issuers: [{name: x, issuer: 'https://x', audiences: any}], database: {url: 'sqlite://a'}, \
         portal: {login: {issuer: x, client_id: a}}}",
        "c.yaml:1: portal.login: needs portal.public_url",
    ),
    (
        "{issuers: [{name: x, issuer: 'https://x', audiences: any}], \
         portal: {public_url: 'https://t', login: {issuer: x, client_id: a}}}",
        "portal.login: needs a database",
    ),
    (
        "{issuers: [{name: x, issuer: 'https://x', audiences: any}], database: {url: 'sqlite://a'}, \
         portal: {public_url: 'https://t', login: {issuer: x, client_id: a, scopes: [email]}}}",
        "portal.login.scopes: must have 'openid' in it",
    ),
    (
        "{issuers: [{name: x, issuer: 'https://x', audiences: any}], database: {url: 'sqlite://a'}, \
         portal: {public_url: 'https://t', login: {issuer: x, client_id: a, client_secret: b, client_secret_file: /c}}}",
        "portal.login.client_secret_file: portal.login.client_secret is given too",
    ),
    (
        "{issuers: [{name: x, issuer: 'https://x', audiences: any}], database: {url: 'sqlite://a'}, \
         portal: {public_url: 'https://t', login: {issuer: x, client_id: a, token_url: 'http://x/token'}}}",
        "portal.login.token_url: is not https",
    ),
    ("portal: {public_url: 'http://tollgate.example.com'}", "portal.public_url: must be https"),
    ("portal: {public_url: 'https://a.example.com/portal'}", "must be scheme and host alone"),
    ("portal: {public_url: 'https://u:p@a.example.com'}", "must not carry a user name or password"),
    ("portal: {session: {idle_secs: 90000}}", "must not be longer than portal.session.lifetime_secs"),
    (
        "portal: {session: {reauthenticate_after_secs: -1}}",
        "portal.session.reauthenticate_after_secs: -1 is out of range",
    ),
    ("tenancy: {directories: [{issuer: a, kind: ldap, client_id: b}]}", "'ldap' is not known here"),
    ("tenancy: {directories: [{issuer: a, client_id: b}]}", "tenancy.directories[0].kind: missing"),
    (
        "{issuers: [{name: a, issuer: 'https://k.test/realms/ai', audiences: any}], \
         tenancy: {directories: [{issuer: a, kind: keycloak, client_id: b, client_secret: x}]}}",
        "tenancy.directories: needs a database",
    ),
    (
        directory!("", "client_secret: x, issuer: other"),
        "tenancy.directories[0].issuer: no issuer is named 'other'",
    ),
    (directory!("", "issuer: a"), "tenancy.directories[0].client_secret: missing"),
    (
        directory!("claims: {subject: email}", "client_secret: x, issuer: a"),
        "tenancy.directories[0].issuer: the subjects of 'a' are no user ids",
    ),
    (
        directory!("", "client_secret: x, client_secret_file: /x, issuer: a"),
        "tenancy.directories[0].client_secret_file: client_secret is given too",
    ),
    (
        directory!("", "client_secret: x, issuer: a, url: 'http://k'"),
        "tenancy.directories[0].url: is not https",
    ),
    (directory!("", "client_secret: x, issuer: a, realm: 'a/b'"), "'a/b' is no realm as it stands in a URL"),
    (directory!("", "client_secret: x, issuer: a, realm: '..'"), "'..' is no realm as it stands in a URL"),
    (directory!("", "client_secret: x, issuer: a, max_suspended_percent: 101"), "101 is out of range"),
    (
        "{database: {url: 'sqlite://a'}, issuers: [{name: a, issuer: 'https://login.test', audiences: any}], \
         tenancy: {directories: [{kind: keycloak, client_id: b, client_secret: x, issuer: a}]}}",
        "tenancy.directories[0].url: 'https://login.test' is not Keycloak's",
    ),
    (
        "introspection: {clients: [{id: a}]}",
        "introspection.clients[0].secret: missing; give secret or secret_file",
    ),
    ("introspection: {clients: [{id: a, secret: short}]}", "is shorter than 16 characters"),
    ("introspection: {clients: [{id: 'a:b', secret: 0123456789abcdef}]}", "must not have ':' in it"),
    (
        "introspection: {clients: [{id: a, secret: 0123456789abcdef}, {id: a, secret: 0123456789abcdeg}]}",
        "introspection.clients[1].id: 'a' is listed twice",
    ),
    (
        "introspection: {clients: [{id: a, secret_file: /does/not/exist}]}",
        "introspection.clients[0].secret_file: cannot read",
    ),
    (
        "api: {secret_scanning: {keys: [{id: a, pem: x}]}}",
        "api.secret_scanning.keys[0].pem: is no public key in PEM",
    ),
    (
        concat!("api: {secret_scanning: {keys: [{id: a, pem: ", pem!(), "}, {id: a, pem: ", pem!(), "}]}}"),
        "api.secret_scanning.keys[1].id: 'a' is listed twice",
    ),
    // listeners
    ("server: {http: {listen: 3000}}", "server.http.listen: expected text, found a number"),
    ("server: {http: {listen: 'localhost:3000'}}", "'localhost:3000': write an IP address and a port"),
    ("server: {rest: {host: 1.2.3.4}}", "server.rest.port: missing"),
    (
        "server: {rest: {prot: 80, port: 80}}",
        "server.rest.prot: unknown key; known here: address (or host), port",
    ),
    (
        "server: {rest: '1.2.3.4:5', http: {listen: '1.2.3.4:6'}}",
        "server.rest: the older name of server.http.listen",
    ),
    ("server: {grpc: {port: 80, listen: '0.0.0.0:80'}}", "server.grpc: port is an older way"),
    ("server: {grpc: {listen: '0.0.0.0:3000'}}", "0.0.0.0:3000 is taken by server.http.listen"),
    ("server: {grpc: {client_address: x-real-ip}}", "write peer, or header:NAME"),
    ("server: {grpc: {client_address: 'header:X-Forwarded-For'}}", "holds what clients write"),
    ("server: {check: {client_address: 'header:a b'}}", "is not a header's name"),
    ("server: {grpc: {client_address: 'header:X-API-Key'}}", "carries credentials"),
    ("server: {metrics: {listen: '127.0.0.1:3002'}}", "127.0.0.1:3002 is taken by server.check.listen"),
    (
        "server: {check: {trusted_peers: [10.0.0.0/33]}}",
        "server.check.trusted_peers[0]: '10.0.0.0/33': write a network",
    ),
    ("server: {drain_delay_secs: 30}", "server.drain_delay_secs: must be shorter"),
    ("server: {grpc: {tls: {cert_file: /x}}}", "server.grpc.tls.key_file: missing"),
    // headers
    ("credentials: {headers: []}", "credentials.headers: the list needs at least 1 entry"),
    (
        "credentials: {headers: [{name: 'a b', form: bare}]}",
        "credentials.headers[0].name: 'a b': not a header name",
    ),
    (
        "credentials: {headers: [{name: a, form: bare}, {name: A, form: bearer}]}",
        "credentials.headers[1].name: 'a' is listed twice",
    ),
    ("credentials: {headers: [{name: a, form: basic}]}", "write one of bearer, bare"),
    (
        "identity: {headers: {user: x-tollgate-subject}}",
        "identity.headers.user: 'x-tollgate-subject' carries another",
    ),
    ("identity: {headers: {user: Host}}", "'host' belongs to HTTP"),
    ("identity: {headers: {user: X-API-Key}}", "'x-api-key' carries credentials"),
    // issuers
    (
        "issuers: [{name: a, issuer: 'https://a'}]",
        "issuers[0].audiences: missing; list the `aud` values to accept",
    ),
    ("issuers: [{name: a, issuer: 'https://a', audiences: []}]", "an empty list would deny everybody"),
    ("issuers: [{name: a, issuer: 'https://a', audiences: all}]", "or write `audiences: any`"),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: 5}]",
        "issuers[0].audiences: expected 'any' or a list, found a number",
    ),
    ("issuers: [{name: a, issuer: 'a', audiences: any}]", "issuers[0].issuer: 'a': write an absolute URL"),
    (
        "issuers: [{name: a, issuer: 'https://u:hunter2@a', audiences: any}]",
        "must not carry a user name or password",
    ),
    (
        "issuers: [{name: a, issuer: 'http://a', audiences: any}]",
        "issuers[0].issuer: 'http://a' is fetched without TLS",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', jwks_url: 'HTTP://a/k', audiences: any}]",
        "issuers[0].jwks_url: 'HTTP://a/k' is fetched without TLS",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any, algorithms: [HS256]}]",
        "`none` and HMAC (HS256 and kin) are never accepted",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any, algorithms: [none]}]",
        "issuers[0].algorithms[0]: 'none' is not known here",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any, algorithms: []}]",
        "the list needs at least 1 entry",
    ),
    ("issuers: [{name: a, issuer: 'https://a', audiences: any, leeway_secs: 301}]", "write 0 to 300"),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any, required_claims: {a: []}}]",
        "an empty list is never met",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any, claims: {subject: 'a..b'}}]",
        "issuers[0].claims.subject: 'a..b'",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any, jwks_file: /does/not/exist}]",
        "issuers[0].jwks_file: cannot read",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any, jwks_file: /x, jwks_url: 'https://b'}]",
        "jwks_url is given too",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any, refresh_secs: 600, max_stale_secs: 60}]",
        "max_stale_secs: must not be shorter",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any}, {name: a, issuer: 'https://b', audiences: any}]",
        "issuers[1].name: 'a' is the name of an earlier issuer",
    ),
    (
        "issuers: [{name: a, issuer: 'https://a', audiences: any}, {name: b, issuer: 'https://a', audiences: any}]",
        "issuer value 'https://a' is accepted by both 'a' and 'b'",
    ),
    ("oauth2: {}", "oauth2.jwks_url: missing"),
    (
        "oauth2: {jwks_url: 'http://k/protocol/openid-connect/certs', allow_http: false}",
        "oauth2.jwks_url: 'http://k/",
    ),
    // routes
    (
        "routes: [{name: a, access: public}]",
        "routes[0].paths: missing; write for example `paths: [{prefix: /v1}]`",
    ),
    (
        "routes: [{name: a, paths: [{prefix: /}]}]",
        "routes[0].access: missing; write `public`, `authenticated`, or",
    ),
    ("routes: [{name: a, paths: [], access: public}]", "routes[0].paths: the list needs at least 1 entry"),
    (
        "routes: [{name: a, paths: ['/v1'], access: public}]",
        "routes[0].paths[0]: expected a mapping, found text; write for example",
    ),
    (
        "routes: [{name: a, paths: [{prefx: /}], access: public}]",
        "expected exactly one of exact, prefix, regex",
    ),
    (
        "routes: [{name: a, paths: [{prefix: /, exact: /}], access: public}]",
        "expected exactly one of exact, prefix, regex",
    ),
    ("routes: [{name: a, paths: [{prefix: 5}], access: public}]", "routes[0].paths[0].prefix: expected text"),
    ("routes: [{name: a, paths: [{prefix: v1}], access: public}]", "'v1' is not a canonical path"),
    ("routes: [{name: a, paths: [{regex: '('}], access: public}]", "is not a usable regular expression"),
    (
        "routes: [{name: a, paths: [{prefix: /}], hosts: ['a:80'], access: public}]",
        "routes[0].hosts[0]: 'a:80' is not a host",
    ),
    (
        "routes: [{name: a, paths: [{prefix: /}], methods: [get], access: public}]",
        "'get' is not a method; write it in upper case",
    ),
    (
        "routes: [{name: a, paths: [{prefix: /}], methods: [], access: public}]",
        "routes[0].methods: the list needs",
    ),
    ("routes: [{name: a, paths: [{prefix: /}], access: pubic}]", "did you mean 'public'?"),
    ("routes: [{name: a, paths: [{prefix: /}], access: {}}]", "routes[0].access: asks for nothing"),
    (
        "routes: [{name: a, paths: [{prefix: /}], access: {groups_any: []}}]",
        "routes[0].access.groups_any: the list needs",
    ),
    (
        "routes: [{name: a, paths: [{prefix: /}], access: {group_any: [a]}}]",
        "did you mean 'routes[0].access.groups_any'?",
    ),
    (
        "routes: [{name: a, paths: [{prefix: /}], access: {condition: 'claims.'}}]",
        "routes[0].access.condition: not a CEL expression",
    ),
    ("routes: [{name: a, paths: [{prefix: /}], access: {condition: 'token.a'}}]", "unknown variable 'token'"),
    (
        "routes: [{name: a, paths: [{prefix: /}], access: public}, {name: a, paths: [{prefix: /}], access: public}]",
        "routes[1].name: 'a' is the name of an earlier route",
    ),
    // state
    ("database: {url: 'mysql://u:hunter2@db'}", "database.url: must start with postgres:// or sqlite://"),
    ("database: {url_file: /does/not/exist}", "database.url_file: cannot read"),
    ("database: {url: 'sqlite://x', url_file: /x}", "database.url_file: database.url is given too"),
    // the text itself
    ("checks: {realm: a}\nchecks: {realm: b}\n", "c.yaml:2: "),
    ("- a\n- b\n", "c.yaml:1: is not a mapping"),
    ("just text", "c.yaml:1: is not a mapping"),
    ("checks: {realm: 'hunter2", "c.yaml:1: "),
    ("a: 1\n---\nb: 1\n", "c.yaml"),
];

#[test]
fn each_mistake_says_where_and_what() {
    for (text, expected) in TABLE {
        let error = load_text(text).map(|l| format!("{:?}", l.settings)).unwrap_err();
        let lines = lines(&error);
        assert!(lines.iter().any(|line| line.contains(expected)), "{text}\n  said: {lines:#?}");
        assert_eq!(lines.len(), 1, "one mistake, one line: {text}\n  said: {lines:#?}");
        assert!(lines[0].starts_with("c.yaml"), "the file is named: {lines:?}");
        assert!(!lines[0].contains("hunter2"), "secrets stay out: {lines:?}");
    }
}

#[test]
fn several_mistakes_at_once() {
    let text = "
server: {gprc: {}}
checks: {deadline_ms: fast, realm: 7}
issuers: [{name: a}]
";
    let error = load_with(text, &[("TOLLGATE__LOGGING__FORMAT", "xml")]).unwrap_err();
    let paths: Vec<&str> = error.problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "server.gprc",
            "checks.deadline_ms",
            "checks.realm",
            "issuers[0].issuer",
            "issuers[0].audiences",
            "logging.format"
        ]
    );
    let text = "
routes:
  - {name: a, paths: [{prefix: x}], access: {condition: '('}}
issuers: [{name: b, issuer: 'http://b', audiences: any}]
server: {grpc: {listen: '0.0.0.0:3000'}}
";
    assert_eq!(load_text(text).unwrap_err().problems.len(), 4);
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let table = [
        ("TOLLGATE__SERVER__GPRC__LISTEN", "1", "server.gprc: unknown key; did you mean 'server.grpc'?"),
        ("TOLLGATE__CHECKS__DEADLINE_MS", "fast", "checks.deadline_ms: expected a whole number"),
        ("TOLLGATE__CHECKS__DEADLINE_MS", "[1", "checks.deadline_ms: the value is not YAML"),
        ("TOLLGATE__ISSUERS__0__NAME", "x", "issuers: expected a list, found a mapping"),
        ("TOLLGATE__", "x", "the name has an empty part"),
        ("TOLLGATE__SERVER____LISTEN", "x", "the name has an empty part"),
        ("TOLLGATE__NONSENSE", "x", "nonsense: unknown key"),
        ("TOLLGATE__SERVER__REST", "nowhere", "server.http.listen: 'nowhere': write an IP address"),
        ("TOLLGATE__CHECKS__REALM", "a\u{fffd}b", "checks.realm: the value is not UTF-8 text"),
        ("RUST_LOG", "==", "logging.level: '==' is not understood"),
    ];
    for (name, value, expected) in table {
        let error = load_with("", &[(name, value)]).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.starts_with(&format!("{name}: ")) && error.contains(expected),
            "{name}={value}: {error}"
        );
    }
    let twice = [("TOLLGATE__CHECKS__REALM", "a"), ("TOLLGATE__checks__realm", "b")];
    assert!(load_with("", &twice).unwrap_err().to_string().contains("sets the same key"));
}

#[test]
fn files_that_are_no_text_for_a_configuration() {
    let said = |content: &[u8]| {
        lines(&load_with(content, &[]).map(|l| l.settings.checks.realm).unwrap_err())[0].clone()
    };
    assert_eq!(said(b"checks:\n  realm: \xff\n"), "c.yaml:2: is not UTF-8 text");
    assert!(said(&vec![b'#'; (1 << 20) + 1]).contains("has more than 1048576 bytes"));
    assert!(load_with(vec![b'#'; 1 << 20], &[]).is_ok());

    let scratch = Scratch::new();
    let missing = load(&Sources { path: Some(scratch.path("c.yaml")), environment: Vec::new() }).unwrap_err();
    assert!(missing.to_string().contains("c.yaml: cannot be read"), "{missing}");
    let directory = load(&Sources { path: Some(scratch.path("")), environment: Vec::new() }).unwrap_err();
    assert!(directory.to_string().contains("is not a regular file"), "{directory}");
}

#[test]
fn hostile_text_is_refused_in_bounded_time() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for n in 1..20 {
        let of = n - 1;
        bomb.push_str(&format!("a{n}: &a{n} [*a{of},*a{of},*a{of},*a{of},*a{of},*a{of},*a{of},*a{of}]\n"));
    }
    let deep = format!("checks: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_maps = format!("checks: {}", "{a: ".repeat(50_000));
    let wide = format!("checks: [{}]", "x,".repeat(300_000));
    let conditions = format!(
        "routes: [{{name: a, paths: [{{prefix: /}}], access: {{condition: '{}1{}'}}}}]",
        "(".repeat(490),
        ")".repeat(490)
    );
    for text in [bomb, deep, deep_maps, wide, conditions] {
        let started = std::time::Instant::now();
        assert!(load_text(&text).is_err(), "{}", &text[..40]);
        assert!(started.elapsed().as_secs() < 20, "{}", &text[..40]);
    }
}

/// Values that are nearly configurations: known keys and words, in places where they may not belong.
fn nearly() -> impl Strategy<Value = Json> {
    let keys = [
        "server",
        "grpc",
        "rest",
        "listen",
        "port",
        "host",
        "tls",
        "checks",
        "deadline_ms",
        "issuers",
        "name",
        "issuer",
        "audiences",
        "algorithms",
        "claims",
        "routes",
        "paths",
        "prefix",
        "exact",
        "access",
        "groups_any",
        "condition",
        "oauth2",
        "jwks_url",
        "database",
        "url",
        "logging",
        "level",
        "telemetry",
        "otlp",
        "headers",
        "unknown",
    ];
    let words = [
        "any",
        "public",
        "/v1",
        "https://a",
        "http://a/certs",
        "0.0.0.0:1",
        "RS256",
        "none",
        "(",
        "info",
        "",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-10.0..10.0_f64).prop_map(Json::from),
        proptest::sample::select(words.to_vec()).prop_map(Json::from),
    ];
    let keys = proptest::sample::select(keys.to_vec());
    let tree = leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            3 => proptest::collection::btree_map(keys.clone(), inner, 0..6).prop_map(|map| json!(map)),
        ]
    });
    proptest::collection::btree_map(
        proptest::sample::select(vec![
            "server",
            "checks",
            "issuers",
            "routes",
            "oauth2",
            "database",
            "telemetry",
        ]),
        tree,
        0..4,
    )
    .prop_map(|map| json!(map))
}

proptest! {
    #[test]
    fn what_is_nearly_a_configuration_is_answered(value in nearly()) {
        if let Err(error) = load_text(&value.to_string()) {
            prop_assert!(!error.problems.is_empty());
            for line in lines(&error) {
                prop_assert!(line.starts_with("c.yaml:"), "{}", line);
            }
        }
    }
}
