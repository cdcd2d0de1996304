//! The rows, by API. The first row that fits holds, so a path of its own stands before the family that it belongs to.

mod anthropic;
mod aws;
mod google;
mod openai;
mod others;

pub use self::aws::OPERATIONS as BEDROCK;
use super::{Methods, ModelPlace, Operation, Root};

/// The rows of one API.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    /// Its name.
    pub name: &'static str,
    /// Its rows.
    pub rows: &'static [Row],
}

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The methods it is for.
    pub methods: Methods,
    /// What may stand before `path`.
    pub root: Root,
    /// The path: see [`super::pattern`].
    pub path: &'static str,
    /// What such a request does.
    pub operation: Operation,
    /// Where its model stands.
    pub place: ModelPlace,
}

/// Every API of the table, in the order in which rows are tried.
pub const fn apis() -> &'static [Api] {
    &[
        Api { name: "OpenAI, and what speaks like it", rows: openai::EXACT },
        Api { name: "Anthropic", rows: anthropic::EXACT },
        Api { name: "Gemini and Vertex AI", rows: google::ROWS },
        Api { name: "Amazon Bedrock and SageMaker", rows: aws::ROWS },
        Api { name: "Other servers and gateways", rows: others::ROWS },
        Api { name: "OpenAI: everything else below these words", rows: openai::FAMILIES },
        Api { name: "Anthropic: everything else below these words", rows: anthropic::FAMILIES },
        Api { name: "Models", rows: openai::LOOKS },
    ]
}

const fn post(root: Root, path: &'static str, operation: Operation, place: ModelPlace) -> Row {
    Row { methods: Methods::Post, root, path, operation, place }
}

const fn get(root: Root, path: &'static str, operation: Operation, place: ModelPlace) -> Row {
    Row { methods: Methods::Get, root, path, operation, place }
}

const fn delete(root: Root, path: &'static str, operation: Operation, place: ModelPlace) -> Row {
    Row { methods: Methods::Delete, root, path, operation, place }
}

/// Every method, whatever stands before the path, and no word about the model.
const fn family(path: &'static str, operation: Operation) -> Row {
    Row { methods: Methods::Any, root: Root::Any, path, operation, place: ModelPlace::Unlisted }
}
