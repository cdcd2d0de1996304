//! One accept loop for every port, so that a bound which is added once holds everywhere: header size and time, streams,
//! connection age, keepalive, caps of connections and of bytes, TLS with reload, and a drain that says goodbye.

mod answers;
mod budget;
mod connection;
mod head;
mod intake;
mod seats;
mod tls;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry::Metrics;
use seats::{Reserve, Seats};

pub use budget::Budget;
pub use intake::{Room, Unread};
pub use seats::counted_as;
pub use tls::{TlsError, TlsOptions};

/// Places for probes, on a port that has any.
const RESERVED: usize = 32;
/// Between two tries to accept when the machine has no room for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The far end of a connection, as an extension of every request on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// Whether the far end proved itself with a certificate that one of the port's client CAs signed; an extension of every
/// request. Always true on a port with `client_ca_file`, never on one without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerVerified(pub bool);

/// Bounds of one port.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For the first bytes of a connection, for the rest of a request's head after its first byte, and for a TLS
    /// handshake.
    pub header_read_timeout: Duration,
    /// For an HTTP/1.1 connection without a request. A gateway that reuses a connection while we close it sees a failed
    /// check, so on gateways' ports this is longer than they keep theirs (Envoy: one hour).
    pub idle_timeout: Duration,
    /// Of a request's head, in bytes. Envoy forwards up to 60 KiB.
    pub max_header_bytes: u32,
    /// Calls under way on one HTTP/2 connection.
    pub max_streams: u32,
    /// Open connections; further ones are closed at once.
    pub max_connections: usize,
    /// The same of one address; IPv6 counts by its network of 64 bits.
    pub max_connections_per_address: usize,
    /// Peers that only `max_connections` holds for: proxies that speak for many.
    pub many_behind: Vec<IpNet>,
    /// Paths that are answered when all connections are taken, on a few places of their own.
    pub probed: &'static [&'static str],
    /// What requests hold together; ports may share one.
    pub budget: Budget,
    /// For an answer that is ready to be read by the client.
    pub answer_timeout: Duration,
    /// Age at which a connection is asked to end, so that gateways spread over new replicas. `None` never asks.
    pub max_connection_age: Option<Duration>,
    /// Up to this much is added to the age, so that connections made together do not end together.
    pub max_connection_age_jitter: Duration,
    /// HTTP/2 pings on idle connections; `None` sends none.
    pub keepalive_interval: Option<Duration>,
    /// For the answer to a ping.
    pub keepalive_timeout: Duration,
    /// For work under way when a connection is asked to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_header_bytes: 96 * 1024,
            max_streams: 64,
            max_connections: 2048,
            max_connections_per_address: 2048,
            many_behind: Vec::new(),
            probed: &[],
            budget: Budget::new(48 << 20),
            answer_timeout: Duration::from_secs(60),
            max_connection_age: Some(Duration::from_secs(1800)),
            max_connection_age_jitter: Duration::from_secs(300),
            keepalive_interval: Some(Duration::from_secs(60)),
            keepalive_timeout: Duration::from_secs(20),
            grace: Duration::from_secs(20),
        }
    }
}

/// One port to be.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// In logs and metrics.
    pub name: &'static str,
    /// The configuration key that sets the address, for the message when it is taken.
    pub setting: &'static str,
    /// Where to listen; port 0 takes any.
    pub address: SocketAddr,
    /// Certificates, when the port speaks TLS.
    pub tls: Option<TlsOptions>,
    /// Bounds.
    pub limits: Limits,
}

/// Why a port cannot be opened.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address is taken, forbidden or not ours.
    #[error("{setting} {address}: {why}")]
    Bind {
        /// The configuration key.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What is wrong and what to do.
        why: String,
    },
    /// The certificates cannot be used.
    #[error("{setting} TLS: {source}")]
    Tls {
        /// The configuration key.
        setting: &'static str,
        /// What is wrong.
        source: TlsError,
    },
}

/// An open port that nobody is served on yet.
#[derive(Debug)]
pub struct Listener {
    options: ListenOptions,
    socket: TcpListener,
    tls: Option<tls::Reloading>,
}

