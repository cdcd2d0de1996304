//! The rules of Tollgate. No I/O, no async, no clock, no environment, no global randomness:
//! the manifest lists nothing that could do any of it.

pub mod jwt;
pub mod lookup;
pub mod time;
