//! Connections: HTTP/1.1 with keep-alive, bounded in number and in patience, finished before the program ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections served side by side; more wait to be accepted. Each may hold a request's body in memory.
pub const CONNECTIONS: usize = 1024;

/// How long a client may take to send a request's head, and how long an idle connection is kept for the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause after a failed accept (too many open files, say): the listener itself is sound.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// While draining: how long there must be no request under way before connections that send none are given up.
const LINGER: Duration = Duration::from_millis(500);

/// Binds the listener, so that a port in use is an error before anything else has begun.
pub async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Serves until the program drains; requests under way are finished.
pub async fn serve(listener: TcpListener, router: Router, mut draining: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let busy = Arc::new(AtomicUsize::new(0));
    let router = counted(router, &busy);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            // A closed channel means that the program is ending, too.
            _ = draining.wait_for(|draining| *draining) => break,
        };
        let Some((stream, permit)) = accepted else { continue };
        // Replies are small and waited for.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection broke off");
            }
            drop(permit);
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

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
