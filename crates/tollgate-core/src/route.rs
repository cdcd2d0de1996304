//! Routes: which requests a rule is for, and what it asks of the caller. The first match wins; no match is a denial.

use std::borrow::Cow;

use regex::Regex;
use thiserror::Error;

use crate::condition::Condition;
use crate::denial::UnauthenticatedStatus;
use crate::models::RouteModels;
use crate::target::Target;

/// One rule of the policy.
#[derive(Debug)]
pub struct Route {
    /// The operator's name for it; appears in logs, metrics and metadata.
    pub name: String,
    /// Only for checks whose gateway names this policy (Envoy's context extension `tollgate.policy`); `None` is for
    /// checks that name none.
    pub policy: Option<String>,
    /// Hosts that match. Empty matches nothing.
    pub hosts: Vec<HostPattern>,
    /// Paths that match. Empty matches nothing.
    pub paths: Vec<PathPattern>,
    /// Methods that match; `None` is every method. `GET` covers `HEAD`.
    pub methods: Option<Vec<String>>,
    /// What is asked of the caller.
    pub requirement: Requirement,
    /// Whether the backend gets the caller's credential too.
    pub forward_credential: bool,
    /// Overrides the deployment's answer to unauthenticated callers.
    pub unauthenticated_status: Option<UnauthenticatedStatus>,
    /// The query parameter in which a credential may stand on this route.
    pub query_credential: Option<String>,
    /// Which models its requests may use, and whether they use any.
    pub models: RouteModels,
}

/// What a route asks of its callers.
#[derive(Debug)]
pub enum Requirement {
    /// Nothing: no credential is read, none is forwarded.
    Public,
    /// Any caller who proves who they are.
    Authenticated,
    /// An authenticated caller with these rights.
    Claims(ClaimsRequirement),
}

/// Rights that a caller must have; all parts that are given must hold, and at least one is given.
#[derive(Debug, Default)]
pub struct ClaimsRequirement {
    /// At least one of these groups or roles, compared exactly; `None` asks for none. An empty list is never met.
    pub any_group: Option<Vec<String>>,
    /// All of these groups or roles.
    pub all_groups: Vec<String>,
    /// A CEL expression that must be true.
    pub condition: Option<Condition>,
}

/// A host, or all hosts below a domain, or all hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`
    Any,
    /// `*.example.com`: any host that ends in `.example.com`.
    Below(String),
    /// `example.com`
    Exact(String),
}

/// A set of paths, matched on the canonical path (see [`crate::target`]).
#[derive(Debug)]
pub enum PathPattern {
    /// This path alone.
    Exact(String),
    /// This path and everything below it; a prefix ends at a segment's border, so `/public` does not match
    /// `/publications`.
    Prefix(String),
    /// The whole path matches this expression.
    Regex(Regex),
}

