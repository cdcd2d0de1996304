//! The database: whether it answers, takes writes, and has the schema of this version. Nothing is changed in it.

use super::{is_cluster_name, look_inside};
use crate::app::store_options;
use crate::config::Settings;
use crate::ops::doctor::finding::Finding;
use crate::ops::doctor::kube::Expect;
use crate::store::{Inspection, Schema, StoreOptions, inspect};

/// Looks at it.
pub(super) async fn examine(settings: &Settings, expect: &Expect) -> Finding {
    let options = match store_options(settings) {
        Ok(Some(options)) => options,
        Ok(None) => {
            let what =
                "none is configured: signing keys are fetched anew after a restart, and nothing else is kept";
            return Finding::note("database_none", "database", what);
        }
        Err(error) => return unusable("database", &error.to_string()),
    };
    match inspect(&options).await {
        Ok(seen) => judge(&seen),
        Err(error) => {
            let host = host(&options);
            let place = host.clone().unwrap_or_else(|| "database".to_owned());
            match host {
                Some(host) if is_cluster_name(&host) => {
                    Finding::unseen("database_unreachable", place, error.to_string(), look_inside(expect))
                }
                _ => unusable(&place, &error.to_string()),
            }
        }
    }
}

fn host(options: &StoreOptions) -> Option<String> {
    Some(url::Url::parse(&options.url).ok()?.host_str()?.to_owned())
}

fn unusable(place: &str, what: &str) -> Finding {
    let mend = "is it up, are name and password in database.url right, and may this machine reach it? JWTs are judged without it";
    Finding::error("database_unreachable", place, what, mend)
}

fn judge(seen: &Inspection) -> Finding {
    let place = seen.place.clone();
    if seen.read_only {
        let mend = "point database.url at the primary: after a failover the old one is a standby";
        return Finding::error("database_read_only", place, "it refuses writes", mend);
    }
    match seen.schema {
        Schema::Current => Finding::ok("database", place, "reachable, its schema up to date"),
        Schema::Empty => {
            Finding::note("database_empty", place, "reachable and empty: the first start makes its tables")
        }
        Schema::Behind(count) => Finding::note(
            "database_behind",
            place,
            format!("reachable; the next start runs {count} migrations"),
        ),
        Schema::Ahead(version) => Finding::note(
            "database_ahead",
            place,
            format!(
                "a newer Tollgate made its schema (migration {version}); this version works with it when it is the \
                 release just before that one"
            ),
        ),
        Schema::Broken(version) => Finding::error(
            "database_broken",
            place,
            format!("migration {version} stopped in the middle"),
            "restore the backup from before the upgrade, and start again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::doctor::finding::Severity;

    #[test]
    fn every_state_has_its_finding() {
        let of = |read_only, schema| {
            let finding = judge(&Inspection { place: "x".into(), read_only, schema });
            (finding.severity, finding.code)
        };
        assert_eq!(of(false, Schema::Current), (Severity::Ok, "database"));
        assert_eq!(of(true, Schema::Current), (Severity::Error, "database_read_only"));
        assert_eq!(of(false, Schema::Empty), (Severity::Note, "database_empty"));
        assert_eq!(of(false, Schema::Behind(2)), (Severity::Note, "database_behind"));
        assert_eq!(of(false, Schema::Ahead(9)), (Severity::Note, "database_ahead"));
        assert_eq!(of(false, Schema::Broken(1)), (Severity::Error, "database_broken"));
    }
}
