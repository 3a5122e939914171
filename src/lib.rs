//! Purser: an event-driven wallet.
//!
//! Game providers publish bets, results and cancellations to RabbitMQ; durable subscribers take them, apply each
//! exactly once to a double-entry ledger, and answer.
//!
//! The modules in reading order: [`ledger`] decides, purely; [`dialects`] translate bytes into its words and back;
//! [`identity`] says whose player it is; [`storage`] keeps the ledger; [`wallet`] feeds it in batches, and is what
//! everything that speaks with partners asks;
//! [`admin`] is what operators ask and do; [`transport`] moves bytes; [`config`] reads what the operator wants;
//! [`metrics`] is what is counted, [`telemetry`] what is traced;
//! [`provider`] plays a game provider; [`conformance`] judges wallets as one; [`app`] puts the program together and
//! [`cli`] is its face. `docs/ARCHITECTURE.md` is the map.

#![deny(clippy::expect_used, clippy::unwrap_used)]

pub mod ledger;
pub mod dialects;
pub mod identity;
pub mod storage;
pub mod wallet;
pub mod admin;
pub mod transport;
pub mod config;
pub mod clock;
pub mod tls;
mod redaction;
mod metrics;
mod telemetry;
pub mod provider;
pub mod conformance;
pub mod app;
pub mod cli;
