//! The pure core: what a command does to accounts and orders.
//!
//! No IO, no clock, no randomness, no floats. Everything that a decision depends on is either in the
//! [`State`] that was loaded for it or in the [`Command`] itself, so a journal replays to the same ledger.
//!
//! Reading order: [`ids`] and [`money`] (the words), [`account`], [`order`], [`transaction`], [`offer`] and
//! [`membership`] (what is kept), [`command`] and [`outcome`] (what is asked and answered), [`essence`], [`correlation`], [`state`], [`posting`],
//! [`decide`](mod@decide), [`batch`],
//! [`recorded`], [`chain`].

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

pub mod ids;
pub mod money;
pub mod player;
pub mod account;
pub mod order;
pub mod transaction;
pub mod offer;
pub mod membership;
pub mod command;
pub mod outcome;
pub mod essence;
pub mod correlation;
pub mod state;
pub mod posting;
pub mod decide;
pub mod batch;
pub mod recorded;
pub mod chain;

pub use account::{Account, AccountId, Bucket, Pocket};
pub use batch::{Batch, Entry, Verdict, fold, fold_where};
pub use command::{Act, Command, CommandKey};
pub use correlation::CorrelationKey;
pub use decide::decide;
pub use ids::{Currency, ExternalId, Game, Party, PlayerId, Wallet};
pub use money::Amount;
pub use order::{Order, OrderId, OrderIds, OrderNumbers, OrderOperation, OrderState};
pub use outcome::{Done, Outcome, Refusal};
pub use player::{Player, PlayerKey};
pub use state::{Keys, State};

#[cfg(test)]
mod tests;
