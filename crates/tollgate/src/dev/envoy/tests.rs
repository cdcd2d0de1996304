//! Real Envoy.
