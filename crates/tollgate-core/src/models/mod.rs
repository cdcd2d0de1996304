//! Models: which ones a caller may use, and which one a request asks for. Both typed, so that no missing value and no
//! empty list can mean "everything", and no request whose model cannot be told passes for one that uses none.

mod catalogue;
mod content;
mod json;
mod member;
mod multipart;
mod policy;
mod query;
mod request;
mod rules;
mod scope;

pub use self::catalogue::{ModelCatalogue, listing};
pub use self::content::is_cut;
pub use self::json::MAX_DEPTH as MAX_JSON_DEPTH;
pub(crate) use self::json::plain_run;
pub use self::policy::{MAX_PATTERN_BYTES, MAX_PATTERNS, ModelList, ModelListError, ModelPolicy};
pub use self::request::{ModelOfRequest, Undecidable};
pub use self::rules::{MAX_NAME_BYTES, ModelRules, ModelSource, NotAName, RouteModels, check_name};
pub use self::scope::ModelScope;

/// The readers of bodies by themselves, for fuzzing, benchmarks and comparisons with other readers.
pub mod bodies {
    pub use super::json::model as json_model;
    pub use super::member::{FURTHER, Member, member};
    pub use super::multipart::model as multipart_model;
}
