//! Which tokens open the API. A token that was made for the gateway, or that a backend was given, is not for that a key to
//! its owner's projects: the deployment says which issuers, audiences, clients and scopes are.

use serde_json::Value;
use tollgate_core::jwt::VerifiedToken;

use super::problem::{Answer, Code, Problem};

/// What a token of the API must have; every part that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Of one of these issuers, by their configured names, which make people; `None` is any that is configured.
    pub issuers: Option<Vec<String>>,
    /// At least one of these in `aud`.
    pub audiences: Option<Vec<String>>,
    /// One of these as the client that it was issued to (`azp`, else `client_id`).
    pub authorized_parties: Option<Vec<String>>,
    /// All of these in `scope`, or in `scp`.
    pub scopes: Vec<String>,
}

impl Admission {
    /// Whether the people of this issuer, which is configured, may be here.
    pub fn makes_people(&self, issuer: &str) -> bool {
        self.issuers.as_ref().is_none_or(|listed| listed.iter().any(|own| own == issuer))
    }

    /// Whether this token, which is good by itself, opens the API.
    ///
    /// # Errors
    /// `forbidden`, which says what is needed.
    pub fn check(&self, token: &VerifiedToken) -> Answer<()> {
        let claim = |name: &str| token.claims.get(name);
        if !self.makes_people(&token.issuer) {
            return Err(refused("is of an issuer whose people are not in the API (api.issuers)"));
        }
        if let Some(audiences) = &self.audiences
            && !words(claim("aud")).any(|word| audiences.iter().any(|own| own == word))
        {
            let text =
                format!("was made for other audiences; it needs {} (api.audiences)", audiences.join(" or "));
            return Err(refused(&text));
        }
        if let Some(parties) = &self.authorized_parties {
            let party = claim("azp").or_else(|| claim("client_id")).and_then(Value::as_str);
            if !party.is_some_and(|party| parties.iter().any(|own| own == party)) {
                let text = format!(
                    "is of another client; it needs {} (api.authorized_parties)",
                    parties.join(" or ")
                );
                return Err(refused(&text));
            }
        }
        let held: Vec<&str> = words(claim("scope")).chain(words(claim("scp"))).collect();
        match self.scopes.iter().find(|scope| !held.contains(&scope.as_str())) {
            Some(missing) => Err(refused(&format!("lacks the scope {missing} (api.scopes)"))),
            None => Ok(()),
        }
    }
}

/// The words of a claim that is a string of them, or a list of strings.
fn words(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = claim.and_then(Value::as_str).into_iter().flat_map(str::split_ascii_whitespace);
    one.chain(claim.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str))
}

fn refused(why: &str) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("This token does not open the API: it {why}. Sign in with 'tollgate login'."),
    )
}
