//! Where an order's row is: a random place for each new one is what cost SQLite most.
//!
//! Rows of orders are numbered as they come, and lie one behind the other. What finds them by id lies in two parts:
//!
//! - `order_index`, a table in the order of the ids, complete for every order up to a number that `order_index_end` tells;
//! - the tail: the ids that the table does not have yet, in the writer's memory, and in the rows behind that number.
//!
//! Where the tail is long, each commit moves the next of its ids, in their order, into the table: neighbours share pages, and
//! after one round through all ids the table is complete up to where the round began. What was moved is known to be in the
//! tail still until the transaction is committed, so whatever fails, the tail holds too much and never too little: to move an
//! id once more changes nothing, and an id that is moved to another number stops the transaction.
//!
//! Other processes write the same file: a writer catches up with their orders after each `BEGIN IMMEDIATE`, so that it knows
//! every order while nobody else can add one. Whoever only reads looks through the rows behind the end instead, which are
//! at most twice [`LONGEST_TAIL`].

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use diesel::prelude::*;
use diesel::sql_types::Binary;
use diesel::sqlite::SqliteConnection;

use super::classify;
use super::statements::{InsertOrder, MoveId, NumberedOrder, UpdateOrder};
use crate::storage::StoreError;
use crate::storage::rows::{Bytes, OrderRow, damaged};

/// A longer one makes the moves cheaper, and the start and readers slower.
pub const LONGEST_TAIL: usize = 65_536;

/// Shares of the longest tail that are moved at once: at least, and where it is far too long, at most.
const MOVED: [usize; 2] = [128, 16];

/// The only row of `order_index_end`.
const ONLY: i32 = 1;

diesel::table! {
    order_index (id) {
        id -> Binary,
        num -> BigInt,
    }
}

diesel::table! {
    order_index_end (id) {
        id -> Integer,
        num -> BigInt,
    }
}

diesel::table! {
    #[sql_name = "orders"]
    numbered_orders (num) {
        num -> BigInt,
        id -> Binary,
        party -> Text,
        game -> Text,
        external_id -> Text,
        player -> Binary,
        state -> Text,
        stake -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        bucket -> Nullable<Text>,
        wallet -> Nullable<Text>,
        product -> Nullable<Integer>,
        round -> Nullable<BigInt>,
        day -> Nullable<Integer>,
        paid -> BigInt,
        placed_seq -> Nullable<BigInt>,
        settled_seq -> Nullable<BigInt>,
        cancelled_seq -> Nullable<BigInt>,
    }
}

type Id = [u8; 16];

type RowColumns = (
    numbered_orders::id,
    numbered_orders::party,
    numbered_orders::game,
    numbered_orders::external_id,
    numbered_orders::player,
    numbered_orders::state,
    numbered_orders::stake,
    numbered_orders::currency,
    numbered_orders::bucket,
    numbered_orders::wallet,
    numbered_orders::product,
    numbered_orders::round,
    numbered_orders::day,
    numbered_orders::paid,
    numbered_orders::placed_seq,
    numbered_orders::settled_seq,
    numbered_orders::cancelled_seq,
);

/// Of [`numbered_orders`], all that an [`OrderRow`] has, in its order.
pub const ROW: RowColumns = {
    use numbered_orders::*;
    (
        id,
        party,
        game,
        external_id,
        player,
        state,
        stake,
        currency,
        bucket,
        wallet,
        product,
        round,
        day,
        paid,
        placed_seq,
        settled_seq,
        cancelled_seq,
    )
};

/// What a writer knows of the orders' numbers.
#[derive(Debug, Default)]
pub struct OrderIndex {
    /// Ids in the tail from which on some are moved.
    longest_tail: usize,
    /// Not in the table, or not known to be.
    tail: BTreeMap<Id, i64>,
    /// The last number that was seen.
    last: i64,
    /// Ids up to this one were moved in this round.
    moved: Option<Id>,
    /// The last number when the round began: once it ends, the table is complete up to here.
    round_began: i64,
    /// What this transaction has looked up.
    looked_up: HashMap<Id, Option<i64>>,
    /// How many orders of others it has found.
    caught_up: usize,
}

/// What a transaction changes of it; nothing, until it is committed.
#[derive(Debug, Default)]
pub struct Changes {
    new: Vec<(Id, i64)>,
    moved: Vec<Id>,
    ends_round: bool,
}

impl OrderIndex {
    pub fn new(longest_tail: usize) -> Self {
        Self { longest_tail, ..Self::default() }
    }

    /// One that knows nothing yet.
    pub fn afresh(&self) -> Self {
        Self::new(self.longest_tail)
    }

    /// For a transaction that has just begun: learns of the orders that others have added, or of all that the table may not
    /// have.
    pub fn catch_up(&mut self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        self.looked_up.clear();
        let is_new = self.last == 0;
        if is_new {
            self.last = complete_to(conn)?;
        }
        let newer = numbered_orders::table.filter(numbered_orders::num.gt(self.last)).order(numbered_orders::num);
        let newer = newer.select((numbered_orders::num, numbered_orders::id));
        let newer: Vec<(i64, Bytes)> = newer.load(conn).map_err(classify)?;
        self.caught_up = newer.len();
        for (num, id) in newer {
            self.take(id_of(&id)?, num)?;
        }
        if is_new {
            self.round_began = self.last;
        }
        Ok(())
    }

    fn take(&mut self, id: Id, num: i64) -> Result<(), StoreError> {
        match self.tail.entry(id) {
            Entry::Vacant(place) => place.insert(num),
            Entry::Occupied(place) => {
                let id = uuid::Uuid::from_bytes(id);
                return Err(damaged("orders", format!("{id} is there twice, as {} and {num}", place.get())));
            }
        };
        self.last = self.last.max(num);
        Ok(())
    }

