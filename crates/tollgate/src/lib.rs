//! Tollgate: everything that touches the world. The rules are in `tollgate-core`; this crate brings them requests, facts
//! and time, and carries their replies away.

pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod dev;
pub mod directory;
pub mod doors;
pub mod entropy;
pub mod health;
pub mod lifecycle;
pub mod listener;
pub mod ops;
pub mod portal;
pub mod store;
pub mod telemetry;
pub mod views;
