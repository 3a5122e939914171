//! What partners' acts read and write: with the rest of a batch, whatever its size.
//!
//! | phase | statements | round trips |
//! |---|---|---|
//! | load | transactions with their sources and rounds, voids; what the `shop.rs` reads | none of its own |
//! | write | transactions and voids | none of its own |
//! | | what the shop writes | one, where something is bought or stocked |

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use super::records::{RowTypes, insert};
use super::session::classify_read;
use super::shop;
use super::statements::statement;
use crate::ledger::ReadSet;
use crate::storage::StoreError;
use crate::storage::partners::{LoadedPartners, TransactionRow, VoidRow, all_bytes};
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

/// Prepares every statement: see [`super::writer`].
pub async fn prepare(conn: &mut AsyncPgConnection, types: &RowTypes) -> QueryResult<()> {
    ReadTransactions::default().load::<TransactionRow>(conn).await?;
    ReadVoids::default().load::<VoidRow>(conn).await?;
    UpsertTransactions::of(types, Vec::new()).execute(conn).await?;
    UpsertVoids::of(types, Vec::new()).execute(conn).await?;
    shop::prepare(conn, types).await
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
    let has_voids = !transactions.voids.is_empty();
    let [mut c0, mut c1] = [conn; 2];
    let (transactions, voids, shop) = join!(
        rows(!transactions.is_empty(), named.load::<TransactionRow>(&mut c0)),
        rows(has_voids, voids.load::<VoidRow>(&mut c1)),
        shop::load(conn, shop),
    );
    Ok(LoadedPartners { transactions: transactions?, voids: voids?, shop: shop? })
}

pub(super) async fn rows<T>(
    is_asked: bool,
    query: impl Future<Output = QueryResult<Vec<T>>>,
) -> Result<Vec<T>, StoreError> {
    if is_asked { query.await.map_err(classify_read) } else { Ok(Vec::new()) }
}
