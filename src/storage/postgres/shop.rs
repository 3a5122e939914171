//! What the shop's acts read and write: with the rest of a batch, whatever its size.
//!
//! | phase | statements | round trips |
//! |---|---|---|
//! | load | levels; offers, locked in key order, then their next keys, and which of the keys to be stocked are known | none of its own |
//! | write | levels, offers, keys, purchases: whether every row was there to be changed must be known before the commit is sent | one |

use std::collections::HashSet;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use super::partners::rows;
use super::records::{Record, RowTypes, insert, record};
use super::session::classify_write;
use super::statements::statement;
use crate::ledger::shop::ShopKeys;
use crate::storage::StoreError;
use crate::storage::partners::{all_bytes, not_there};
use crate::storage::rows::Bytes;
use crate::storage::shop::{GiftKeyRow, LoadedShop, OfferRow, PurchaseRow, ShopRows, SoldKey};

record!(OfferRow of "offers" as "offer_row" { id, party, offer, name, price, currency, stock });
record!(GiftKeyRow of "gift_keys" as "gift_key_row" { id, offer, seq, position, sealed });
record!(PurchaseRow of "purchases" as "purchase_row" { number, party, buyer, offer, paid, keys });

/// Of the rows that are written.
pub const TYPES: [&str; 3] = [OfferRow::TYPE, GiftKeyRow::TYPE, PurchaseRow::TYPE];

statement!(
    /// After the players' row locks: nobody else changes what is read.
    ReadLevels(players: Array<Binary> = Vec<Bytes>) -> (Binary, Text),
    "SELECT id, vip FROM players WHERE vip IS NOT NULL AND id = ANY(",
    ")"
);

statement!(
    /// Takes the offers' row locks in key order, after the players'.
    LockOffers(ids: Array<Binary> = Vec<Bytes>) -> (Binary, Text, Text, Text, BigInt, Text, BigInt),
    "SELECT id, party, offer, name, price, currency, stock FROM offers WHERE id = ANY(",
    ") ORDER BY id FOR NO KEY UPDATE"
);

statement!(
    /// Of each offer as many keys as may be sold, in the order in which they are sold.
    ReadForSale(offers: Array<Binary> = Vec<Bytes>, wanted: Array<BigInt> = Vec<i64>) -> (Binary, Binary),
    "SELECT o.id, k.id FROM unnest(",
    ", ",
    ") AS o (id, wanted) CROSS JOIN LATERAL (SELECT g.id, g.seq, g.position FROM gift_keys g WHERE g.offer = o.id \
     AND g.purchase IS NULL ORDER BY g.seq, g.position LIMIT o.wanted) AS k ORDER BY o.id, k.seq, k.position"
);

statement!(
    KnownGiftKeys(ids: Array<Binary> = Vec<Bytes>) -> Binary,
    "SELECT id FROM gift_keys WHERE id = ANY(",
    ")"
);

statement!(
    /// Returns those who were there.
    SetLevels(player: Array<Binary> = Vec<Bytes>, level: Array<Text> = Vec<String>) -> Binary,
    "UPDATE players SET vip = bought.level FROM unnest(",
    ", ",
    ") AS bought (player, level) WHERE players.id = bought.player RETURNING players.id"
);

insert!(
    /// `stock` is what is added to it: another writer may have begun the same offer.
    UpsertOffers(OfferRow)
    " ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, price = EXCLUDED.price, currency = EXCLUDED.currency, \
     stock = offers.stock + EXCLUDED.stock"
);

insert!(InsertGiftKeys(GiftKeyRow) "");

insert!(InsertPurchases(PurchaseRow) "");

statement!(
    /// Returns those that were for sale.
    SellKeys(key: Array<Binary> = Vec<Bytes>, purchase: Array<BigInt> = Vec<i64>) -> Binary,
    "UPDATE gift_keys SET purchase = sold.purchase FROM unnest(",
    ", ",
    ") AS sold (id, purchase) WHERE gift_keys.id = sold.id AND gift_keys.purchase IS NULL RETURNING gift_keys.id"
);

