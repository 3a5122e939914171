//! Rows as parameters: an array of a table's own row type, whatever the number of rows. Each column is named once.
//!
//! `unnest` of many arrays, one a column, keeps every value by itself until the rows are put together; of one array of
//! rows it keeps each row. Diesel can write such an array, but not without learning the type's number: diesel-async writes
//! it twice each time and compares, so the number is asked for once a session ([`RowTypes`]), and the array written here.

use std::collections::HashMap;
use std::io::Write;
use std::num::TryFromIntError;

use diesel::QueryResult;
use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, HasSqlType, Oid, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::statements::statement;
use crate::storage::partners::{GiftKeyRow, OfferRow, PurchaseRow, TransactionRow, VoidRow};
use crate::storage::rows::{AccountRow, JournalRow, OrderRow, PlayerRow};
use crate::storage::usernames::UsernameRow;

/// The SQL type of [`Rows`]: the statement says which array it is.
#[derive(Debug, Clone, Copy)]
pub struct TableRows;

impl HasSqlType<TableRows> for Pg {
    fn metadata(_: &mut (dyn PgMetadataLookup + 'static)) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

/// Rows of one table.
#[derive(Debug)]
pub struct Rows<R> {
    row_type: u32,
    rows: Vec<R>,
}

/// None, of no type: the database refuses it.
impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self { row_type: 0, rows: Vec::new() }
    }
}

impl<R: Record + std::fmt::Debug> ToSql<TableRows, Pg> for Rows<R> {
    /// As `array_recv` reads it: one dimension that begins at 1, and each row as `record_recv` reads it.
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let mut bytes = Vec::new();
        for number in [1, 0, self.row_type, length(self.rows.len())?, 1] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for row in &self.rows {
            let at = bytes.len();
            bytes.extend_from_slice(&[0; 4]);
            row.put(&mut bytes)?;
            let written = length(bytes.len() - at - 4)?;
            bytes[at..at + 4].copy_from_slice(&written.to_be_bytes());
        }
        out.write_all(&bytes)?;
        Ok(IsNull::No)
    }
}

/// A row that is written as a whole, as `record_recv` reads it.
pub trait Record {
    const TABLE: &'static str;

    fn put(&self, bytes: &mut Vec<u8>) -> Result<(), TryFromIntError>;
}

/// A value of a column: the number of its type, which is the same in every database, and its binary form.
trait Column {
    const TYPE: u32;

    /// Puts it behind its length.
    fn put(&self, bytes: &mut Vec<u8>) -> Result<(), TryFromIntError>;
}

fn length(length: usize) -> Result<u32, TryFromIntError> {
    i32::try_from(length).map(i32::cast_unsigned)
}

fn put_prefixed(bytes: &mut Vec<u8>, value: &[u8]) -> Result<(), TryFromIntError> {
    bytes.extend_from_slice(&length(value.len())?.to_be_bytes());
    bytes.extend_from_slice(value);
    Ok(())
}

/// Declares the columns of a Rust type: the number of their SQL type, and how a value is written.
macro_rules! column {
    ($rust:ty, $number:literal, |$value:ident| $bytes:expr) => {
        impl Column for $rust {
            const TYPE: u32 = $number;

            fn put(&self, bytes: &mut Vec<u8>) -> Result<(), TryFromIntError> {
                let $value = self;
                put_prefixed(bytes, $bytes)
            }
        }
    };
}

column!(bool, 16, |value| &[u8::from(*value)]);
column!(Vec<u8>, 17, |value| value);
column!(i64, 20, |value| &value.to_be_bytes());
column!(i32, 23, |value| &value.to_be_bytes());
column!(String, 25, |value| value.as_bytes());

impl<T: Column> Column for Option<T> {
    const TYPE: u32 = T::TYPE;

    fn put(&self, bytes: &mut Vec<u8>) -> Result<(), TryFromIntError> {
        match self {
            Some(value) => value.put(bytes),
            None => {
                bytes.extend_from_slice(&(-1_i32).to_be_bytes());
                Ok(())
            }
        }
    }
}

fn put_column<T: Column>(bytes: &mut Vec<u8>, value: &T) -> Result<(), TryFromIntError> {
    bytes.extend_from_slice(&T::TYPE.to_be_bytes());
    value.put(bytes)
}

/// Declares a table's row type: all columns, in the table's order.
macro_rules! record {
    ($table:literal: $row:ident { $($column:ident),+ $(,)? }) => {
        impl Record for $row {
            const TABLE: &'static str = $table;

            fn put(&self, bytes: &mut Vec<u8>) -> Result<(), TryFromIntError> {
                const COLUMNS: u32 = [$(stringify!($column)),+].len() as u32;
                bytes.extend_from_slice(&COLUMNS.to_be_bytes());
                $(put_column(bytes, &self.$column)?;)+
                Ok(())
            }
        }
    };
}

record!("journal": JournalRow { seq, at, writer, by_key, key, party, transfers, command, outcome, hash });
record!("players": PlayerRow { id, party, player, home_currency, username, nickname, email, gender, vip });
record!("usernames": UsernameRow { party, username, player });
record!("accounts": AccountRow {
    id, party, side, player, currency, bucket, wallet, product, balance, staked_day, staked,
});
record!("orders": OrderRow {
    id, party, game, external_id, player, state, stake, currency, bucket, wallet, product, round, day, paid,
    placed_seq, settled_seq, cancelled_seq,
});
record!("transactions": TransactionRow {
    number, key, party, player, scope, kind, region, partner, reference, round, currency, product, moved_real,
    moved_bonus, moved_ring_fenced, moved_gbt_bonus, external, source, state, ended_by, memo, worth, token,
});
record!("voids": VoidRow { source, party, player, kind, state, queued_at, attempt });
record!("offers": OfferRow { id, party, offer, name, price, currency, stock });
record!("gift_keys": GiftKeyRow { id, offer, seq, position, sealed, purchase });
record!("purchases": PurchaseRow { number, party, buyer, offer, paid, keys });

const TABLES: [&str; 10] = [
    JournalRow::TABLE,
    PlayerRow::TABLE,
    UsernameRow::TABLE,
    AccountRow::TABLE,
    OrderRow::TABLE,
    TransactionRow::TABLE,
    VoidRow::TABLE,
    OfferRow::TABLE,
    GiftKeyRow::TABLE,
    PurchaseRow::TABLE,
];

statement!(
    ReadRowTypes(tables: Array<Text> = Vec<&'static str>) -> (Text, Oid),
    "SELECT t.name, t.name::regtype::oid FROM unnest(", ") AS t (name)"
);

/// The numbers of the tables' row types in one database and schema.
#[derive(Debug, Clone, Default)]
pub struct RowTypes(HashMap<String, u32>);

impl RowTypes {
    pub async fn read(conn: &mut AsyncPgConnection) -> QueryResult<Self> {
        let types = ReadRowTypes { tables: TABLES.to_vec() }.load::<(String, u32)>(conn).await?;
        Ok(Self(types.into_iter().collect()))
    }

    /// Rows as one parameter.
    pub fn rows<R: Record>(&self, rows: Vec<R>) -> Rows<R> {
        // Without a number the database refuses the array, and says so.
        let row_type = self.0.get(R::TABLE).copied().unwrap_or_default();
        Rows { row_type, rows }
    }
}
