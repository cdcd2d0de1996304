//! Any bytes as a forwarded body: no model is named that serde_json would not name, and none that stands there twice.
//! The first line is the boundary for reading the rest as multipart.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use tollgate_core::models::bodies::{json_model, multipart_model};

/// Refuses a second `model` and anything but text in it; other members may be anything.
#[derive(Deserialize)]
struct Top {
    model: Option<String>,
}

fuzz_target!(|bytes: &[u8]| {
    let split = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (boundary, body) = (&bytes[..split], &bytes[(split + 1).min(bytes.len())..]);
    if let Ok(named) = json_model(body) {
        let top: Top = serde_json::from_slice(body).expect("what we read is JSON");
        assert_eq!(named.as_deref(), top.model.as_deref());
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
            assert_eq!(named.as_deref(), value.get("model").and_then(|model| model.as_str()));
        }
    }
    let Ok(boundary) = std::str::from_utf8(boundary) else { return };
    if !(1..=70).contains(&boundary.len()) {
        return;
    }
    if let Ok(Some(named)) = multipart_model(body, boundary) {
        let contains = |text: &[u8]| body.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text));
        assert!(contains(b"content-disposition") && contains(b"form-data"));
        assert!(named.is_empty() || contains(named.as_bytes()));
    }
});
