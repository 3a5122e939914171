//! The wallet, the application layer: what everything that speaks with partners asks.
//!
//! [`port`] is the whole of it to a dialect: one trait. [`live`] is the wallet of a ledger that runs ([`health`]: whether it
//! does), [`by_party`] asks of each party the one that it is in, and [`memory`] is the same ledger over a state in memory, for
//! unit tests and fuzzing.
//!
//! Behind the live one: [`sequencer`] (the handle that commands and questions for balances go in at), [`lane`] (load, fold,
//! commit; one command of it is an [`item`]), [`fair_queue`] (parties fill a batch in turns), [`waiting`] (results and cancels without their bet), [`backlog`] and
//! [`survey`] (until when they wait), [`reader`] (balances); and for the command line [`direct`] (commands without a lane),
//! [`replay`] and [`dry_run`].

mod port;
mod health;
mod live;
mod by_party;
pub mod memory;
mod sequencer;
mod lane;
mod item;
mod fair_queue;
mod waiting;
pub(crate) mod backlog;
pub mod survey;
mod look;
mod reader;
pub mod direct;
pub mod replay;
mod dry_run;

pub use backlog::BetBacklogs;
pub use by_party::{AbsentParties, PartyWallet, WalletByParty};
pub(crate) use health::label;
pub use health::{DatabaseHealth, LedgersHealth};
pub use lane::Shared;
pub use live::LiveWallet;
pub use port::{DecidedCommand, SharedWallet, WalletError, WalletFuture, WalletPort};
pub use reader::BalanceAsk;
pub use sequencer::{
    Answer, Answering, Bounds, CommandSource, Health, Lanes, LedgerView, Sequencer, SequencerStopped, Submission,
};
