//! The wallet: what everything that speaks with partners asks.
//!
//! [`port`] is the whole of it to whoever asks: one trait. [`live`] is the wallet that runs: commands go through the
//! sequencer's lanes, questions to a few pooled connections. [`memory`] is the same ledger over a state in memory, for unit
//! tests and fuzzing.

pub mod port;
pub mod live;
pub mod memory;

pub use live::{DatabaseHealth, LiveWallet};
pub use port::{DecidedCommand, SharedWallet, WalletError, WalletFuture, WalletPort};
