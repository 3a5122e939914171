//! Moving a party from one ledger to another: its journal is replayed there while it is still served here, then the party is
//! shut out here, what came meanwhile is replayed, what is beside the journal is copied, the two are compared, and the party
//! is let in there. Each step may be done again: whatever broke it off, the same command carries it on.
//!
//! | here | there | the party is served |
//! |---|---|---|
//! | - | arriving | here |
//! | leaving | arriving | nowhere |
//! | left | arriving | nowhere (the last moment of the move) |
//! | left | - | there |

mod giving_up;

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::absence;
use crate::admin::shown;
use crate::clock;
use crate::ledger::command::Timestamp;
use crate::ledger::recorded::Recorded;
use crate::ledger::{LedgerName, Party};
use crate::storage::journal::{self, ToldUntil};
use crate::storage::party_moves::beside::BesideJournal;
use crate::storage::party_moves::tally::PartyTally;
use crate::storage::party_moves::{self, Changed, MoveState, PartyMove};
use crate::storage::{Database, NextTry, RetriedWork, RetryBudget, StoreError, Writer};
use crate::wallet::replay::{Replay, ReplayedAs};

/// Commands that are replayed together.
const BATCH: usize = 256;

/// Batches that wait for the writer.
const BATCHES_AHEAD: usize = 4;

/// The party is shut out once no more than so many journal rows are left to look through, or after so many rounds: then it
/// is away for about a second longer than processes take to notice.
const FEW_ROWS: i64 = 2_000;
const MOST_ROUNDS: u32 = 10;

/// Processes look for who is absent each so often; by then nobody writes what no writer guards.
const UNTIL_NOTICED: Duration = absence::LOOK.saturating_mul(3);

/// After what pause a writer that hangs is waited for again.
const BARRIER_PAUSE: Duration = Duration::from_millis(500);

/// A ledger at one end of the move.
#[derive(Clone)]
pub struct MoveEnd {
    pub name: LedgerName,
    pub database: Database,
}

/// A move, with how far it has come.
pub struct PartyMover<F> {
    party: Party,
    from: MoveEnd,
    to: MoveEnd,
    /// Told how many commands are over there.
    progress: F,
    /// Tells this mover's rows from another's: later than those that it found, whatever any clock says.
    since: Timestamp,
    report: MoveReport,
    /// The journal row up to which everything is over there.
    reached: i64,
}

/// What a move did.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct MoveReport {
    pub commands: u64,
    /// Of them those that were over there before.
    pub known: u64,
    pub accounts: usize,
    /// Passwords, grants, and transfers that wait for a second person.
    pub beside: usize,
    /// For how long nobody served the party.
    pub away_ms: u128,
}

impl<F: FnMut(u64) + Send> PartyMover<F> {
    pub fn new(party: Party, from: MoveEnd, to: MoveEnd, progress: F) -> Self {
        Self { party, from, to, progress, since: clock::now(), report: MoveReport::default(), reached: 0 }
    }

    /// Moves the party. Before it is shut out, anything that cannot be is said.
    pub async fn run(mut self) -> anyhow::Result<MoveReport> {
        for end in [&self.from, &self.to] {
            end.database.migrate().await.with_context(|| format!("ledger {}", end.name))?;
        }
        let here = self.stands(&self.from).await?;
        let there = self.stands(&self.to).await?;
        if self.is_done(here.as_ref(), there.as_ref()).await? {
            return Ok(self.report);
        }
        self.check_names().await?;
        // Of several movers the last that began has its way, here and over there.
        self.since = since_after(clock::now(), &[here, there]);
        let since = self.since;
        let arrives =
            move |row: Option<&PartyMove>| row.is_none_or(|row| row.state != MoveState::Leaving && row.since <= since);
        self.change(&self.to, Some(self.row(MoveState::Arriving, &self.from)), arrives).await?;
        if self.stands(&self.from).await?.is_some_and(|here| here.state == MoveState::Left) {
            // Another mover has brought it over meanwhile.
            self.let_in().await?;
            return Ok(self.report);
        }
        let mut replay = Replay::new(self.to.database.writer_for_arrival(self.party.clone())?);
        for _ in 0..MOST_ROUNDS {
            if self.copy(&mut replay).await? <= FEW_ROWS {
                break;
            }
        }
        let began = Instant::now();
        if let Err(error) = self.bring_the_rest(&mut replay, began).await {
            let from = &self.from.name;
            // A process that has not noticed yet holds deliveries back that were turned away: it must notice first.
            sleep_until(began + UNTIL_NOTICED).await;
            return Err(match self.take_back(move |other| other == since).await {
                Ok(()) => error.context(format!("the party is served from ledger {from} again")),
                Err(taken) => error.context(format!("{taken:#}")),
            });
        }
        let mine =
            move |row: Option<&PartyMove>| row.is_some_and(|row| row.state == MoveState::Leaving && row.since == since);
        self.change(&self.from, Some(self.row(MoveState::Left, &self.to)), mine).await?;
        self.let_in().await?;
        self.report.away_ms = began.elapsed().as_millis();
        Ok(self.report)
    }

