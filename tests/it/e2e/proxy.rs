//! A TCP proxy between Purser and a service, which the test can slow down, hold up, and cut.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to the bytes of every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Fair,
    /// Each piece arrives so much later.
    Slow(Duration),
    /// Nothing passes, and nobody is told.
    BlackHole,
    /// A connection that says nothing for so long is gone.
    Impatient(Duration),
    /// Nothing passes from the service, which is heard no more.
    HalfClosed,
    /// Every connection is gone, and new ones are refused.
    Cut,
}

pub struct Proxy {
    pub address: SocketAddr,
    weather: watch::Sender<Weather>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Stands in for the service on this port of the machine's own.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (weather, forecast) = watch::channel(Weather::Fair);
        let accepting = tokio::spawn(accept(listener, port, forecast));
        Self { address, weather, accepting }
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.weather.send_replace(Weather::Cut);
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, forecast: watch::Receiver<Weather>) {
    while let Ok((client, _)) = listener.accept().await {
        let now = *forecast.borrow();
        if now == Weather::Cut {
            continue;
        }
        let Ok(service) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_service, to_service) = service.into_split();
        tokio::spawn(pass(from_client, to_service, forecast.clone(), false));
        tokio::spawn(pass(from_service, to_client, forecast.clone(), true));
    }
}

/// Passes bytes on as the weather allows, until either side is gone. Both directions end with a cut, since each half
/// that is dropped closes its socket's side.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut forecast: watch::Receiver<Weather>,
    is_from_service: bool,
) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut piece) => read,
            () = cut(forecast.clone()) => return,
            () = silence(*forecast.borrow()) => return,
        };
        let Ok(length @ 1..) = read else { return };
        loop {
            let now = *forecast.borrow_and_update();
            match now {
                Weather::Fair | Weather::Impatient(_) => break,
                Weather::Slow(delay) => {
                    tokio::select! {
                        () = crate::patience::delay(delay) => break,
                        () = cut(forecast.clone()) => return,
                    }
                }
                Weather::Cut => return,
                Weather::HalfClosed if is_from_service => {
                    let _ = to.shutdown().await;
                    return;
                }
                Weather::HalfClosed => break,
                Weather::BlackHole => {
                    if forecast.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

/// Until nothing was said for too long.
async fn silence(weather: Weather) {
    match weather {
        Weather::Impatient(most) => crate::patience::delay(most).await,
        Weather::Fair | Weather::Slow(_) | Weather::BlackHole | Weather::HalfClosed | Weather::Cut => {
            std::future::pending().await
        }
    }
}

async fn cut(mut forecast: watch::Receiver<Weather>) {
    // A test that has ended cuts everything, too.
    let _ = forecast.wait_for(|weather| *weather == Weather::Cut).await;
}
