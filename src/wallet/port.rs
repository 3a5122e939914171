//! The port: what can be asked of a wallet. A dialect's handlers see this trait and nothing behind it, so they run against
//! the ledger that is served and against one in memory alike.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::config::Secret;
use crate::identity::grants::{GrantAct, GrantAnswer};
use crate::ledger::shop::{OfferId, OfferState};
use crate::ledger::state::PlayerState;
use crate::ledger::transactions::{ManualVoid, Transaction, TransactionQuery};
use crate::ledger::{Command, CommandKey, Order, OrderId, Outcome, Party, PlayerId, PlayerKey, Pocket};

/// A wallet that requests share.
pub type SharedWallet = Arc<dyn WalletPort>;

/// What a wallet answers in the end. (A boxed future, so that the trait can be a `dyn` one.)
pub type WalletFuture<'a, T> = BoxFuture<'a, Result<T, WalletError>>;

/// Why a wallet does not answer. A refused command is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The database is away; what was asked may be asked again. Whether a command went through, its repeat will tell.
    #[error("the ledger is away; ask again")]
    Unavailable,
    /// This command breaks every batch that it is in: a fault of ours.
    #[error("the ledger could not apply this command")]
    Fault,
}

/// A command that is decided, and what the ledger holds about it from then on, so that nobody has to read it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedCommand {
    pub outcome: Outcome,
    /// Whether it was decided before, and this is the answer again.
    pub repeated: bool,
    /// The command's player, with every account that was ever used, as the commit left them; `None` where there is no such
    /// player.
    pub player: Option<PlayerState>,
    /// The transaction that the command made, now or before.
    pub transaction: Option<Transaction>,
}

/// What can be asked. Every question says whose it is: parties may be kept in ledgers of their own.
pub trait WalletPort: Send + Sync {
    /// Decides a command and commits what follows.
    fn decide(&self, command: Command) -> WalletFuture<'_, DecidedCommand>;

    /// The command that is kept under this key, and will be answered alike when it comes again; `None` where there is none, or
    /// pruning has shortened it.
    fn kept_command(&self, party: Party, key: CommandKey) -> WalletFuture<'_, Option<Command>>;

    /// A balance in minor units; `None` where there is no such player.
    fn balance(&self, party: Party, player: PlayerId, pocket: Pocket) -> WalletFuture<'_, Option<i64>>;

    /// A player with every account that was ever used.
    fn player(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<PlayerState>>;

    /// The level that a player has bought; `None` where there is none.
    fn level(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<Arc<str>>>;

    /// An order of the party with its player's name.
    fn order(&self, party: Party, id: OrderId) -> WalletFuture<'_, Option<(Order, PlayerId)>>;

    /// Transactions, oldest first.
    fn transactions(&self, finding: TransactionQuery) -> WalletFuture<'_, Vec<Transaction>>;

    /// The void that an operator decides, or decided, on for the transaction of this number.
    fn void(&self, party: Party, source: i64) -> WalletFuture<'_, Option<ManualVoid>>;

    /// An offer and its stock.
    fn offer(&self, party: Party, id: OfferId) -> WalletFuture<'_, Option<OfferState>>;

    /// The sealed keys of an order, in the order of their sale; `None` where the buyer has no such order.
    fn sold_keys(&self, party: Party, buyer: Arc<str>, order: i64) -> WalletFuture<'_, Option<Vec<Arc<str>>>>;

    /// The player who signs in with this text: a player's id, else the one player of that username. Takes as long where
    /// there is none.
    fn player_of_login(&self, party: Party, login: String) -> WalletFuture<'_, Option<PlayerId>>;

    /// The hash of a player's password, where one was set.
    fn password_hash(&self, party: Party, player: PlayerKey) -> WalletFuture<'_, Option<Secret>>;

    /// Keeps, exchanges, ends or looks at what players have allowed partners.
    fn grants(&self, party: Party, act: GrantAct) -> WalletFuture<'_, GrantAnswer>;
}
