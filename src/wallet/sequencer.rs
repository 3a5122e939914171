//! The sequencer: commands in, outcomes out, in batches that size themselves.
//!
//! While one batch commits, the next collects itself: at low load a batch is one command and latency is one commit;
//! at high load throughput grows with the batch, with no timer to tune. A player's commands all go through one
//! [`super::lane`], in the order in which they came; a result or cancel that overtook its bet sits in the [`super::waiting`] room, at least
//! until its bet can no longer lie in the queue ([`super::backlog`], [`super::survey`]).
//! Parties fill a batch in [`super::fair_queue`], so that a flood from one does not hold up the others.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::lane::{Lane, Shared};
use super::reader::{self, BalanceAsk};
use crate::ledger::command::KeyedCommand;
use crate::ledger::state::PlayerState;
use crate::ledger::transactions::Transaction;
use crate::ledger::{Outcome, PlayerKey, State};
use crate::storage::{Balances, Store};
use crate::telemetry::CommandTrace;

/// Where a command came from: waiting rooms are bounded for each source apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandSource(pub u32);

impl CommandSource {
    /// All that comes over HTTP.
    pub const HTTP: Self = Self(u32::MAX);
}

/// What a submission is told in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Decided {
        outcome: Outcome,
        /// Whether it was decided before, and this is the answer again.
        repeated: bool,
    },
    /// This command breaks every batch that it is in: a fault of ours.
    Failed,
}

/// Called once, when the outcome is on the disk. Dropped uncalled where the program stops first: then nothing was
/// promised, and the command comes again.
pub enum Answering {
    /// Told the outcome alone: a reply over the queues needs no more, and thousands a second are spared the copies.
    WithOutcome(Box<dyn FnOnce(Answer) + Send + Sync>),
    /// Told what the ledger holds about the command as well; nothing of it where it failed. Nobody listens once the asker
    /// is gone: then the command need not wait for its bet.
    WithView { tell: Box<dyn FnOnce(Answer, LedgerView) + Send + Sync>, asker: Weak<()> },
}

impl Answering {
    pub(super) fn tell(self, answer: Answer, view: Option<Box<LedgerView>>) {
        match self {
            Self::WithOutcome(tell) => tell(answer),
            Self::WithView { tell, .. } => tell(answer, view.map(|view| *view).unwrap_or_default()),
        }
    }
}

/// What the ledger holds about a command once its batch is committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerView {
    /// The command's player.
    pub player: Option<PlayerState>,
    /// The transaction that the command made, now or before.
    pub transaction: Option<Transaction>,
}

impl LedgerView {
    pub(super) fn of(state: &State, keyed: &KeyedCommand) -> Self {
        let player = state.players.get(&keyed.player).cloned();
        Self { player, transaction: state.transactions.named(keyed.key).cloned() }
    }
}

/// A command on its way to its lane.
pub struct Submission {
    pub keyed: KeyedCommand,
    pub source: CommandSource,
    pub answering: Answering,
    /// Where it came in a message or request that is traced.
    pub trace: Option<Arc<CommandTrace>>,
}

/// The sequencer has stopped taking.
#[derive(Debug, thiserror::Error)]
#[error("the program is shutting down")]
pub struct SequencerStopped;

/// Whether the lanes can commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Ready,
    /// The database answers, and refuses whatever it is to write. Work is let in all the same: nothing else can show that it
    /// takes some again.
    Refusing(String),
    Away(String),
}

impl Health {
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

/// The bounds of the lanes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Commands in one batch at the most.
    pub max_batch: usize,
    /// How long a result or cancel waits for its bet.
    pub ordering_grace: Duration,
    /// Waiting commands of one source, in all lanes together, above which its patience is cut (see [`super::waiting`]).
    pub crowding_limit: usize,
    /// HTTP requests whose commands may be under way side by side, in all lanes together: those that nobody waits for any
    /// more must not take all of their places.
    pub requests_at_once: usize,
}

/// The lanes' end that commands are put in at. Their inboxes have no bounds of their own: whoever submits has one (each
/// queue its prefetch, HTTP the number of its connections), and one that all share could be filled by one of them.
#[derive(Clone)]
pub struct Lanes(Arc<[mpsc::UnboundedSender<Submission>]>);

impl Lanes {
    /// Starts one lane per store. The tasks end when every handle is dropped and everything taken is answered. The
    /// lengths of their pauses are drawn from `seed`.
    pub fn start<S: Store>(stores: Vec<S>, shared: Shared, seed: u64) -> (Self, Vec<JoinHandle<()>>) {
        let mut seeds = StdRng::seed_from_u64(seed);
        // Every lane has a waiting room of its own; together they must leave room in the source's prefetch.
        let lanes = stores.len().max(1);
        let (crowding_limit, requests_at_once) =
            (shared.bounds.crowding_limit / lanes, shared.bounds.requests_at_once / lanes);
        let shared = Shared { bounds: Bounds { crowding_limit, requests_at_once, ..shared.bounds }, ..shared };
        let mut tasks = Vec::new();
        let culprits = Arc::new(AtomicU32::new(0));
        let lanes = stores.into_iter().map(|store| {
            let (sender, inbox) = mpsc::unbounded_channel();
            let jitter = StdRng::from_rng(&mut seeds);
            let lane = Lane::new(store, inbox, shared.clone(), Arc::clone(&culprits), jitter);
            tasks.push(tokio::spawn(lane.run()));
            sender
        });
        (Self(lanes.collect()), tasks)
    }

    /// Puts a command on its player's lane.
    pub fn submit(&self, submission: Submission) -> Result<(), SequencerStopped> {
        self.lane_of(submission.keyed.player).send(submission).map_err(|_| SequencerStopped)
    }

    fn lane_of(&self, player: PlayerKey) -> &mpsc::UnboundedSender<Submission> {
        let spread = player.uuid().as_u128() % (self.0.len() as u128);
        &self.0[usize::try_from(spread).unwrap_or(0)]
    }
}

/// The handle that transports submit through.
#[derive(Clone)]
pub struct Sequencer {
    lanes: Lanes,
    balances: mpsc::UnboundedSender<BalanceAsk>,
}

impl Sequencer {
    /// Starts one lane per store and the balance reader. The tasks end when every handle is dropped and everything
    /// taken is answered.
    pub fn start<S: Store>(
        stores: Vec<S>,
        balances: Balances,
        shared: Shared,
        reader_health: watch::Sender<Health>,
    ) -> (Self, Vec<JoinHandle<()>>) {
        let max_batch = shared.bounds.max_batch;
        let (lanes, mut tasks) = Lanes::start(stores, shared, rand::random());
        let (ask, asked) = mpsc::unbounded_channel();
        tasks.push(tokio::spawn(reader::run(balances, asked, max_batch, reader_health)));
        (Self { lanes, balances: ask }, tasks)
    }

    /// Puts a command on its player's lane.
    pub fn submit(&self, submission: Submission) -> Result<(), SequencerStopped> {
        self.lanes.submit(submission)
    }

    /// Asks for a balance.
    pub fn balance(&self, ask: BalanceAsk) -> Result<(), SequencerStopped> {
        self.balances.send(ask).map_err(|_| SequencerStopped)
    }
}
