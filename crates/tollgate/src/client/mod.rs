//! The other side of the REST API: what the command line uses to talk to a running Tollgate, and to sign in at its issuer.
//! It knows the API by its documents alone, and nothing of the server's rooms.

mod api;
mod error;
mod http;
pub mod login;
mod saved;

pub use api::{Answer, Api, Call};
pub use error::{ClientError, Remedy};
pub use http::HttpOptions;
pub use saved::{SavedLogin, SavedLogins};
