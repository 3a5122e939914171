//! The pure core: what a command does to accounts and orders.
//!
//! No IO, no clock, no randomness, no floats. Everything that a decision depends on is either in the
//! [`State`] that was loaded for it or in the [`Command`] itself, so a journal replays to the same ledger.
//!
//! What is asked, done and refused is of one of four areas: [`accounts`], [`orders`], [`transactions`] and [`shop`]. Each
//! owns its acts, their outcomes and refusals, what they read and change, how they are decided, and when two of them are
//! the same. What is here is of all areas, and knows of none but that there are four.
//!
//! Reading order: [`ids`] and [`money`] (the words), [`player`] and [`account`] (whose money), [`command`] and [`outcome`]
//! (what is asked and answered), [`state`], [`posting`], [`decide`](mod@decide), [`batch`], then the areas.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

pub(crate) mod ids;
pub mod money;
pub mod player;
pub mod account;
pub mod command;
pub(crate) mod outcome;
mod nested;
pub(crate) mod command_digest;
mod correlation;
pub mod state;
mod posting;
pub(crate) mod decide;
pub mod batch;
pub mod recorded;
pub(crate) mod chain;
pub mod accounts;
pub mod orders;
pub mod transactions;
pub mod shop;

pub use account::{Account, AccountId, Bucket, Pocket};
pub use accounts::{AccountAct, AccountDone, AccountRefusal};
pub use batch::{Batch, FoldVerdict, JournalEntry, fold, fold_where};
pub use command::{Act, Command, CommandKey};
pub use correlation::CorrelationKey;
pub use decide::decide;
pub use ids::{Currency, ExternalId, Game, LedgerName, Party, PlayerId, Wallet};
pub use money::Amount;
pub use orders::{
    Order, OrderAct, OrderDone, OrderId, OrderIds, OrderNumbers, OrderOperation, OrderRefusal, OrderState,
};
pub use outcome::{Done, Outcome, Refusal};
pub use player::{Player, PlayerKey};
pub use shop::{ShopAct, ShopDone, ShopRefusal};
pub use state::{ReadSet, State};
pub use transactions::{TransactionAct, TransactionDone, TransactionRefusal};

#[cfg(test)]
mod tests;
