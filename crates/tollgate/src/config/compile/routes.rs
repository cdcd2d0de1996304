//! Routes: patterns and conditions, compiled.

use std::collections::HashSet;
use std::thread;

use tollgate_core::condition::Condition;
use tollgate_core::route::{ClaimsRequirement, HostPattern, PathPattern, Requirement, Route};

use super::models::of_route;
use crate::config::problem::Problem;
use crate::config::settings::{Access, AccessWord, ClaimsAccess, ModelSettings, PathSettings, RouteSettings};

/// The parser of conditions recurses before it can measure the depth; this bounds what a hostile line could reach.
const CONDITION_STACK_BYTES: usize = 64 << 20;

pub(super) fn compile(
    settings: &[RouteSettings],
    models: &ModelSettings,
    problems: &mut Vec<Problem>,
) -> Vec<Route> {
    let mut conditions = compile_conditions(settings).into_iter();
    let mut names = HashSet::new();
    let mut routes = Vec::with_capacity(settings.len());
    for (at, route) in settings.iter().enumerate() {
        let path = format!("routes[{at}]");
        if !names.insert(route.name.as_str()) {
            problems.push(Problem::new(
                format!("{path}.name"),
                format!("'{}' is the name of an earlier route; give each its own", route.name),
            ));
        }
        let hosts = collect(&route.hosts, &format!("{path}.hosts"), problems, |h| HostPattern::parse(h));
        let paths = collect(&route.paths, &format!("{path}.paths"), problems, |p| match p {
            PathSettings::Exact(text) => PathPattern::exact(text),
            PathSettings::Prefix(text) => PathPattern::prefix(text),
            PathSettings::Regex(text) => PathPattern::regex(text),
        });
        for (n, method) in route.methods.iter().flatten().enumerate() {
            if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
                let text = format!("'{method}' is not a method; write it in upper case, such as POST");
                problems.push(Problem::new(format!("{path}.methods[{n}]"), text));
            }
        }
        let condition = conditions.next().flatten();
        let requirement = requirement(&route.access, condition, &format!("{path}.access"), problems);
        routes.push(Route {
            name: route.name.clone(),
            policy: route.policy.clone(),
            hosts,
            paths,
            methods: route.methods.clone(),
            requirement,
            forward_credential: route.forward_credential,
            unauthenticated_status: route.unauthenticated_status.map(|s| s.0),
            query_credential: route.query_credential.clone(),
            models: of_route(route, models, &path, problems),
        });
    }
    routes
}

fn collect<S, T, E: ToString>(
    items: &[S],
    path: &str,
    problems: &mut Vec<Problem>,
    read: impl Fn(&S) -> Result<T, E>,
) -> Vec<T> {
    if items.is_empty() {
        problems.push(Problem::new(path, "an empty list matches nothing; list at least one"));
    }
    let mut all = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        match read(item) {
            Ok(item) => all.push(item),
            Err(wrong) => problems.push(Problem::new(format!("{path}[{at}]"), wrong.to_string())),
        }
    }
    all
}

fn requirement(
    access: &Access,
    condition: Option<Result<Condition, String>>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Requirement {
    let claims = match access {
        Access::Word(AccessWord::Public) => return Requirement::Public,
        Access::Word(AccessWord::Authenticated) => return Requirement::Authenticated,
        Access::Claims(claims) => claims,
    };
    if *claims == ClaimsAccess::default() {
        let text =
            "asks for nothing; give groups_any, groups_all or condition, or write `access: authenticated`";
        problems.push(Problem::new(path, text));
    }
    if claims.groups_any.as_ref().is_some_and(Vec::is_empty) {
        let text = "an empty list is never met; list groups, or remove the key";
        problems.push(Problem::new(format!("{path}.groups_any"), text));
    }
    let condition = match condition {
        Some(Err(wrong)) => {
            problems.push(Problem::new(format!("{path}.condition"), wrong));
            None
        }
        Some(Ok(condition)) => Some(condition),
        None => None,
    };
    Requirement::Claims(ClaimsRequirement {
        any_group: claims.groups_any.clone(),
        all_groups: claims.groups_all.clone(),
        condition,
    })
}

/// One entry a route; all are compiled on one thread with a deep stack.
fn compile_conditions(routes: &[RouteSettings]) -> Vec<Option<Result<Condition, String>>> {
    let texts: Vec<Option<&str>> = routes
        .iter()
        .map(|route| match &route.access {
            Access::Claims(claims) => claims.condition.as_deref(),
            Access::Word(_) => None,
        })
        .collect();
    if texts.iter().all(Option::is_none) {
        return Vec::new();
    }
    let failed = |why: &str| texts.iter().map(|text| text.map(|_| Err(why.to_owned()))).collect();
    thread::scope(|scope| {
        let compile_all = || {
            let each = |text: &str| Condition::compile(text).map_err(|e| e.to_string());
            texts.iter().map(|text| text.map(each)).collect()
        };
        match thread::Builder::new().stack_size(CONDITION_STACK_BYTES).spawn_scoped(scope, compile_all) {
            Ok(thread) => thread.join().unwrap_or_else(|_| failed("the expression cannot be compiled")),
            Err(error) => failed(&format!("no thread to compile the expression on: {error}")),
        }
    })
}
