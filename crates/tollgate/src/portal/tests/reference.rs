//! The committed OpenAPI document is the one that the code gives. `UPDATE_REFERENCE=1 cargo test -p tollgate reference`
//! writes it anew.

use std::path::Path;

use crate::portal::openapi;

#[test]
#[expect(clippy::disallowed_methods, reason = "how the reference is asked to be rewritten")]
fn the_committed_document_is_the_derived_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let derived = format!("{}\n", openapi().to_pretty_json().unwrap());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &derived).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == derived,
        "openapi.json is out of date; run UPDATE_REFERENCE=1 cargo test -p tollgate reference"
    );
}
