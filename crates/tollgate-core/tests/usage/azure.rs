//! Azure: OpenAI's numbers under a deployment's name; the model that answered has the price.

use super::{JSON, SSE, aborted, assert_final, complete, events};

const PATH: &str = "/openai/deployments/my-deployment/chat/completions";

#[test]
fn the_first_chunk_is_about_the_prompt_and_the_last_has_the_usage() {
    let filter = r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#;
    let chunk = r#"{"choices":[{"delta":{"content":"hi"},"finish_reason":null}],"model":"gpt-4o-2024-11-20","usage":null}"#;
    let usage = r#"{"choices":[],"model":"gpt-4o-2024-11-20","usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#;
    let reading = aborted(PATH, SSE, events(&[filter, chunk, usage]));
    assert_final(&reading, &[("input", 7), ("output", 2)]);
    assert_eq!(reading.usage.model(), Some("gpt-4o-2024-11-20"));
}

#[test]
fn one_object() {
    let body = r#"{"choices":[{"content_filter_results":{},"finish_reason":"stop","message":{"content":"hi"}}],"model":"gpt-4o-2024-11-20","usage":{"completion_tokens":2,"prompt_tokens":7,"total_tokens":9}}"#;
    assert_final(&complete(PATH, JSON, body), &[("input", 7), ("output", 2)]);
}
