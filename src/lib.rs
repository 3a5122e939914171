pub mod config;
pub mod ledger;
pub mod sequencer;
pub mod storage;
