//! The wire: bytes into the ledger's words and outcomes into bytes. A dialect only translates; rules live in the
//! ledger.

pub mod egpp;
