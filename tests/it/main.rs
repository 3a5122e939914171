//! The integration tests: one binary, against real databases and a real broker (`scripts/services`).

mod script;
mod databases;
mod memory;
mod patience;
mod wiretap;
mod scenarios;
mod model;
mod order_index;
mod order_numbers;
mod journal_transfers;
mod properties;
mod storage;
mod tampering;
mod slices;
mod pruning;
mod history;
mod replay;
mod sequencer;
mod simulation;
mod schemas;
mod conformance;
mod decoder;
mod tidy;
mod usernames;
mod e2e;
mod http;
