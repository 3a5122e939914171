//! What only partner dialects write, against the journal: transactions and their states, voids, VIP levels, offers with
//! their stock, and what was sold. What must be stored of each row the ledger's areas say (`expected`).

mod stored;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{AuditReport, TOLD, count, hex};
use crate::ledger::command::Act;
use crate::ledger::recorded::DoneRow;
use crate::ledger::shop::{ExpectedPurchase, ExpectedShop, ExpectedStock, Offer, OfferId, expected};
use crate::ledger::transactions::expected::{TransactionCounts, compare};
use crate::ledger::{Done, Party, PlayerKey};
use crate::storage::StoreError;
use crate::storage::partners::{GiftKeyRow, IDS_AT_ONCE, OfferRow};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, bytes};
use crate::storage::schema::{gift_keys, offers, players};
use stored::{Stored, found_by};

/// What is wrong with a row that says so.
pub(super) const CONTRADICTION: &str = "something was done that its act does not do";

/// What the journal has told so far. It holds what players and offers have at last, about 50 bytes a player with a level
/// and as much as there is to say about an offer, and counts the rest.
#[derive(Default)]
pub(super) struct PartnersAudit {
    levels: HashMap<PlayerKey, Arc<str>>,
    /// Each level once: there are few of them, and many who have them.
    level_names: BTreeSet<Arc<str>>,
    offers: HashMap<OfferId, Offer>,
    counts: TransactionCounts,
    keys: i64,
    purchases: i64,
}

impl PartnersAudit {
    /// Compares what the rows of a page did with what is stored.
    pub(super) fn page(
        &mut self,
        conn: &mut AnyConnection,
        page: &[DoneRow],
        report: &mut AuditReport,
    ) -> Result<(), StoreError> {
        if page.is_empty() {
            return Ok(());
        }
        let stored = Stored::load(conn, page, report)?;
        for row in page {
            let wrong = match (&row.keyed.command.act, row.done) {
                (Act::Transaction(act), Done::Transaction(done)) => {
                    let (counts, compared) = compare(&stored.transactions, row, act, done);
                    self.counts += counts;
                    compared.err().map(|mismatch| mismatch.to_string())
                }
                (Act::Shop(act), Done::Shop(done)) => match expected(row, act, done) {
                    Some(expected) => self.shop(conn, &stored, row.seq, expected)?,
                    None => Some(CONTRADICTION.to_owned()),
                },
                (Act::Account(_) | Act::Order(_) | Act::Transaction(_) | Act::Shop(_), _) => {
                    Some(CONTRADICTION.to_owned())
                }
            };
            report.findings.extend(wrong.map(|wrong| format!("{wrong} (journal row {})", row.seq)));
        }
        Ok(())
    }

    /// What is wrong with what was bought or stocked, if anything.
    fn shop(
        &mut self,
        conn: &mut AnyConnection,
        stored: &Stored,
        seq: i64,
        expected: ExpectedShop,
    ) -> Result<Option<String>, StoreError> {
        match expected {
            ExpectedShop::Level(player, level) => {
                let level = self.level(level);
                self.levels.insert(player, level);
                Ok(None)
            }
            ExpectedShop::Purchase(ought) => {
                self.purchases += 1;
                let is_right = stored.purchases.get(&ought.number).is_some_and(|row| {
                    let ExpectedPurchase { number, party, buyer, offer, paid, keys } = &ought;
                    (row.number, row.party.as_str(), row.buyer.as_str()) == (*number, party.as_str(), &**buyer)
                        && row.offer == bytes(offer.uuid())
                        && (Some(row.paid), i64::from(row.keys)) == (*paid, i64::from(*keys))
                });
                let number = ought.number;
                Ok((!is_right).then(|| format!("{number} is a purchase that is not as it was made")))
            }
            ExpectedShop::Stock(stock) => {
                self.keys += stock.added;
                self.offers.extend(stock.offers.iter().cloned());
                stocked(conn, &stock, seq)
            }
        }
    }

    fn level(&mut self, name: Arc<str>) -> Arc<str> {
        if let Some(known) = self.level_names.get(&name) {
            return Arc::clone(known);
        }
        self.level_names.insert(Arc::clone(&name));
        name
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
            ("transactions", "SELECT COUNT(*) AS count FROM transactions", self.counts.transactions),
            ("voids", "SELECT COUNT(*) AS count FROM voids", self.counts.queued),
            (
                "attempts after a dismissal",
                "SELECT CAST(COALESCE(SUM(attempt), 0) AS BIGINT) AS count FROM voids",
                self.counts.queued_again,
            ),
            ("resolved voids", "SELECT COUNT(*) AS count FROM voids WHERE state <> 'pending'", self.counts.resolved),
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
            let found: Vec<(Bytes, Option<String>)> = found_by!(conn, ids, |ids| players::table
                .filter(players::id.eq_any(ids))
                .select((players::id, players::vip)));
            let found: HashMap<Bytes, Option<String>> = found.into_iter().collect();
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

/// Compares the keys that a journal row brought with those that are there.
fn stocked(conn: &mut AnyConnection, stock: &ExpectedStock, seq: i64) -> Result<Option<String>, StoreError> {
    let (mut wrong, mut entered) = (None, 0);
    for brought in stock.brought.chunks(IDS_AT_ONCE) {
        let ids: Vec<Bytes> = brought.iter().map(|brought| bytes(brought.key.id.0)).collect();
        let found = gift_keys::table.filter(gift_keys::id.eq_any(&ids));
        let found: Vec<GiftKeyRow> = on!(conn, conn => found.load(conn)).map_err(classify)?;
        let found: HashMap<&Bytes, &GiftKeyRow> = found.iter().map(|row| (&row.id, row)).collect();
        for (brought, id) in brought.iter().zip(&ids) {
            let is_right = found.get(id).is_some_and(|row| {
                // One that was known before came with another journal row.
                if row.seq < seq {
                    return true;
                }
                entered += 1;
                **row == GiftKeyRow { purchase: row.purchase, ..GiftKeyRow::of(brought, seq, entered) }
            });
            if !is_right {
                wrong = Some(format!("{} is a gift-card key that is not as it was stocked", hex(id)));
            }
        }
    }
    let added = stock.added;
    let fewer = || format!("{added} gift-card keys were stocked, of which {entered} are there");
    Ok(wrong.or_else(|| (i64::from(entered) != added).then(fewer)))
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
