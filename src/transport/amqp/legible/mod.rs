//! What the broker sends, made legible: a message may carry names that are not UTF-8, which lapin cannot parse, or more
//! properties than a frame may hold; it would end the connection over each, again and again, until the broker gives the
//! message up, and its neighbours with it.
//!
//! So the bytes pass [`frames`] on their way from the socket (after TLS) to lapin: what cannot be read is replaced, and
//! the delivery is marked. Whoever takes it asks for its mark, and parks it.
//!
//! lapin takes its streams from a reactor, so there is one here that hands out such streams. It only names the type:
//! connections are dialled in [`dial`].

mod frames;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream, RustlsConnector, TLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};

use frames::Mender;

/// Bytes that are read from the socket at once.
const CHUNK: usize = 32 * 1024;

/// The deliveries of one connection that had to be mended, by channel and delivery tag. Never more than are delivered and
/// not asked after, which the prefetch bounds.
#[derive(Debug, Clone, Default)]
pub struct Mended(Arc<Mutex<BTreeSet<(u16, u64)>>>);

impl Mended {
    fn note(&self, channel: u16, tag: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((channel, tag));
    }

    /// Whether this delivery was mended. The mark is gone then: each delivery is taken once.
    pub fn take(&self, channel: u16, tag: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(channel, tag))
    }
}

/// A socket, with TLS or without.
type Socket = AsyncTcpStream<<Tokio as Reactor>::TcpStream>;

/// The runtime that lapin is given.
pub(crate) type LegibleRuntime = Runtime<RuntimeParts<Tokio, LegibleReactor>>;

pub fn runtime() -> LegibleRuntime {
    Runtime::new(RuntimeParts::new(Tokio::current(), LegibleReactor(Tokio::current())))
}

/// Connects to this address of the URL's host, with TLS where there is a connector. A broker that has not let us in within
/// `patience` is given up: lapin, whose thread and socket outlive whoever gave up waiting, would wait for ever. It would trust the system's authorities beside the configured one,
/// so the handshake is made here.
pub(crate) async fn dial(
    uri: &AMQPUri,
    (address, patience): (IpAddr, Duration),
    tls: Option<&RustlsConnector>,
    mended: Option<Mended>,
) -> io::Result<AsyncTcpStream<Legible>> {
    let mut plain = AMQPUri { scheme: AMQPScheme::AMQP, ..uri.clone() };
    plain.authority.host = address.to_string();
    let until = tokio::time::Instant::now() + patience;
    let connecting = async {
        let socket = plain.connect_with_config_async(TLSConfig::default(), &Runtime::tokio_current()).await?;
        match tls {
            Some(connector) => socket.into_rustls(connector, &uri.authority.host).await,
            None => Ok(socket),
        }
    };
    let socket =
        tokio::time::timeout_at(until, connecting).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
    let opening = Some(Box::pin(tokio::time::sleep_until(until)));
    Ok(AsyncTcpStream::Plain(Legible { opening, ..Legible::new(socket, mended, uri.query.frame_max) }))
}

/// A socket whose incoming frames lapin can read.
pub struct Legible {
    socket: Socket,
    mender: Mender,
    chunk: Box<[u8]>,
    /// What may be read, from `read` on.
    ready: Vec<u8>,
    read: usize,
    /// Until the broker has let us in: how long it may still take.
    opening: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Legible {
    fn new(socket: Socket, mended: Option<Mended>, frame_max: Option<u32>) -> Self {
        let chunk = vec![0; CHUNK].into_boxed_slice();
        let (mender, ready) = (Mender::new(mended, frame_max), Vec::with_capacity(CHUNK));
        Self { socket, mender, chunk, ready, read: 0, opening: None }
    }
}

impl AsyncRead for Legible {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.mender.is_open {
            this.opening = None;
        }
        if let Some(opening) = &mut this.opening
            && opening.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        while this.read == this.ready.len() {
            let came = ready!(Pin::new(&mut this.socket).poll_read(cx, &mut this.chunk))?;
            if came == 0 {
                return Poll::Ready(Ok(0));
            }
            this.read = 0;
            this.ready.clear();
            this.mender.mend(&this.chunk[..came], &mut this.ready);
        }
        let length = buffer.len().min(this.ready.len() - this.read);
        buffer[..length].copy_from_slice(&this.ready[this.read..this.read + length]);
        this.read += length;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Legible {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

/// Tokio's reactor, but for the type of its streams.
#[derive(Debug, Clone)]
pub struct LegibleReactor(Tokio);

impl Reactor for LegibleReactor {
    type TcpStream = Legible;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Legible, _>(ErrorKind::Unsupported.into())
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.0.sleep(dur)
    }

    fn interval(&self, dur: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(dur)
    }

    fn tcp_connect_addr(&self, addr: SocketAddr) -> impl Future<Output = io::Result<Legible>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(addr);
        async move { Ok(Legible::new(AsyncTcpStream::Plain(connecting.await?), None, None)) }
    }
}
