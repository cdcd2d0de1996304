//! Which changed keys a running process cannot take over.

use super::settings::Settings;

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
        ("database", old.database == new.database),
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
