//! Usernames of players who are opened.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Binary, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::classify;
use super::statements::{fragment, insert};
use crate::ledger::PlayerKey;
use crate::ledger::player::Username;
use crate::storage::StoreError;
use crate::storage::schema::usernames;
use crate::storage::usernames::{UsernameRow, owners};

insert!(InsertUsername(UsernameRow) into "usernames" (party: Text, username: Text, player: Binary) ")");

/// Whose the names are that are somebody's.
pub fn load(
    conn: &mut SqliteConnection,
    names: &BTreeSet<Username>,
) -> Result<HashMap<Username, PlayerKey>, StoreError> {
    let mut found = Vec::new();
    for name in names {
        let known = usernames::table.find((name.party().as_str(), name.name())).select(UsernameRow::as_select());
        found.extend(known.get_result(conn).optional().map_err(classify)?);
    }
    owners(found)
}

pub fn write(conn: &mut SqliteConnection, rows: &[UsernameRow]) -> QueryResult<()> {
    for row in rows {
        InsertUsername(row).execute(conn)?;
    }
    Ok(())
}
