//! Grants as operators look at them and end them. No token is read: only what was allowed, whose it is, and until when.

use std::collections::BTreeMap;

use diesel::prelude::*;
use uuid::Uuid;

use crate::identity::grants::GrantTokenKind;
use crate::ledger::command::Timestamp;
use crate::ledger::{Party, PlayerId};
use crate::storage::StoreError;
use crate::storage::party_moves;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, bytes, damaged, uuid};
use crate::storage::schema::{grant_tokens, grants};

/// Grants that are read at a time: a party may have very many, and whoever lists them may read slowly.
const PAGE: i64 = 1_000;

/// A grant, without anything that could be used in its stead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptGrant {
    pub id: Uuid,
    pub client: String,
    pub player: PlayerId,
    /// Words with spaces between.
    pub scope: String,
    /// When its latest refresh token ends, or its code where that was not exchanged.
    pub expires: Timestamp,
    pub is_revoked: bool,
}

impl KeptGrant {
    pub fn state(&self, at: Timestamp) -> GrantState {
        GrantState::of(self.is_revoked, self.expires, at)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantState {
    Active,
    Ended,
    Expired,
}

impl GrantState {
    fn of(is_revoked: bool, expires: Timestamp, at: Timestamp) -> Self {
        match (is_revoked, expires <= at) {
            (true, _) => Self::Ended,
            (false, true) => Self::Expired,
            (false, false) => Self::Active,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Expired => "expired",
        }
    }
}

/// Tells every grant of the party, or of the player alone, to `each`, by id; ends early with an error of `each`. Some may
/// be missing that are made meanwhile.
pub fn list<E: From<StoreError>>(
    conn: &mut AnyConnection,
    party: &Party,
    player: Option<&PlayerId>,
    mut each: impl FnMut(KeptGrant) -> Result<(), E>,
) -> Result<(), E> {
    let mut after: Bytes = Vec::new();
    loop {
        let page = page(conn, party, player, &after)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = bytes(last.id);
        page.into_iter().try_for_each(&mut each)?;
    }
}

type Row = (Bytes, String, String, i64, bool);

fn page(
    conn: &mut AnyConnection,
    party: &Party,
    player: Option<&PlayerId>,
    after: &Bytes,
) -> Result<Vec<KeptGrant>, StoreError> {
    let next = grants::table
        .filter(grants::party.eq(party.as_str()))
        .filter(grants::id.gt(after))
        .select((grants::id, grants::client, grants::player, grants::expires_at, grants::revoked))
        .order(grants::id)
        .limit(PAGE);
    let rows: QueryResult<Vec<Row>> = match player {
        Some(player) => {
            let theirs = next.filter(grants::player.eq(player.as_str()));
            on!(conn, conn => theirs.load(conn))
        }
        None => on!(conn, conn => next.load(conn)),
    };
    let rows = rows.map_err(classify)?;
    let scopes = scopes(conn, rows.iter().map(|row| row.0.clone()).collect())?;
    let kept = |(id, client, player, expires, is_revoked): Row| {
        let scope = scopes.get(&id).cloned().unwrap_or_default();
        let player = PlayerId::recorded(&player).map_err(|error| damaged("grants.player", error))?;
        Ok(KeptGrant { id: uuid(&id)?, client, player, scope, expires: Timestamp(expires), is_revoked })
    };
    rows.into_iter().map(kept).collect()
}

/// What was granted is written beside the code, which is kept for as long as its grant.
fn scopes(conn: &mut AnyConnection, of: Vec<Bytes>) -> Result<BTreeMap<Bytes, String>, StoreError> {
    let codes = grant_tokens::table
        .filter(grant_tokens::grant_id.eq_any(of))
        .filter(grant_tokens::kind.eq(GrantTokenKind::Code.as_str()))
        .select((grant_tokens::grant_id, grant_tokens::scope));
    let scopes: QueryResult<Vec<(Bytes, String)>> = on!(conn, conn => codes.load(conn));
    Ok(scopes.map_err(classify)?.into_iter().collect())
}

/// Ends every grant of the player that is active, with all of its codes and tokens; returns how many.
pub fn end_of_player(
    conn: &mut AnyConnection,
    party: &Party,
    player: &PlayerId,
    at: Timestamp,
) -> Result<usize, StoreError> {
    party_moves::refuse(conn, party)?;
    let active = grants::table
        .filter(grants::party.eq(party.as_str()))
        .filter(grants::player.eq(player.as_str()))
        .filter(grants::revoked.eq(false))
        .filter(grants::expires_at.gt(at.0));
    let ended = on!(conn, conn => diesel::update(active).set(grants::revoked.eq(true)).execute(conn));
    ended.map_err(classify)
}

/// Ends one grant of the party. What it was before; `None` where the party has no such grant.
pub fn end(conn: &mut AnyConnection, party: &Party, id: Uuid, at: Timestamp) -> Result<Option<GrantState>, StoreError> {
    party_moves::refuse(conn, party)?;
    let of_party = grants::table.find(bytes(id)).filter(grants::party.eq(party.as_str()));
    let before = of_party.select((grants::expires_at, grants::revoked));
    let before: QueryResult<Option<(i64, bool)>> = on!(conn, conn => before.first(conn)).optional();
    let Some((expires, is_revoked)) = before.map_err(classify)? else { return Ok(None) };
    let family = grants::table.find(bytes(id));
    let ended = on!(conn, conn => diesel::update(family).set(grants::revoked.eq(true)).execute(conn));
    ended.map_err(classify)?;
    Ok(Some(GrantState::of(is_revoked, Timestamp(expires), at)))
}
