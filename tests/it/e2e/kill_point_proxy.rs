//! A proxy that reads along what Purser and its services say to each other and stops at a named moment: what would be
//! said next is held back until the test has killed Purser, who therefore dies exactly there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where a life may end. Each is the moment at which the next thing said is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Postgres has every statement but the COMMIT.
    BeforeCommit,
    /// Postgres has committed, and Purser has not heard of it.
    Committed,
    /// The batch is committed, and the reply has not left.
    BeforeReply,
    /// The broker has taken the reply, and Purser has not heard of it.
    AfterReply,
    /// The reply is confirmed, and the request not acked.
    BeforeAck,
}

impl Moment {
    pub const ALL: [Self; 5] =
        [Self::BeforeCommit, Self::Committed, Self::BeforeReply, Self::AfterReply, Self::BeforeAck];

    /// How often it comes, or less, while a few hundred events are played, in however large batches.
    pub fn at_most(self) -> usize {
        match self {
            Self::BeforeReply => 200,
            Self::BeforeCommit | Self::Committed | Self::AfterReply | Self::BeforeAck => 4,
        }
    }
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    Amqp,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything passes.
    Open,
    /// So many of these are still to come.
    Armed(Moment, usize),
    /// Nothing passes any more, in any direction.
    Sprung,
}

/// One trap before several services.
pub struct Trap {
    state: Arc<watch::Sender<State>>,
    tags: Arc<Mutex<Tags>>,
    accepting: Vec<JoinHandle<()>>,
}

/// Deliveries that passed, and the last of them that was acked, where only one queue has any.
#[derive(Default)]
struct Tags {
    delivered: u64,
    acked: u64,
}

impl Trap {
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::Open)), tags: Arc::default(), accepting: Vec::new() }
    }

    /// Stands in for the service on this port of the machine's own; answers with the port to be reached at.
    pub async fn before(&mut self, port: u16, speech: Speech) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        self.accepting.push(tokio::spawn(accept(
            listener,
            port,
            speech,
            Arc::clone(&self.state),
            Arc::clone(&self.tags),
        )));
        address.port()
    }

    /// Springs when the moment comes for the `nth` time from now on, counted from one.
    pub fn arm(&self, moment: Moment, nth: usize) {
        self.state.send_replace(State::Armed(moment, nth));
    }

    pub fn is_sprung(&self) -> bool {
        *self.state.borrow() == State::Sprung
    }

    /// Whether everything that the only queue in use has delivered on this connection was acked, too: no moment of it
    /// is still to come.
    pub fn is_quiet(&self) -> bool {
        let tags = self.tags.lock().expect("nobody panics with it");
        tags.delivered == tags.acked
    }

    /// Lets go: the connections that were held are cut, and new ones pass.
    pub fn open(&self) {
        *self.tags.lock().expect("nobody panics with it") = Tags::default();
        self.state.send_replace(State::Open);
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.open();
        self.accepting.iter().for_each(JoinHandle::abort);
    }
}

async fn accept(
    listener: TcpListener,
    port: u16,
    speech: Speech,
    state: Arc<watch::Sender<State>>,
    tags: Arc<Mutex<Tags>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(service) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
        for socket in [&client, &service] {
            socket.set_nodelay(true).expect("a socket's option");
        }
        let (from_client, to_client) = client.into_split();
        let (from_service, to_service) = service.into_split();
        let line =
            |is_from_service| Line { speech, is_from_service, state: Arc::clone(&state), tags: Arc::clone(&tags) };
        tokio::spawn(line(false).pass(from_client, to_service));
        tokio::spawn(line(true).pass(from_service, to_client));
    }
}

/// A method's frame, and its class and method.
const METHOD: u8 = 1;
const PUBLISH: &[u8] = &[0, 60, 0, 40];
const DELIVER: &[u8] = &[0, 60, 0, 60];
const ACK: &[u8] = &[0, 60, 0, 80];

/// One direction of one connection.
struct Line {
    speech: Speech,
    is_from_service: bool,
    state: Arc<watch::Sender<State>>,
    tags: Arc<Mutex<Tags>>,
}

impl Line {
    async fn pass(self, from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut from = BufReader::new(from);
        let mut opening = !self.is_from_service;
        while let Ok(said) = self.next(&mut from, opening).await {
            if self.holds_back(&said) {
                // Both halves live until then, so that neither side hears of it.
                let _ = self.state.subscribe().wait_for(|state| *state != State::Sprung).await;
                return;
            }
            self.note(&said);
            if to.write_all(&said).await.is_err() {
                return;
            }
            opening = false;
        }
    }

    /// The next frame or message as a whole. Clients open with something shorter.
    async fn next(&self, from: &mut BufReader<OwnedReadHalf>, opening: bool) -> std::io::Result<Vec<u8>> {
        let size = |head: &[u8]| u32::from_be_bytes(head.try_into().expect("four bytes")) as usize;
        let mut said = match (self.speech, opening) {
            (Speech::Amqp, true) => vec![0; 8],
            (Speech::Amqp, false) => vec![0; 7],
            (Speech::Postgres, true) => vec![0; 4],
            (Speech::Postgres, false) => vec![0; 5],
        };
        from.read_exact(&mut said).await?;
        let head = said.len();
        let rest = match (self.speech, opening) {
            (Speech::Amqp, true) => 0,
            (Speech::Amqp, false) => size(&said[3..7]) + 1,
            (Speech::Postgres, _) => size(&said[head - 4..]) - 4,
        };
        said.resize(head + rest, 0);
        from.read_exact(&mut said[head..]).await?;
        Ok(said)
    }

    fn holds_back(&self, said: &[u8]) -> bool {
        let moment = self.moment(said);
        self.state.send_if_modified(|state| {
            let State::Armed(armed, nth) = *state else { return false };
            if moment != Some(armed) {
                return false;
            }
            *state = if nth > 1 { State::Armed(armed, nth - 1) } else { State::Sprung };
            true
        });
        *self.state.borrow() == State::Sprung
    }

    fn moment(&self, said: &[u8]) -> Option<Moment> {
        let body = match self.speech {
            Speech::Postgres => said.get(5..)?,
            Speech::Amqp => said.get(7..11)?,
        };
        match (self.speech, self.is_from_service, said[0]) {
            (Speech::Postgres, false, b'Q') if body == b"COMMIT\0" => Some(Moment::BeforeCommit),
            (Speech::Postgres, true, b'C') if body == b"COMMIT\0" => Some(Moment::Committed),
            (Speech::Amqp, false, METHOD) if body == PUBLISH => Some(Moment::BeforeReply),
            (Speech::Amqp, true, METHOD) if body == ACK => Some(Moment::AfterReply),
            (Speech::Amqp, false, METHOD) if body == ACK => Some(Moment::BeforeAck),
            _ => None,
        }
    }

    /// Notes what has passed.
    fn note(&self, said: &[u8]) {
        if self.speech == Speech::Postgres || said[0] != METHOD {
            return;
        }
        let mut tags = self.tags.lock().expect("nobody panics with it");
        match said.get(7..11) {
            Some(DELIVER) if self.is_from_service => tags.delivered += 1,
            Some(ACK) if !self.is_from_service => {
                tags.acked = u64::from_be_bytes(said[11..19].try_into().expect("a tag"));
            }
            _ => {}
        }
    }
}
