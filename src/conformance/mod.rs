//! Judges wallets: plays a provider against any wallet that claims the published interface, and says where it does not
//! keep its word. It knows a wallet only by its queues and its HTTP, and nothing of this one. It judges providers, too, by
//! what is told of their messages.
//!
//! Reading order: [`catalogue`] (what is promised, as data), [`values`] (what its steps are filled with), [`tokens`],
//! [`request_signer`], [`wire`] (a case's channel to the broker), [`http`], [`partners`], [`players`] (whose money it is), [`play`] (one case),
//! [`expect`] (what is held against what), [`mod@judge`] (all cases), [`provider`] (the other way round), [`report`],
//! [`html`] and [`junit`] (its faces).

pub mod catalogue;
mod values;
pub(crate) mod tokens;
pub(crate) mod request_signer;
pub(crate) mod wire;
pub(crate) mod http;
pub(crate) mod partners;
mod players;
mod play;
pub(crate) mod expect;
pub(crate) mod judge;
pub(crate) mod provider;
pub(crate) mod report;
pub(crate) mod html;
pub(crate) mod junit;

use std::time::Duration;

pub use catalogue::Catalogue;
pub use judge::judge;
pub use report::{CaseOutcome, ConformanceReport};

/// The wallet, and what has to be known about it.
pub struct Wallet {
    pub connection: lapin::Connection,
    pub queues: wire::Queues,
    /// None: nothing over HTTP is judged.
    pub http: Option<http::HttpWallet>,
    pub tokens: tokens::TokenMaker,
    pub partners: partners::PartnerAccess,
    pub terms: PartyTerms,
}

/// What the wallet was told about the party.
#[derive(Debug, Clone)]
pub struct PartyTerms {
    pub currency: String,
    pub game: String,
    /// A currency, and the most that a single bet in it may be, in minor units.
    pub limit: Option<(String, i64)>,
    /// How long a result waits for its bet.
    pub grace: Duration,
    /// How long a reply is waited for.
    pub patience: Duration,
    pub is_sandbox: bool,
    /// Decides amounts and rounds.
    pub seed: u64,
    /// The line that judges this wallet again, but for case and seed.
    pub again: String,
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
