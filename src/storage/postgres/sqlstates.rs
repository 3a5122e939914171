//! SQLSTATEs, for whom the driver does not hand them on.
//!
//! Diesel tells of a database's error its message, detail, hint and the names of what it is about, and sorts a few codes
//! into kinds; the code itself it drops (adr/0011). So the stream below the driver writes each error's SQLSTATE where its
//! hint was, which nobody reads here. It stands behind TLS, where there is any.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use diesel::result::Error;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A longer error is passed on as it is, without its code: a server's own are a few hundred bytes.
const LONGEST_ERROR: usize = 1024 * 1024;

/// What is read at a time.
const PIECE: usize = 8 * 1024;

/// The SQLSTATE of an error of a session that [`super::connect`] opened; `None` where no server said it.
pub fn sqlstate(error: &Error) -> Option<&str> {
    match error {
        Error::DatabaseError(_, information) => information.hint(),
        _ => None,
    }
}

/// A stream of the server's messages, with its errors rewritten.
pub struct SqlstateStream<S> {
    inner: S,
    rewriting: Rewriting,
    /// What is to be read next, and how much of it has been.
    ready: Vec<u8>,
    given: usize,
    /// What is known of the TLS beneath.
    binding: fn(&S) -> ChannelBinding,
}

impl<S> SqlstateStream<S> {
    /// A stream beneath which there is no TLS.
    pub fn plain(inner: S) -> Self {
        Self::new(inner, |_| ChannelBinding::none())
    }

    fn new(inner: S, binding: fn(&S) -> ChannelBinding) -> Self {
        Self { inner, rewriting: Rewriting::default(), ready: Vec::new(), given: 0, binding }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SqlstateStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.given == this.ready.len() {
            this.ready.clear();
            this.given = 0;
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                // The end. Half an error is the driver's to judge.
                this.ready.append(&mut this.rewriting.held);
                if this.ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            this.rewriting.take(piece.filled(), &mut this.ready);
        }
        let next = &this.ready[this.given..];
        let length = next.len().min(out.remaining());
        out.put_slice(&next[..length]);
        this.given += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SqlstateStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for SqlstateStream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        (self.binding)(&self.inner)
    }
}

/// Messages on their way: a byte that says which kind, four that count themselves and the rest, and the rest.
#[derive(Default)]
struct Rewriting {
    /// Bytes of the present message that are still to be passed on as they come.
    passing: usize,
    /// The beginning of a message: at most five bytes, or an error until it is whole.
    held: Vec<u8>,
}

const HEAD: usize = 5;
const ERROR: u8 = b'E';
const SQLSTATE: u8 = b'C';
const HINT: u8 = b'H';

impl Rewriting {
    fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.passing > 0 {
                let passed = split_off(&mut bytes, self.passing);
                self.passing -= passed.len();
                out.extend_from_slice(passed);
                continue;
            }
            let lacking = self.length().unwrap_or(HEAD) - self.held.len();
            self.held.extend_from_slice(split_off(&mut bytes, lacking));
            match self.length() {
                None => {}
                Some(length) if self.held[0] != ERROR || length > LONGEST_ERROR => {
                    self.passing = length - self.held.len();
                    out.append(&mut self.held);
                }
                Some(length) if length > self.held.len() => {}
                Some(_) => {
                    out.extend(rewritten(&self.held).unwrap_or_else(|| self.held.clone()));
                    self.held.clear();
                }
            }
        }
    }

    /// The length of the message that is held, when its head is there. No less than that, whatever it says.
    fn length(&self) -> Option<usize> {
        let head = self.held.get(1..HEAD)?;
        let counted = u32::from_be_bytes(head.try_into().ok()?);
        Some((1 + counted as usize).max(HEAD))
    }
}

fn split_off<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (first, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    first
}

