//! Usernames of players who are opened.

use std::collections::{BTreeSet, HashMap};

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::records::{RowTypes, insert};
use super::statements::statement;
use crate::ledger::PlayerKey;
use crate::ledger::player::Username;
use crate::storage::StoreError;
use crate::storage::postgres::classify_read;
use crate::storage::usernames::{UsernameRow, owners};

statement!(
    /// Whose the names are that players are to be opened with.
    ReadUsernames(party: Array<Text> = Vec<String>, username: Array<Text> = Vec<String>) -> (Text, Text, Binary),
    "SELECT u.party, u.username, u.player FROM unnest(",
    ", ",
    ") AS asked (party, username) JOIN usernames u ON u.party = asked.party AND u.username = asked.username"
);

insert!(
    /// A name that another writer has given meanwhile breaks the key of the table, and the batch is decided again.
    InsertUsernames(UsernameRow) ""
);

/// Prepares what this file runs: see [`super::writer`].
pub async fn prepare(conn: &mut AsyncPgConnection, types: &RowTypes) -> QueryResult<()> {
    ReadUsernames::default().load::<UsernameRow>(conn).await?;
    InsertUsernames::of(types, Vec::new()).execute(conn).await.map(drop)
}

/// Whose the names are that are somebody's. Most batches open nobody, and ask nothing.
pub async fn load(
    conn: &mut &AsyncPgConnection,
    names: &BTreeSet<Username>,
) -> Result<HashMap<Username, PlayerKey>, StoreError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let (party, username) = names.iter().map(|name| (name.party().to_string(), name.name().to_owned())).unzip();
    let rows = ReadUsernames { party, username }.load::<UsernameRow>(conn).await;
    owners(rows.map_err(classify_read)?)
}
