//! A network between two programs that does what networks do: delays, swallows, cuts, and crumbles what passes through it.
//! Or it leads somewhere else from now on, as a name does after a failover.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What happens to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It passes.
    Fair,
    /// What the server says arrives later by this.
    Slow(Duration),
    /// Nothing arrives, in either direction, and no connection ends; new ones are accepted and hear nothing.
    Silent,
    /// What the server says arrives in pieces of one byte.
    Crumbling,
    /// Each connection is reset after the server has said so many bytes from now on.
    CutAfter(usize),
}

/// A TCP proxy on 127.0.0.1. Dropping it cuts all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
    target: watch::Sender<u16>,
    /// Counted up to cut every connection of the time before.
    cut: watch::Sender<u64>,
    connections: Arc<AtomicUsize>,
    accept: JoinHandle<()>,
}

impl Proxy {
    /// To a port of 127.0.0.1.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (weather, target) = (watch::Sender::new(Weather::Fair), watch::Sender::new(target));
        let (cut, connections) = (watch::Sender::new(0), Arc::new(AtomicUsize::new(0)));
        let (rain, to, knife, count) =
            (weather.subscribe(), target.subscribe(), cut.subscribe(), Arc::clone(&connections));
        let accept = tokio::spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let mut knife = knife.clone();
                knife.mark_unchanged();
                all.spawn(connection(client, rain.clone(), *to.borrow(), knife));
                while all.try_join_next().is_some() {}
            }
        });
        Self { port, weather, target, cut, connections, accept }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the weather, also for connections that stand.
    pub fn weather(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// New connections lead there; those that stand stay.
    pub fn lead_to(&self, port: u16) {
        self.target.send_replace(port);
    }

    /// Resets every connection that stands.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    /// Connections that were ever made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

async fn connection(
    client: TcpStream,
    weather: watch::Receiver<Weather>,
    target: u16,
    mut cut: watch::Receiver<u64>,
) {
    let _ = client.set_nodelay(true);
    // Closing sends a reset and not a polite end.
    let _ = client.set_zero_linger();
    let mut waiting = weather.clone();
    let through = async move {
        until_heard(&mut waiting).await;
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
        let _ = server.set_nodelay(true);
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::select! {
            () = forth(from_client, to_server, weather.clone()) => {}
            () = back(from_server, to_client, weather) => {}
        }
    };
    tokio::select! {
        () = through => {}
        _ = cut.changed() => {}
    }
}

async fn until_heard(weather: &mut watch::Receiver<Weather>) {
    let _ = weather.wait_for(|weather| *weather != Weather::Silent).await;
}

async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        until_heard(&mut weather).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut buffer = vec![0; 16 << 10];
    let mut said = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        until_heard(&mut weather).await;
        let now = *weather.borrow_and_update();
        let mut piece = &buffer[..read];
        match now {
            Weather::Fair | Weather::Silent => {}
            Weather::Slow(by) => tokio::time::sleep(by).await,
            Weather::Crumbling => {
                while let [first, rest @ ..] = piece {
                    if to.write_all(&[*first]).await.is_err() {
                        return;
                    }
                    tokio::task::yield_now().await;
                    piece = rest;
                }
            }
            Weather::CutAfter(most) => {
                said += read;
                if said > most {
                    return;
                }
            }
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}
