//! Cookies (RFC 6265bis): bound to this host by the `__Host-` prefix, sent over TLS alone, out of reach of scripts.

use axum::http::{HeaderMap, HeaderValue, header};
use url::Url;

/// Logins under way that one browser may have before the older ones are let go.
pub const MAX_LOGINS: usize = 8;
/// Characters of a secret that we drew: 256 bits in base64url.
const SECRET_LEN: usize = 43;

/// What the cookies of this deployment are called, and how they are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookies {
    secure: bool,
}

impl Cookies {
    /// For this address. Browsers take `__Host-` and `Secure` over plain http in part only, so that development on
    /// `localhost` has names of its own; configuration admits plain http for nothing else.
    pub fn of(public_url: &Url) -> Self {
        Self { secure: public_url.scheme() == "https" }
    }

    /// The session's cookie.
    pub const fn session(&self) -> &'static str {
        if self.secure { "__Host-tollgate" } else { "tollgate-session" }
    }

    /// The cookie that binds one login to its browser. Each login has its own, so that two tabs do not disturb each
    /// other.
    pub fn login(&self, state: &str) -> String {
        let short: String = state.chars().take(8).collect();
        format!("{}{short}", self.login_prefix())
    }

    const fn login_prefix(&self) -> &'static str {
        if self.secure { "__Host-tollgate-login-" } else { "tollgate-login-" }
    }

    /// The names of the login cookies that the browser sent.
    pub fn logins<'h>(&self, headers: &'h HeaderMap) -> Vec<&'h str> {
        pairs(headers).map(|(name, _)| name).filter(|name| name.starts_with(self.login_prefix())).collect()
    }

    /// Sets a cookie for `max_age_secs`. `Lax`: the way back from the issuer is a navigation from another site.
    pub fn set(&self, name: &str, value: &str, max_age_secs: u64) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={max_age_secs}; HttpOnly; SameSite=Lax{secure}");
        let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    /// Takes a cookie back.
    pub fn clear(&self, name: &str) -> HeaderValue {
        self.set(name, "", 0)
    }
}

/// The secret in a cookie. None when there is no such cookie, when it is not of our making, or when there are two: then a
/// neighbouring host may have set one.
pub fn secret<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = pairs(headers).filter(|(sent, _)| *sent == name).map(|(_, value)| value);
    let (first, second) = (found.next()?, found.next());
    (second.is_none() && is_secret(first)).then_some(first)
}

/// Whether a text can be a secret that we drew.
pub fn is_secret(text: &str) -> bool {
    text.len() == SECRET_LEN && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sent(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_one_cookie_of_our_making_is_read() {
        let (good, other) = ("A".repeat(43), "B".repeat(43));
        let table = [
            (vec![format!("s={good}")], Some(good.as_str())),
            (vec![format!("a=1; s={good} ; b=2")], Some(&good)),
            (vec!["a=1".into(), format!("s={good}")], Some(&good)),
            (vec![format!("s={good}; s={other}")], None),
            (vec![format!("s={good}"), format!("s={good}")], None),
            (vec![format!("S={good}")], None),
            (vec![format!("s={good}A")], None),
            (vec!["s=".into()], None),
            (vec![format!("s=\"{}\"", "A".repeat(41))], None),
            (vec![], None),
        ];
        for (lines, expected) in table {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert_eq!(secret(&sent(&lines), "s"), expected, "{lines:?}");
        }
    }

    #[test]
    fn cookies_are_bound_to_the_host_and_out_of_reach() {
        let cookies = Cookies::of(&"https://tollgate.test".parse().unwrap());
        let set = cookies.set(cookies.session(), "x", 60);
        assert_eq!(set, "__Host-tollgate=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert!(set.is_sensitive());
        assert!(cookies.clear(cookies.session()).to_str().unwrap().contains("Max-Age=0;"));
        assert_eq!(cookies.login("abcdefghij"), "__Host-tollgate-login-abcdefgh");
        let local = Cookies::of(&"http://localhost:3000".parse().unwrap());
        let set = local.set(local.session(), "x", 60);
        assert_eq!(set, "tollgate-session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    }
}
