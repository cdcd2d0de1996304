//! What the operator sees: logs, the decision line, metrics and traces. Nothing in here takes part in a decision, and
//! nothing in here is handed a secret.

mod decision;
mod directory_metrics;
mod key_metrics;
mod logs;
mod metrics;
mod traces;

pub use decision::{Decision, DecisionLog, DecisionLogOptions, Decisions};
pub use directory_metrics::{DirectoryMetrics, RoundOutcome};
pub use key_metrics::{FreshLookup, KeyMetrics, LeakOutcome};
pub use logs::{LogFormat, LogOptions, LogOutput, Logs, LogsError};
pub use metrics::{Metrics, OPENMETRICS_CONTENT_TYPE, metrics_router};
pub use traces::{CheckSpan, OtlpOptions, Traces, TracesError};
