//! Issuers as requests name them: whoever is meant by a group or an address is somebody of one issuer.

use super::Portal;
use super::problem::{Answer, Problem};

/// The configured names of the issuers whose people call the API.
pub fn of_people(portal: &Portal) -> Vec<String> {
    portal.rulebook().borrow().policy.issuers().iter().map(|rules| rules.name.clone()).collect()
}

/// The issuer that a request means: the one that it names or, when it names none, the only one.
///
/// # Errors
/// There is no issuer of this name; or there are several, and the request has to name one.
pub fn meant(portal: &Portal, named: Option<&str>) -> Answer<String> {
    one_of(of_people(portal), named)
}

fn one_of(mut issuers: Vec<String>, named: Option<&str>) -> Answer<String> {
    match named {
        Some(name) if issuers.iter().any(|issuer| issuer == name) => Ok(name.to_owned()),
        None if issuers.len() == 1 => Ok(issuers.remove(0)),
        named => {
            let must =
                if named.is_some() { "must be a configured issuer" } else { "must name one of the issuers" };
            let example =
                issuers.first().map_or_else(String::new, |name| format!(", such as \"issuer\": \"{name}\""));
            Err(Problem::invalid("/issuer", format!("{must}: {}{example}", issuers.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v3_a_bare_name_is_enough_with_one_issuer_alone() {
        let both = || vec!["company".to_owned(), "partner".to_owned()];
        assert_eq!(one_of(vec!["company".to_owned()], None).ok().as_deref(), Some("company"));
        assert_eq!(one_of(both(), Some("partner")).ok().as_deref(), Some("partner"));
        for named in [None, Some("Company"), Some("")] {
            let refused = one_of(both(), named).err();
            let detail = refused.as_ref().map(Problem::detail).unwrap_or_default();
            assert!(detail.contains("company, partner, such as \"issuer\": \"company\""), "{detail}");
        }
        assert!(one_of(Vec::new(), None).is_err());
    }
}
