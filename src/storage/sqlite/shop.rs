//! What the shop's acts read and write, row by row: see [`super::partners`].

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Integer, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::classify;
use super::statements::{fragment, insert};
use crate::ledger::shop::{OfferId, ShopKeys};
use crate::storage::StoreError;
use crate::storage::partners::not_there;
use crate::storage::rows::{Bytes, bytes};
use crate::storage::schema::{gift_keys, offers, players};
use crate::storage::shop::{GiftKeyRow, LoadedShop, OfferRow, PurchaseRow, ShopRows, SoldKey};

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
pub fn load(conn: &mut SqliteConnection, keys: &ShopKeys) -> QueryResult<LoadedShop> {
    let mut loaded = LoadedShop::default();
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
    Ok(loaded)
}

/// As many keys of an offer as may be sold, in the order in which they are sold.
fn for_sale(conn: &mut SqliteConnection, offer: OfferId, wanted: i64) -> QueryResult<Vec<Bytes>> {
    let for_sale = gift_keys::table.filter(gift_keys::offer.eq(bytes(offer.uuid())));
    let for_sale = for_sale.filter(gift_keys::purchase.is_null()).order((gift_keys::seq, gift_keys::position));
    for_sale.limit(wanted).select(gift_keys::id).load(conn)
}

/// Writes what the acts decided. An error where a level was bought by nobody who is there, or a key sold that is not for
/// sale.
pub fn write(conn: &mut SqliteConnection, rows: &ShopRows) -> Result<(), StoreError> {
    write_stock(conn, rows).map_err(classify)?;
    for (player, level) in &rows.levels {
        if SetLevel(player, level).execute(conn).map_err(classify)? != 1 {
            return Err(not_there("player", "who bought a level", player));
        }
    }
    for sold in &rows.sold {
        if SellKey(sold).execute(conn).map_err(classify)? != 1 {
            return Err(not_there("gift-card key", "that was sold", &sold.key));
        }
    }
    Ok(())
}

fn write_stock(conn: &mut SqliteConnection, rows: &ShopRows) -> QueryResult<()> {
    for row in &rows.offers {
        UpsertOffer(row).execute(conn)?;
    }
    for row in &rows.gift_keys {
        InsertGiftKey(row).execute(conn)?;
    }
    for row in &rows.purchases {
        InsertPurchase(row).execute(conn)?;
    }
    Ok(())
}