impl Listener {
    /// Opens the port.
    ///
    /// # Errors
    /// [`ListenError`], in words that say what to do.
    pub async fn bind(options: ListenOptions) -> Result<Self, ListenError> {
        let setting = options.setting;
        let tls = match &options.tls {
            Some(files) => Some(
                tls::Reloading::load(files.clone()).map_err(|source| ListenError::Tls { setting, source })?,
            ),
            None => None,
        };
        let socket = TcpListener::bind(options.address).await.map_err(|error| ListenError::Bind {
            setting,
            address: options.address,
            why: advice(&error),
        })?;
        Ok(Self { options, socket, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `closing`, then finishes what is under way within the grace.
    ///
    /// `jitter` gives numbers in `0.0..1.0` that spread connection ages.
    pub async fn serve(
        self,
        router: Router,
        metrics: Arc<Metrics>,
        closing: CancellationToken,
        jitter: impl Fn() -> f64 + Send,
    ) {
        let Self { options, socket, tls } = self;
        let limits = Arc::new(options.limits);
        let Limits { max_connections, max_connections_per_address, ref many_behind, .. } = *limits;
        let seats = Seats::new(max_connections, max_connections_per_address, many_behind.clone());
        let mut reserve = Reserve::new(RESERVED);
        let connections = TaskTracker::new();
        if let Some(tls) = &tls {
            connections.spawn(closing.clone().run_until_cancelled_owned(tls.clone().watch(options.name)));
        }
        while let Some(accepted) = closing.run_until_cancelled(socket.accept()).await {
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                // A client that left before it was its turn says nothing about the next one.
                Err(error) if left(&error) => continue,
                Err(error) => {
                    // Out of file descriptors or memory: open connections live on, and trying at once would only burn.
                    tracing::warn!(listener = options.name, %error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let seat = seats.take(peer.ip());
            if seat.is_none() {
                metrics.connection_refused(options.name);
                if limits.probed.is_empty() {
                    continue;
                }
            }
            let job = connection::Job {
                router: router.clone(),
                peer: PeerAddr(peer),
                limits: Arc::clone(&limits),
                closing: closing.clone(),
                reserved: seat.is_none().then(|| reserve.take()),
                age: limits
                    .max_connection_age
                    .map(|age| age + limits.max_connection_age_jitter.mul_f64(jitter())),
            };
            let (acceptor, metrics) = (tls.as_ref().map(tls::Reloading::acceptor), Arc::clone(&metrics));
            connections.spawn(async move {
                let _seat = (seat, Counted::new(metrics, options.name));
                serve_one(stream, acceptor, job).await;
            });
        }
        drop(socket);
        connections.close();
        if tokio::time::timeout(limits.grace + Duration::from_secs(2), connections.wait()).await.is_err() {
            tracing::warn!(
                listener = options.name,
                open = connections.len(),
                "connections were cut off at the end of the grace"
            );
        }
    }
}

/// An open connection in the metrics, also if serving it panics.
struct Counted(Arc<Metrics>, &'static str);

impl Counted {
    fn new(metrics: Arc<Metrics>, listener: &'static str) -> Self {
        metrics.connections(listener, 1);
        Self(metrics, listener)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections(self.1, -1);
    }
}

async fn serve_one(stream: TcpStream, acceptor: Option<tokio_rustls::TlsAcceptor>, job: connection::Job) {
    // Small answers must not wait for the acknowledgement of earlier ones.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(acceptor) = acceptor else { return job.run(stream, PeerVerified(false)).await };
    let handshake = tokio::time::timeout(job.limits.header_read_timeout, acceptor.accept(stream));
    match job.closing.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => {
            // rustls keeps a certificate only after its verifier accepted it.
            let verified = PeerVerified(stream.get_ref().1.peer_certificates().is_some());
            job.run(stream, verified).await;
        }
        Some(Ok(Err(error))) => tracing::debug!(peer = %job.peer.0, %error, "TLS handshake failed"),
        Some(Err(_)) => tracing::debug!(peer = %job.peer.0, "TLS handshake took too long"),
        None => {}
    }
}

fn left(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is taken by another process; stop that process, or choose another port".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "not allowed to open this port; choose one above 1023, or grant CAP_NET_BIND_SERVICE".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    }
}
