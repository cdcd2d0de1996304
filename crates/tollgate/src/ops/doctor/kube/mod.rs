//! The Kubernetes half: everything is read first ([`collect`]), and judged afterwards by a function that reads nothing
//! ([`judge`]), so that a cluster in any state can be had as a table of objects in a test.

mod collect;
mod expect;
mod judge;
mod object;
mod snapshot;

#[cfg(test)]
mod tests;

pub use self::collect::{Cluster, ClusterError, collect};
pub use self::expect::{Configured, Expect};
pub use self::judge::judge;
pub use self::object::{Condition, Object};
pub use self::snapshot::{CONTROLLER_NAMESPACE, Kind, Listing, Snapshot};
