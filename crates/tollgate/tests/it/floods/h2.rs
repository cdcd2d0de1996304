//! HTTP/2 requests whose bodies begin and do not end.

use bytes::Bytes;
use http::Request;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

/// One connection with its requests; all end when it is dropped.
pub struct Unfinished {
    _tasks: JoinSet<()>,
}

/// A POST to this path.
pub fn post(path: &str, content_type: &str) -> Request<()> {
    let uri = format!("http://h{path}");
    Request::post(uri).header("content-type", content_type).header("te", "trailers").body(()).unwrap()
}

impl Unfinished {
    /// Sends `bytes` of each body and then nothing more.
    pub async fn send(port: u16, requests: Vec<Request<()>>, bytes: usize) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (client, connection) = handshake.await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(connection.await) });
        for request in requests {
            let mut client = client.clone();
            let chunk = Bytes::from(vec![b'x'; 13_000]);
            // The first frame says how long the message is, where the other side speaks gRPC.
            let first = Bytes::from_static(&[0, 0, 0x3f, 0xff, 0xff]);
            let chunks = std::iter::once(first).chain(std::iter::repeat_n(chunk, bytes / 13_000));
            let frames = tokio_stream::iter(chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk))));
            let body = Box::pin(StreamBody::new(frames.chain(tokio_stream::pending())));
            tasks.spawn(async move {
                // Whatever the answer is, or none.
                drop(client.send_request(request.map(|()| body)).await);
            });
        }
        Self { _tasks: tasks }
    }
}
