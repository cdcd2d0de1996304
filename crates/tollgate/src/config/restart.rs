//! Which changed keys a running process cannot take over.

use url::Url;

use super::settings::{DatabaseSettings, Settings};

/// The keys that differ and take effect only after a restart: what is bound, opened or sized once at the start.
pub fn restart_needed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let (a, b) = (&old.server, &new.server);
    let table = [
        ("server.http", a.http == b.http),
        ("server.grpc", a.grpc == b.grpc),
        ("server.check", a.check == b.check),
        ("server.metrics", a.metrics == b.metrics),
        ("server.limits", a.limits == b.limits),
        ("token_cache", old.token_cache == new.token_cache),
        ("database", same_database(&old.database, &new.database)),
        ("api", old.api == new.api),
        ("tenancy", old.tenancy == new.tenancy),
        ("keys", old.keys == new.keys),
        ("portal", old.portal == new.portal),
        ("introspection", old.introspection == new.introspection),
        ("logging", old.logging == new.logging),
        ("telemetry", old.telemetry == new.telemetry),
    ];
    table.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

/// Whether what differs is at most how one shows oneself to the same server: credentials and parameters of the connection.
fn same_database(old: &DatabaseSettings, new: &DatabaseSettings) -> bool {
    let place = |settings: &DatabaseSettings| {
        let url = Url::parse(settings.url.as_ref()?.reveal()).ok()?;
        let server = matches!(url.scheme(), "postgres" | "postgresql");
        server.then(|| (url.host_str().map(str::to_owned), url.port(), url.path().to_owned()))
    };
    let rest = |settings: &DatabaseSettings| DatabaseSettings { url: None, ..settings.clone() };
    old == new || place(old).is_some() && place(old) == place(new) && rest(old) == rest(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    #[test]
    fn another_password_is_taken_over_and_another_place_is_not() {
        let with = |url: &str, pool_size| DatabaseSettings {
            url: Some(Secret::new(url)),
            pool_size,
            ..DatabaseSettings::default()
        };
        let old = with("postgres://u:old@db:5432/x", 10);
        for (url, pool_size, same) in [
            ("postgres://u:new@db:5432/x", 10, true),
            ("postgres://v:new@db:5432/x?sslmode=verify-full", 10, true),
            ("postgres://u:old@db:5432/x", 11, false),
            ("postgres://u:old@db:5432/y", 10, false),
            ("postgres://u:old@other:5432/x", 10, false),
            ("sqlite://x", 10, false),
        ] {
            assert_eq!(same_database(&old, &with(url, pool_size)), same, "{url} {pool_size}");
        }
        assert!(!same_database(&with("sqlite://x", 1), &with("sqlite://y", 1)));
    }
}
