//! The rules of Tollgate. No I/O, no async, no clock, no environment, no global randomness:
//! the manifest lists nothing that could do any of it.
//!
//! A check goes through five rooms: a door fills an [`input::RawRequest`]; [`input::CheckInput::parse`] makes it
//! canonical and finds its [`route`] and [`credential`]; the world gathers [`facts::Facts`]; [`check::decide`] gives a
//! [`permit::Permit`] or a [`denial::Denial`]; [`reply::Reply`] turns that into values which a door copies to its wire.

pub mod apikey;
pub mod budget;
pub mod caller;
pub mod check;
pub mod condition;
pub mod crc32;
pub mod credential;
pub mod decimal;
pub mod denial;
pub mod dialect;
pub mod endpoints;
pub mod facts;
pub mod headers;
pub mod identity;
pub mod ids;
pub mod input;
pub mod jwt;
pub mod key_bounds;
pub mod key_life;
pub mod key_limits;
pub mod lookup;
pub mod models;
pub mod permit;
pub mod policy;
pub mod recent;
pub mod reply;
pub mod route;
pub mod target;
pub mod tenancy;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod token_controls;
pub mod usage;
pub mod widening;
