//! An issuer on a socket of its own that a test steers, down to answers no proper server gives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::super::KeyLocation;

/// What one of the two documents answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200 and this JSON.
    Json(Value),
    /// 200 and this text.
    Text(String),
    /// This status and nothing else.
    Status(u16),
    /// 302 to there.
    Redirect(String),
    /// 200, and a body of this many spaces before the set, whose length nobody announced.
    Large(usize, Value),
    /// Nothing, with the connection held open.
    Silence,
    /// 200, and one byte of the body every 20 ms for ever.
    Drip,
}

#[derive(Debug)]
struct State {
    discovery: Answer,
    keys: Answer,
    hold: Option<Arc<Semaphore>>,
    asked: usize,
}

/// The issuer; stops when dropped.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
    _guard: DropGuard,
}

impl Issuer {
    /// Serves these keys at `/jwks` over plain HTTP.
    pub async fn start(keys: Value) -> Self {
        Self::start_with(keys, None).await
    }

    /// As [`Issuer::start`], over TLS when given how.
    pub async fn start_with(keys: Value, tls: Option<TlsAcceptor>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let state = State { discovery: Answer::Status(404), keys: Answer::Json(keys), hold: None, asked: 0 };
        let state = Arc::new(Mutex::new(state));
        let serving = {
            let (state, stop) = (Arc::clone(&state), stop.clone());
            async move {
                while let Ok((stream, _)) = socket.accept().await {
                    let (state, tls) = (Arc::clone(&state), tls.clone());
                    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                        match tls {
                            None => answer(stream, state).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    answer(stream, state).await;
                                }
                            }
                        }
                    }));
                }
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Self { address, state, _guard: stop.clone().drop_guard(), stop }
    }

    pub fn url(&self, scheme: &str, path: &str) -> Url {
        Url::parse(&format!("{scheme}://{}{path}", self.address)).unwrap()
    }

    /// The key set's place.
    pub fn keys_at(&self) -> KeyLocation {
        KeyLocation::Jwks { url: self.url("http", "/jwks") }
    }

    /// The issuer by its name, to be discovered.
    pub fn discovered(&self) -> KeyLocation {
        KeyLocation::Discovery { issuer: self.name() }
    }

    pub fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set_keys(&self, keys: Answer) {
        self.state.lock().unwrap().keys = keys;
    }

    pub fn set_discovery(&self, discovery: Answer) {
        self.state.lock().unwrap().discovery = discovery;
    }

    /// From now on every answer is what it would be at the moment of the request, and goes out once a permit is added.
    pub fn hold(&self) -> Arc<Semaphore> {
        let hold = Arc::new(Semaphore::new(0));
        self.state.lock().unwrap().hold = Some(Arc::clone(&hold));
        hold
    }

    /// Ends what [`Issuer::hold`] began; answers that are held stay held.
    pub fn release(&self) {
        self.state.lock().unwrap().hold = None;
    }

    /// How often the key set was asked for.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// Refuses every connection from now on.
    pub fn die(&self) {
        self.stop.cancel();
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let (answer, hold) = {
        let mut state = state.lock().unwrap();
        let discovery = head.starts_with(b"GET /.well-known/openid-configuration ");
        state.asked += usize::from(!discovery);
        (if discovery { &state.discovery } else { &state.keys }.clone(), state.hold.clone())
    };
    if let Some(hold) = hold {
        hold.acquire().await.unwrap().forget();
    }
    // A client that had enough closes the connection, so writing may fail.
    let _ = write(&mut stream, answer).await;
    let _ = stream.shutdown().await;
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, answer: Answer) -> std::io::Result<()> {
    const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    match answer {
        Answer::Json(body) => stream.write_all(format!("{OK}{body}").as_bytes()).await,
        Answer::Text(body) => stream.write_all(format!("{OK}{body}").as_bytes()).await,
        Answer::Status(status) => {
            let head =
                format!("HTTP/1.1 {status} Whatever\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
        Answer::Redirect(to) => {
            let head = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
        Answer::Large(bytes, set) => {
            stream.write_all(OK.as_bytes()).await?;
            stream.write_all(&vec![b' '; bytes]).await?;
            stream.write_all(set.to_string().as_bytes()).await
        }
        Answer::Silence => std::future::pending().await,
        Answer::Drip => {
            stream.write_all(OK.as_bytes()).await?;
            loop {
                stream.write_all(b" ").await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
