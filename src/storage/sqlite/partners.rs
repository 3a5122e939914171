//! What partners' acts read and write, row by row: each statement is prepared once, and there is no round trip to save.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::classify;
use super::statements::{fragment, insert};
use crate::ledger::ReadSet;
use crate::ledger::shop::{OfferId, ShopKeys};
use crate::ledger::transactions::TransactionKeys;
use crate::storage::StoreError;
use crate::storage::partners::{
    GiftKeyRow, LoadedPartners, OfferRow, PartnerRows, PurchaseRow, SoldKey, TransactionRow, VoidRow, not_there,
};
use crate::storage::rows::{Bytes, bytes};
use crate::storage::schema::{gift_keys, offers, players, transactions, voids};

insert!(
    /// A transaction that is there can only meet its fate. A number that is another's makes `key` null, which the table
    /// refuses.
    UpsertTransaction(TransactionRow) into "transactions" (
        number: BigInt, key: Binary, party: Text, player: Binary, scope: Text, kind: Integer, region: Integer,
        partner: Integer, reference: Text, round: Nullable<Text>, currency: Text, product: Integer, moved_real: BigInt,
        moved_bonus: BigInt, moved_ring_fenced: BigInt, moved_gbt_bonus: BigInt, external: BigInt,
        source: Nullable<BigInt>, state: Text, ended_by: Nullable<BigInt>, memo: Text, worth: Nullable<Text>,
        token: Nullable<Text>
    ) ") ON CONFLICT (number) DO UPDATE SET state = excluded.state, ended_by = excluded.ended_by, \
        key = CASE key WHEN excluded.key THEN key END"
);

insert!(UpsertVoid(VoidRow) into "voids" (
    source: BigInt, party: Text, player: Binary, kind: Integer, state: Text, queued_at: BigInt, attempt: Integer
) ") ON CONFLICT (source) DO UPDATE SET state = excluded.state, kind = excluded.kind, queued_at = excluded.queued_at, \
   attempt = excluded.attempt");

insert!(
    /// `stock` is what is added to it.
    UpsertOffer(OfferRow) into "offers" (
        id: Binary, party: Text, offer: Text, name: Text, price: BigInt, currency: Text, stock: BigInt
    ) ") ON CONFLICT (id) DO UPDATE SET name = excluded.name, price = excluded.price, currency = excluded.currency, \
        stock = stock + excluded.stock"
);

insert!(InsertGiftKey(GiftKeyRow) into "gift_keys" (
    id: Binary, offer: Binary, seq: BigInt, position: Integer, sealed: Text
) ")");

insert!(InsertPurchase(PurchaseRow) into "purchases" (
    number: BigInt, party: Text, buyer: Text, offer: Binary, paid: BigInt, keys: Integer
) ")");

/// A player and the level that was bought.
struct SetLevel<'a>(&'a Bytes, &'a String);

fragment!(SetLevel<'_> as SetLevel<'static>, |self, out| {
    out.push_sql("UPDATE players SET vip = ");
    out.push_bind_param::<Text, _>(self.1)?;
    out.push_sql(" WHERE id = ");
    out.push_bind_param::<Binary, _>(self.0)
});

struct SellKey<'a>(&'a SoldKey);

fragment!(SellKey<'_> as SellKey<'static>, |self, out| {
    out.push_sql("UPDATE gift_keys SET purchase = ");
    out.push_bind_param::<BigInt, _>(&self.0.purchase)?;
    out.push_sql(" WHERE purchase IS NULL AND id = ");
    out.push_bind_param::<Binary, _>(&self.0.key)
});

/// Reads what the acts of a batch need.
pub fn load(conn: &mut SqliteConnection, keys: &ReadSet) -> Result<LoadedPartners, StoreError> {
    let mut loaded = LoadedPartners::default();
    load_transactions(conn, &keys.transactions, &mut loaded).map_err(classify)?;
    load_shop(conn, &keys.shop, &mut loaded).map_err(classify)?;
    Ok(loaded)
}

