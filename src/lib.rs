pub mod config;
pub mod ledger;
