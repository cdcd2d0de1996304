//! What the schema cannot say about issuers' directories, and where Keycloak's are.

use super::check::is_http;
use super::problem::Problem;
use super::settings::{DirectorySettings, Settings};

/// What is wrong with them.
pub(super) fn check(settings: &Settings) -> Vec<Problem> {
    let directories = &settings.tenancy.directories;
    let mut problems = Vec::new();
    if !directories.is_empty() && settings.database.url.is_none() && settings.database.url_file.is_none() {
        let text = "needs a database, where people are; set database.url";
        problems.push(Problem::new("tenancy.directories", text));
    }
    for (at, directory) in directories.iter().enumerate() {
        let mut problem = |key: &str, text: String| {
            problems.push(Problem::new(format!("tenancy.directories[{at}].{key}"), text));
        };
        if directory.client_secret.is_none() && directory.client_secret_file.is_none() {
            problem("client_secret", "missing; give client_secret or client_secret_file".into());
        }
        if directories.iter().take(at).any(|other| other.issuer == directory.issuer) {
            problem("issuer", format!("'{}' has a directory already", directory.issuer));
        }
        let Some(issuer) = settings.issuers.iter().find(|issuer| issuer.name == directory.issuer) else {
            problem("issuer", format!("no issuer is named '{}'", directory.issuer));
            continue;
        };
        if issuer.claims.subject != "sub" {
            let text = format!(
                "the subjects of '{}' are no user ids (claims.subject is '{}'), so that nobody would be found",
                issuer.name, issuer.claims.subject
            );
            problem("issuer", text);
        }
        match keycloak_realm(directory, &issuer.issuer) {
            Ok((url, _)) if !issuer.allow_http && is_http(url) => {
                let text =
                    format!("is not https; use https, or set allow_http on the issuer '{}'", issuer.name);
                problem("url", text);
            }
            Ok(_) => {}
            Err(wrong) => problem("url", wrong),
        }
    }
    problems
}

/// Keycloak's address and the realm: as they are given, else as they stand in the issuer's URL.
///
/// # Errors
/// In words for the operator.
pub fn keycloak_realm<'s>(
    directory: &'s DirectorySettings,
    issuer: &'s str,
) -> Result<(&'s str, &'s str), String> {
    let (base, realm) = issuer.trim_end_matches('/').rsplit_once("/realms/").unwrap_or(("", ""));
    let url = directory.url.as_deref().unwrap_or(base).trim_end_matches('/');
    let realm = directory.realm.as_deref().unwrap_or(realm);
    if url.is_empty() || realm.is_empty() {
        return Err(format!("'{issuer}' is not Keycloak's …/realms/NAME, so give url and realm"));
    }
    // As it stands in a URL it is one segment and nothing more.
    if realm.bytes().any(|b| !(b.is_ascii_alphanumeric() || b"-._~%+@".contains(&b)))
        || realm.starts_with('.')
    {
        return Err(format!("'{realm}' is no realm as it stands in a URL"));
    }
    Ok((url, realm))
}