/// An error with its SQLSTATE for a hint; `None` where it has none, or is no error as the protocol knows it.
fn rewritten(error: &[u8]) -> Option<Vec<u8>> {
    let mut fields = error.get(HEAD..)?;
    let mut sqlstate = None;
    let mut kept = Vec::with_capacity(error.len() + HEAD);
    while let [kind, rest @ ..] = fields
        && *kind != 0
    {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (value, after) = rest.split_at(end);
        if *kind == SQLSTATE {
            sqlstate = Some(value);
        }
        if *kind != HINT {
            kept.extend([&[*kind], value, &[0]].concat());
        }
        fields = &after[1..];
    }
    kept.extend([&[HINT], sqlstate?, &[0, 0]].concat());
    let counted = u32::try_from(HEAD - 1 + kept.len()).ok()?;
    Some([&[ERROR], counted.to_be_bytes().as_slice(), &kept].concat())
}

/// A connection without TLS. The driver lets only TLS have its stream; where that is told to begin at once, what this
/// makes of it is all that is spoken.
#[derive(Clone, Copy)]
pub struct WithoutTls;

impl MakeTlsConnect<Socket> for WithoutTls {
    type Stream = SqlstateStream<Socket>;
    type TlsConnect = Self;
    type Error = Infallible;

    fn make_tls_connect(&mut self, _: &str) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl TlsConnect<Socket> for WithoutTls {
    type Stream = SqlstateStream<Socket>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Stream, Infallible>>;

    fn connect(self, stream: Socket) -> Self::Future {
        ready(Ok(SqlstateStream::plain(stream)))
    }
}

/// A connection over TLS.
#[derive(Clone)]
pub struct OverTls(pub MakeRustlsConnect);

type Connector = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
type TlsSocket = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// The handshake of one connection.
pub struct Handshake(Connector);

impl MakeTlsConnect<Socket> for OverTls {
    type Stream = SqlstateStream<TlsSocket>;
    type TlsConnect = Handshake;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        MakeTlsConnect::<Socket>::make_tls_connect(&mut self.0, domain).map(Handshake)
    }
}

impl TlsConnect<Socket> for Handshake {
    type Stream = SqlstateStream<TlsSocket>;
    type Error = <Connector as TlsConnect<Socket>>::Error;
    type Future = BoxFuture<'static, Result<Self::Stream, Self::Error>>;

    fn connect(self, stream: Socket) -> Self::Future {
        self.0.connect(stream).map_ok(|stream| SqlstateStream::new(stream, TlsStream::channel_binding)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let counted = u32::try_from(4 + body.len()).unwrap();
        [&[kind], counted.to_be_bytes().as_slice(), body].concat()
    }

    /// What comes out where it comes in pieces of this length.
    fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
        let (mut rewriting, mut out) = (Rewriting::default(), Vec::new());
        bytes.chunks(piece).for_each(|bytes| rewriting.take(bytes, &mut out));
        out.append(&mut rewriting.held);
        out
    }

    #[test]
    fn an_error_gets_its_sqlstate_for_a_hint_however_it_is_cut() {
        let row = message(b'D', b"E\0\0\0\x06C\0");
        let error = message(b'E', b"SERROR\0C40P01\0MVerklemmung\0Hnone\0\0");
        let told = message(b'E', b"SERROR\0C40P01\0MVerklemmung\0H40P01\0\0");
        let (ready, flushed) = (message(b'Z', b"E"), message(b'n', b""));
        let said = [row.clone(), error, ready.clone(), flushed.clone()].concat();
        for piece in 1..said.len() {
            assert_eq!(passed(&said, piece), [row.clone(), told.clone(), ready.clone(), flushed.clone()].concat());
        }
    }

    #[test]
    fn what_is_no_error_of_the_protocol_passes_as_it_is() {
        let endless = [b"E".as_slice(), &u32::MAX.to_be_bytes(), b"SERROR\0"].concat();
        for said in [
            message(b'E', b"SERROR\0Mno code\0\0"),
            message(b'E', b"SERROR\0C40P01\0Mnever ends"),
            message(b'E', b""),
            message(b'N', b"SNOTICE\0C00000\0\0"),
            b"E\0\0\0\0E\0\0\0\x01".to_vec(),
            b"E\0\0".to_vec(),
            endless,
        ] {
            for piece in 1..=said.len() {
                assert_eq!(passed(&said, piece), said, "{said:?}");
            }
        }
    }
}
