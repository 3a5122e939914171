//! What only partner dialects write, against the journal: transactions and their states, voids, VIP levels, offers with
//! their stock, and what was sold.

mod judged;
mod stored;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{AuditReport, TOLD, count, hex};
use crate::ledger::command::{Act, KeyedCommand};
use crate::ledger::shop::{Offer, OfferId, StockOffers};
use crate::ledger::transactions::{Adjust, Change, TransactionState, VoidState};
use crate::ledger::{Done, Outcome, Party, PlayerKey, ShopAct, ShopDone, TransactionAct, TransactionDone};
use crate::storage::StoreError;
use crate::storage::partners::{GiftKeyRow, IDS_AT_ONCE, OfferRow};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, PlayerRow, bytes};
use crate::storage::schema::{gift_keys, offers, players};
use judged::PartnerCheck;
use stored::{Stored, found_by};

/// A leg of a journal row: debit, credit and minor units.
pub(super) type StoredTransfer<'a> = (&'a [u8], &'a [u8], i64);

/// A journal row by which a partner had something done.
pub(super) struct PartnerRow<'a> {
    seq: i64,
    keyed: KeyedCommand,
    done: Done,
    legs: Vec<StoredTransfer<'a>>,
}

impl<'a> PartnerRow<'a> {
    /// `None` where nothing was done.
    pub fn of(
        seq: i64,
        keyed: KeyedCommand,
        outcome: Outcome,
        legs: impl Iterator<Item = StoredTransfer<'a>>,
    ) -> Option<Self> {
        let Outcome::Done(done) = outcome else { return None };
        Some(Self { seq, keyed, done, legs: legs.collect() })
    }
}

/// What the journal has told so far. It holds what players and offers have at last, about 50 bytes a player with a level
/// and as much as there is to say about an offer, and counts the rest.
#[derive(Default)]
pub(super) struct PartnersAudit {
    levels: HashMap<PlayerKey, Arc<str>>,
    /// Each level once: there are few of them, and many who have them.
    level_names: BTreeSet<Arc<str>>,
    offers: HashMap<OfferId, Offer>,
    transactions: i64,
    queued: i64,
    queued_again: i64,
    resolved: i64,
    keys: i64,
    purchases: i64,
}

