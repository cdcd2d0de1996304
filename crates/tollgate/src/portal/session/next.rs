//! Where a browser goes after its login: a path of this site, whatever the link that it came by says.

use url::Url;

/// Where it goes unless the link says.
pub const HOME: &str = "/docs";
/// Bytes of such a path at most.
const MAX_BYTES: usize = 2048;

/// The path of this site that `asked` names; [`HOME`] when it names anything else.
pub fn safe(asked: Option<&str>, public_url: &Url) -> String {
    asked.filter(|path| is_ours(path, public_url)).unwrap_or(HOME).to_owned()
}

/// Browsers read `\` as `/`, drop tabs and line ends, and take `//host` for another host: a path that has any of it is
/// not ours. What is left is resolved as a browser would, and must stay at home.
fn is_ours(path: &str, public_url: &Url) -> bool {
    let plain = path.len() <= MAX_BYTES && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let rooted = path.starts_with('/') && !path.starts_with("//");
    // A login that leads to a login goes round in circles.
    let circular = ["/login", "/logout"].iter().any(|at| path.starts_with(at));
    let stays = || public_url.join(path).is_ok_and(|target| target.origin() == public_url.origin());
    // Some proxies decode a path before they look at it.
    let lower = path.to_ascii_lowercase();
    let decoded = ["/%2f", "/%5c", "/%09", "/%0a", "/%0d"].iter().any(|start| lower.starts_with(start));
    plain && rooted && !circular && !decoded && stays()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_paths_of_this_site() {
        let here: Url = "https://tollgate.test".parse().unwrap();
        for good in ["/", "/docs", "/docs?a=1&b=//x", "/projects/prj_1#keys", "/a@b", "/a:b", "/a/%2f%2fevil"]
        {
            assert_eq!(safe(Some(good), &here), good);
        }
        for bad in [
            "",
            "docs",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "/x\r\nset-cookie: a=b",
            "https:evil.test",
            "https://evil.test/",
            "https:/evil.test",
            "javascript:alert(1)",
            "data:text/html,x",
            "%2f%2fevil.test",
            "/%2f%2fevil.test",
            "/%2Fevil.test",
            "/%5cevil.test",
            "@evil.test",
            "//user@evil.test",
            "/ü",
            " /docs",
            "/login?next=/login",
            "/logout",
            &format!("/{}", "a".repeat(3000)),
        ] {
            assert_eq!(safe(Some(bad), &here), HOME, "{bad:?}");
        }
        assert_eq!(safe(None, &here), HOME);
    }
}
