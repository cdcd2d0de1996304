//! Route conditions in CEL, inside a fence.
//!
//! The interpreter has no cost limit of its own and recurses on the stack, so what may be written is bounded here:
//! the text, the depth of the expression, and the nesting of loops. Expressions come from operators only; even so, one
//! bad line in a file must not be able to stop the gate.
//!
//! Variables: `claims` (the token's claims, an empty map for keys), `caller.subject`, `caller.username`,
//! `caller.groups`, `request.method`, `request.host`, `request.path`, `request.query`, `request.headers` (lower-case
//! names; repeated lines joined by a comma), `request.body` (text; only what the gateway forwards. When the gateway cut
//! it, a condition that reads it fails, since the decisive part may lie beyond the cut).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr};
use cel::objects::{Key, Map};
use cel::{Context, Env, IdedExpr, Program, Value};
use thiserror::Error;

use crate::caller::Caller;
use crate::input::CheckInput;
use crate::models;

/// The longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 1000;
/// The deepest expression tree; the interpreter recurses once a level.
pub const MAX_DEPTH: usize = 32;
const VARIABLES: [&str; 3] = ["claims", "caller", "request"];

/// A compiled condition.
pub struct Condition {
    text: String,
    program: Program,
    env: Arc<Env>,
    uses_claims: bool,
    uses_caller: bool,
    uses_request: bool,
    uses_body: bool,
}

/// Why a condition cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConditionError {
    /// Longer than [`MAX_EXPRESSION_BYTES`].
    #[error("the expression has {0} bytes; at most {MAX_EXPRESSION_BYTES} are allowed")]
    TooLong(usize),
    /// Not CEL.
    #[error("not a CEL expression: {0}")]
    Syntax(String),
    /// Deeper than [`MAX_DEPTH`].
    #[error("the expression is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A loop inside a loop.
    #[error("a macro (all, exists, map, filter) inside another is not allowed: its cost has no bound")]
    NestedLoop,
    /// A variable that no check provides.
    #[error("unknown variable '{0}'; there are claims, caller and request")]
    UnknownVariable(String),
}

impl Condition {
    /// Compiles one expression.
    ///
    /// Call it on a thread with a deep stack (16 MiB): the parser recurses before the depth can be measured.
    ///
    /// # Errors
    /// [`ConditionError`] says which bound or rule the text breaks.
    pub fn compile(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(ConditionError::TooLong(text.len()));
        }
        let env = Arc::new(Env::stdlib());
        let program = env.compile(text).map_err(|e| ConditionError::Syntax(one_line(&e)))?;
        inspect(program.expression(), MAX_DEPTH, false)?;
        let (uses_claims, uses_caller, uses_request) = {
            let references = program.references();
            let unknown =
                references.variables().into_iter().find(|v| !VARIABLES.contains(v) && !v.starts_with('@'));
            if let Some(unknown) = unknown.filter(|v| !bound_by_a_macro(program.expression(), v)) {
                return Err(ConditionError::UnknownVariable(unknown.to_owned()));
            }
            (
                references.has_variable("claims"),
                references.has_variable("caller"),
                references.has_variable("request"),
            )
        };
        Ok(Self {
            text: text.to_owned(),
            program,
            env,
            uses_claims,
            uses_caller,
            uses_request,
            uses_body: text.contains("body"),
        })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the condition holds. Anything but `true` is a refusal; the error says why, for the log.
    ///
    /// # Errors
    /// The evaluation failed (a missing claim, a type mismatch) or its result is not a boolean.
    pub fn holds(&self, caller: &Caller, input: &CheckInput<'_>) -> Result<bool, String> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        if self.uses_claims {
            let claims = match caller {
                Caller::User(token) => cel::to_value(token.claims.as_ref()).map_err(|e| e.to_string())?,
                Caller::Key(_) => map([]),
            };
            context.add_variable_from_value("claims", claims);
        }
        if self.uses_caller {
            let groups = caller.groups().iter().map(|g| string(g)).collect::<Vec<_>>();
            let fields = [
                ("subject", string(caller.subject())),
                ("username", string(caller.display_name())),
                ("groups", Value::List(Arc::new(groups))),
            ];
            context.add_variable_from_value("caller", map(fields));
        }
        if self.uses_request {
            context.add_variable_from_value("request", request(input, self.uses_body)?);
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("the condition's result is not a boolean".into()),
            Err(error) => Err(one_line(&error)),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

fn request(input: &CheckInput<'_>, with_body: bool) -> Result<Value, String> {
    let CheckInput { target, headers, .. } = input;
    let mut lines: HashMap<&str, String> = HashMap::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        let line = lines.entry(name).or_default();
        if !line.is_empty() {
            line.push(',');
        }
        line.push_str(&String::from_utf8_lossy(value));
    }
    let mut fields = vec![
        ("method", string(target.method)),
        ("host", string(&target.host)),
        ("path", string(&target.path)),
        ("query", string(target.query.unwrap_or_default())),
        ("headers", map(lines.iter().map(|(name, value)| (*name, string(value))))),
    ];
    if with_body {
        if models::is_cut(headers, input.body.len()) {
            return Err("the condition reads the body, and the gateway forwarded only a part of it".into());
        }
        let body = std::str::from_utf8(input.body).map_err(|_| "the body is not UTF-8 text".to_owned())?;
        fields.push(("body", string(body)));
    }
    Ok(map(fields))
}

fn string(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let entries: HashMap<Key, Value> =
        entries.into_iter().map(|(name, value)| (Key::from(name.to_owned()), value)).collect();
    Value::Map(Map::from(entries))
}

fn one_line(error: &impl fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Walks the tree: bounds its depth and refuses loops in loops.
fn inspect(expr: &IdedExpr, depth_left: usize, in_loop: bool) -> Result<(), ConditionError> {
    if depth_left == 0 {
        return Err(ConditionError::TooDeep);
    }
    let mut deeper = |child: &IdedExpr| inspect(child, depth_left - 1, in_loop);
    match &expr.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Ok(()),
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).try_for_each(deeper),
        Expr::Select(select) => deeper(&select.operand),
        Expr::List(list) => list.elements.iter().try_for_each(deeper),
        Expr::Map(map) => map.entries.iter().try_for_each(|e| entry(&e.expr, &mut deeper)),
        Expr::Struct(fields) => fields.entries.iter().try_for_each(|e| entry(&e.expr, &mut deeper)),
        Expr::Comprehension(_) if in_loop => Err(ConditionError::NestedLoop),
        Expr::Comprehension(c) => {
            let parts = [&c.accu_init, &c.loop_cond, &c.loop_step, &c.result];
            inspect(&c.iter_range, depth_left - 1, in_loop)?;
            parts.into_iter().try_for_each(|part| inspect(part, depth_left - 1, true))
        }
    }
}