    /// The number of an order's row.
    pub fn find(&self, conn: &mut SqliteConnection, id: &Id) -> Result<Option<i64>, StoreError> {
        if let Some(num) = self.tail.get(id) {
            return Ok(Some(*num));
        }
        let indexed = order_index::table.find(id.as_slice()).select(order_index::num);
        indexed.get_result(conn).optional().map_err(classify)
    }

    /// An order's row, as it is when the transaction begins.
    pub fn load(&mut self, conn: &mut SqliteConnection, id: Id) -> Result<Option<OrderRow>, StoreError> {
        let num = self.find(conn, &id)?;
        self.looked_up.insert(id, num);
        num.map(|num| numbered(conn, &id, num)).transpose()
    }

    /// Writes orders that the batch has not found, and those that it has, and moves ids where the tail is long. One that is
    /// not what the batch took it for is a conflict: decided again, it is seen.
    pub fn write(
        &self,
        conn: &mut SqliteConnection,
        new: &[OrderRow],
        changed: &[OrderRow],
    ) -> Result<Changes, StoreError> {
        let mut changes = Changes::default();
        let mut next = self.last;
        for row in new {
            let (id, known) = self.number(conn, row)?;
            if known.is_some() {
                return Err(not_as_found(&id, "is there already"));
            }
            next += 1;
            changes.new.push((id, next));
            InsertOrder(&NumberedOrder { num: next, row }).execute(conn).map_err(classify)?;
        }
        for row in changed {
            let (id, known) = self.number(conn, row)?;
            let num = known.ok_or_else(|| not_as_found(&id, "is gone"))?;
            if UpdateOrder(&NumberedOrder { num, row }).execute(conn).map_err(classify)? != 1 {
                return Err(not_as_found(&id, "is gone"));
            }
        }
        if let Some(too_many) = self.tail.len().checked_sub(self.longest_tail) {
            // More than came, so that it does not grow, whoever added them.
            let came = self.caught_up + changes.new.len();
            let [least, most] = MOVED.map(|share| (self.longest_tail / share).max(2 * came).max(1));
            self.move_ids(conn, too_many.clamp(least, most), &mut changes)?;
        }
        Ok(changes)
    }

    /// A row's id and number, as they were looked up when the batch was loaded.
    fn number(&self, conn: &mut SqliteConnection, row: &OrderRow) -> Result<(Id, Option<i64>), StoreError> {
        let id = id_of(&row.id)?;
        let known = match self.looked_up.get(&id) {
            Some(known) => *known,
            None => self.find(conn, &id)?,
        };
        Ok((id, known))
    }

    fn move_ids(&self, conn: &mut SqliteConnection, most: usize, changes: &mut Changes) -> Result<(), StoreError> {
        let after = self.moved.map_or(Bound::Unbounded, Bound::Excluded);
        for (id, num) in self.tail.range((after, Bound::Unbounded)).take(most) {
            // Other orders' commands are in order: they wait for whoever mends the index, and are not refused.
            MoveId { id, num }.execute(conn).map_err(|error| {
                let id = uuid::Uuid::from_bytes(*id);
                StoreError::Outage(format!("order {id} cannot be taken into its index as {num}: {error}"))
            })?;
            changes.moved.push(*id);
        }
        changes.ends_round = changes.moved.len() < most;
        if changes.ends_round {
            let end = order_index_end::table.find(ONLY).filter(order_index_end::num.lt(self.round_began));
            diesel::update(end).set(order_index_end::num.eq(self.round_began)).execute(conn).map_err(classify)?;
        }
        Ok(())
    }

    /// The transaction was committed.
    pub fn apply(&mut self, changes: Changes) {
        for id in &changes.moved {
            self.tail.remove(id);
        }
        self.moved = changes.moved.last().copied().or(self.moved);
        self.last = changes.new.last().map_or(self.last, |(_, num)| *num);
        self.tail.extend(changes.new);
        if changes.ends_round {
            (self.moved, self.round_began) = (None, self.last);
        }
    }
}

/// An order's row, for whoever only reads and keeps no tail.
pub fn look_up(conn: &mut SqliteConnection, id: &[u8]) -> QueryResult<Option<OrderRow>> {
    let sql = "SELECT * FROM orders WHERE num = COALESCE((SELECT num FROM order_index WHERE id = ?), \
               (SELECT num FROM orders WHERE num > (SELECT num FROM order_index_end) AND id = ?))";
    diesel::sql_query(sql).bind::<Binary, _>(id).bind::<Binary, _>(id).get_result(conn).optional()
}

/// The table is complete up to this order.
fn complete_to(conn: &mut SqliteConnection) -> Result<i64, StoreError> {
    order_index_end::table.find(ONLY).select(order_index_end::num).get_result(conn).map_err(classify)
}

fn numbered(conn: &mut SqliteConnection, id: &Id, num: i64) -> Result<OrderRow, StoreError> {
    let row = numbered_orders::table.find(num).select(ROW).get_result::<OrderRow>(conn).optional().map_err(classify)?;
    row.filter(|row| row.id == id).ok_or_else(|| {
        damaged("order_index", format!("{} is not the order of number {num}", uuid::Uuid::from_bytes(*id)))
    })
}

fn not_as_found(id: &Id, what: &str) -> StoreError {
    StoreError::Conflict(format!("order {} {what}, which the batch did not find so", uuid::Uuid::from_bytes(*id)))
}

fn id_of(bytes: &[u8]) -> Result<Id, StoreError> {
    bytes.try_into().map_err(|_| damaged("id", "is not 16 bytes long"))
}
