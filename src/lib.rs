pub mod ledger;
pub mod sequencer;
pub mod storage;
