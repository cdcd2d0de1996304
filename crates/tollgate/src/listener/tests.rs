//! The bounds of a port, over real sockets.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::path::PathBuf;

use axum::extract::Extension;
use axum::http::{HeaderMap, Uri, Version};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, Identity, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tollgate_core::time::Timestamp;

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// A served port; it ends with the test's runtime.
struct Port {
    address: SocketAddr,
    closing: CancellationToken,
    metrics: Arc<Metrics>,
    served: JoinHandle<()>,
}

fn options(limits: Limits, tls: Option<TlsOptions>) -> ListenOptions {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    ListenOptions { name: "test", setting: "server.test.listen", address, tls, limits }
}

/// Answers who asked, or after a while when asked for `/slow`.
async fn handler(
    Extension(peer): Extension<PeerAddr>,
    Extension(verified): Extension<PeerVerified>,
    uri: Uri,
    headers: HeaderMap,
) -> String {
    if uri.path() == "/slow" {
        sleep(Duration::from_millis(600)).await;
    }
    let longest = headers.values().map(|value| value.len()).max().unwrap_or_default();
    format!("{} {} {longest}", peer.0.port(), verified.0)
}

async fn serve(limits: Limits, tls: Option<TlsOptions>) -> Port {
    let listener = Listener::bind(options(limits, tls)).await.unwrap();
    let (address, closing) = (listener.local_addr().unwrap(), CancellationToken::new());
    let metrics = Arc::new(Metrics::new(&[], Timestamp::from_millis(0)));
    let router = Router::new().fallback(handler);
    let served = tokio::spawn(listener.serve(router, Arc::clone(&metrics), closing.clone(), || 0.5));
    Port { address, closing, metrics, served }
}

impl Port {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn metric(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|l| l == line)
    }
}

