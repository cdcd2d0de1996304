//! From a request's method and path to its row in the table.

use std::sync::LazyLock;

use super::pattern::{Found, Pattern, Segments, is_version};
use super::table::{BEDROCK, Row, apis};
use super::{Methods, ModelPlace, Operation, Root};

/// What is known of a request by its method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What it does.
    pub operation: Operation,
    /// Where its model stands.
    pub place: ModelPlace,
    /// The model's name in the path, as offsets of bytes, when it stands there.
    model: Option<(usize, usize)>,
}

/// Words after which APIs put what names a model: an endpoint below one of them may not read the body's `model`.
const NAMING: [&str; 24] = [
    "model",
    "models",
    "deployment",
    "deployments",
    "engine",
    "engines",
    "endpoint",
    "endpoints",
    "serving-endpoints",
    "agent",
    "agents",
    "assistants",
    "tunedmodels",
    "publishers",
    "predictions",
    "functions",
    "flows",
    "environments",
    "reasoningengines",
    "inference-profile",
    "threads",
    "conversations",
    "interactions",
    "batches",
];

/// Words of base addresses that have no version: `/inference/chat/completions`.
const BASES: [&str; 6] = ["api", "inference", "compat", "compatible-mode", "openai", "llm"];

/// Whether requests of this method use no model unless something in them names one.
pub fn only_looks(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE")
}

impl Endpoint {
    /// No known API has such a request.
    pub const UNKNOWN: Self =
        Self { operation: Operation::Unknown, place: ModelPlace::Unlisted, model: None };

    /// The endpoint of a request with this method and canonical path. `mounted` is the length of the path's prefix that the
    /// operator's route names.
    pub fn of(method: &str, path: &str, mounted: usize) -> Self {
        // A preflight does nothing.
        let Some(segments) = Segments::of(path).filter(|_| method != "OPTIONS") else { return Self::UNKNOWN };
        for (row, pattern) in TABLE.iter() {
            if !row.methods.hold(method) {
                continue;
            }
            if let Some(found) = pattern.find(&segments)
                && row.root.holds(&segments, found, mounted)
                && !names_operation(row, path, found)
            {
                return Self { operation: row.operation, place: row.place, model: found.model };
            }
        }
        Self::UNKNOWN
    }

    /// The model's name in the path that this endpoint was made of, still with its escapes.
    pub fn model_in<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.model.and_then(|(from, to)| path.get(from..to))
    }
}

/// Every row, ready to be compared. Read out of the table once per process.
static TABLE: LazyLock<Vec<(&Row, Pattern)>> = LazyLock::new(|| {
    apis().iter().flat_map(|api| api.rows).map(|row| (row, Pattern::new(row.path))).collect()
});

impl Methods {
    fn hold(self, method: &str) -> bool {
        match self {
            Self::Post => method == "POST",
            Self::Get => matches!(method, "GET" | "HEAD"),
            Self::Delete => method == "DELETE",
            Self::Any => true,
        }
    }

    /// As the documentation writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
            Self::Delete => "DELETE",
            Self::Any => "any",
        }
    }
}

impl Root {
    fn holds(self, segments: &Segments<'_>, found: Found, mounted: usize) -> bool {
        let before = &segments.all()[..found.before];
        match self {
            Self::Any => true,
            Self::Mount => is_mount(before),
            Self::Open => {
                let openai = |word: &str| word.eq_ignore_ascii_case("openai");
                let (rest, base) = match before {
                    [rest @ .., version, last] if openai(last) && is_version(version) => (rest, true),
                    [rest @ .., last] if openai(last) || is_version(last) => (rest, true),
                    all => (all, false),
                };
                let known = |word: &&str| BASES.iter().any(|base| word.eq_ignore_ascii_case(base));
                // A mount ends where its last segment ends, one byte before the next segment begins.
                let covered = || segments.offset(found.before) - 1 <= mounted;
                is_mount(rest) && (base || rest.iter().all(known) || covered())
            }
        }
    }
}

/// Whether an operator could have put an API below these segments, and no API has put a model's name there.
fn is_mount(before: &[&str]) -> bool {
    before.iter().all(|part| {
        !is_version(part)
            && !part.contains([':', '@', '%'])
            && !NAMING.iter().any(|word| part.eq_ignore_ascii_case(word))
    })
}

/// Whether a name of several segments has one that is itself the word that ends such names: readers would cut it there.
fn names_operation(row: &Row, path: &str, found: Found) -> bool {
    if !row.path.contains("{model...}/") {
        return false;
    }
    let name = found.model.and_then(|(from, to)| path.get(from..to)).unwrap_or_default();
    name.split('/').any(|part| BEDROCK.iter().any(|known| part.eq_ignore_ascii_case(known)))
}
