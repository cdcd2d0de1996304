//! The official OpenAI and Anthropic Python SDKs, run as a user's program.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::need;

/// Both SDKs.
const SDKS: [&str; 2] = ["openai", "anthropic"];

/// A Python that has both SDKs.
pub struct Sdk(PathBuf);

/// A call with both SDKs: `plain`, `stream` or `list`, where to, with which key, for which model.
pub type Call<'a> = (&'a str, &'a str, &'a str, &'a str);
/// One call: which SDK, `plain`, `stream` or `list`, where to, with which key, for which model.
type Wish<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

impl Sdk {
    /// `None` after a skip.
    pub fn find() -> Option<Self> {
        need("TOLLGATE_TEST_SDK_PYTHON").map(Self)
    }

    /// Makes the calls, one after the other.
    fn calls(&self, wishes: &[Wish<'_>]) -> Vec<Value> {
        let wishes: Vec<Value> = wishes
            .iter()
            .map(|(sdk, mode, base, key, model)| {
                json!({"sdk": sdk, "mode": mode, "base": base, "key": key, "model": model})
            })
            .collect();
        let mut command = Command::new(&self.0);
        command.arg("-c").arg(include_str!("sdk.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        // No proxy and no key of the machine's owner.
        for name in [
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
        ] {
            command.env_remove(name);
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(Value::from(wishes).to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Each call with both SDKs, in one program: a start of Python costs more than many calls.
    pub fn both(&self, calls: &[Call<'_>]) -> Vec<[Value; 2]> {
        let wishes: Vec<Wish<'_>> = calls
            .iter()
            .flat_map(|(mode, base, key, model)| SDKS.map(|sdk| (sdk, *mode, *base, *key, *model)))
            .collect();
        let said = self.calls(&wishes);
        said.chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect()
    }
}

/// An answer, not an error.
#[track_caller]
pub fn answered(outcomes: &[Value]) {
    for outcome in outcomes {
        assert!(outcome["ok"].as_str().is_some_and(|text| !text.is_empty()), "{outcome}");
    }
}

/// The typed error of this name and status, for both SDKs; and what code the body gave.
#[track_caller]
pub fn refused(outcomes: &[Value], error: &str, status: u16) -> Vec<String> {
    let code = |outcome: &Value| {
        assert_eq!((&outcome["error"], &outcome["status"]), (&json!(error), &json!(status)), "{outcome}");
        outcome["code"].as_str().unwrap_or_else(|| panic!("no code: {outcome}")).to_owned()
    };
    outcomes.iter().map(code).collect()
}