fn load_transactions(
    conn: &mut SqliteConnection,
    keys: &TransactionKeys,
    loaded: &mut LoadedPartners,
) -> QueryResult<()> {
    let mut found: HashMap<i64, TransactionRow> = HashMap::new();
    for key in &keys.named {
        let named = transactions::table.filter(transactions::key.eq(bytes(key.uuid())));
        let row = named.select(TransactionRow::as_select()).get_result(conn).optional()?;
        found.extend(row.map(|row| (row.number, row)));
    }
    // What rolls a transaction back may open the one that it had ended.
    let sources: Vec<i64> = found.values().filter_map(|row| row.source).collect();
    for number in keys.numbers.iter().copied().chain(sources) {
        if !found.contains_key(&number) {
            let numbered = transactions::table.find(number).select(TransactionRow::as_select());
            found.extend(numbered.get_result(conn).optional()?.map(|row| (row.number, row)));
        }
    }
    for (player, round) in &keys.rounds {
        let theirs = transactions::table.filter(transactions::player.eq(bytes(player.uuid())));
        let in_round = theirs.filter(transactions::round.eq(&**round)).select(TransactionRow::as_select());
        found.extend(in_round.load(conn)?.into_iter().map(|row| (row.number, row)));
    }
    loaded.transactions = found.into_values().collect();
    for source in &keys.voids {
        loaded.voids.extend(voids::table.find(source).select(VoidRow::as_select()).get_result(conn).optional()?);
    }
    Ok(())
}

fn load_shop(conn: &mut SqliteConnection, keys: &ShopKeys, loaded: &mut LoadedPartners) -> QueryResult<()> {
    for player in &keys.levels {
        let bought = players::table.find(bytes(player.uuid())).filter(players::vip.is_not_null());
        let bought = bought.select((players::id, players::vip.assume_not_null()));
        loaded.levels.extend(bought.get_result(conn).optional()?);
    }
    for (id, wanted) in &keys.offers {
        let offer = offers::table.find(bytes(id.uuid())).select(OfferRow::as_select()).get_result(conn).optional()?;
        if offer.is_some() {
            let next = for_sale(conn, *id, *wanted)?;
            loaded.for_sale.extend(next.into_iter().map(|key| (bytes(id.uuid()), key)));
        }
        loaded.offers.extend(offer);
    }
    for key in &keys.known_keys {
        let known = gift_keys::table.find(bytes(key.0)).select(gift_keys::id);
        loaded.known_keys.extend(known.get_result(conn).optional()?);
    }
    Ok(())
}

/// As many keys of an offer as may be sold, in the order in which they are sold.
fn for_sale(conn: &mut SqliteConnection, offer: OfferId, wanted: i64) -> QueryResult<Vec<Bytes>> {
    let for_sale = gift_keys::table.filter(gift_keys::offer.eq(bytes(offer.uuid())));
    let for_sale = for_sale.filter(gift_keys::purchase.is_null()).order((gift_keys::seq, gift_keys::position));
    for_sale.limit(wanted).select(gift_keys::id).load(conn)
}

/// Writes what the acts decided. An error where a level was bought by nobody who is there, or a key sold that is not for
/// sale.
pub fn write(conn: &mut SqliteConnection, rows: &PartnerRows) -> Result<(), StoreError> {
    write_rows(conn, rows).map_err(classify)?;
    for (player, level) in &rows.shop.levels {
        if SetLevel(player, level).execute(conn).map_err(classify)? != 1 {
            return Err(not_there("player", "who bought a level", player));
        }
    }
    for sold in &rows.shop.sold {
        if SellKey(sold).execute(conn).map_err(classify)? != 1 {
            return Err(not_there("gift-card key", "that was sold", &sold.key));
        }
    }
    Ok(())
}

fn write_rows(conn: &mut SqliteConnection, rows: &PartnerRows) -> QueryResult<()> {
    for row in &rows.transactions {
        UpsertTransaction(row).execute(conn)?;
    }
    for row in &rows.voids {
        UpsertVoid(row).execute(conn)?;
    }
    for row in &rows.shop.offers {
        UpsertOffer(row).execute(conn)?;
    }
    for row in &rows.shop.gift_keys {
        InsertGiftKey(row).execute(conn)?;
    }
    for row in &rows.shop.purchases {
        InsertPurchase(row).execute(conn)?;
    }
    Ok(())
}
