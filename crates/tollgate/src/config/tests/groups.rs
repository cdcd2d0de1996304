//! Whose groups are meant: a bare name says it where there is one issuer, and is refused, with the way to write it, elsewhere.

use tollgate_core::groups::IssuerGroup;
use tollgate_core::route::Requirement;

use super::*;
use crate::config::{admin_groups, people_issuers};

const ONE: &str = "issuers: [{name: company, issuer: 'https://a', audiences: any}]";
const TWO: &str = "issuers: [{name: company, issuer: 'https://a', audiences: any}, \
                   {name: partner, issuer: 'https://b', audiences: any}]";
/// As in the guide: one issuer in the older form, one in today's.
const GUIDE: &str = "oauth2: {jwks_url: 'https://k/realms/master/protocol/openid-connect/certs', audiences: any}\n\
                     issuers: [{name: tollgate, issuer: 'https://k/realms/tollgate', audiences: any}]";

fn admins(text: &str) -> Vec<IssuerGroup> {
    admin_groups(&load_text(text).unwrap().settings, &mut Vec::new())
}

#[test]
fn v3_a_bare_group_is_the_one_issuers_and_is_refused_where_there_are_more() {
    let bare = "tenancy: {admin_groups: [ai-admins]}";
    assert_eq!(admins(&format!("{ONE}\n{bare}")), [IssuerGroup::of("company", "ai-admins")]);
    for (issuers, names) in
        [(TWO, ("company, partner", "company")), (GUIDE, ("tollgate, oauth2", "tollgate"))]
    {
        let told = load_text(&format!("{issuers}\n{bare}")).unwrap_err().to_string();
        let (all, first) = names;
        let way = format!(
            "tenancy.admin_groups[0]: 'ai-admins' does not say whose group it is ({all}); write {{issuer: {first}, group: \
             ai-admins}}"
        );
        assert!(told.contains(&way), "{told}");
    }
    let named =
        "tenancy: {admin_groups: [{issuer: tollgate, group: ai-admins}, {issuer: oauth2, group: root}]}";
    let expected = [IssuerGroup::of("tollgate", "ai-admins"), IssuerGroup::of("oauth2", "root")];
    assert_eq!(admins(&format!("{GUIDE}\n{named}")), expected);
    // An issuer that makes no people has no say.
    let one = format!("{TWO}\napi: {{issuers: [partner]}}");
    assert_eq!(admins(&format!("{one}\n{bare}")), [IssuerGroup::of("partner", "ai-admins")]);
    assert_eq!(people_issuers(&load_text(&one).unwrap().settings), ["partner"]);
    assert_eq!(people_issuers(&load_text(GUIDE).unwrap().settings), ["tollgate", "oauth2"]);
}

#[test]
fn v3_groups_of_unknown_issuers_and_half_written_ones_are_refused() {
    let company = "tenancy: {admin_groups: [{issuer: company, group: a}]}";
    for (text, expected) in [
        (
            format!("{TWO}\ntenancy: {{admin_groups: [{{issuer: Company, group: a}}]}}"),
            "tenancy.admin_groups[0].issuer: no issuer is named 'Company' here; known: company, partner",
        ),
        (
            format!("{TWO}\napi: {{issuers: [partner]}}\n{company}"),
            "no issuer is named 'company' here; known: partner",
        ),
        (format!("{TWO}\napi: {{issuers: [other]}}"), "api.issuers[0]: no issuer is named 'other' here"),
        (format!("{ONE}\napi: {{issuers: []}}"), "api.issuers: the list needs at least 1 entry"),
        (
            format!("{ONE}\ntenancy: {{admin_groups: [{{group: a}}]}}"),
            "tenancy.admin_groups[0].issuer: missing",
        ),
        (
            format!("{ONE}\ntenancy: {{admin_groups: [{{issuer: company}}]}}"),
            "tenancy.admin_groups[0].group: missing",
        ),
        (
            format!("{ONE}\ntenancy: {{admin_groups: [{{issuer: company, group: ''}}]}}"),
            "tenancy.admin_groups[0].group: must not be empty",
        ),
        (
            format!("{ONE}\ntenancy: {{admin_groups: [{{issuer: company, group: a, role: b}}]}}"),
            "tenancy.admin_groups[0].role: unknown key",
        ),
        (format!("{ONE}\ntenancy: {{admin_groups: [1]}}"), "write a group as {issuer: NAME, group: NAME}"),
        (
            format!(
                "{TWO}\ndatabase: {{url: 'sqlite://a'}}\napi: {{issuers: [partner]}}\nportal: {{public_url: 'https://t', login: {{issuer: company, client_id: a}}}}"
            ),
            "portal.login.issuer: 'company' is not in api.issuers",
        ),
    ] {
        let told = load_text(&text).unwrap_err().to_string();
        assert!(told.contains(expected), "{text}\n{told}");
    }
}

#[test]
fn v3_group_rules_of_routes_name_their_issuer() {
    let route = |access: &str| format!("routes: [{{name: r, paths: [{{prefix: /}}], access: {access}}}]");
    let admits = |text: &str, issuer: &str, groups: &[&str]| {
        let loaded = load_text(text).unwrap();
        let Requirement::Claims(required) = &loaded.compiled.policy.routes()[0].requirement else {
            unreachable!("{text}")
        };
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        required.check_groups(Some(issuer), &groups).is_ok()
    };
    let named = format!("{TWO}\n{}", route("{groups_any: [{issuer: company, group: g}]}"));
    assert!(admits(&named, "company", &["g"]) && !admits(&named, "partner", &["g"]));
    let named = format!(
        "{TWO}\n{}",
        route("{groups_all: [{issuer: company, group: g}, {issuer: company, group: h}]}")
    );
    assert!(admits(&named, "company", &["g", "h"]) && !admits(&named, "company", &["g"]));
    assert!(!admits(&named, "partner", &["g", "h"]));
    let alone = format!("{ONE}\n{}", route("{groups_any: [g]}"));
    assert!(admits(&alone, "company", &["g"]) && !admits(&alone, "partner", &["g"]));
    let listed = format!("{TWO}\n{}", route("{issuers: [partner], groups_any: [g]}"));
    assert!(admits(&listed, "partner", &["g"]) && !admits(&listed, "company", &["g"]));
    let both = format!("{TWO}\n{}", route("{issuers: [company, partner], groups_all: [g]}"));
    assert!(
        admits(&both, "partner", &["g"]) && admits(&both, "company", &["g"]) && !admits(&both, "x", &["g"])
    );
    let bare = format!("{TWO}\n{}", route("{issuers: [partner]}"));
    assert!(admits(&bare, "partner", &[]) && !admits(&bare, "company", &[]));
    for (access, expected) in [
        (
            "{groups_any: [g]}",
            "routes[0].access.groups_any[0]: 'g' does not say whose group it is (company, partner); write {issuer: company, group: g}",
        ),
        ("{groups_all: [g]}", "routes[0].access.groups_all[0]: 'g' does not say whose group it is"),
        (
            "{issuers: [nobody]}",
            "routes[0].access.issuers[0]: no issuer is named 'nobody' here; known: company, partner",
        ),
        ("{issuers: []}", "routes[0].access.issuers: the list needs at least 1 entry"),
        (
            "{issuers: [company], groups_any: [{issuer: partner, group: g}]}",
            "routes[0].access.groups_any[0].issuer: no issuer is named 'partner' here; known: company",
        ),
    ] {
        let told = load_text(&format!("{TWO}\n{}", route(access))).unwrap_err().to_string();
        assert!(told.contains(expected), "{access}\n{told}");
    }
}
