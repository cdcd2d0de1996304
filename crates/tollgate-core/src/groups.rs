//! Groups and roles belong to an issuer: another issuer may have one of the same name, and gives no right by it.

use std::fmt;

/// A group or role of one issuer, or of any of several, whose configured names are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerGroup {
    issuers: Vec<String>,
    group: String,
}

impl IssuerGroup {
    /// The group of this name at one of these issuers. Of no issuer is nobody's.
    pub fn new(issuers: Vec<String>, group: impl Into<String>) -> Self {
        Self { issuers, group: group.into() }
    }

    /// The group of this name at this issuer.
    pub fn of(issuer: &str, group: &str) -> Self {
        Self::new(vec![issuer.to_owned()], group)
    }

    /// Whether somebody of this issuer, who has these groups there, is in it. Names are compared exactly.
    pub fn has(&self, issuer: Option<&str>, groups: &[String]) -> bool {
        issuer.is_some_and(|issuer| self.issuers.iter().any(|own| own == issuer))
            && groups.contains(&self.group)
    }
}

impl fmt::Display for IssuerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.group, self.issuers.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v3_a_group_of_the_same_name_at_another_issuer_is_another_group() {
        let groups = ["admins".to_owned()];
        let own = IssuerGroup::of("company", "admins");
        assert!(own.has(Some("company"), &groups));
        assert!(
            !own.has(Some("partner"), &groups)
                && !own.has(Some("Company"), &groups)
                && !own.has(None, &groups)
        );
        assert!(!own.has(Some("company"), &["Admins".to_owned()]) && !own.has(Some("company"), &[]));
        assert!(!IssuerGroup::new(Vec::new(), "admins").has(Some("company"), &groups));
        let either = IssuerGroup::new(vec!["company".into(), "partner".into()], "admins");
        assert!(either.has(Some("partner"), &groups) && either.has(Some("company"), &groups));
        assert_eq!(
            (own.to_string().as_str(), either.to_string().as_str()),
            ("admins of company", "admins of company or partner")
        );
    }
}
