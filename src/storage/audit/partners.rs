//! What only partner dialects write, against the journal: transactions and their states, voids, VIP levels, offers with
//! their stock, and what was sold.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{Report, TOLD, count};
use crate::ledger::account::AccountId;
use crate::ledger::command::{Act, CommandKey, Keyed};
use crate::ledger::offer::{BuyKeys, Offer, OfferId, StockOffers};
use crate::ledger::transaction::{Adjust, Change, QueueVoid, Transaction, TransactionState, VoidState};
use crate::ledger::{Done, Outcome, PlayerKey};
use crate::storage::StoreError;
use crate::storage::partners::{GiftKeyRow, OfferRow, PurchaseRow, TransactionRow, VoidRow};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, PlayerRow, bytes, uuid};
use crate::storage::schema::{gift_keys, offers, players, purchases, transactions, voids};

/// A leg of a journal row: debit, credit and minor units.
pub(super) type Leg<'a> = (&'a [u8], &'a [u8], i64);

/// What the journal has told so far. It holds what players and offers have at last, and counts the rest.
#[derive(Default)]
pub(super) struct PartnersAudit {
    levels: HashMap<PlayerKey, String>,
    offers: HashMap<OfferId, Offer>,
    transactions: i64,
    queued: i64,
    resolved: i64,
    keys: i64,
    purchases: i64,
}