impl PartnersAudit {
    /// Compares what the rows of a page did with what is stored.
    pub(super) fn page(
        &mut self,
        conn: &mut AnyConnection,
        page: &[PartnerRow<'_>],
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        if page.is_empty() {
            return Ok(());
        }
        let stored = Stored::load(conn, page)?;
        for told in page {
            let mut judged = self.row(&stored, told);
            if let Act::Shop(ShopAct::StockOffers(stock)) = &told.keyed.command.act {
                judged = judged.and(self.stocked(conn, told, stock)?);
            }
            if let Err(wrong) = judged {
                report.findings.push(format!("{wrong} (journal row {})", told.seq));
            }
        }
        Ok(())
    }

    fn row(&mut self, stored: &Stored, told: &PartnerRow<'_>) -> PartnerCheck {
        match (&told.keyed.command.act, told.done) {
            (
                Act::Transaction(TransactionAct::Adjust(adjust)),
                Done::Transaction(TransactionDone::Adjusted { transaction, .. }),
            ) => {
                self.transactions += 1;
                judged::adjusted(stored, told, transaction, adjust)
            }
            (
                Act::Transaction(TransactionAct::Adjust(adjust)),
                Done::Transaction(TransactionDone::NothingUndone { .. }),
            ) => self.nothing_undone(stored, told, adjust),
            (Act::Transaction(TransactionAct::QueueVoid(queue)), Done::Transaction(TransactionDone::VoidQueued)) => {
                // Another attempt takes up the void that was dismissed.
                let is_first = queue.attempt == 0;
                self.queued += i64::from(is_first);
                self.resolved -= i64::from(!is_first);
                self.queued_again += i64::from(!is_first);
                judged::queued(stored, told, queue)
            }
            (
                Act::Transaction(TransactionAct::ResolveVoid(resolve)),
                Done::Transaction(TransactionDone::VoidApproved { transaction }),
            ) => {
                self.transactions += 1;
                self.resolved += 1;
                judged::approved(stored, told, transaction, resolve)
            }
            (
                Act::Transaction(TransactionAct::ResolveVoid(resolve)),
                Done::Transaction(TransactionDone::VoidDismissed),
            ) => {
                self.resolved += 1;
                judged::resolved(stored, resolve, VoidState::Dismissed)
            }
            (Act::Shop(ShopAct::BuyVip(buy)), Done::Shop(ShopDone::VipBought { .. })) => {
                let level = self.level(&buy.level);
                self.levels.insert(told.keyed.player, level);
                Ok(())
            }
            (Act::Shop(ShopAct::BuyKeys(buy)), Done::Shop(ShopDone::KeysBought { order, .. })) => {
                self.purchases += 1;
                judged::bought(stored, told, order, buy)
            }
            _ => Ok(()),
        }
    }

    fn level(&mut self, name: &Arc<str>) -> Arc<str> {
        match self.level_names.get(name) {
            Some(known) => Arc::clone(known),
            None => {
                self.level_names.insert(Arc::clone(name));
                Arc::clone(name)
            }
        }
    }

    fn nothing_undone(&mut self, stored: &Stored, told: &PartnerRow<'_>, adjust: &Adjust) -> PartnerCheck {
        let Change::Rollback { name } = &adjust.change else { return Ok(()) };
        let known = stored.named(told, name);
        let own = adjust.number.unwrap_or(told.seq);
        self.transactions += i64::from(known.is_some_and(|(number, _)| number == own));
        match known {
            Some((number, Some(TransactionState::Tombstone))) if number == own => {
                judged::tombstone(stored, told, own, adjust, name)
            }
            Some((
                _,
                Some(TransactionState::Tombstone | TransactionState::RolledBack | TransactionState::PaymentRolledBack),
            )) => Ok(()),
            _ => Err(format!("{name} is a transaction that was undone and is not")),
        }
    }

    fn stocked(
        &mut self,
        conn: &mut AnyConnection,
        told: &PartnerRow<'_>,
        stock: &StockOffers,
    ) -> Result<PartnerCheck, StoreError> {
        let (mut brought, mut seen) = (Vec::new(), HashSet::new());
        for stocking in &stock.offers {
            let offer = OfferId::of(&told.keyed.command.party, &stocking.offer.id);
            self.offers.insert(offer, stocking.offer.clone());
            let new = stocking.keys.iter().filter(|key| seen.insert(key.id));
            brought.extend(new.map(|key| (bytes(key.id.0), bytes(offer.uuid()), &*key.sealed)));
        }
        let (mut judged, mut entered) = (Ok(()), 0);
        for keys in brought.chunks(IDS_AT_ONCE) {
            let ids: Vec<&Bytes> = keys.iter().map(|(key, ..)| key).collect();
            let found = gift_keys::table.filter(gift_keys::id.eq_any(ids));
            let found: Vec<GiftKeyRow> = on!(conn, conn => found.load(conn)).map_err(classify)?;
            let found: HashMap<&Bytes, &GiftKeyRow> = found.iter().map(|row| (&row.id, row)).collect();
            for (key, offer, sealed) in keys {
                let is_right = found.get(key).is_some_and(|row| {
                    // One that was known before came with another journal row.
                    if row.seq < told.seq {
                        return true;
                    }
                    entered += 1;
                    let as_brought = (&row.offer, row.sealed.as_str(), row.seq, row.position);
                    as_brought == (offer, *sealed, told.seq, entered)
                });
                if !is_right {
                    judged = Err(format!("{} is a gift-card key that is not as it was stocked", hex(key)));
                }
            }
        }
        if let Done::Shop(ShopDone::OffersStocked { added }) = told.done {
            self.keys += added;
            if judged.is_ok() && i64::from(entered) != added {
                judged = Err(format!("{added} gift-card keys were stocked, of which {entered} are there"));
            }
        }
        Ok(judged)
    }

    /// Compares what there is at last, and how much of it.
    pub(super) fn finish(self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
        self.compare_levels(conn, report)?;
        for (id, offer) in &self.offers {
            let found = offers::table.find(bytes(id.uuid()));
            let row: Option<OfferRow> = on!(conn, conn => found.first(conn).optional()).map_err(classify)?;
            let is_right = row.is_some_and(|row| {
                let is_theirs = Party::parse(&row.party).is_ok_and(|party| OfferId::of(&party, &offer.id) == *id);
                is_theirs && row.offer().is_ok_and(|(_, state)| state.offer == *offer)
            });
            if !is_right {
                report.findings.push(format!("{} is an offer that is not as it was stocked", id.uuid()));
            }
        }
        let counts = [
            ("transactions", "SELECT COUNT(*) AS count FROM transactions", self.transactions),
            ("voids", "SELECT COUNT(*) AS count FROM voids", self.queued),
            (
                "attempts after a dismissal",
                "SELECT CAST(COALESCE(SUM(attempt), 0) AS BIGINT) AS count FROM voids",
                self.queued_again,
            ),
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

    fn compare_levels(&self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
        let mut levels = self.levels.iter().map(|(player, level)| (bytes(player.uuid()), level)).peekable();
        while levels.peek().is_some() {
            let some: Vec<(Bytes, &Arc<str>)> = levels.by_ref().take(IDS_AT_ONCE).collect();
            let ids = some.iter().map(|(player, _)| player.clone());
            let found: Vec<PlayerRow> = found_by!(conn, ids, |ids| players::table.filter(players::id.eq_any(ids)));
            let found: HashMap<Bytes, Option<String>> = found.into_iter().map(|row| (row.id, row.vip)).collect();
            for (player, level) in some {
                if found.get(&player).is_none_or(|has| has.as_deref() != Some(&**level)) {
                    let player = hex(&player);
                    report.findings.push(format!("{player} is a player who bought level {level} and does not have it"));
                }
            }
        }
        Ok(())
    }
}

fn many(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
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
         WHERE (t.ended_by IS NULL) <> (t.state NOT IN \
         ('settled', 'voided', 'rolled_back', 'payment_voided', 'payment_rolled_back')) \
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

fn disagreements(conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
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
            let id = hex(&id);
            report.findings.push(format!("{id} is an offer with {stock} in stock, and has {keys} keys for sale"));
        }
    }
    Ok(())
}