/// A pattern that cannot be used, with what is wrong about it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// The host pattern is not a host, `*.suffix` or `*`.
    #[error("'{0}' is not a host, '*.suffix' or '*'")]
    Host(String),
    /// The path is not in canonical form, so it could never match.
    #[error(
        "'{0}' is not a canonical path: it must start with '/', and have no query, dot segment or empty segment"
    )]
    Path(String),
    /// The expression does not compile.
    #[error("'{0}' is not a usable regular expression: {1}")]
    Regex(String, String),
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError::Host`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let wrong = || PatternError::Host(text.to_owned());
        let name = text.strip_prefix("*.").unwrap_or(text);
        let host = Target::parse("GET", name, "/").map_err(|_| wrong())?.host;
        if name.contains(':') && !name.starts_with('[') {
            return Err(wrong());
        }
        Ok(if text.starts_with("*.") {
            Self::Below(host.into_owned())
        } else {
            Self::Exact(host.into_owned())
        })
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => host == exact,
            Self::Below(suffix) => {
                host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        }
    }
}

impl PathPattern {
    /// This path alone.
    ///
    /// # Errors
    /// [`PatternError::Path`] when it is not canonical.
    pub fn exact(path: &str) -> Result<Self, PatternError> {
        canonical(path).map(Self::Exact)
    }

    /// This path and everything below it.
    ///
    /// # Errors
    /// [`PatternError::Path`] when it is not canonical.
    pub fn prefix(path: &str) -> Result<Self, PatternError> {
        canonical(path).map(Self::Prefix)
    }

    /// All paths that match `pattern` as a whole.
    ///
    /// # Errors
    /// [`PatternError::Regex`] when it does not compile or compiles to more than 64 KiB.
    pub fn regex(pattern: &str) -> Result<Self, PatternError> {
        regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
            .size_limit(64 << 10)
            .build()
            .map(Self::Regex)
            .map_err(|e| PatternError::Regex(pattern.to_owned(), e.to_string()))
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) if prefix == "/" => true,
            Self::Prefix(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

fn canonical(path: &str) -> Result<String, PatternError> {
    match Target::parse("GET", "host", path) {
        Ok(Target { path: canonical, query: None, .. }) => Ok(canonical.into_owned()),
        _ => Err(PatternError::Path(path.to_owned())),
    }
}

impl Route {
    /// Whether this rule is for this request.
    pub fn matches(&self, policy: Option<&str>, target: &Target<'_>) -> bool {
        let method = |m: &String| m == target.method || (m == "GET" && target.method == "HEAD");
        self.policy.as_deref() == policy
            && self.methods.as_ref().is_none_or(|methods| methods.iter().any(method))
            && self.hosts.iter().any(|h| h.matches(&target.host))
            && self.paths.iter().any(|p| p.matches(&target.path))
    }

    /// The length of the longest prefix of this path that the route names.
    pub fn mounted(&self, path: &str) -> usize {
        let prefix = |pattern: &PathPattern| match pattern {
            PathPattern::Prefix(prefix) if prefix != "/" && pattern.matches(path) => prefix.len(),
            _ => 0,
        };
        self.paths.iter().map(prefix).max().unwrap_or_default()
    }
}

impl ClaimsRequirement {
    /// Whether `groups` satisfies the group part; the reason, for the log, when it does not.
    ///
    /// # Errors
    /// What is missing.
    pub fn check_groups(&self, groups: &[String]) -> Result<(), Cow<'static, str>> {
        if let Some(any) = &self.any_group
            && !any.iter().any(|g| groups.contains(g))
        {
            return Err("the caller is in none of the groups that the route asks for".into());
        }
        match self.all_groups.iter().find(|g| !groups.contains(g)) {
            Some(missing) => Err(format!("the caller is not in group '{missing}'").into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn hosts() {
        let table = [
            ("*", "anything", true),
            ("ai.local.dev", "ai.local.dev", true),
            ("AI.local.dev", "ai.local.dev", true),
            ("ai.local.dev", "evil.ai.local.dev", false),
            ("*.local.dev", "ai.local.dev", true),
            ("*.local.dev", "a.b.local.dev", true),
            ("*.local.dev", "local.dev", false),
            ("*.local.dev", "evillocal.dev", false),
            ("*.local.dev", ".local.dev", false),
            ("[::1]", "[::1]", true),
        ];
        for (pattern, host, expected) in table {
            assert_eq!(HostPattern::parse(pattern).unwrap().matches(host), expected, "{pattern} {host}");
        }
        for bad in ["", "**", "a.*", "a:80", "*.", "user@host", "a/b"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths() {
        let table = [
            (PathPattern::prefix("/"), "/anything", true),
            (PathPattern::prefix("/public"), "/public", true),
            (PathPattern::prefix("/public/"), "/public/x", true),
            (PathPattern::prefix("/public"), "/publications", false),
            (PathPattern::exact("/v1/models"), "/v1/models", true),
            (PathPattern::exact("/v1/models"), "/v1/models/x", false),
            (PathPattern::exact("/v1/models"), "/V1/models", false),
            (PathPattern::regex("/public/[^/]+"), "/public/x", true),
            (PathPattern::regex("/public/[^/]+"), "/public/x/y", false),
            (PathPattern::regex("/a|/b"), "/a/secret", false),
        ];
        for (pattern, path, expected) in table {
            let pattern = pattern.unwrap();
            assert_eq!(pattern.matches(path), expected, "{pattern:?} {path}");
        }
        for bad in ["", "x", "/a?b", "/a/../b", "/a//b", "/a;b"] {
            assert!(PathPattern::prefix(bad).is_err(), "{bad}");
        }
        assert!(matches!(PathPattern::regex("("), Err(PatternError::Regex(..))));
        assert!(PathPattern::regex("(a{1000}){1000}").is_err());
    }

    #[test]
    fn groups() {
        let groups = ["dev".to_owned(), "ops".to_owned()];
        let any = |list: &[&str]| ClaimsRequirement {
            any_group: Some(list.iter().map(ToString::to_string).collect()),
            ..ClaimsRequirement::default()
        };
        assert!(any(&["ops", "x"]).check_groups(&groups).is_ok());
        assert!(any(&["op"]).check_groups(&groups).is_err());
        assert!(any(&[]).check_groups(&groups).is_err(), "an empty list must not mean everyone");
        let all = ClaimsRequirement { all_groups: vec!["dev".into(), "admin".into()], ..Default::default() };
        assert!(all.check_groups(&groups).is_err());
    }
}
