//! Whose groups are meant, and whose people there are: a right belongs to an issuer, so that no issuer can give another's.

use tollgate_core::groups::IssuerGroup;

use super::problem::Problem;
use super::settings::{GroupSettings, Settings};

/// The name of the issuer that is given in the older form.
const OLDER: &str = "oauth2";

/// The names of all issuers.
pub fn issuer_names(settings: &Settings) -> Vec<&str> {
    let named = settings.issuers.iter().map(|issuer| issuer.name.as_str());
    named.chain(settings.oauth2.is_some().then_some(OLDER)).collect()
}

/// The names of the issuers that make people: those whose tokens and logins open the API.
pub fn people_issuers(settings: &Settings) -> Vec<&str> {
    let opens = |name: &&str| {
        settings.api.issuers.as_ref().is_none_or(|listed| listed.iter().any(|issuer| issuer == name))
    };
    issuer_names(settings).into_iter().filter(opens).collect()
}

/// The groups whose members administer the deployment.
pub fn admin_groups(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<IssuerGroup> {
    let people = people_issuers(settings);
    let groups = settings.tenancy.admin_groups.iter().enumerate();
    groups
        .filter_map(|(at, group)| read(group, &people, &format!("tenancy.admin_groups[{at}]"), problems))
        .collect()
}

/// One group, of one of these issuers. A bare name means the only one there is.
pub fn read(
    group: &GroupSettings,
    issuers: &[&str],
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<IssuerGroup> {
    match (group, issuers) {
        (GroupSettings::Bare(group), [] | [_]) => {
            Some(IssuerGroup::new(issuers.iter().map(|issuer| (*issuer).to_owned()).collect(), group))
        }
        (GroupSettings::Bare(group), [first, ..]) => {
            let text = format!(
                "'{group}' does not say whose group it is ({}); write {{issuer: {first}, group: {group}}}",
                issuers.join(", ")
            );
            problems.push(Problem::new(path, text));
            None
        }
        (GroupSettings::Of(of), _) => {
            if !issuers.contains(&of.issuer.as_str()) {
                problems.push(Problem::new(format!("{path}.issuer"), unknown(&of.issuer, issuers)));
                return None;
            }
            Some(IssuerGroup::of(&of.issuer, &of.group))
        }
    }
}

/// What is wrong with the name of an issuer that is not among these.
pub fn unknown(name: &str, issuers: &[&str]) -> String {
    let known = if issuers.is_empty() { "none is configured".to_owned() } else { issuers.join(", ") };
    format!("no issuer is named '{name}' here; known: {known}")
}
