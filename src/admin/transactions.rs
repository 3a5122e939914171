//! One transaction of a partner's: what it moved, what it is about, what ended it.

use serde::Serialize;

use super::shown::{self, Exact};
use super::{Viewing, journal};
use crate::ledger::transactions::{Transaction, TransactionState};
use crate::ledger::{Bucket, Currency, Party, PlayerId};
use crate::redaction::without_tokens;
use crate::storage::StoreError;
use crate::storage::lookups;
use crate::storage::queries::AnyConnection;
use crate::storage::voids;

#[derive(Debug, Serialize)]
pub struct TransactionShown {
    pub number: Exact,
    pub party: Party,
    pub player: PlayerId,
    /// The dialect that it came by.
    pub dialect: String,
    /// The partner's number for what kind of transaction it is; numbers that a dialect lacks are zero.
    pub kind: i32,
    pub region: i32,
    pub partner: i32,
    /// The partner's own name for it.
    pub reference: String,
    pub round: Option<String>,
    pub currency: Currency,
    pub product: i32,
    /// Signed as the player sees it; every bucket that is not zero.
    pub moved: Vec<MovedShown>,
    /// What it counted that moved elsewhere.
    pub external: String,
    pub external_minor: Exact,
    pub state: TransactionState,
    /// The transaction that it is about.
    pub source: Option<Exact>,
    /// The transaction that settled, voided or rolled this one back.
    pub ended_by: Option<Exact>,
    /// What the dialect keeps to show it again.
    pub memo: String,
    /// The state of the void that an operator decides, or decided, on.
    pub void: Option<&'static str>,
    pub journal: Vec<journal::JournalShown>,
}

#[derive(Debug, Serialize)]
pub struct MovedShown {
    pub bucket: Bucket,
    pub amount: String,
    pub amount_minor: Exact,
}

/// The transaction of this number; `None` where there is none.
pub fn show(conn: &mut AnyConnection, viewing: &Viewing, number: i64) -> Result<Option<TransactionShown>, StoreError> {
    let Some((transaction, player)) = lookups::transaction(conn, number)? else { return Ok(None) };
    let void = voids::find(conn, &transaction.party, number)?.map(|queued| queued.void.state.as_str());
    let journal = journal::kept_under(conn, viewing, &[transaction.key])?;
    let Transaction { label, currency, external, .. } = &transaction;
    Ok(Some(TransactionShown {
        number: Exact(number),
        player,
        dialect: label.scope.to_string(),
        kind: label.kind,
        region: label.region,
        partner: label.partner,
        reference: label.reference.to_string(),
        round: label.round.as_deref().map(str::to_owned),
        currency: *currency,
        product: transaction.product,
        moved: moved(viewing, &transaction),
        external: shown::amount(&viewing.config, *external, *currency),
        external_minor: Exact(*external),
        state: transaction.state,
        source: transaction.source.map(Exact),
        ended_by: transaction.ended_by.map(Exact),
        memo: without_tokens(&transaction.memo),
        void,
        journal,
        party: transaction.party,
    }))
}

fn moved(viewing: &Viewing, transaction: &Transaction) -> Vec<MovedShown> {
    let moved = transaction.moved.used().map(|(bucket, minor)| MovedShown {
        bucket,
        amount: shown::amount(&viewing.config, minor, transaction.currency),
        amount_minor: Exact(minor),
    });
    moved.collect()
}