fn entry(
    entry: &EntryExpr,
    visit: &mut impl FnMut(&IdedExpr) -> Result<(), ConditionError>,
) -> Result<(), ConditionError> {
    match entry {
        EntryExpr::StructField(field) => visit(&field.value),
        EntryExpr::MapEntry(pair) => visit(&pair.key).and_then(|()| visit(&pair.value)),
    }
}

/// Whether `name` is the loop variable of some macro in the expression.
fn bound_by_a_macro(expr: &IdedExpr, name: &str) -> bool {
    let within = |child: &IdedExpr| bound_by_a_macro(child, name);
    match &expr.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => false,
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).any(within),
        Expr::Select(select) => within(&select.operand),
        Expr::List(list) => list.elements.iter().any(within),
        Expr::Map(_) | Expr::Struct(_) => false,
        Expr::Comprehension(c) => {
            c.iter_var == name
                || c.iter_var2.as_deref() == Some(name)
                || c.accu_var == name
                || [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
                    .into_iter()
                    .any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::headers::Headers;
    use crate::models::ModelRules;
    use crate::target::Target;
    use crate::testing::key_record;

    /// The parser recurses deeply in unoptimised builds, so tests compile where the product does: on a deep stack.
    fn compile(text: &str) -> Result<Condition, ConditionError> {
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(64 << 20)
                .spawn_scoped(scope, || Condition::compile(text))
                .unwrap()
                .join()
                .unwrap()
        })
    }

    fn holds(text: &str) -> Result<bool, String> {
        holds_with(text, &[])
    }

    fn holds_with(text: &str, more: &[(&str, &str)]) -> Result<bool, String> {
        let key = key_record(&"k".repeat(22));
        let mut headers = Headers::default();
        headers.push("X-Team", b"blue");
        headers.push("x-team", b"red");
        for (name, value) in more {
            headers.push(name, value.as_bytes());
        }
        let target = Target::parse("POST", "Ai.Local.Dev", "/v1/chat?x=1").unwrap();
        let input = CheckInput {
            target,
            route: None,
            endpoint: crate::endpoints::Endpoint::UNKNOWN,
            credential: Ok(None),
            headers,
            body: br#"{"model":"m"}"#,
            models: &ModelRules::NONE,
            client: None,
        };
        compile(text).unwrap().holds(&Caller::Key(Arc::new(key)), &input)
    }

    #[test]
    fn requests_and_callers_can_be_asked_about() {
        for (text, expected) in [
            ("request.method == 'POST' && request.host == 'ai.local.dev'", true),
            ("request.path.startsWith('/v1/') && request.query == 'x=1'", true),
            ("request.headers['x-team'] == 'blue,red'", true),
            ("'x-none' in request.headers", false),
            ("request.body.contains('model')", true),
            ("caller.subject == 'owner'", true),
            ("caller.groups.exists(g, g == 'admin')", false),
            ("size(claims) == 0", true),
            ("has(claims.department) && claims.department == 'x'", false),
        ] {
            assert_eq!(holds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_fails_or_is_no_boolean_does_not_hold() {
        for text in
            ["claims.department == 'x'", "'yes'", "1", "request.headers['absent'] == ''", "1 / 0 == 1"]
        {
            assert!(holds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cut_body_cannot_be_judged() {
        let cut = [("x-envoy-auth-partial-body", "true")];
        assert!(holds_with("!request.body.contains('secret')", &cut).is_err());
        assert_eq!(holds_with("request.method == 'POST'", &cut), Ok(true));
        assert_eq!(holds_with("request.body != ''", &[("x-envoy-auth-partial-body", "false")]), Ok(true));
    }

    #[test]
    fn the_fence() {
        let deep = format!("{}1{} == 1", "(-".repeat(60), ")".repeat(60));
        let table = [
            ("true && ", "not a CEL expression"),
            (&"x".repeat(1001), "1001 bytes"),
            (deep.as_str(), "nested more than"),
            (&["1"; 200].join("+"), "nested more than"),
            ("claims.a.exists(x, claims.b.exists(y, x == y))", "inside another"),
            ("user.name == 'x'", "unknown variable 'user'"),
        ];
        for (text, expected) in table {
            let error = compile(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text} -> {error}");
        }
        assert!(compile("claims.a.exists(x, x == 'y')").is_ok());
    }
}
