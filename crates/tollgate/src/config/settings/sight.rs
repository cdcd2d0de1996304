//! State, logs and traces.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::secret::Secret;

/// Where state is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host/name` or `sqlite://path/to/file.db`. Without it nothing is kept: signing keys are
    /// fetched again after a restart. A secret: prefer `url_file` when it has a password in it.
    pub url: Option<Secret>,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// Connections for people's requests at most, on Postgres. The views of checks have two more, and notifications one, so
    /// that a crowd at the API delays no revocation.
    #[schemars(range(min = 1, max = 1000))]
    pub pool_size: u32,
    /// Milliseconds that opening a connection may take.
    #[schemars(range(min = 10, max = 600_000))]
    pub connect_timeout_ms: u64,
    /// Milliseconds that one statement may take.
    #[schemars(range(min = 10, max = 600_000))]
    pub statement_timeout_ms: u64,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingSettings {
    /// `error`, `warn`, `info`, `debug`, `trace`, `off`, or directives such as `info,tollgate::doors=debug`. `RUST_LOG`
    /// sets it too.
    pub level: String,
    /// How lines are written.
    pub format: LogFormat,
    /// Whether each check writes its decision line.
    pub decisions: bool,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Traces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Export of traces over OTLP (gRPC).
    pub otlp: OtlpSettings,
}

/// Export of traces over OTLP (gRPC).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpSettings {
    /// The collector, such as `http://otel-collector:4317`. Without it nothing is exported.
    #[schemars(extend("format" = "url"))]
    pub endpoint: Option<String>,
    /// The share of traces that are recorded when the gateway has not decided: 0.0 to 1.0.
    #[schemars(range(min = 0, max = 1))]
    pub sample_ratio: f64,
    /// Headers for the collector by name, for example its access token. Secrets.
    pub headers: BTreeMap<String, Secret>,
    /// A file with such headers, one `name: value` a line.
    pub headers_file: Option<PathBuf>,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            pool_size: 10,
            connect_timeout_ms: 5000,
            statement_timeout_ms: 5000,
        }
    }
}

impl Default for LoggingSettings {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::default(), decisions: true }
    }
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self { endpoint: None, sample_ratio: 1.0, headers: BTreeMap::new(), headers_file: None }
    }
}
