//! Tollgate.

pub mod clock;
pub mod dev;
