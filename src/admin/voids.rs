//! The voids that partners have asked operators for.

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::approvals::ApprovalRequest;
use super::cash;
use super::shown::{self, Exact};
use super::trail::Deed;
use crate::config::Config;
use crate::ledger::command::Act;
use crate::ledger::transactions::ResolveVoid;
use crate::ledger::{Bucket, Currency, Party, TransactionAct};
use crate::storage::voids::Queued;

/// A void; amounts are what the transaction that it is about moved.
#[derive(Debug, Serialize)]
pub struct VoidShown {
    /// The number of that transaction.
    pub number: Exact,
    pub player: String,
    pub transaction_type_id: i32,
    pub partner_transaction_id: String,
    pub state: &'static str,
    pub currency: Currency,
    pub real: String,
    pub real_minor: Exact,
    pub ring_fenced: String,
    pub ring_fenced_minor: Exact,
    pub bonus: String,
    pub bonus_minor: Exact,
    pub gbt_bonus: String,
    pub gbt_bonus_minor: Exact,
    pub queued_at: String,
}

/// The columns of a table of them.
pub const COLUMNS: [&str; 15] = [
    "number",
    "player",
    "transaction_type_id",
    "partner_transaction_id",
    "state",
    "currency",
    "real",
    "real_minor",
    "ring_fenced",
    "ring_fenced_minor",
    "bonus",
    "bonus_minor",
    "gbt_bonus",
    "gbt_bonus_minor",
    "queued_at",
];

/// Why a void is answered as it is, for the trail.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    #[serde(default)]
    pub reason: Option<String>,
}

impl Why {
    pub fn check(&self) -> Result<(), Invalid> {
        self.reason.as_deref().map_or(Ok(()), cash::check_reason)
    }
}

pub fn shown(config: &Config, queued: &Queued) -> VoidShown {
    let source = &queued.source;
    let amount = |bucket| {
        let minor = source.moved.get(bucket);
        (shown::amount(config, minor, source.currency), Exact(minor))
    };
    let (real, real_minor) = amount(Bucket::Real);
    let (ring_fenced, ring_fenced_minor) = amount(Bucket::RingFenced);
    let (bonus, bonus_minor) = amount(Bucket::Bonus);
    let (gbt_bonus, gbt_bonus_minor) = amount(Bucket::GbtBonus);
    VoidShown {
        number: Exact(source.number),
        player: queued.player.to_string(),
        transaction_type_id: source.label.kind,
        partner_transaction_id: source.label.reference.to_string(),
        state: queued.void.state.as_str(),
        currency: source.currency,
        real,
        real_minor,
        ring_fenced,
        ring_fenced_minor,
        bonus,
        bonus_minor,
        gbt_bonus,
        gbt_bonus_minor,
        queued_at: shown::moment(queued.void.queued_at),
    }
}

/// The answer to a void, in the ledger's words.
pub fn resolve(queued: &Queued, approve: bool) -> Act {
    let (player, attempt, source) = (queued.player.clone(), queued.void.attempt, queued.void.source);
    Act::Transaction(TransactionAct::ResolveVoid(ResolveVoid { player, source, approve, attempt, number: None }))
}

/// Its approval, as one asks for it who may not do it alone: it is judged by all that would be moved back.
pub fn request(party: &Party, queued: &Queued, deed: Deed) -> Result<ApprovalRequest, Invalid> {
    let amounts = queued.source.moved.used().map(|(_, minor)| minor.checked_abs());
    let amount_minor = amounts.reduce(|sum, minor| sum?.checked_add(minor?)).unwrap_or(Some(0));
    Ok(ApprovalRequest {
        party: party.clone(),
        player: queued.player.clone(),
        act: resolve(queued, true),
        key: format!("{}:{}", queued.void.source, queued.void.attempt),
        currency: queued.source.currency,
        amount_minor: amount_minor.ok_or_else(|| Invalid("the void is of more than can be counted".to_owned()))?,
        reason: String::new(),
        deed,
    })
}