/// Everything until the far end closes, which it must do soon.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset ends the connection just as well.
    let _ = timeout(SOON, stream.read_to_end(&mut all)).await.unwrap();
    String::from_utf8(all).unwrap()
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let read = timeout(SOON, stream.read(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

fn h2() -> Client {
    Client::builder().http2_prior_knowledge().build().unwrap()
}

async fn text(client: &Client, url: String) -> String {
    client.get(url).send().await.unwrap().text().await.unwrap()
}

fn peer_port(text: &str) -> u16 {
    text.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_taken_port_says_which_setting_and_what_to_do() {
    let port = serve(Limits::default(), None).await;
    let again = ListenOptions { address: port.address, ..options(Limits::default(), None) };
    let error = Listener::bind(again).await.unwrap_err().to_string();
    for part in ["server.test.listen", &port.address.to_string(), "taken", "choose another port"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[tokio::test]
async fn both_languages_are_spoken_on_one_port() {
    let port = serve(Limits::default(), None).await;
    for client in [h2(), Client::builder().http1_only().build().unwrap()] {
        let answer = text(&client, port.url("/")).await;
        assert!(answer.contains(" false "), "{answer}");
    }
    // A request that begins like the other language's first word.
    let mut stream = port.connect().await;
    stream.write_all(b"PRI * HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 "));
}

#[tokio::test]
async fn whoever_takes_too_long_to_ask_is_closed() {
    let header_read_timeout = Duration::from_millis(300);
    let port = serve(Limits { header_read_timeout, ..Limits::default() }, None).await;
    // Nothing at all; half of HTTP/2's preface; a head that stops; a second head that stops.
    let full = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    for (first, then) in
        [("", None), ("PRI * HT", None), ("GET / HT", None), (full, Some("GET / HTTP/1.1\r\nx"))]
    {
        let began = Instant::now();
        let mut stream = port.connect().await;
        stream.write_all(first.as_bytes()).await.unwrap();
        if let Some(then) = then {
            assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
            stream.write_all(then.as_bytes()).await.unwrap();
        }
        assert_eq!(rest(&mut stream).await, "", "{first:?}");
        assert!(began.elapsed() >= header_read_timeout && began.elapsed() < SOON);
    }
    // A head that comes byte by byte, each in time.
    let mut stream = port.connect().await;
    let began = Instant::now();
    for byte in "GET / HTTP/1.1\r\nhost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".bytes().cycle() {
        if stream.write_u8(byte).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < SOON, "a trickling head is never closed");
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_timeout() {
    let header_read_timeout = Duration::from_millis(100);
    let idle_timeout = Duration::from_millis(900);
    let port = serve(Limits { header_read_timeout, idle_timeout, ..Limits::default() }, None).await;
    let mut stream = port.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        sleep(Duration::from_millis(400)).await;
    }
    // But not for ever.
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn large_heads_pass_and_larger_ones_are_refused() {
    let port = serve(Limits { max_header_bytes: 64 << 10, ..Limits::default() }, None).await;
    for client in [h2(), Client::builder().http1_only().build().unwrap()] {
        let send = |bytes: usize| client.get(port.url("/")).header("x-large", "a".repeat(bytes)).send();
        let passed = send(60 << 10).await.unwrap().text().await.unwrap();
        assert!(passed.ends_with(&format!(" {}", 60 << 10)), "{passed}");
        // An answer, not a broken connection: a gateway may overlook the latter.
        let refused = send(80 << 10).await.unwrap().status();
        assert_eq!(refused, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    // HTTP/2 counts 32 bytes more for each line; the bound in the settings, like Envoy's, does not.
    let mut many = h2().get(port.url("/"));
    for line in 0..100 {
        many = many.header(format!("x-{line:04}"), "a".repeat(632));
    }
    assert_eq!(many.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_old_connection_finishes_its_work_and_ends() {
    let limits = Limits {
        max_connection_age: Some(Duration::from_millis(200)),
        max_connection_age_jitter: Duration::from_millis(100),
        ..Limits::default()
    };
    let port = serve(limits, None).await;
    let client = h2();
    let first = client.get(port.url("/slow")).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let first = peer_port(&first.text().await.unwrap());
    let second = peer_port(&text(&client, port.url("/")).await);
    assert_ne!(first, second, "the second request went over the old connection");

    let mut idle = port.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way() {
    for client in [h2(), Client::builder().http1_only().build().unwrap()] {
        let port = serve(Limits::default(), None).await;
        // These must not hold the drain up: one says nothing, one is idle.
        let mut silent = port.connect().await;
        let mut idle = port.connect().await;
        idle.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200"));
        let slow = tokio::spawn(client.get(port.url("/slow")).send());
        sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        port.closing.cancel();
        assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
        timeout(SOON, port.served).await.unwrap().unwrap();
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!(rest(&mut silent).await, "");
        assert_eq!(rest(&mut idle).await, "");
        assert!(TcpStream::connect(port.address).await.is_err(), "the port is still open");
    }
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let port = serve(Limits { grace: Duration::from_millis(100), ..Limits::default() }, None).await;
    let mut slow = port.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    port.closing.cancel();
    timeout(Duration::from_millis(400), port.served).await.unwrap().unwrap();
    assert_eq!(rest(&mut slow).await, "");
}

#[tokio::test]
async fn a_full_port_closes_new_connections_and_recovers() {
    let port = serve(Limits { max_connections: 1, ..Limits::default() }, None).await;
    let mut first = port.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(answer(&mut first).await.starts_with("HTTP/1.1 200"));
    assert!(port.metric("tollgate_connections{listener=\"test\"} 1"), "{}", port.metrics.render());
    let mut second = port.connect().await;
    assert_eq!(rest(&mut second).await, "");
    assert!(port.metric("tollgate_connections_refused_total{listener=\"test\"} 1"));
    drop(first);
    let began = Instant::now();
    while !port.metric("tollgate_connections{listener=\"test\"} 0") {
        assert!(began.elapsed() < SOON, "the seat is never given back");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(h2().get(port.url("/")).send().await.unwrap().status(), StatusCode::OK);
}

/// Certificates of one test: two authorities, and files that the port reads.
struct Files {
    dir: TempDir,
    options: TlsOptions,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key in PEM.
fn leaf(authority: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

impl Files {
    fn new(server: &Authority, clients: Option<&Authority>) -> Self {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| -> PathBuf { dir.path().join(name) };
        let options = TlsOptions {
            cert_file: path("tls.crt"),
            key_file: path("tls.key"),
            client_ca_file: clients.map(|_| path("ca.crt")),
            look_every: Duration::from_millis(50),
        };
        let files = Self { dir, options };
        files.install(server);
        if let Some(clients) = clients {
            std::fs::write(files.dir.path().join("ca.crt"), clients.pem()).unwrap();
        }
        files
    }

    fn install(&self, server: &Authority) {
        let (certificate, key) = leaf(server, "localhost");
        std::fs::write(&self.options.cert_file, certificate).unwrap();
        std::fs::write(&self.options.key_file, key).unwrap();
    }
}

/// Trusts `server` alone, and shows `identity`. Keeps no connection, so that each request meets the current files.
fn tls_client(server: &Authority, identity: Option<(String, String)>) -> Client {
    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(server.pem().as_bytes()).unwrap()])
        .pool_max_idle_per_host(0);
    match identity {
        None => client.build().unwrap(),
        Some((certificate, key)) => {
            let identity = Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
            client.identity(identity).build().unwrap()
        }
    }
}

fn tls_url(port: &Port) -> String {
    format!("https://localhost:{}/", port.address.port())
}

#[tokio::test]
async fn tls_speaks_both_languages_and_verifies_nobody() {
    let server = authority();
    let files = Files::new(&server, None);
    let port = serve(Limits::default(), Some(files.options.clone())).await;
    let answer = tls_client(&server, None).get(tls_url(&port)).send().await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2, "ALPN chooses HTTP/2");
    assert!(answer.text().await.unwrap().contains(" false "));
    // Plain text to a TLS port is not answered.
    let mut plain = port.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(!rest_bytes(&mut plain).await.starts_with(b"HTTP"));
}

async fn rest_bytes(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut all)).await.unwrap();
    all
}

#[tokio::test]
async fn a_handshake_that_stops_is_closed() {
    let files = Files::new(&authority(), None);
    let header_read_timeout = Duration::from_millis(200);
    let limits = Limits { header_read_timeout, ..Limits::default() };
    let port = serve(limits, Some(files.options.clone())).await;
    // Nothing, and the first bytes of a TLS record.
    for said in [b"".as_slice(), b"\x16\x03\x01\x02\x00"] {
        let mut stream = port.connect().await;
        stream.write_all(said).await.unwrap();
        assert_eq!(rest_bytes(&mut stream).await, b"", "{said:?}");
    }
    // Nor does one hold a drain up.
    let mut stream = port.connect().await;
    stream.write_all(b"\x16").await.unwrap();
    port.closing.cancel();
    timeout(Duration::from_secs(1), port.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn mtls_admits_only_certificates_of_its_authority() {
    let (server, clients) = (authority(), authority());
    let files = Files::new(&server, Some(&clients));
    let port = serve(Limits::default(), Some(files.options.clone())).await;
    let good = tls_client(&server, Some(leaf(&clients, "gateway")));
    assert!(text(&good, tls_url(&port)).await.contains(" true "));
    for (who, client) in [
        ("no certificate", tls_client(&server, None)),
        ("another authority's", tls_client(&server, Some(leaf(&server, "gateway")))),
    ] {
        assert!(client.get(tls_url(&port)).send().await.is_err(), "{who} was admitted");
    }
}

#[tokio::test]
async fn new_certificates_are_taken_and_bad_ones_are_not() {
    let (old, new) = (authority(), authority());
    let files = Files::new(&old, None);
    let port = serve(Limits::default(), Some(files.options.clone())).await;
    let (old_client, new_client) = (tls_client(&old, None), tls_client(&new, None));
    text(&old_client, tls_url(&port)).await;

    // A key that does not fit, no PEM at all, and no file: the old certificate goes on.
    let (_, stranger) = leaf(&new, "localhost");
    std::fs::write(&files.options.key_file, stranger).unwrap();
    sleep(Duration::from_millis(200)).await;
    text(&old_client, tls_url(&port)).await;
    std::fs::write(&files.options.cert_file, "nothing").unwrap();
    sleep(Duration::from_millis(200)).await;
    text(&old_client, tls_url(&port)).await;
    std::fs::remove_file(&files.options.cert_file).unwrap();
    sleep(Duration::from_millis(200)).await;
    text(&old_client, tls_url(&port)).await;

    files.install(&new);
    let began = Instant::now();
    while new_client.get(tls_url(&port)).send().await.is_err() {
        assert!(began.elapsed() < SOON, "the new certificate is never taken");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(old_client.get(tls_url(&port)).send().await.is_err());
}

#[tokio::test]
async fn bad_certificates_at_the_start_are_a_clear_error() {
    let server = authority();
    let files = Files::new(&server, None);
    let bind = || Listener::bind(options(Limits::default(), Some(files.options.clone())));
    std::fs::write(&files.options.key_file, leaf(&server, "localhost").1).unwrap();
    let error = bind().await.unwrap_err().to_string();
    assert!(error.contains("do not work together"), "{error}");
    std::fs::write(&files.options.cert_file, "nothing").unwrap();
    let error = bind().await.unwrap_err().to_string();
    assert!(error.contains("tls.crt") && error.contains("no certificate"), "{error}");
    std::fs::remove_file(&files.options.key_file).unwrap();
    let error = bind().await.unwrap_err().to_string();
    assert!(error.contains("server.test.listen") && error.contains("tls.key"), "{error}");
}
