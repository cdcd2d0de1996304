//! What `tollgate dev` puts around the gate so that one command shows a working gateway: an issuer of tokens, a backend
//! that answers, and a real Envoy in front. None of it is used by `tollgate serve`.

pub mod backend;
pub mod demo;
pub mod envoy;
pub mod issuer;
pub mod stand;
pub mod trial;
