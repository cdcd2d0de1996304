//! The view of real stores.
