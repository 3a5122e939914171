//! The writer's bulk statements: one text each, whatever the batch's size, with arrays as parameters:
//! of values to look for, and of whole rows to write ([`super::records`]).
//!
//! A statement has a `QueryId` of its own, so that diesel-async prepares it once per session; `sql_query` and
//! many-row `VALUES` would be prepared anew each time.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text};

use super::records::insert;
use crate::storage::rows::{AccountRow, Bytes, ChangedAccountRow, JournalRow, OrderRow, PlayerRow, WriterRow};

/// Gives a statement its text and parameters, and says what it returns; its type alone tells which it is.
macro_rules! prepared_once {
    ($name:ident -> $row:ty, |$this:ident, $out:ident| $walk:block) => {
        impl QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b $this, mut $out: AstPass<'_, 'b, Pg>) -> QueryResult<()> $walk
        }

        impl Query for $name {
            type SqlType = $row;
        }

        impl<Conn> diesel::query_dsl::RunQueryDsl<Conn> for $name {}
    };
}
pub(super) use prepared_once;

/// Declares a statement: its parameters by column type, its text around them, and the types of the rows it returns.
macro_rules! statement {
    ($(#[$doc:meta])* $name:ident ( $($field:ident : $sql:ty = $rust:ty),+ ) -> $row:ty, $head:literal $(, $tail:literal)+) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name { $(pub $field: $rust),+ }

        $crate::storage::postgres::statements::prepared_once!($name -> $row, |self, out| {
            let mut texts = [$($tail),+].into_iter();
            out.push_sql($head);
            $(
                out.push_bind_param::<$sql, _>(&self.$field)?;
                out.push_sql(texts.next().unwrap_or_default());
            )+
            Ok(())
        });
    };
}
pub(super) use statement;

statement!(
    /// Takes the players' row locks in key order, so that several writers never wait for each other in a circle.
    LockPlayers(ids: Array<Binary> = Vec<Bytes>)
        -> (Binary, Text, Text, Text, Nullable<Text>, Nullable<Text>, Nullable<Text>, Nullable<Text>),
    "SELECT id, party, player, home_currency, username, nickname, email, gender FROM players WHERE id = ANY(",
    ") ORDER BY id FOR NO KEY UPDATE"
);

statement!(
    /// Every account of the players.
    ReadAccounts(players: Array<Binary> = Vec<Bytes>)
        -> (Binary, Text, Text, Nullable<Binary>, Text, Text, Text, Integer, BigInt, Integer, BigInt),
    "SELECT id, party, side, player, currency, bucket, wallet, product, balance, staked_day, staked FROM accounts WHERE player = ANY(",
    ")"
);

statement!(
    ReadOrders(ids: Array<Binary> = Vec<Bytes>)
        -> (Binary, Text, Text, Text, Binary, Text, Nullable<BigInt>, Nullable<Text>, Nullable<Text>, Nullable<Text>,
            Nullable<Integer>, Nullable<BigInt>, Nullable<Integer>, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>),
    "SELECT id, party, game, external_id, player, state, stake, currency, bucket, wallet, product, round, day, paid, placed_seq, settled_seq, cancelled_seq FROM orders WHERE id = ANY(",
    ")"
);

statement!(
    /// What was decided of commands that are found by their key.
    ReadDecided(keys: Array<Binary> = Vec<Bytes>) -> (Nullable<Binary>, Text, Text),
    "SELECT key, command, outcome FROM journal WHERE by_key AND key = ANY(",
    ")"
);

statement!(
    /// What was decided of orders' commands, by the numbers that the orders tell.
    ReadNumbered(seqs: Array<BigInt> = Vec<i64>) -> (BigInt, Nullable<Binary>, Text, Text),
    "SELECT seq, key, command, outcome FROM journal WHERE seq = ANY(",
    ")"
);

statement!(
    /// The writer's chain, locked so that nobody else can continue it meanwhile.
    ReadWriter(id: Integer = i32) -> (Integer, BigInt, Binary),
    "SELECT id, last_seq, head FROM writers WHERE id = ",
    " FOR UPDATE"
);

statement!(
    /// Grows with every commit of any other writer.
    CommitsOfOthers(id: Integer = i32) -> BigInt,
    "SELECT COALESCE(sum(last_seq), 0)::BIGINT FROM writers WHERE id <> ",
    ""
);

statement!(
    KnownOrders(ids: Array<Binary> = Vec<Bytes>) -> Binary,
    "SELECT id FROM orders WHERE id = ANY(",
    ")"
);

statement!(
    /// As many new journal numbers as the batch may need. Numbers that are taken after the locks grow in the order in
    /// which a player's commands are decided, whichever process decides them.
    TakeSeqs(count: BigInt = i64) -> BigInt,
    "SELECT nextval('journal_seq') FROM generate_series(1, ",
    ")"
);

insert!(InsertJournal(JournalRow) "");

insert!(InsertPlayers(PlayerRow) "");

insert!(
    /// House-side accounts are names without a running balance: written once, never locked again.
    NameHouseAccounts(AccountRow) " ON CONFLICT (id) DO NOTHING"
);

insert!(InsertAccounts(AccountRow) "");

insert!(InsertOrders(OrderRow) "");

insert!(
    /// Orders that were read. One that is there can only be settled or cancelled, and a tombstone refuse a bet, and only by
    /// its player's commands, which the player's lock keeps apart. Anything else makes `player` null, which the table refuses,
    /// and the batch is decided again.
    ChangeOrders(OrderRow)
    " ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, paid = EXCLUDED.paid, \
     placed_seq = COALESCE(EXCLUDED.placed_seq, orders.placed_seq), \
     settled_seq = COALESCE(EXCLUDED.settled_seq, orders.settled_seq), \
     cancelled_seq = COALESCE(EXCLUDED.cancelled_seq, orders.cancelled_seq), \
     player = CASE WHEN orders.player = EXCLUDED.player AND (orders.state = 'open' AND EXCLUDED.state IN \
     ('won', 'lost', 'tied', 'cancelled') OR orders.state = 'tombstone' AND EXCLUDED.state = 'tombstone' AND \
     orders.placed_seq IS NULL AND EXCLUDED.cancelled_seq IS NULL) THEN orders.player END"
);

statement!(
    /// Changes accounts that were read, and moves the writer on. Were one of them gone, `last_seq` would become null, which
    /// the table refuses, and the batch would be decided again.
    AdvanceWriter(
        account: Array<Binary> = Vec<Bytes>,
        balance: Array<BigInt> = Vec<i64>,
        staked_day: Array<Integer> = Vec<i32>,
        staked: Array<BigInt> = Vec<i64>,
        accounts: BigInt = i64,
        last_seq: BigInt = i64,
        head: Binary = Bytes,
        writer: Integer = i32
    ) -> BigInt,
    "WITH changed AS (UPDATE accounts SET balance = r.balance, staked_day = r.staked_day, staked = r.staked FROM unnest(",
    ", ", ", ", ", ", ") AS r (id, balance, staked_day, staked) WHERE accounts.id = r.id RETURNING 1) \
     UPDATE writers SET last_seq = CASE (SELECT count(*) FROM changed) WHEN ", " THEN ", " END, head = ",
    " WHERE id = ", ""
);

impl AdvanceWriter {
    pub fn of(writer: WriterRow, accounts: Vec<ChangedAccountRow>) -> Self {
        let WriterRow { id, last_seq, head } = writer;
        let mut columns = Self { last_seq, head, writer: id, ..Self::default() };
        for row in accounts {
            columns.account.push(row.id);
            columns.balance.push(row.balance);
            columns.staked_day.push(row.staked_day);
            columns.staked.push(row.staked);
            columns.accounts += 1;
        }
        columns
    }
}
