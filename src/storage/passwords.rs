//! Players' passwords, as hashes. They are not in the journal, which must never hold a secret.

use diesel::prelude::*;

use super::StoreError;
use super::grants::{in_transaction, kept};
use super::party_moves;
use super::queries::{AnyConnection, classify, on};
use super::rows::bytes;
use super::schema::{credentials, players};
use crate::ledger::command::Timestamp;
use crate::ledger::{Party, PlayerId, PlayerKey};

/// A player's password hash, where one was set.
pub fn hash_of(conn: &mut AnyConnection, key: PlayerKey) -> Result<Option<String>, StoreError> {
    let of_player = credentials::table.find(bytes(key.uuid())).select(credentials::password_hash);
    on!(conn, conn => of_player.first(conn)).optional().map_err(classify)
}

/// Sets the password hash of a player who has none.
pub fn set_first(conn: &mut AnyConnection, key: PlayerKey, hash: &str) -> Result<(), StoreError> {
    let row = (credentials::player.eq(bytes(key.uuid())), credentials::password_hash.eq(hash));
    let insert = diesel::insert_into(credentials::table).values(row);
    on!(conn, conn => insert.execute(conn)).map(drop).map_err(classify)
}

/// Replaces the password hash, and ends what the player has allowed partners under the old one: both or neither. Returns
/// how many grants ended; `None` where there is no such player.
pub fn replace(
    conn: &mut AnyConnection,
    party: &Party,
    player: &PlayerId,
    hash: &str,
    at: Timestamp,
) -> Result<Option<usize>, StoreError> {
    in_transaction(conn, |conn| {
        party_moves::refuse(conn, party)?;
        let id = bytes(PlayerKey::of(party, player).uuid());
        let with_id = players::table.find(&id).select(players::player);
        let known: Option<String> = on!(conn, conn => with_id.first(conn)).optional().map_err(classify)?;
        if known.is_none() {
            return Ok(None);
        }
        let row = (credentials::player.eq(id), credentials::password_hash.eq(hash));
        let upsert = diesel::insert_into(credentials::table).values(row);
        let upsert = upsert.on_conflict(credentials::player).do_update().set(credentials::password_hash.eq(hash));
        on!(conn, conn => upsert.execute(conn)).map_err(classify)?;
        kept::end_of_player(conn, party, player, at).map(Some)
    })
}
