//! Clients: an ordinary one, and one that writes any bytes it is given onto a connection.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a raw exchange may take from connect to end of answer.
const LIMIT: Duration = Duration::from_secs(15);

/// An ordinary HTTP client: no proxy, no redirects, 30 s for a whole exchange.
///
/// Made anew for every use, because its connections belong to the runtime of the test that opened them.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// An HTTP/1.1 answer as it came over the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// In order, names as sent, repeated names repeated.
    pub headers: Vec<(String, Vec<u8>)>,
    /// After chunked coding was taken off.
    pub body: Vec<u8>,
}

impl Answer {
    /// Every value of a header, in order, as text.
    pub fn values(&self, name: &str) -> Vec<String> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// One request written byte by byte: repeated headers, odd bytes and odd targets go out exactly as given.
///
/// `Host`, `Connection: close` and, with a body, `Content-Length` are added unless `headers` names them.
#[derive(Clone, Debug)]
pub struct Raw<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub headers: Vec<(&'a [u8], &'a [u8])>,
    pub body: &'a [u8],
}

impl<'a> Raw<'a> {
    pub fn new(method: &'a str, target: &'a str) -> Self {
        Self { method, target, headers: Vec::new(), body: b"" }
    }

    pub fn get(target: &'a str) -> Self {
        Self::new("GET", target)
    }

    #[must_use]
    pub fn header(
        mut self,
        name: &'a (impl AsRef<[u8]> + ?Sized),
        value: &'a (impl AsRef<[u8]> + ?Sized),
    ) -> Self {
        self.headers.push((name.as_ref(), value.as_ref()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.body = body.as_ref();
        self
    }

    /// The bytes that go out.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let mut line = |name: &[u8], value: &[u8]| {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        let named = |name: &[u8]| self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !named(b"host") {
            line(b"host", b"ai.test");
        }
        if !named(b"connection") {
            line(b"connection", b"close");
        }
        if !self.body.is_empty() && !named(b"content-length") && !named(b"transfer-encoding") {
            line(b"content-length", self.body.len().to_string().as_bytes());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body);
        bytes
    }

    /// Sends it to a port on 127.0.0.1. `None` when the connection closed without a readable answer.
    pub async fn send(&self, port: u16) -> Option<Answer> {
        exchange(port, &self.bytes()).await
    }
}

/// Writes `bytes` to a port on 127.0.0.1 and reads until the other side closes.
///
/// `None` when what came back does not hold a whole status line and header block.
pub async fn exchange(port: u16, bytes: &[u8]) -> Option<Answer> {
    let talk = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // A server may refuse and close before it has read everything; what it said first still counts.
        let _refused_early = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let mut part = [0; 16 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut part).await {
            answer.extend_from_slice(&part[..count]);
            if whole(&answer) {
                break;
            }
        }
        answer
    };
    let answer = tokio::time::timeout(LIMIT, talk).await.expect("the other side neither answered nor closed");
    parse(&answer)
}

/// True when an answer with a length has arrived whole; without one only the end of the connection tells.
fn whole(bytes: &[u8]) -> bool {
    let Some(answer) = head(bytes) else { return false };
    match answer.values("content-length").first().map(|length| length.parse::<usize>()) {
        Some(Ok(length)) => answer.body.len() >= length,
        _ => answer.values("transfer-encoding") == ["chunked"] && answer.body.ends_with(b"0\r\n\r\n"),
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let mut answer = head(bytes)?;
    if answer.values("transfer-encoding") == ["chunked"] {
        answer.body = dechunk(&answer.body);
    }
    Some(answer)
}

/// Status and headers read, all that follows left as the body. Interim (1xx) answers are passed over.
fn head(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = &bytes[..end];
    let mut lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = String::from_utf8_lossy(lines.next()?).split(' ').nth(1)?.parse().ok()?;
    let body = bytes[end + 4..].to_vec();
    if (100..200).contains(&status) {
        return head(&body);
    }
    let headers = lines
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            Some((name, line[colon + 1..].trim_ascii().to_vec()))
        })
        .collect();
    Some(Answer { status, headers, body })
}

/// Takes off chunked coding; a cut-off body yields what arrived.
fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[..end]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        let rest = &bytes[end + 2..];
        if size == 0 || rest.len() < size {
            body.extend_from_slice(&rest[..size.min(rest.len())]);
            break;
        }
        body.extend_from_slice(&rest[..size]);
        bytes = rest.get(size + 2..).unwrap_or_default();
    }
    body
}
