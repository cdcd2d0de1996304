//! Every endpoint of the OpenAPI document, tried as everybody: the outcome is the committed access matrix, and nobody
//! learns whether an id that is not theirs exists. An endpoint without a sample here fails the tests.

mod assignment;
mod isolation;
mod matrix;
mod proof;
pub mod samples;
pub mod world;

use crate::portal::openapi;

/// Method and path template of every operation of the API, in the order of the document.
pub fn operations() -> Vec<(String, String)> {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap_or(path);
        for method in ["get", "post", "put", "patch", "delete"] {
            if item.get(method).is_some() {
                all.push((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    all
}

/// The names in braces.
pub fn parameters(template: &str) -> Vec<&str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}
