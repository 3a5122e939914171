//! What may stand between Purser and Postgres: it understands their protocol, has errors of its own making, and says
//! everything in another language.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Where it refuses what it should pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusing {
    /// Every new session, at once.
    Session,
    /// The first statement of every new session.
    Settings,
    /// Every transaction.
    Begin,
    /// Every transaction, and then it hangs up.
    BeginAndHangUp,
    /// Everything that has been prepared.
    Statements,
    /// Every end of a transaction.
    Commit,
}

/// An error of its own: a SQLSTATE and a text.
pub type OwnError = (&'static str, &'static str);

#[derive(Default)]
struct State {
    refusing: Option<(Refusing, OwnError)>,
    refused: usize,
    /// The SQLSTATEs of the notices that have passed.
    notices: Vec<String>,
}

#[derive(Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    /// Counts how often every connection was cut.
    cut: watch::Sender<u32>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// The error to answer with, if that is what is refused now.
    fn refuses(&self, said: &Said) -> Option<(Refusing, OwnError)> {
        let mut state = self.lock();
        let (place, error) = state.refusing?;
        let is_meant = match place {
            Refusing::Session => said.kind == STARTUP,
            Refusing::Settings => said.text().starts_with(b"SET synchronous_commit"),
            Refusing::Begin | Refusing::BeginAndHangUp => said.text() == b"BEGIN\0",
            Refusing::Statements => said.kind == b'B',
            Refusing::Commit => said.text() == b"COMMIT\0",
        };
        if is_meant {
            state.refused += 1;
        }
        is_meant.then_some((place, error))
    }
}

pub struct Pooler {
    pub port: u16,
    shared: Shared,
    accepting: JoinHandle<()>,
}

impl Pooler {
    /// Stands in for the Postgres on this port of the machine's own.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Shared { state: Arc::default(), cut: watch::Sender::new(0) };
        let accepting = tokio::spawn(accept(listener, port, shared.clone()));
        Self { port: address.port(), shared, accepting }
    }

    /// Refuses from now on, and says why.
    pub fn refuse(&self, place: Refusing, error: OwnError) {
        let mut state = self.shared.lock();
        (state.refusing, state.refused) = (Some((place, error)), 0);
    }

    pub fn let_through(&self) {
        self.shared.lock().refusing = None;
    }

    /// How often it has refused since it was last told to.
    pub fn refused(&self) -> usize {
        self.shared.lock().refused
    }

    /// The SQLSTATEs of all notices so far.
    pub fn notices(&self) -> Vec<String> {
        self.shared.lock().notices.clone()
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cut| *cut += 1);
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

/// A kind that no message has, for the one that has none.
const STARTUP: u8 = 0;

/// A message, head and all.
struct Said {
    kind: u8,
    bytes: Vec<u8>,
}

impl Said {
    async fn next(from: &mut BufReader<OwnedReadHalf>, opening: bool) -> std::io::Result<Self> {
        let mut bytes = vec![0; if opening { 4 } else { 5 }];
        from.read_exact(&mut bytes).await?;
        let head = bytes.len();
        let length = u32::from_be_bytes(bytes[head - 4..].try_into().expect("four bytes")) as usize;
        bytes.resize(head + length - 4, 0);
        from.read_exact(&mut bytes[head..]).await?;
        Ok(Self { kind: if opening { STARTUP } else { bytes[0] }, bytes })
    }

    /// What a simple query asks.
    fn text(&self) -> &[u8] {
        if self.kind == b'Q' { &self.bytes[5..] } else { &[] }
    }