/// Prepares every statement: see [`super::writer`].
pub async fn prepare(conn: &mut AsyncPgConnection, types: &RowTypes) -> QueryResult<()> {
    ReadLevels::default().load::<(Bytes, String)>(conn).await?;
    LockOffers::default().load::<OfferRow>(conn).await?;
    ReadForSale::default().load::<(Bytes, Bytes)>(conn).await?;
    KnownGiftKeys::default().load::<Bytes>(conn).await?;
    SetLevels::default().load::<Bytes>(conn).await?;
    UpsertOffers::of(types, Vec::new()).execute(conn).await?;
    InsertGiftKeys::of(types, Vec::new()).execute(conn).await?;
    InsertPurchases::of(types, Vec::new()).execute(conn).await?;
    SellKeys::default().load::<Bytes>(conn).await.map(drop)
}

/// Reads what the acts of a batch need. What there is nothing to ask for is not asked.
pub async fn load(conn: &AsyncPgConnection, keys: &ShopKeys) -> Result<LoadedShop, StoreError> {
    let levels = ReadLevels { players: all_bytes(keys.levels.iter().map(|player| player.uuid())) };
    let offers = all_bytes(keys.offers.keys().map(|offer| offer.uuid()));
    let for_sale = ReadForSale { offers: offers.clone(), wanted: keys.offers.values().copied().collect() };
    let known = KnownGiftKeys { ids: all_bytes(keys.known_keys.iter().map(|key| key.0)) };
    let has_offers = !offers.is_empty();
    let [mut c0, mut c1, mut c2, mut c3] = [conn; 4];
    let (levels, offers, for_sale, known_keys) = join!(
        rows(!keys.levels.is_empty(), levels.load::<(Bytes, String)>(&mut c0)),
        rows(has_offers, LockOffers { ids: offers }.load::<OfferRow>(&mut c1)),
        rows(has_offers, for_sale.load::<(Bytes, Bytes)>(&mut c2)),
        rows(!keys.known_keys.is_empty(), known.load::<Bytes>(&mut c3)),
    );
    Ok(LoadedShop { levels: levels?, offers: offers?, for_sale: for_sale?, known_keys: known_keys? })
}

/// Writes what was bought and stocked, in one round trip. An error where a level was bought by nobody who is there, or a key
/// sold that is not for sale: the transaction is still open.
pub async fn write(conn: &AsyncPgConnection, types: &RowTypes, rows: ShopRows) -> Result<(), StoreError> {
    let ShopRows { levels, offers, gift_keys, purchases, sold } = rows;
    let (player, level): (Vec<Bytes>, Vec<String>) = levels.into_iter().unzip();
    let (key, purchase): (Vec<Bytes>, Vec<i64>) =
        sold.into_iter().map(|SoldKey { key, purchase }| (key, purchase)).unzip();
    let (buyers, keys) = (player.clone(), key.clone());
    let [mut c0, mut c1, mut c2, mut c3, mut c4] = [conn; 5];
    let (levels, offers, stocked, purchases, sold) = join!(
        SetLevels { player, level }.load::<Bytes>(&mut c0),
        UpsertOffers::of(types, offers).execute(&mut c1),
        InsertGiftKeys::of(types, gift_keys).execute(&mut c2),
        InsertPurchases::of(types, purchases).execute(&mut c3),
        SellKeys { key, purchase }.load::<Bytes>(&mut c4),
    );
    // Of several errors the first statement's tells why: the others only say that the transaction has failed.
    let levels = levels.map_err(classify_write)?;
    for written in [offers, stocked, purchases] {
        written.map_err(classify_write)?;
    }
    let sold = sold.map_err(classify_write)?;
    all_there("player", "who bought a level", &buyers, levels)?;
    all_there("gift-card key", "that was sold", &keys, sold)
}

fn all_there(what: &str, which: &str, wanted: &[Bytes], found: Vec<Bytes>) -> Result<(), StoreError> {
    let found: HashSet<Bytes> = found.into_iter().collect();
    match wanted.iter().find(|id| !found.contains(*id)) {
        None => Ok(()),
        Some(id) => Err(not_there(what, which, id)),
    }
}
