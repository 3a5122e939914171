//! Rows as parameters: one array of rows, whatever their number. Each column is named once.
//!
//! `unnest` of many arrays, one a column, keeps every value by itself until the rows are put together; of one array of
//! rows it keeps each row. The rows are of types of their own (`order_row`), not of the tables': a table may get a column while
//! this program runs. Diesel can write such an array, but not without learning the type's number: diesel-async writes
//! it twice each time and compares, so the number is asked for once a session ([`RowTypes`]), and the array written here
//! (adr/0021).

use std::collections::HashMap;
use std::io::Write;
use std::num::TryFromIntError;

use diesel::QueryResult;
use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, HasSqlType, Oid, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::shop;
use super::statements::statement;
use crate::storage::partners::{TransactionRow, VoidRow};
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
    /// The row's type in the database.
    const TYPE: &'static str;
    /// A statement that writes rows, up to them, and what comes right after them.
    const INSERT: &'static str;
    const AS_ROWS: &'static str;

    fn put(&self, bytes: &mut Vec<u8>) -> Result<(), TryFromIntError>;
}

/// A value of a column: the number of its type, which is the same in every database, and its binary form.
pub trait Column {
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

pub fn put_column<T: Column>(bytes: &mut Vec<u8>, value: &T) -> Result<(), TryFromIntError> {
    bytes.extend_from_slice(&T::TYPE.to_be_bytes());
    value.put(bytes)
}

/// Declares what is written of a row: its table, its type in the database, and that type's columns in their order.
macro_rules! record {
    ($row:ident of $table:literal as $type:literal { $first:ident $(, $column:ident)* $(,)? }) => {
        impl $crate::storage::postgres::records::Record for $row {
            const TYPE: &'static str = $type;
            const INSERT: &'static str = concat!(
                "INSERT INTO ", $table, " (", stringify!($first) $(, ", ", stringify!($column))*, ") SELECT * FROM unnest("
            );
            const AS_ROWS: &'static str = concat!("::", $type, "[])");

            fn put(&self, bytes: &mut Vec<u8>) -> Result<(), std::num::TryFromIntError> {
                use $crate::storage::postgres::records::put_column;
                const COLUMNS: u32 = [stringify!($first) $(, stringify!($column))*].len() as u32;
                bytes.extend_from_slice(&COLUMNS.to_be_bytes());
                put_column(bytes, &self.$first)?;
                $(put_column(bytes, &self.$column)?;)*
                Ok(())
            }
        }
    };
}

pub(super) use record;

record!(JournalRow of "journal" as "journal_row" {
    seq, at, writer, by_key, key, party, transfers, command, outcome, hash,
});
record!(PlayerRow of "players" as "player_row" {
    id, party, player, home_currency, username, nickname, email, gender,
});
record!(UsernameRow of "usernames" as "username_row" { party, username, player });
record!(AccountRow of "accounts" as "account_row" {
    id, party, side, player, currency, bucket, wallet, product, balance, staked_day, staked,
});
record!(OrderRow of "orders" as "order_row" {
    id, party, game, external_id, player, state, stake, currency, bucket, wallet, product, round, day, paid,
    placed_seq, settled_seq, cancelled_seq,
});
record!(TransactionRow of "transactions" as "transaction_row" {
    number, key, party, player, scope, kind, region, partner, reference, round, currency, product, moved_real,
    moved_bonus, moved_ring_fenced, moved_gbt_bonus, external, source, state, ended_by, memo, worth, token,
});
record!(VoidRow of "voids" as "void_row" { source, party, player, kind, state, queued_at, attempt });

/// Those of the shop's rows beside.
const TYPES: [&str; 7] = [
    JournalRow::TYPE,
    PlayerRow::TYPE,
    UsernameRow::TYPE,
    AccountRow::TYPE,
    OrderRow::TYPE,
    TransactionRow::TYPE,
    VoidRow::TYPE,
];

statement!(
    ReadRowTypes(names: Array<Text> = Vec<&'static str>) -> (Text, Oid),
    "SELECT t.name, t.name::regtype::oid FROM unnest(",
    ") AS t (name)"
);

/// The numbers of the rows' types in one database and schema.
#[derive(Debug, Clone)]
pub struct RowTypes(HashMap<String, u32>);

impl RowTypes {
    /// An error of the database's names a type that is not there.
    pub async fn read(conn: &mut AsyncPgConnection) -> QueryResult<Self> {
        let types =
            ReadRowTypes { names: TYPES.into_iter().chain(shop::TYPES).collect() }.load::<(String, u32)>(conn).await?;
        Ok(Self(types.into_iter().collect()))
    }

    /// Rows as one parameter.
    pub fn rows<R: Record>(&self, rows: Vec<R>) -> Rows<R> {
        let known = self.0.get(R::TYPE).copied();
        assert!(known.is_some(), "the number of type {} was not asked for", R::TYPE);
        Rows { row_type: known.unwrap_or_default(), rows }
    }
}

/// Declares a statement that writes rows: of which kind, and what comes after them.
macro_rules! insert {
    ($(#[$doc:meta])* $name:ident($row:ident) $tail:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name($crate::storage::postgres::records::Rows<$row>);

        impl $name {
            pub fn of(types: &$crate::storage::postgres::records::RowTypes, rows: Vec<$row>) -> Self {
                Self(types.rows(rows))
            }
        }

        $crate::storage::postgres::statements::prepared_once!($name -> BigInt, |self, out| {
            use $crate::storage::postgres::records::{Record, TableRows};
            out.push_sql(<$row as Record>::INSERT);
            out.push_bind_param::<TableRows, _>(&self.0)?;
            out.push_sql(<$row as Record>::AS_ROWS);
            out.push_sql($tail);
            Ok(())
        });
    };
}
pub(super) use insert;