    fn fields(&self) -> Vec<(u8, String)> {
        let fields = self.bytes[5..].split(|byte| *byte == 0).filter(|field| !field.is_empty());
        fields.map(|field| (field[0], String::from_utf8_lossy(&field[1..]).into_owned())).collect()
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + body.len()).expect("a length");
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

fn error(fields: &[(u8, String)]) -> Vec<u8> {
    let fields: Vec<u8> = fields.iter().flat_map(|(kind, text)| [&[*kind], text.as_bytes(), &[0]].concat()).collect();
    message(b'E', &[fields.as_slice(), &[0]].concat())
}

fn own((sqlstate, text): OwnError) -> Vec<u8> {
    let field = |kind, text: &str| (kind, text.to_owned());
    error(&[field(b'S', "FATAL"), field(b'C', sqlstate), field(b'M', text)])
}

/// An error as a server of another language would say it.
fn translated(said: &Said) -> Vec<u8> {
    let translate = |(kind, text): (u8, String)| match kind {
        b'S' => (kind, "FEHLER".to_owned()),
        b'M' => (kind, "es ging nicht".to_owned()),
        b'D' | b'H' | b'W' => (kind, "näheres weiß man nicht".to_owned()),
        _ => (kind, text),
    };
    error(&said.fields().into_iter().map(translate).collect::<Vec<_>>())
}

/// What is asked instead of what is refused, so that the error takes its turn among the answers.
const NOTHING: &[u8] = &[b'Q', 0, 0, 0, 5, 0];

/// For every request that the server has not done with, the error that is to be told instead of its answer.
type Turns = Mutex<VecDeque<Option<OwnError>>>;

async fn accept(listener: TcpListener, port: u16, shared: Shared) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("a socket's option");
        }
        tokio::spawn(serve(client, server, shared.clone()));
    }
}

async fn serve(client: TcpStream, server: TcpStream, shared: Shared) {
    let (from_client, mut to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (from_client, from_server) = (BufReader::new(from_client), BufReader::new(from_server));
    let (answers, mut answered) = mpsc::unbounded_channel::<Vec<u8>>();
    let mut cut = shared.cut.subscribe();
    // The first is the opening.
    let turns = Turns::new([None].into());
    let ask = ask((from_client, to_server), &answers, &turns, &shared);
    let answer = async {
        while let Some(bytes) = answered.recv().await {
            if to_client.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::pin!(answer);
    tokio::select! {
        _ = ask => {}
        () = tell(from_server, &answers, &turns, &shared) => {}
        () = &mut answer => return,
        _ = cut.changed() => return,
    }
    // What was said last is still on its way.
    drop(answers);
    answer.await;
}

/// Passes on what the client says, and answers what is refused. A refused session is over, as is one that is hung up on.
async fn ask(
    (mut from, mut to): (BufReader<OwnedReadHalf>, OwnedWriteHalf),
    answers: &mpsc::UnboundedSender<Vec<u8>>,
    turns: &Turns,
    shared: &Shared,
) -> std::io::Result<()> {
    let (mut opening, mut is_skipping) = (true, false);
    loop {
        let said = Said::next(&mut from, opening).await?;
        opening = false;
        if is_skipping {
            is_skipping = said.kind != b'S';
            continue;
        }
        let turn = |error| turns.lock().expect("nobody panics with it").push_back(error);
        match shared.refuses(&said) {
            None => {
                if matches!(said.kind, b'Q' | b'S') {
                    turn(None);
                }
                to.write_all(&said.bytes).await?;
            }
            Some((Refusing::Session | Refusing::BeginAndHangUp, error)) => {
                drop(answers.send(own(error)));
                return Ok(());
            }
            Some((_, error)) => {
                // A prepared statement ends with a Sync, before which nothing else is looked at.
                is_skipping = said.kind == b'B';
                turn(Some(error));
                to.write_all(NOTHING).await?;
            }
        }
    }
}

/// Passes on what the server says.
async fn tell(
    mut from: BufReader<OwnedReadHalf>,
    answers: &mpsc::UnboundedSender<Vec<u8>>,
    turns: &Turns,
    shared: &Shared,
) {
    while let Ok(said) = Said::next(&mut from, false).await {
        let refused = {
            let mut turns = turns.lock().expect("nobody panics with it");
            if said.kind == b'Z' { turns.pop_front() } else { turns.front().copied() }.flatten()
        };
        let bytes = match (said.kind, refused) {
            (b'Z', Some(error)) => [own(error), said.bytes].concat(),
            (_, Some(_)) => continue,
            (b'E', None) => translated(&said),
            (b'N', None) => {
                let sqlstate = said.fields().into_iter().find(|(kind, _)| *kind == b'C');
                shared.lock().notices.push(sqlstate.expect("a code").1);
                said.bytes
            }
            (_, None) => said.bytes,
        };
        if answers.send(bytes).is_err() {
            return;
        }
    }
}
