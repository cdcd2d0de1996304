//! The request to explain, from options, from raw HTTP text, or from JSON.

use std::io::Read as _;

use super::CheckArgs;
use crate::app::explain::Request;
use anyhow::{Context as _, bail, ensure};

/// The largest request file, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// Reads what the options say.
pub fn read(args: &CheckArgs) -> anyhow::Result<Request> {
    let mut request = match &args.request {
        None => Request {
            method: args.method.clone(),
            host: args.host.clone(),
            path: args.path.clone(),
            headers: Vec::new(),
            body: String::new(),
            client: None,
        },
        Some(path) => {
            let mut text = String::new();
            let read = if path.as_os_str() == "-" {
                std::io::stdin().take(MAX_BYTES).read_to_string(&mut text)
            } else {
                std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
            };
            read.with_context(|| format!("--request {}", path.display()))?;
            parse(&text).with_context(|| format!("--request {}", path.display()))?
        }
    };
    for line in &args.headers {
        request.headers.push(header(line)?);
    }
    Ok(request)
}

fn parse(text: &str) -> anyhow::Result<Request> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).context("not a request in JSON");
    }
    let (head, body) = text
        .split_once("\r\n\r\n")
        .or_else(|| text.split_once("\n\n"))
        .unwrap_or((text.trim_end_matches(['\r', '\n']), ""));
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path), version, None) = (words.next(), words.next(), words.next(), words.next())
    else {
        bail!("the first line is not 'METHOD PATH HTTP/1.1'");
    };
    ensure!(version.is_none_or(|v| v.starts_with("HTTP/")), "the first line is not 'METHOD PATH HTTP/1.1'");
    let headers = lines.map(header).collect::<anyhow::Result<Vec<_>>>()?;
    let host =
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value.clone());
    let host = host.context("there is no 'Host:' line")?;
    Ok(Request {
        method: method.to_owned(),
        host,
        path: path.to_owned(),
        headers,
        body: body.to_owned(),
        client: None,
    })
}

/// One line. The message of a bad one does not repeat it: it may be a credential.
fn header(line: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = line.split_once(':').context("a header is not 'name: value'")?;
    ensure!(
        !name.is_empty() && !name.contains(char::is_whitespace),
        "a header's name is empty or has a space"
    );
    // Field values have no white space around them (RFC 9110 section 5.5).
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn raw_text_and_json_say_the_same() {
        let raw = parse("POST /v1/x?a=b HTTP/1.1\r\nHost: h:80\r\nX-A:  1 \r\n\r\n{}").unwrap();
        let json = parse(
            r#"{"method":"POST","path":"/v1/x?a=b","host":"h:80","headers":[["Host","h:80"],["X-A","1"]],"body":"{}"}"#,
        );
        assert_eq!(format!("{raw:?}"), format!("{:?}", json.unwrap()));
        for bad in
            ["", "GET", "GET / HTTP/1.1", "GET / x HTTP/1.1\nHost: h", "GET / HTTP/1.1\nHost h", "{\"x\":1}"]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_bad_header_is_not_repeated_in_the_message() {
        let error = header("Bearer secret-token").unwrap_err();
        assert!(!format!("{error:#}").contains("secret"));
    }
}
