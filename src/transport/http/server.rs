//! Connections: HTTP/1.1 with keep-alive, bounded in number and in patience, finished before the program ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::body::Watched;
use super::files;
use super::places::{ConnectionPlace, Places};
use super::stream::Stream;

/// How long a client may take to send a request's head, and how long an idle connection is kept for the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest head that is read, in bytes: a few tokens and the longest `state` of an authorization request.
const MAX_HEAD: usize = 64 * 1024;

/// Pause after a failed accept (too many open files, say): the listener itself is sound.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// While draining: how long there must be no request under way before connections that send none are given up.
const LINGER: Duration = Duration::from_millis(500);

/// Whoever sent a request; among its extensions.
#[derive(Clone)]
pub struct ConnectedClient {
    pub address: SocketAddr,
    pub place: Arc<ConnectionPlace>,
}

/// Binds the listener, so that a port in use is an error before anything else has begun.
pub async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Serves until the program drains; requests under way are finished.
pub async fn serve(listener: TcpListener, router: Router, mut draining: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let busy = Arc::new(AtomicUsize::new(0));
    let router = TowerToHyperService::new(counted(router, &busy));
    let places = Places::new(files::allow_many());
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            // A closed channel means that the program is ending, too.
            _ = draining.wait_for(|draining| *draining) => break,
        };
        let Some((stream, address)) = accepted else { continue };
        // Replies are small and waited for.
        let _ = stream.set_nodelay(true);
        let client = ConnectedClient { address, place: Arc::new(places.open(Instant::now())) };
        let (router, of_requests) = (router.clone(), client.clone());
        let service = service_fn(move |request| answer(router.clone(), of_requests.clone(), request));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(Stream::new(stream)), service));
        connections.spawn(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "an HTTP connection broke off");
                    }
                }
                () = client.place.let_go() => tracing::debug!(%address, "an HTTP connection made room for another"),
            }
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        // Somebody has begun a request and does not go on with it: that holds nobody up.
        () = quiet(&busy) => {}
    }
    connections.shutdown().await;
}

/// Answers a request. A reply after which the connection ends says so.
async fn answer(
    router: TowerToHyperService<Router>,
    client: ConnectedClient,
    request: hyper::Request<Incoming>,
) -> Result<Response, std::convert::Infallible> {
    client.place.heard(Instant::now());
    let (parts, incoming) = request.into_parts();
    let (body, end) = Watched::new(incoming);
    let mut request = hyper::Request::from_parts(parts, body);
    request.extensions_mut().insert(client);
    let mut response = router.call(request).await?;
    if !end.is_reached() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The router, counting the requests that are under way.
fn counted(router: Router, busy: &Arc<AtomicUsize>) -> Router {
    let busy = Arc::clone(busy);
    router.layer(from_fn(move |request: Request, next: Next| {
        let under_way = UnderWay::begin(&busy);
        async move {
            let response = next.run(request).await;
            drop(under_way);
            response
        }
    }))
}

/// A request under way; it ends also where its client goes away.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn begin(busy: &Arc<AtomicUsize>) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(busy))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn quiet(busy: &AtomicUsize) {
    loop {
        tokio::time::sleep(LINGER).await;
        if busy.load(Ordering::Relaxed) == 0 {
            return;
        }
    }
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
