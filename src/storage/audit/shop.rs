//! What the shop has, against the journal: VIP levels, offers with their stock, and what was sold; and its part of the
//! [digest](super::digest). What must be stored of each row the ledger's area says (`expected`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use diesel::prelude::*;

use super::digest::{PartnersDigest, each_row};
use super::partners::{CONTRADICTION, compare_counts, disagreements, found_by};
use super::{AuditReport, PAGE, hex};
use crate::ledger::recorded::DoneRow;
use crate::ledger::shop::{ExpectedPurchase, ExpectedShop, ExpectedStock, Offer, OfferId, expected};
use crate::ledger::{Done, Party, PlayerKey, ShopAct, ShopDone};
use crate::storage::StoreError;
use crate::storage::partners::IDS_AT_ONCE;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, bytes};
use crate::storage::schema::{gift_keys, offers, players, purchases};
use crate::storage::shop::{GiftKeyRow, OfferRow, PurchaseRow};

/// What the journal has told so far. It holds what players and offers have at last, about 50 bytes a player with a level
/// and as much as there is to say about an offer, and counts the rest.
#[derive(Default)]
pub(super) struct ShopAudit {
    levels: HashMap<PlayerKey, Arc<str>>,
    /// Each level once: there are few of them, and many who have them.
    level_names: BTreeSet<Arc<str>>,
    offers: HashMap<OfferId, Offer>,
    keys: i64,
    purchases: i64,
    /// What is stored of the purchases that the page tells of.
    stored: HashMap<i64, PurchaseRow>,
}

impl ShopAudit {
    /// Looks up the purchases that a page tells of.
    pub(super) fn read(&mut self, conn: &mut AnyConnection, page: &[DoneRow]) -> Result<(), StoreError> {
        let orders = page.iter().filter_map(|row| match row.done {
            Done::Shop(ShopDone::KeysBought { order, .. }) => Some(order),
            Done::Account(_) | Done::Order(_) | Done::Transaction(_) | Done::Shop(_) => None,
        });
        let orders: BTreeSet<i64> = orders.collect();
        let bought: Vec<PurchaseRow> =
            found_by!(conn, orders, |ids| purchases::table.filter(purchases::number.eq_any(ids)));
        self.stored = bought.into_iter().map(|row| (row.number, row)).collect();
        Ok(())
    }

    /// What is wrong with what was bought or stocked by a row of the page that was read, if anything.
    pub(super) fn row(
        &mut self,
        conn: &mut AnyConnection,
        row: &DoneRow,
        act: &ShopAct,
        done: ShopDone,
    ) -> Result<Option<String>, StoreError> {
        let Some(expected) = expected(row, act, done) else { return Ok(Some(CONTRADICTION.to_owned())) };
        match expected {
            ExpectedShop::Level(player, level) => {
                let level = self.level(level);
                self.levels.insert(player, level);
                Ok(None)
            }
            ExpectedShop::Purchase(ought) => {
                self.purchases += 1;
                let is_right = self.stored.get(&ought.number).is_some_and(|row| {
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
                stocked(conn, &stock, row.seq)
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
        self.compare_offers(conn, report)?;
        let counts = [
            ("VIP levels", "SELECT COUNT(*) AS count FROM players WHERE vip IS NOT NULL", many(self.levels.len())),
            ("offers", "SELECT COUNT(*) AS count FROM offers", many(self.offers.len())),
            ("gift-card keys", "SELECT COUNT(*) AS count FROM gift_keys", self.keys),
            ("purchases", "SELECT COUNT(*) AS count FROM purchases", self.purchases),
        ];
        compare_counts(conn, &counts, report)?;
        disagreements(conn, &QUERIES, report)?;
        compare_stocks(conn, report)
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

    fn compare_offers(&self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
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

/// Each finds rows that disagree with others.
const QUERIES: [(&str, &str); 2] = [
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

/// Compares what offers have in stock with the keys that are for sale.
fn compare_stocks(conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
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

/// Adds offers and purchases to the digest.
pub(super) fn add_to(digest: &mut PartnersDigest, conn: &mut AnyConnection) -> Result<(), StoreError> {
    add_offers(digest, conn)?;
    add_purchases(digest, conn)
}

/// Each offer with its stock, in the order in which that will be sold.
fn add_offers(digest: &mut PartnersDigest, conn: &mut AnyConnection) -> Result<(), StoreError> {
    each_row!(conn, offers by id from Bytes::new(), |row: OfferRow| {
        let OfferRow { id, party, offer, name, price, currency, stock } = &row;
        digest.row("offer", &[id, party, offer, name, price, currency, stock]);
        add_stock(digest, conn, id)?;
    });
    Ok(())
}

fn add_stock(digest: &mut PartnersDigest, conn: &mut AnyConnection, offer: &Bytes) -> Result<(), StoreError> {
    let mut after = (i64::MIN, i32::MIN);
    loop {
        let later = gift_keys::seq.eq(after.0).and(gift_keys::position.gt(after.1));
        let for_sale = gift_keys::table
            .filter(gift_keys::offer.eq(offer))
            .filter(gift_keys::purchase.is_null())
            .filter(gift_keys::seq.gt(after.0).or(later))
            .order((gift_keys::seq, gift_keys::position))
            .limit(PAGE);
        let rows: Vec<GiftKeyRow> = on!(&mut *conn, conn => for_sale.load(conn)).map_err(classify)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.seq, last.position);
        for GiftKeyRow { id, sealed, .. } in rows {
            digest.row("for sale", &[&id, &sealed]);
        }
    }
}

/// Each order of keys with its keys.
fn add_purchases(digest: &mut PartnersDigest, conn: &mut AnyConnection) -> Result<(), StoreError> {
    let mut after = i64::MIN;
    loop {
        let page = purchases::table.filter(purchases::number.gt(after)).order(purchases::number).limit(PAGE);
        let rows: Vec<PurchaseRow> = on!(&mut *conn, conn => page.load(conn)).map_err(classify)?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let sold = gift_keys::table.filter(gift_keys::purchase.between(first.number, last.number)).order((
            gift_keys::purchase,
            gift_keys::seq,
            gift_keys::position,
        ));
        let sold: Vec<GiftKeyRow> = on!(&mut *conn, conn => sold.load(conn)).map_err(classify)?;
        after = last.number;
        let mut by_purchase: HashMap<Option<i64>, Vec<GiftKeyRow>> = HashMap::new();
        for key in sold {
            by_purchase.entry(key.purchase).or_default().push(key);
        }
        for PurchaseRow { number, party, buyer, offer, paid, keys } in rows {
            digest.row("purchase", &[&number, &party, &buyer, &offer, &paid, &keys]);
            for GiftKeyRow { id, offer, sealed, .. } in by_purchase.remove(&Some(number)).unwrap_or_default() {
                digest.row("sold", &[&id, &offer, &sealed]);
            }
        }
    }
}
