//! What the objects in `deployment/` must hold: the guide's names, references that lead somewhere, pods that may do no more
//! than they must, and ports that only those reach who should. A pure function from objects to findings.

mod names;
mod network;
mod pods;
mod references;
mod routes;

use std::fmt;

pub use names::proxy_service;

use super::objects::{Object, Objects};

/// One thing that is not as it must be.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding(String);

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All findings so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, object: &Object, text: impl fmt::Display) {
        self.0.push(Finding(format!("{object}: {text}")));
    }

    /// About what is not there, and so is in no file.
    fn missing(&mut self, text: impl fmt::Display) {
        self.0.push(Finding(text.to_string()));
    }
}

/// Everything that is wrong with these objects.
pub fn findings(objects: &Objects) -> Vec<Finding> {
    let mut findings = Findings::default();
    names::check(objects, &mut findings);
    references::check(objects, &mut findings);
    routes::check(objects, &mut findings);
    pods::check(objects, &mut findings);
    network::check(objects, &mut findings);
    findings.0
}
