//! The writer's statements, one row each. Diesel prepares an `insert_into` anew every time; a fragment with a text and
//! a `QueryId` of its own is prepared once.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

use crate::storage::rows::{AccountRow, JournalRow, OrderRow, PlayerRow, TransferRow};

/// Declares an insert of one row: the table, its columns with their types, and what follows the values.
macro_rules! insert {
    ($(#[$doc:meta])* $name:ident($row:ty) into $table:literal ( $first:ident: $first_sql:ty $(, $column:ident: $sql:ty)* ) $tail:literal) => {
        $(#[$doc])*
        pub struct $name<'a>(pub &'a $row);

        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl QueryFragment<Sqlite> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(concat!("INSERT INTO ", $table, " (", stringify!($first) $(, ", ", stringify!($column))*, ") VALUES ("));
                out.push_bind_param::<$first_sql, _>(&self.0.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<$sql, _>(&self.0.$column)?;
                )*
                out.push_sql($tail);
                Ok(())
            }
        }

        impl<Conn> diesel::query_dsl::RunQueryDsl<Conn> for $name<'_> {}
    };
}

insert!(InsertJournal(JournalRow) into "journal" (
    seq: BigInt, writer: Integer, key: Nullable<Binary>, by_key: Bool, at: BigInt, party: Text, command: Text, outcome: Text,
    hash: Binary
) ")");

insert!(InsertTransfer(TransferRow) into "transfers" (
    seq: BigInt, leg: SmallInt, debit: Binary, credit: Binary, amount: BigInt
) ")");

insert!(InsertPlayer(PlayerRow) into "players" (
    id: Binary, party: Text, player: Text, home_currency: Text, username: Nullable<Text>, nickname: Nullable<Text>,
    email: Nullable<Text>, gender: Nullable<Text>
) ")");

insert!(
    /// House-side accounts are names without a running balance: written once.
    NameHouseAccount(AccountRow) into "accounts" (
        id: Binary, party: Text, side: Text, player: Nullable<Binary>, currency: Text, bucket: Text, wallet: Text,
        product: Integer, balance: BigInt, staked_day: Integer, staked: BigInt
    ) ") ON CONFLICT (id) DO NOTHING"
);

insert!(UpsertAccount(AccountRow) into "accounts" (
    id: Binary, party: Text, side: Text, player: Nullable<Binary>, currency: Text, bucket: Text, wallet: Text,
    product: Integer, balance: BigInt, staked_day: Integer, staked: BigInt
) ") ON CONFLICT (id) DO UPDATE SET balance = excluded.balance, staked_day = excluded.staked_day, staked = excluded.staked");

insert!(UpsertOrder(OrderRow) into "orders" (
    id: Binary, party: Text, game: Text, external_id: Text, player: Binary, state: Text, stake: Nullable<BigInt>,
    currency: Nullable<Text>, bucket: Nullable<Text>, wallet: Nullable<Text>, product: Nullable<Integer>,
    round: Nullable<BigInt>, day: Nullable<Integer>, paid: BigInt,
    placed_seq: Nullable<BigInt>, settled_seq: Nullable<BigInt>, cancelled_seq: Nullable<BigInt>
) ") ON CONFLICT (id) DO UPDATE SET state = excluded.state, paid = excluded.paid, \
    placed_seq = COALESCE(excluded.placed_seq, placed_seq), settled_seq = COALESCE(excluded.settled_seq, settled_seq), \
    cancelled_seq = COALESCE(excluded.cancelled_seq, cancelled_seq)");
