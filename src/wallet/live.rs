//! The wallet that runs: commands on the lanes, balances in the balance reader's batches, other questions on pooled
//! connections. A request does not wait through an outage, as a delivery of a queue does: it is told to ask again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};

use super::health::DatabaseHealth;
use super::port::{DecidedCommand, WalletError, WalletFuture, WalletPort};
use super::{Answer, Answering, BalanceAsk, CommandSource, Health, Sequencer, Submission};
use crate::config::Secret;
use crate::identity::grants::{GrantAct, GrantAnswer};
use crate::ledger::shop::{OfferId, OfferState};
use crate::ledger::state::PlayerState;
use crate::ledger::transactions::{ManualVoid, Transaction, TransactionQuery};
use crate::ledger::{Command, CommandKey, Order, OrderId, Party, PlayerId, PlayerKey, Pocket};
use crate::storage::{Reader, StoreError};
use crate::telemetry::RequestTrace;

/// Where requests come from, for the waiting rooms: the bound on commands under way is one on those that wait, too.
const SOURCE: CommandSource = CommandSource::HTTP;

/// How long a command that is under way when the database goes away may still be answered. After that the caller is
/// told to ask again; whether the command went through, the repeat will tell.
const OUTAGE_PATIENCE: Duration = Duration::from_secs(1);

/// The served ledger's handle.
#[derive(Clone)]
pub struct LiveWallet {
    sequencer: Sequencer,
    reader: Reader,
    health: DatabaseHealth,
    /// Commands, and questions for balances, that are under way side by side.
    commands: Arc<Semaphore>,
    balances: Arc<Semaphore>,
}

impl LiveWallet {
    /// `at_once`: as many as there may be requests. A client who goes away leaves one behind, and may be back with the next
    /// before it is answered.
    pub fn new(sequencer: Sequencer, reader: Reader, health: DatabaseHealth, at_once: usize) -> Self {
        let [commands, balances] = [(); 2].map(|()| Arc::new(Semaphore::new(at_once)));
        Self { sequencer, reader, health, commands, balances }
    }

    async fn decide_on_lane(&self, command: Command) -> Result<DecidedCommand, WalletError> {
        if !self.health.answers() {
            return Err(WalletError::Unavailable);
        }
        let deciding = async {
            let room = Arc::clone(&self.commands).acquire_owned().await.map_err(|_| WalletError::Unavailable)?;
            let (answer, answered) = oneshot::channel();
            let tell = Box::new(move |decided, view| {
                // Nobody may be listening any more: the request ran out of time.
                let _ = answer.send((decided, view));
                drop(room);
            });
            // It lives as long as this future is polled.
            let asker = Arc::new(());
            let answering = Answering::WithView { tell, asker: Arc::downgrade(&asker) };
            let trace = RequestTrace::current().map(|request| request.command());
            let submission = Submission { keyed: command.keyed(), source: SOURCE, answering, trace };
            self.sequencer.submit(submission).map_err(|_| WalletError::Unavailable)?;
            let answered = answered.await;
            drop(asker);
            answered.map_err(|_| WalletError::Unavailable)
        };
        match unless_away(&self.health.lanes, deciding).await? {
            (Answer::Decided { outcome, repeated }, view) => {
                Ok(DecidedCommand { outcome, repeated, player: view.player, transaction: view.transaction })
            }
            (Answer::Failed, _) => Err(WalletError::Fault),
        }
    }

    async fn ask_for_balance(
        &self,
        party: Party,
        player: PlayerId,
        pocket: Pocket,
    ) -> Result<Option<i64>, WalletError> {
        if self.health.reader.borrow().is_away() {
            return Err(WalletError::Unavailable);
        }
        let asking = async {
            let room = Arc::clone(&self.balances).acquire_owned().await.map_err(|_| WalletError::Unavailable)?;
            let (answer, answered) = oneshot::channel();
            let answering = Box::new(move |balance| {
                // Nobody may be listening any more.
                let _ = answer.send(balance);
                drop(room);
            });
            let ask = BalanceAsk::of(party, &player, &pocket, answering);
            self.sequencer.balance(ask).map_err(|_| WalletError::Unavailable)?;
            answered.await.map_err(|_| WalletError::Unavailable)
        };
        unless_away(&self.health.reader, asking).await
    }
}

