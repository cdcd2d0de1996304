//! Tools for operators, each pointed at something that runs elsewhere: `verify` at a gateway, `doctor` at a cluster and a
//! configuration, `bench` at a gateway under load, `admin` and `audit` at the database itself. None of them is on the way
//! of a check.

pub mod admin;
pub mod audit;
pub mod bench;
pub mod doctor;
pub mod target;
pub mod token;
pub mod verify;

mod table;
mod wire;
