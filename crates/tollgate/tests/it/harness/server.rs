//! HTTP servers inside the test process, HTTP/1.1 and h2c on one port, that end with all their connections when dropped.

use std::net::Ipv4Addr;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A server on 127.0.0.1. Dropping it closes the listener and cuts every open connection, as a crash would.
#[derive(Debug)]
pub struct Server {
    port: u16,
    accept: JoinHandle<()>,
}

impl Server {
    /// Serves `router` on a free port.
    pub async fn start(router: Router) -> Self {
        Self::start_on(0, router).await
    }

    /// Serves `router` on this port; 0 takes a free one.
    pub async fn start_on(port: u16, router: Router) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accept = tokio::spawn(async move {
            // Owned by this task, so that aborting it aborts them.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away in the middle is not the server's error.
                    let _closed = builder.serve_connection(TokioIo::new(stream), service).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, accept }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accept.abort();
    }
}
