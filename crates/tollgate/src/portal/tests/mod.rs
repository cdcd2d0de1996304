//! The API's tests, on an in-process router over a real SQLite.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod backchannel;
mod consent;
mod endings;
mod every_body;
mod every_route;
mod first_contact;
mod introspection;
mod keys;
mod login;
mod reference;
pub mod rig;
mod secret_scanning;
mod sessions;
mod site;
mod step_up;
mod strangers;
mod tenancy;
mod writes;