impl WalletPort for LiveWallet {
    fn decide(&self, command: Command) -> WalletFuture<'_, DecidedCommand> {
        Box::pin(self.decide_on_lane(command))
    }

    fn kept_command(&self, party: Party, key: CommandKey) -> WalletFuture<'_, Option<Command>> {
        Box::pin(async move { answered(self.reader.kept_command(party, key).await) })
    }

    fn balance(&self, party: Party, player: PlayerId, pocket: Pocket) -> WalletFuture<'_, Option<i64>> {
        Box::pin(self.ask_for_balance(party, player, pocket))
    }

    fn player(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<PlayerState>> {
        Box::pin(async move { answered(self.reader.player(PlayerKey::of(&party, &player)).await) })
    }

    fn level(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<Arc<str>>> {
        Box::pin(async move { answered(self.reader.level(PlayerKey::of(&party, &player)).await) })
    }

    fn order(&self, party: Party, id: OrderId) -> WalletFuture<'_, Option<(Order, PlayerId)>> {
        Box::pin(async move {
            let found = answered(self.reader.order(id).await)?;
            Ok(found.filter(|(order, _)| *order.party() == party))
        })
    }

    fn transactions(&self, finding: TransactionQuery) -> WalletFuture<'_, Vec<Transaction>> {
        Box::pin(async move { answered(self.reader.transactions(finding).await) })
    }

    fn void(&self, party: Party, source: i64) -> WalletFuture<'_, Option<ManualVoid>> {
        Box::pin(async move { answered(self.reader.void(party, source).await) })
    }

    fn offer(&self, _party: Party, id: OfferId) -> WalletFuture<'_, Option<OfferState>> {
        Box::pin(async move { answered(self.reader.offer(id).await) })
    }

    fn sold_keys(&self, party: Party, buyer: Arc<str>, order: i64) -> WalletFuture<'_, Option<Vec<Arc<str>>>> {
        Box::pin(async move { answered(self.reader.sold_keys(party, buyer, order).await) })
    }

    fn player_of_login(&self, party: Party, login: String) -> WalletFuture<'_, Option<PlayerId>> {
        Box::pin(async move { answered(self.reader.player_of_login(party, login).await) })
    }

    fn password_hash(&self, _party: Party, player: PlayerKey) -> WalletFuture<'_, Option<Secret>> {
        Box::pin(async move { Ok(answered(self.reader.password_hash(player).await)?.map(Secret::new)) })
    }

    fn grants(&self, _party: Party, act: GrantAct) -> WalletFuture<'_, GrantAnswer> {
        Box::pin(async move { answered(self.reader.grants(act).await) })
    }
}

fn answered<T>(answer: Result<T, StoreError>) -> Result<T, WalletError> {
    answer.map_err(|error| {
        tracing::warn!(%error, "the database did not answer a question");
        WalletError::Unavailable
    })
}

/// Waits for an answer, but not while the database is away, or refuses everything, for longer than a moment: HTTP has no more
/// than so many places.
async fn unless_away<T>(
    health: &watch::Receiver<Health>,
    asking: impl Future<Output = Result<T, WalletError>>,
) -> Result<T, WalletError> {
    tokio::select! {
        answer = asking => answer,
        () = outage(health.clone()) => Err(WalletError::Unavailable),
    }
}

/// Ends when the database has been away for a while.
async fn outage(mut health: watch::Receiver<Health>) {
    loop {
        if health.wait_for(|health| *health != Health::Ready).await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(OUTAGE_PATIENCE).await;
        if *health.borrow() != Health::Ready {
            return;
        }
    }
}
