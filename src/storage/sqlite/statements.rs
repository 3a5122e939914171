//! The writer's statements, one row each. Diesel prepares an `insert_into` anew every time; a fragment with a text and
//! a `QueryId` of its own is prepared once.

use std::ops::Deref;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;

use crate::storage::rows::{AccountRow, ChangedAccountRow, JournalRow, OrderRow, PlayerRow};

/// Gives a statement its text and parameters; its type alone tells which it is.
macro_rules! fragment {
    ($name:ty as $static:ty, |$this:ident, $out:ident| $walk:block) => {
        impl QueryId for $name {
            type QueryId = $static;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl QueryFragment<Sqlite> for $name {
            fn walk_ast<'b>(&'b $this, mut $out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> $walk
        }

        impl<Conn> diesel::query_dsl::RunQueryDsl<Conn> for $name {}
    };
}

/// Declares an insert of one row: the table, its columns with their types, and what follows the values.
macro_rules! insert {
    ($(#[$doc:meta])* $name:ident($row:ty) into $table:literal ( $first:ident: $first_sql:ty $(, $column:ident: $sql:ty)* ) $tail:literal) => {
        $(#[$doc])*
        pub struct $name<'a>(pub &'a $row);

        fragment!($name<'_> as $name<'static>, |self, out| {
            out.push_sql(concat!("INSERT INTO ", $table, " (", stringify!($first) $(, ", ", stringify!($column))*, ") VALUES ("));
            out.push_bind_param::<$first_sql, _>(&self.0.$first)?;
            $(
                out.push_sql(", ");
                out.push_bind_param::<$sql, _>(&self.0.$column)?;
            )*
            out.push_sql($tail);
            Ok(())
        });
    };
}

pub(super) use {fragment, insert};

insert!(InsertJournal(JournalRow) into "journal" (
    seq: BigInt, at: BigInt, writer: Integer, by_key: Bool, key: Nullable<Binary>, party: Text, transfers: Binary,
    command: Text, outcome: Text, hash: Binary
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

insert!(InsertAccount(AccountRow) into "accounts" (
    id: Binary, party: Text, side: Text, player: Nullable<Binary>, currency: Text, bucket: Text, wallet: Text,
    product: Integer, balance: BigInt, staked_day: Integer, staked: BigInt
) ")");

pub struct UpdateAccount<'a>(pub &'a ChangedAccountRow);

fragment!(UpdateAccount<'_> as UpdateAccount<'static>, |self, out| {
    out.push_sql("UPDATE accounts SET balance = ");
    out.push_bind_param::<BigInt, _>(&self.0.balance)?;
    out.push_sql(", staked_day = ");
    out.push_bind_param::<Integer, _>(&self.0.staked_day)?;
    out.push_sql(", staked = ");
    out.push_bind_param::<BigInt, _>(&self.0.staked)?;
    out.push_sql(" WHERE id = ");
    out.push_bind_param::<Binary, _>(&self.0.id)
});

/// An order, and the number of its row.
pub struct NumberedOrder<'a> {
    pub num: i64,
    pub row: &'a OrderRow,
}

impl Deref for NumberedOrder<'_> {
    type Target = OrderRow;

    fn deref(&self) -> &OrderRow {
        self.row
    }
}

insert!(InsertOrder(NumberedOrder<'a>) into "orders" (
    num: BigInt, id: Binary, party: Text, game: Text, external_id: Text, player: Binary, state: Text,
    stake: Nullable<BigInt>, currency: Nullable<Text>, bucket: Nullable<Text>, wallet: Nullable<Text>,
    product: Nullable<Integer>, round: Nullable<BigInt>, day: Nullable<Integer>, paid: BigInt,
    placed_seq: Nullable<BigInt>, settled_seq: Nullable<BigInt>, cancelled_seq: Nullable<BigInt>
) ")");

/// What may change of an order.
pub struct UpdateOrder<'a>(pub &'a NumberedOrder<'a>);

fragment!(UpdateOrder<'_> as UpdateOrder<'static>, |self, out| {
    out.push_sql("UPDATE orders SET state = ");
    out.push_bind_param::<Text, _>(&self.0.state)?;
    out.push_sql(", paid = ");
    out.push_bind_param::<BigInt, _>(&self.0.paid)?;
    out.push_sql(", placed_seq = COALESCE(");
    out.push_bind_param::<Nullable<BigInt>, _>(&self.0.placed_seq)?;
    out.push_sql(", placed_seq), settled_seq = COALESCE(");
    out.push_bind_param::<Nullable<BigInt>, _>(&self.0.settled_seq)?;
    out.push_sql(", settled_seq), cancelled_seq = COALESCE(");
    out.push_bind_param::<Nullable<BigInt>, _>(&self.0.cancelled_seq)?;
    out.push_sql(", cancelled_seq) WHERE num = ");
    out.push_bind_param::<BigInt, _>(&self.0.num)
});

/// Takes an id into the index of orders. It may be there already, with the same number: another one breaks the rule that
/// there is a number, and with it the transaction.
pub struct MoveId<'a> {
    pub id: &'a [u8; 16],
    pub num: &'a i64,
}

fragment!(MoveId<'_> as MoveId<'static>, |self, out| {
    out.push_sql("INSERT INTO order_index (id, num) VALUES (");
    out.push_bind_param::<Binary, _>(self.id.as_slice())?;
    out.push_sql(", ");
    out.push_bind_param::<BigInt, _>(self.num)?;
    out.push_sql(") ON CONFLICT (id) DO UPDATE SET num = CASE num WHEN excluded.num THEN num END");
    Ok(())
});
