//! Endpoints of the known model APIs: what a request at each of them does, and where its model stands.
//!
//! This table is the only place that says so. An endpoint that is not in it has the operation `unknown`, and the body of a
//! request to it proves nothing about the model that is used.

mod find;
mod operation;
mod pattern;
mod table;

pub use self::find::{Endpoint, only_looks};
pub use self::operation::Operation;
pub use self::table::{Api, BEDROCK as BEDROCK_OPERATIONS, Row, apis};

/// Methods that a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// `POST`.
    Post,
    /// `GET` and `HEAD`.
    Get,
    /// `DELETE`.
    Delete,
    /// Every method but `OPTIONS`.
    Any,
}

/// What may stand before a row's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A mount: any segments, none of which is a version (`v1`, `v1beta`) or a word after which APIs put a model's name.
    Mount,
    /// A mount and then a version, `openai`, or both. Without one of them the mount must be the prefix of the route or
    /// words of known base addresses only.
    Open,
    /// Anything. For rows that ask for more rights than `unknown` does.
    Any,
}

/// Where the model of a request to an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelPlace {
    /// In the body's outermost `model`.
    Body,
    /// In the body's outermost `model`; this name when it is not there, as the API documents.
    BodyOr(&'static str),
    /// In the body's outermost `model`, if the request names one; no model is used for it otherwise.
    BodyIfAny,
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// The request uses no model.
    Unused,
    /// Where nobody looks: deeper in the body, in a file, in a connection, in an object of the provider.
    Elsewhere,
    /// Not known.
    Unlisted,
}
