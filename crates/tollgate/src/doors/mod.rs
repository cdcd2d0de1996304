//! Where checks come in. Each door turns its wire into a [`tollgate_core::input::RawRequest`], passes it to the one
//! [`gate::Gate`], and turns the reply back into its wire. No door decides anything.

pub mod client;
#[cfg(test)]
mod fixture;
pub mod gate;
pub mod gather;
pub mod grpc;
pub mod http;

mod ids;
mod origin;
mod unread;