impl PartnersAudit {
    /// Compares what one journal row did with what is stored.
    pub(super) fn row(
        &mut self,
        conn: &mut AnyConnection,
        (seq, keyed, outcome): (i64, &Keyed, Outcome),
        legs: &[Leg<'_>],
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let Outcome::Done(done) = outcome else { return Ok(()) };
        let wrong = match (&keyed.command.act, done) {
            (Act::Adjust(adjust), Done::Adjusted { transaction, .. }) => {
                self.transactions += 1;
                adjusted(conn, (transaction, keyed, adjust), legs)?
            }
            (Act::Adjust(adjust), Done::NothingUndone { .. }) => {
                self.nothing_undone(conn, adjust.number.unwrap_or(seq), keyed, adjust)?
            }
            (Act::QueueVoid(queue), Done::VoidQueued) => {
                self.queued += 1;
                queued(conn, keyed, queue)?
            }
            (Act::ResolveVoid(resolve), Done::VoidApproved { transaction }) => {
                self.transactions += 1;
                self.resolved += 1;
                let approval = approved(conn, (transaction, resolve.source), legs)?;
                approval.or(resolved(conn, resolve.source, VoidState::Approved)?)
            }
            (Act::ResolveVoid(resolve), Done::VoidDismissed) => {
                self.resolved += 1;
                resolved(conn, resolve.source, VoidState::Dismissed)?
            }
            (Act::BuyVip(buy), Done::VipBought { .. }) => {
                self.levels.insert(keyed.player, buy.level.to_string());
                None
            }
            (Act::StockOffers(stock), Done::OffersStocked { added }) => {
                self.keys += added;
                self.stocked(conn, (seq, keyed, stock))?
            }
            (Act::BuyKeys(buy), Done::KeysBought { order, .. }) => {
                self.purchases += 1;
                bought(conn, order, keyed, buy)?
            }
            _ => None,
        };
        report.findings.extend(wrong.map(|wrong| format!("{wrong} (journal row {seq})")));
        Ok(())
    }

    fn nothing_undone(
        &mut self,
        conn: &mut AnyConnection,
        number: i64,
        keyed: &Keyed,
        adjust: &Adjust,
    ) -> Result<Option<String>, StoreError> {
        let Change::Rollback { name } = &adjust.change else { return Ok(None) };
        let key = bytes(CommandKey::of_adjust(&keyed.command.party, name).uuid());
        let named = transactions::table.filter(transactions::key.eq(key));
        let row: Option<TransactionRow> = on!(conn, conn => named.first(conn).optional()).map_err(classify)?;
        let state = row.as_ref().and_then(|row| TransactionState::parse(&row.state));
        self.transactions += i64::from(row.is_some_and(|row| row.number == number));
        let is_undone = matches!(state, Some(TransactionState::Tombstone | TransactionState::RolledBack));
        Ok((!is_undone).then(|| format!("{name} is a transaction that was undone and is not")))
    }

    fn stocked(
        &mut self,
        conn: &mut AnyConnection,
        (seq, keyed, stock): (i64, &Keyed, &StockOffers),
    ) -> Result<Option<String>, StoreError> {
        let mut wrong = None;
        for stocking in &stock.offers {
            let offer = OfferId::of(&keyed.command.party, &stocking.offer.id);
            self.offers.insert(offer, stocking.offer.clone());
            for key in &stocking.keys {
                let found = gift_keys::table.find(bytes(key.id.0));
                let row: Option<GiftKeyRow> = on!(conn, conn => found.first(conn).optional()).map_err(classify)?;
                if row.is_none_or(|row| row.seq > seq || (row.seq == seq && !brought(keyed, stock, &row))) {
                    wrong = Some(format!("{} is a gift-card key that is not as it was stocked", key.id.0));
                }
            }
        }
        Ok(wrong)
    }

    /// Compares what there is at last, and how much of it.
    pub(super) fn finish(self, conn: &mut AnyConnection, report: &mut Report) -> Result<(), StoreError> {
        for (player, level) in &self.levels {
            let found = players::table.find(bytes(player.uuid()));
            let row: Option<PlayerRow> = on!(conn, conn => found.first(conn).optional()).map_err(classify)?;
            if row.is_none_or(|row| row.vip.as_ref() != Some(level)) {
                report.findings.push(format!("{player} is a player who bought level {level} and does not have it"));
            }
        }
        for (id, offer) in &self.offers {
            let found = offers::table.find(bytes(id.uuid()));
            let row: Option<OfferRow> = on!(conn, conn => found.first(conn).optional()).map_err(classify)?;
            let state = row.map(OfferRow::offer).transpose()?;
            if state.is_none_or(|(_, state)| state.offer != *offer) {
                report.findings.push(format!("{} is an offer that is not as it was stocked", id.uuid()));
            }
        }
        let counts = [
            ("transactions", "SELECT COUNT(*) AS count FROM transactions", self.transactions),
            ("voids", "SELECT COUNT(*) AS count FROM voids", self.queued),
            ("resolved voids", "SELECT COUNT(*) AS count FROM voids WHERE state <> 'pending'", self.resolved),
            ("VIP levels", "SELECT COUNT(*) AS count FROM players WHERE vip IS NOT NULL", many(self.levels.len())),
            ("offers", "SELECT COUNT(*) AS count FROM offers", many(self.offers.len())),
            ("gift-card keys", "SELECT COUNT(*) AS count FROM gift_keys", self.keys),
            ("purchases", "SELECT COUNT(*) AS count FROM purchases", self.purchases),
        ];
        for (what, sql, told) in counts {
            let stored = count(conn, sql)?;
            if stored != told {
                report.findings.push(format!("{stored} {what} are stored, and the journal accounts for {told}"));
            }
        }
        disagreements(conn, report)
    }
}

/// Whether a key is one that this stocking brought. One that was known before came with another journal row.
fn brought(keyed: &Keyed, stock: &StockOffers, row: &GiftKeyRow) -> bool {
    stock.offers.iter().any(|stocking| {
        let offer = bytes(OfferId::of(&keyed.command.party, &stocking.offer.id).uuid());
        let mut keys = stocking.keys.iter();
        row.offer == offer && keys.any(|key| bytes(key.id.0) == row.id && *key.sealed == row.sealed)
    })
}

fn many(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn transaction(conn: &mut AnyConnection, number: i64) -> Result<Option<Transaction>, StoreError> {
    let found = transactions::table.find(number);
    let row: Option<TransactionRow> = on!(conn, conn => found.first(conn).optional()).map_err(classify)?;
    row.map(TransactionRow::transaction).transpose()
}

/// What is wrong with the transaction of an adjustment, or with the one that it ended.
fn adjusted(
    conn: &mut AnyConnection,
    (number, keyed, adjust): (i64, &Keyed, &Adjust),
    legs: &[Leg<'_>],
) -> Result<Option<String>, StoreError> {
    let Some(known) = transaction(conn, number)? else {
        return Ok(Some(format!("{number} is a transaction that is missing")));
    };
    let mut is_right = known.key == keyed.key
        && known.party == keyed.command.party
        && known.player == keyed.player
        && known.label == adjust.label
        && known.memo == adjust.memo
        && known.worth == adjust.worth
        && has_moved(&known, legs);
    let is_undoing = matches!(adjust.change, Change::Rollback { .. });
    is_right &= is_undoing || (known.currency == adjust.currency && known.product == adjust.product);
    let (source, external) = match &adjust.change {
        Change::Stake { external, .. } => (None, external.checked_neg()),
        Change::Pay { source, external, .. } => (*source, Some(*external)),
        Change::Void { source, external, .. } => (Some(*source), Some(*external)),
        Change::Win { .. } | Change::Refund { .. } | Change::Rollback { .. } => (known.source, Some(0)),
    };
    if !is_right || known.source != source || Some(known.external) != external {
        return Ok(Some(format!("{number} is a transaction that is not as it was told")));
    }
    let ends = match &adjust.change {
        Change::Stake { .. } | Change::Pay { .. } => return Ok(None),
        Change::Void { .. } | Change::Refund { .. } => TransactionState::Voided,
        Change::Win { .. } => TransactionState::Settled,
        Change::Rollback { .. } => TransactionState::RolledBack,
    };
    ended(conn, &known, ends)
}

/// Whether the legs are what the transaction says that it moved.
fn has_moved(known: &Transaction, legs: &[Leg<'_>]) -> bool {
    let mut legs = legs.iter();
    let all = known.moved.used().all(|(bucket, minor)| {
        let account = bytes(AccountId::of_player(known.player, &known.pocket(bucket)).uuid());
        legs.next().is_some_and(|(debit, credit, amount)| {
            let theirs = if minor < 0 { debit } else { credit };
            *theirs == account.as_slice() && minor.checked_abs() == Some(*amount)
        })
    });
    all && legs.next().is_none()
}

/// What is wrong with the transaction that `by` left in state `ends`. Another may have ended it since.
fn ended(conn: &mut AnyConnection, by: &Transaction, ends: TransactionState) -> Result<Option<String>, StoreError> {
    let Some(source) = by.source else { return Ok(None) };
    let Some(known) = transaction(conn, source)? else {
        return Ok(Some(format!("{source} is a transaction that is missing")));
    };
    let is_in_force = matches!(by.state, TransactionState::Done | TransactionState::Reversal);
    let is_right = match known.ended_by {
        Some(number) => number != by.number || known.state == ends,
        None => !is_in_force,
    };
    let (state, ends) = (known.state.as_str(), ends.as_str());
    Ok((!is_right).then(|| format!("{source} is a transaction {state}, not {ends}")))
}

fn approved(
    conn: &mut AnyConnection,
    (number, source): (i64, i64),
    legs: &[Leg<'_>],
) -> Result<Option<String>, StoreError> {
    let Some(known) = transaction(conn, number)? else {
        return Ok(Some(format!("{number} is a transaction that is missing")));
    };
    if known.source != Some(source) || known.state != TransactionState::Reversal || !has_moved(&known, legs) {
        return Ok(Some(format!("{number} is a transaction that is not as it was told")));
    }
    ended(conn, &known, TransactionState::Voided)
}

fn void(conn: &mut AnyConnection, source: i64) -> Result<Option<VoidRow>, StoreError> {
    let found = voids::table.find(source);
    on!(conn, conn => found.first(conn).optional()).map_err(classify)
}

fn queued(conn: &mut AnyConnection, keyed: &Keyed, queue: &QueueVoid) -> Result<Option<String>, StoreError> {
    let (player, at) = (bytes(keyed.player.uuid()), keyed.command.at.0);
    let is_right = void(conn, queue.source)?.is_some_and(|row| {
        row.party == keyed.command.party.as_str()
            && row.player == player
            && row.kind == queue.kind
            && row.queued_at == at
    });
    Ok((!is_right).then(|| format!("{} is a void that is not as it was queued", queue.source)))
}

fn resolved(conn: &mut AnyConnection, source: i64, state: VoidState) -> Result<Option<String>, StoreError> {
    let is_right = void(conn, source)?.is_some_and(|row| row.state == state.as_str());
    Ok((!is_right).then(|| format!("{source} is a void that is not {}", state.as_str())))
}

fn bought(conn: &mut AnyConnection, number: i64, keyed: &Keyed, buy: &BuyKeys) -> Result<Option<String>, StoreError> {
    let found = purchases::table.find(number);
    let row: Option<PurchaseRow> = on!(conn, conn => found.first(conn).optional()).map_err(classify)?;
    let offer = bytes(OfferId::of(&keyed.command.party, &buy.offer).uuid());
    let is_right = row.is_some_and(|row| {
        row.party == keyed.command.party.as_str()
            && row.buyer == *buy.buyer
            && row.offer == offer
            && i64::from(row.keys) == i64::from(buy.count)
            && buy.price.minor().checked_mul(i64::from(buy.count)) == Some(row.paid)
    });
    Ok((!is_right).then(|| format!("{number} is a purchase that is not as it was made")))
}

#[derive(QueryableByName)]
struct Numbered {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Each finds rows that disagree with others.
const QUERIES: [(&str, &str); 4] = [
    (
        "SELECT t.number, t.state AS detail FROM transactions t LEFT JOIN transactions e ON e.number = t.ended_by \
         WHERE (t.ended_by IS NULL) <> (t.state NOT IN ('settled', 'voided', 'rolled_back')) \
         OR (t.ended_by IS NOT NULL AND (e.number IS NULL OR e.source IS NULL OR e.source <> t.number))",
        "is a transaction that was ended by none",
    ),
    (
        "SELECT v.source AS number, v.state AS detail FROM voids v LEFT JOIN transactions t ON t.number = v.source \
         WHERE t.number IS NULL OR t.player <> v.player",
        "is a void of no transaction",
    ),
    (
        "SELECT p.number, CAST(p.keys AS TEXT) AS detail FROM purchases p WHERE p.keys <> \
         (SELECT COUNT(*) FROM gift_keys k WHERE k.purchase = p.number AND k.offer = p.offer)",
        "is a purchase of another number of keys",
    ),
    (
        "SELECT k.purchase AS number, CAST(COUNT(*) AS TEXT) AS detail FROM gift_keys k LEFT JOIN purchases p \
         ON p.number = k.purchase WHERE k.purchase IS NOT NULL AND p.number IS NULL GROUP BY k.purchase",
        "is no purchase, and sold keys",
    ),
];

fn disagreements(conn: &mut AnyConnection, report: &mut Report) -> Result<(), StoreError> {
    for (sql, says) in QUERIES {
        let rows: Vec<Numbered> =
            on!(conn, conn => diesel::sql_query(format!("{sql} LIMIT {TOLD}")).load(conn)).map_err(classify)?;
        report.findings.extend(rows.into_iter().map(|row| format!("{} {says} ({})", row.number, row.detail)));
    }
    let unsold = gift_keys::table.filter(gift_keys::purchase.is_null()).group_by(gift_keys::offer);
    let unsold = unsold.select((gift_keys::offer, diesel::dsl::count_star()));
    let unsold: Vec<(Bytes, i64)> = on!(conn, conn => unsold.load(conn)).map_err(classify)?;
    let unsold: HashMap<Bytes, i64> = unsold.into_iter().collect();
    let stocks = offers::table.select((offers::id, offers::stock));
    let stocks: Vec<(Bytes, i64)> = on!(conn, conn => stocks.load(conn)).map_err(classify)?;
    for (id, stock) in stocks {
        let keys = unsold.get(&id).copied().unwrap_or(0);
        if stock != keys {
            let id = uuid(&id)?;
            report.findings.push(format!("{id} is an offer with {stock} in stock, and has {keys} keys for sale"));
        }
    }
    Ok(())
}
