//! The EGPP trading API 1.0, "Queuing like protocols" (sections 5.1.1.2 to 5.1.4.2).
//!
//! Reading order: [`operation`] (the four events), [`wire`] (their JSON), [`handler`] (one party's handler: who asks,
//! and what for), [`status`] (what is answered), [`sandbox`] (the test players of parties that have some).

mod operation;
pub mod wire;
pub mod handler;
pub mod status;
pub(crate) mod sandbox;
pub mod rest;

pub use handler::{BalanceQuestion, EgppHandler, Envelope, Opened};
pub use operation::Operation;
pub use status::EgppReply;
