//! Images: tokens where the model counts them, images where it does not.

use super::{JSON, SSE, aborted, assert_final, complete, events};

const PATH: &str = "/v1/images/generations";

#[test]
fn one_object_with_tokens() {
    let body = r#"{"created":1,"data":[{"b64_json":"aGVsbG8="},{"b64_json":"aGVsbG8="}],"usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":4160,"total_tokens":4210}}"#;
    let expected =
        [("input", 50), ("image_input", 40), ("output", 4160), ("image_output", 4160), ("images", 2)];
    assert_final(&complete(PATH, JSON, body), &expected);
    let details = body.replace(
        "\"total_tokens\"",
        "\"output_tokens_details\":{\"image_tokens\":4000,\"text_tokens\":160},\"total_tokens\"",
    );
    let expected =
        [("input", 50), ("image_input", 40), ("output", 4160), ("image_output", 4000), ("images", 2)];
    assert_final(&complete("/v1/images/edits", JSON, details), &expected);
}

#[test]
fn the_completed_event_has_it() {
    let part = r#"{"type":"image_generation.partial_image","b64_json":"aGVsbG8=","partial_image_index":0}"#;
    let end = r#"{"type":"image_generation.completed","b64_json":"aGVsbG8=","usage":{"input_tokens":5,"output_tokens":100,"total_tokens":105,"input_tokens_details":{"text_tokens":5,"image_tokens":0}}}"#;
    let expected = [("input", 5), ("output", 100), ("image_output", 100), ("images", 1)];
    assert_final(&aborted(PATH, SSE, events(&[part, end])), &expected);
}

#[test]
fn older_models_are_counted_by_the_image() {
    let body = r#"{"created":1,"data":[{"url":"https://example.com/1"},{"url":"https://example.com/2"},{"url":"https://example.com/3"}]}"#;
    assert_final(&complete(PATH, JSON, body), &[("images", 3)]);
}
