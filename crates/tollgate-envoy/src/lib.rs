//! Envoy bindings.