    /// Shuts the party out, so that nothing more comes, and makes the two ledgers equal in it.
    async fn bring_the_rest(&mut self, replay: &mut Replay<Writer>, began: Instant) -> anyhow::Result<()> {
        let (leaving, to, since) = (self.row(MoveState::Leaving, &self.to), self.to.name.clone(), self.since);
        let leaves = move |row: Option<&PartyMove>| {
            row.is_none_or(|row| row.state == MoveState::Leaving && row.other == to && row.since <= since)
        };
        self.change(&self.from, Some(leaving), leaves).await?;
        self.copy(replay).await?;
        sleep_until(began + UNTIL_NOTICED).await;
        self.copy_beside().await?;
        self.compare().await
    }

    /// Takes the party's row away here where it is leaving, by the mover that `whose` says.
    async fn take_back(&self, whose: impl Fn(Timestamp) -> bool + Send + 'static) -> anyhow::Result<()> {
        let leaves =
            move |row: Option<&PartyMove>| row.is_none_or(|row| row.state == MoveState::Leaving && whose(row.since));
        self.change(&self.from, None, leaves).await
    }

    fn row(&self, state: MoveState, other: &MoveEnd) -> PartyMove {
        PartyMove { party: self.party.clone(), state, other: other.name.clone(), since: self.since }
    }

    /// Changes the party's row where what stands there allows it: another mover may be at work.
    async fn change(
        &self,
        end: &MoveEnd,
        to: Option<PartyMove>,
        allows: impl Fn(Option<&PartyMove>) -> bool + Send + 'static,
    ) -> anyhow::Result<()> {
        let party = self.party.clone();
        let changing = end.database.query(move |conn| party_moves::change(conn, &party, to.as_ref(), allows));
        match changing.await? {
            Changed::Yes => Ok(()),
            Changed::No(stands) => {
                let stands = stands.map_or("not moving", |row| row.state.as_str());
                let (party, end) = (&self.party, &end.name);
                bail!("party {party} is {stands} in ledger {end} meanwhile: another move or --abandon was faster")
            }
        }
    }

    async fn stands(&self, end: &MoveEnd) -> Result<Option<PartyMove>, StoreError> {
        let party = self.party.clone();
        end.database.query(move |conn| party_moves::of_party(conn, &party)).await
    }

    /// Whether nothing is left to do; an error where the move makes no sense.
    async fn is_done(&self, here: Option<&PartyMove>, there: Option<&PartyMove>) -> anyhow::Result<bool> {
        let (party, from, to) = (&self.party, &self.from.name, &self.to.name);
        // What arrives from a third ledger was given up: the party is here.
        if let Some(PartyMove { state: MoveState::Leaving, other, .. }) = there {
            bail!("party {party} is on its way from ledger {to} to {other}");
        }
        match here.map(|here| (here.state, &here.other)) {
            Some((MoveState::Arriving, other)) => {
                bail!("party {party} has not arrived in ledger {from}: its move from {other} comes first")
            }
            Some((MoveState::Left, other)) if other != to => bail!("party {party} has left ledger {from} for {other}"),
            Some((MoveState::Left, _)) => match there.map(|there| (there.state, &there.other)) {
                None => return Ok(true),
                // It was broken off between the last two steps.
                Some((MoveState::Arriving, other)) if other == from => {
                    self.let_in().await?;
                    return Ok(true);
                }
                Some((state, other)) => {
                    bail!(
                        "party {party} has left ledger {from} long since: it is {} in {to}, by way of {other}",
                        state.as_str()
                    )
                }
            },
            Some((MoveState::Leaving, _)) | None => {}
        }
        if there.is_none() && self.has_anything(&self.to).await? {
            bail!(
                "ledger {to} has players or offers of party {party}, too: the same with --abandon keeps it in {from}, and \
                 never serves what is in {to}"
            );
        }
        if !self.has_anything(&self.from).await? {
            bail!("ledger {from} has no players and no offers of party {party}: there is nothing to move");
        }
        Ok(false)
    }

    async fn has_anything(&self, end: &MoveEnd) -> Result<bool, StoreError> {
        let party = self.party.clone();
        end.database.query(move |conn| party_moves::has_anything(conn, &party)).await
    }

    /// Lets the party in over there, where it arrives by this move, or by one that was broken off.
    async fn let_in(&self) -> anyhow::Result<()> {
        let from = self.from.name.clone();
        let arrives =
            move |row: Option<&PartyMove>| row.is_some_and(|row| row.state == MoveState::Arriving && row.other == from);
        self.change(&self.to, None, arrives).await
    }

