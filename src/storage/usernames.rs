//! Usernames: one player's each within a party, by the key of their table.
//!
//! What a player was opened with stands in the player's row as well. Once it could be given twice: then the player who had
//! it first keeps it, and the other one's row says what the journal says (adr/0017).

use std::collections::HashMap;

use diesel::prelude::*;

use super::StoreError;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, bytes, damaged, parse_party, uuid};
use super::schema::{players, usernames};
use crate::ledger::player::Username;
use crate::ledger::{Party, PlayerId, PlayerKey};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = usernames)]
pub(crate) struct UsernameRow {
    pub party: String,
    pub username: String,
    pub player: Bytes,
}

impl UsernameRow {
    pub fn of(username: &Username, player: PlayerKey) -> Self {
        Self { party: username.party().to_string(), username: username.name().to_owned(), player: bytes(player.uuid()) }
    }

    fn username(&self) -> Result<(Username, PlayerKey), StoreError> {
        let username = Username::named(&parse_party(&self.party)?, &self.username);
        let username = username.ok_or_else(|| damaged("username", "is empty"))?;
        Ok((username, PlayerKey::from_uuid(uuid(&self.player)?)))
    }
}

/// Whose each is.
pub(super) fn owners(rows: Vec<UsernameRow>) -> Result<HashMap<Username, PlayerKey>, StoreError> {
    rows.iter().map(UsernameRow::username).collect()
}

/// The player who signs in by a username.
pub(crate) fn player_named(
    conn: &mut AnyConnection,
    party: &Party,
    name: &str,
) -> Result<Option<PlayerId>, StoreError> {
    // Postgres would take a NUL for damage rather than for a name; the empty name is nobody's.
    let name = if name.contains('\0') { "" } else { name };
    let owner = usernames::table.inner_join(players::table.on(players::id.eq(usernames::player)));
    let owner = owner.filter(usernames::party.eq(party.as_str())).filter(usernames::username.eq(name));
    let owner: Option<String> =
        on!(conn, conn => owner.select(players::player).first(conn)).optional().map_err(classify)?;
    owner.map(|owner| PlayerId::recorded(&owner).map_err(|error| damaged("player", error))).transpose()
}

/// A player whose username is another one's.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Nameless {
    pub party: String,
    pub username: String,
    pub player: String,
}

/// Players who were opened with a username that another had before. They sign in by their ids.
pub fn nameless(conn: &mut AnyConnection) -> Result<Vec<Nameless>, StoreError> {
    let named = usernames::party.eq(players::party).and(players::username.eq(usernames::username.nullable()));
    let others = usernames::table.inner_join(players::table.on(named)).filter(usernames::player.ne(players::id));
    let others = others.order((usernames::party, usernames::username, players::player));
    let others = others.select((usernames::party, usernames::username, players::player));
    on!(conn, conn => others.load(conn)).map_err(classify)
}
