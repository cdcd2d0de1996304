//! The API's tests, on an in-process router over a real SQLite.
#![expect(clippy::unwrap_used, reason = "tests")]

mod first_contact;
mod keys;
mod reference;
pub mod rig;
