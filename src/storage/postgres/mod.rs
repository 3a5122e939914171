//! The ledger on Postgres, through diesel-async: pipelined, without libpq.
//!
//! Two round trips a batch: begin, lock and read; then write and commit. Statements that are joined on one
//! connection are sent in the order in which they are first polled, provided that they are prepared already: that is
//! why [`writer`] prepares every statement when a session begins.

mod address;
mod sqlstates;
mod session;
mod statements;
mod partners;
mod shop;
mod records;
mod usernames;
mod writer;
mod store;
mod script;
mod migrate;

pub use address::Address;
pub use migrate::{MigrationScript, Migrator};
pub use session::{away, classify_question, classify_read, connect, is_of_postgres};
pub use store::{PostgresStore, PostgresTransaction, ROUND_TRIP_TIMEOUT};