    /// Partners know transactions and orders of keys by numbers, which come along. Nobody else's over there may have one.
    async fn check_names(&self) -> anyhow::Result<()> {
        let mut after = 0;
        loop {
            let party = self.party.clone();
            let names = self.from.database.query(move |conn| party_moves::names(conn, &party, after)).await?;
            let Some(last) = names.last().copied() else { return Ok(()) };
            after = last;
            let party = self.party.clone();
            if let Some(number) = self.to.database.query(move |conn| party_moves::taken(conn, &party, &names)).await? {
                bail!(
                    "transaction {number} of party {} would meet another party's in ledger {}, and partners know it by that \
                     number: move it to a ledger that has none of these, such as a new one",
                    self.party,
                    self.to.name
                );
            }
        }
    }

    /// Replays what has come since it was last called; returns how many journal rows were looked through.
    async fn copy(&mut self, replay: &mut Replay<Writer>) -> anyhow::Result<i64> {
        let last = self.barrier().await?;
        let (party, numbers) = (self.party.clone(), self.reached..=last);
        let (batches, mut copied) = mpsc::channel::<Vec<Recorded>>(BATCHES_AHEAD);
        let database = self.from.database.clone();
        let telling = tokio::spawn(async move {
            let telling = database.query(move |conn| {
                let mut batch = Vec::with_capacity(BATCH);
                let told = journal::tell_numbers(conn, &party, numbers, |recorded| {
                    batch.push(recorded);
                    let is_sent = batch.len() < BATCH || batches.blocking_send(std::mem::take(&mut batch)).is_ok();
                    if is_sent { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })?;
                // Whoever replays has stopped, and says why.
                let _ = batches.blocking_send(batch);
                Ok(told)
            });
            telling.await
        });
        while let Some(batch) = copied.recv().await {
            self.replay(replay, batch).await?;
        }
        if let ToldUntil::Pruned(until) = telling.await.context("reading the journal")?? {
            let until = shown::moment(until);
            bail!(
                "what ledger {} received before {until} is pruned, and cannot be replayed: the party stays where it is",
                self.from.name
            );
        }
        let looked_through = last - self.reached;
        self.reached = last;
        Ok(looked_through)
    }

    /// Waits for the batches that have begun; a writer that hangs is not waited for in one go.
    async fn barrier(&self) -> Result<i64, StoreError> {
        let mut budget = RetryBudget::new(RetriedWork::Barrier);
        loop {
            match self.from.database.query(party_moves::barrier).await {
                Err(error) if budget.after(&error) == NextTry::Again => sleep(BARRIER_PAUSE).await,
                passed => return passed,
            }
        }
    }

    async fn replay(&mut self, replay: &mut Replay<Writer>, batch: Vec<Recorded>) -> anyhow::Result<()> {
        let compared = replay.apply(batch.clone()).await?;
        for (recorded, compared) in batch.iter().zip(&compared) {
            match compared {
                ReplayedAs::Applied => self.report.commands += 1,
                ReplayedAs::Equal => {
                    self.report.commands += 1;
                    self.report.known += 1;
                }
                ReplayedAs::RecordOnly => {}
                ReplayedAs::Different(_) | ReplayedAs::Held => bail!(
                    "journal row {} of ledger {} is decided otherwise in ledger {}: is it another party's of the same name?",
                    recorded.seq,
                    self.from.name,
                    self.to.name
                ),
            }
        }
        (self.progress)(self.report.commands);
        Ok(())
    }

    async fn copy_beside(&mut self) -> anyhow::Result<()> {
        let party = self.party.clone();
        let beside = self.from.database.query(move |conn| BesideJournal::of(conn, &party)).await?;
        self.report.beside = beside.rows();
        let arriving = self.row(MoveState::Arriving, &self.from);
        Ok(self.to.database.query(move |conn| beside.put(conn, &arriving)).await?)
    }

    /// The two ledgers must hold the same of the party before it is let in.
    async fn compare(&mut self) -> anyhow::Result<()> {
        let of = async |end: &MoveEnd| {
            let party = self.party.clone();
            end.database.query(move |conn| PartyTally::of(conn, &party)).await
        };
        let (here, there) = (of(&self.from).await?, of(&self.to).await?);
        if let Some(difference) = here.difference(&there) {
            bail!(
                "ledgers {} and {} do not hold the same of party {}: {difference}",
                self.from.name,
                self.to.name,
                self.party
            );
        }
        self.report.accounts = here.accounts();
        Ok(())
    }
}

/// A moment for a mover that begins `now` by its own clock: later than those of the rows that stand, whose movers' clocks may
/// have been ahead. Where it is not the clock's, two that find the same rows must not come to the same.
fn since_after(now: Timestamp, stand: &[Option<PartyMove>]) -> Timestamp {
    let latest = stand.iter().flatten().map(|row| row.since).max();
    match latest {
        Some(latest) if latest >= now => {
            let [.., low, high] = Uuid::new_v4().into_bytes();
            Timestamp(latest.0.saturating_add(1).saturating_add(u16::from_be_bytes([high, low]).into()))
        }
        Some(_) | None => now,
    }
}
