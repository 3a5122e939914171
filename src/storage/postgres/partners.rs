//! What partners' acts read and write: with the rest of a batch, whatever its size.
//!
//! | phase | statements | round trips |
//! |---|---|---|
//! | load | transactions with their sources and rounds, voids; levels; offers, locked in key order, then their next keys, and which of the keys to be stocked are known | none of its own |
//! | write | transactions and voids | none of its own |
//! | | levels, offers, keys, purchases: whether every row was there to be changed must be known before the commit is sent | one, where something is bought or stocked |

use std::collections::HashSet;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use super::records::{RowTypes, insert};
use super::session::{classify_read, classify_write};
use super::statements::statement;
use crate::ledger::ReadSet;
use crate::storage::StoreError;
use crate::storage::partners::{
    GiftKeyRow, LoadedPartners, OfferRow, PurchaseRow, ShopRows, SoldKey, TransactionRow, VoidRow, all_bytes, not_there,
};
use crate::storage::rows::{Bytes, bytes};

statement!(
    /// Transactions by key, each with its source: what rolls one back may open the one that it had ended. And by number,
    /// and all that players have in rounds.
    ReadTransactions(
        keys: Array<Binary> = Vec<Bytes>,
        numbers: Array<BigInt> = Vec<i64>,
        players: Array<Binary> = Vec<Bytes>,
        rounds: Array<Text> = Vec<String>
    ) -> (BigInt, Binary, Text, Binary, Text, Integer, Integer, Integer, Text, Nullable<Text>, Text, Integer, BigInt, BigInt,
          BigInt, BigInt, BigInt, Nullable<BigInt>, Text, Nullable<BigInt>, Text, Nullable<Text>, Nullable<Text>),
    "SELECT t.number, t.key, t.party, t.player, t.scope, t.kind, t.region, t.partner, t.reference, t.round, t.currency, \
     t.product, t.moved_real, t.moved_bonus, t.moved_ring_fenced, t.moved_gbt_bonus, t.external, t.source, t.state, \
     t.ended_by, t.memo, t.worth, t.token FROM (\
     SELECT unnest(ARRAY[n.number, n.source]) AS number FROM transactions n WHERE n.key = ANY(",
    ") UNION SELECT unnest(",
    ") UNION SELECT r.number FROM unnest(",
    ", ",
    ") AS asked (player, round) JOIN transactions r ON r.player = asked.player AND r.round = asked.round\
     ) AS wanted JOIN transactions t ON t.number = wanted.number"
);

statement!(
    ReadVoids(sources: Array<BigInt> = Vec<i64>) -> (BigInt, Text, Binary, Integer, Text, BigInt, Integer),
    "SELECT source, party, player, kind, state, queued_at, attempt FROM voids WHERE source = ANY(",
    ")"
);

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

insert!(
    /// A transaction that is there can only meet its fate. A number that is another's by now makes `key` null, which the
    /// table refuses.
    UpsertTransactions(TransactionRow)
    " ON CONFLICT (number) DO UPDATE SET state = EXCLUDED.state, ended_by = EXCLUDED.ended_by, \
     key = CASE WHEN transactions.key = EXCLUDED.key THEN transactions.key END"
);

insert!(
    UpsertVoids(VoidRow)
    " ON CONFLICT (source) DO UPDATE SET state = EXCLUDED.state, kind = EXCLUDED.kind, queued_at = EXCLUDED.queued_at, \
     attempt = EXCLUDED.attempt"
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
    ReadTransactions::default().load::<TransactionRow>(conn).await?;
    ReadVoids::default().load::<VoidRow>(conn).await?;
    ReadLevels::default().load::<(Bytes, String)>(conn).await?;
    LockOffers::default().load::<OfferRow>(conn).await?;
    ReadForSale::default().load::<(Bytes, Bytes)>(conn).await?;
    KnownGiftKeys::default().load::<Bytes>(conn).await?;
    UpsertTransactions::of(types, Vec::new()).execute(conn).await?;
    UpsertVoids::of(types, Vec::new()).execute(conn).await?;
    SetLevels::default().load::<Bytes>(conn).await?;
    UpsertOffers::of(types, Vec::new()).execute(conn).await?;
    InsertGiftKeys::of(types, Vec::new()).execute(conn).await?;
    InsertPurchases::of(types, Vec::new()).execute(conn).await?;
    SellKeys::default().load::<Bytes>(conn).await.map(drop)
}

/// Reads what the acts of a batch need. What there is nothing to ask for is not asked.
pub async fn load(conn: &AsyncPgConnection, keys: &ReadSet) -> Result<LoadedPartners, StoreError> {
    let ReadSet { transactions, shop, .. } = keys;
    if transactions.is_empty() && shop.is_empty() {
        return Ok(LoadedPartners::default());
    }
    let (players, rounds) =
        transactions.rounds.iter().map(|(player, round)| (bytes(player.uuid()), round.to_string())).unzip();
    let named = ReadTransactions {
        keys: all_bytes(transactions.named.iter().map(|key| key.uuid())),
        numbers: transactions.numbers.iter().copied().collect(),
        players,
        rounds,
    };
    let voids = ReadVoids { sources: transactions.voids.iter().copied().collect() };
    let levels = ReadLevels { players: all_bytes(shop.levels.iter().map(|player| player.uuid())) };
    let offers = all_bytes(shop.offers.keys().map(|offer| offer.uuid()));
    let for_sale = ReadForSale { offers: offers.clone(), wanted: shop.offers.values().copied().collect() };
    let known = KnownGiftKeys { ids: all_bytes(shop.known_keys.iter().map(|key| key.0)) };
    let (has_voids, has_offers) = (!transactions.voids.is_empty(), !offers.is_empty());
    let [mut c0, mut c1, mut c2, mut c3, mut c4, mut c5] = [conn; 6];
    let (transactions, voids, levels, offers, for_sale, known_keys) = join!(
        rows(!transactions.is_empty(), named.load::<TransactionRow>(&mut c0)),
        rows(has_voids, voids.load::<VoidRow>(&mut c1)),
        rows(!shop.levels.is_empty(), levels.load::<(Bytes, String)>(&mut c2)),
        rows(has_offers, LockOffers { ids: offers }.load::<OfferRow>(&mut c3)),
        rows(has_offers, for_sale.load::<(Bytes, Bytes)>(&mut c4)),
        rows(!shop.known_keys.is_empty(), known.load::<Bytes>(&mut c5)),
    );
    Ok(LoadedPartners {
        transactions: transactions?,
        voids: voids?,
        levels: levels?,
        offers: offers?,
        for_sale: for_sale?,
        known_keys: known_keys?,
    })
}

async fn rows<T>(is_asked: bool, query: impl Future<Output = QueryResult<Vec<T>>>) -> Result<Vec<T>, StoreError> {
    if is_asked { query.await.map_err(classify_read) } else { Ok(Vec::new()) }
}

/// Writes what was bought and stocked, in one round trip. An error where a level was bought by nobody who is there, or a key
/// sold that is not for sale: the transaction is still open.
pub async fn write_shop(conn: &AsyncPgConnection, types: &RowTypes, rows: ShopRows) -> Result<(), StoreError> {
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
