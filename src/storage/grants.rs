//! Grants: kept apart from the ledger, since they are not money and are forgotten when their time is over.
//!
//! [`crate::identity::grants`] decides. Of two exchanges at once, even in two processes, one is first: whoever turns
//! `spent` from false to true.

pub(crate) mod kept;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::StoreError;
use super::party_moves;
use super::queries::{AnyConnection, classify, on};
use super::rows::{Bytes, bytes, damaged, uuid};
use super::schema::{grant_tokens, grants};
use crate::identity::grants::{
    Client, Exchange, Grant, GrantAct, GrantAnswer, GrantRefusal, GrantTokenKind, Granted, KeptToken, TokenHash,
};
use crate::identity::pkce::Challenge;
use crate::ledger::command::Timestamp;
use crate::ledger::{Party, PlayerId};

/// How long after its end something is kept: longer than clocks of several processes differ.
const KEPT_AFTER_MICROS: i64 = 60 * 60 * 1_000_000;

#[derive(Queryable, Insertable)]
#[diesel(table_name = grants)]
pub(super) struct GrantRow {
    id: Bytes,
    party: String,
    client: String,
    player: String,
    redirect_uri: String,
    challenge: String,
    expires_at: i64,
    revoked: bool,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = grant_tokens)]
pub(super) struct TokenRow {
    hash: Bytes,
    grant_id: Bytes,
    kind: String,
    scope: String,
    expires_at: i64,
    spent: bool,
}

/// Does what is asked, whole or not at all. The same again, after an answer that was lost, is a repeat: what is handed
/// out is random, so nobody else can have made it.
pub fn carry_out(conn: &mut AnyConnection, act: &GrantAct) -> Result<GrantAnswer, StoreError> {
    match act {
        GrantAct::Look { access, party, at } => {
            let held = find(conn, *access)?;
            Ok(held.map_or(Err(GrantRefusal::Unknown), |held| held.look(party, *at)))
        }
        GrantAct::Allow { granted, code, at } => in_transaction(conn, |conn| {
            party_moves::refuse(conn, &granted.grant.client.party)?;
            forget(conn, *at)?;
            allow(conn, granted, *code, *at)
        }),
        GrantAct::Exchange(act) => in_transaction(conn, |conn| {
            party_moves::refuse(conn, &act.client.party)?;
            exchange(conn, act)
        }),
        GrantAct::Revoke { token, client } => in_transaction(conn, |conn| {
            party_moves::refuse(conn, &client.party)?;
            revoke(conn, *token, client)
        }),
    }
}

/// SQLite's takes its turn at once, so that what it has read still holds when it writes; Postgres re-checks the row
/// that a conditional update has waited for.
pub(super) fn in_transaction<T>(
    conn: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let begin = match conn {
        AnyConnection::Sqlite(_) => "BEGIN IMMEDIATE",
        AnyConnection::Postgres(_) => "BEGIN",
    };
    execute(conn, begin)?;
    let worked = work(conn).and_then(|done| execute(conn, "COMMIT").map(|()| done));
    if worked.is_err() {
        // Fails where the connection is lost, which ends the transaction as well.
        let _ = execute(conn, "ROLLBACK");
    }
    worked
}

fn execute(conn: &mut AnyConnection, sql: &str) -> Result<(), StoreError> {
    on!(conn, conn => conn.batch_execute(sql)).map_err(classify)
}

fn find(conn: &mut AnyConnection, hash: TokenHash) -> Result<Option<KeptToken>, StoreError> {
    let token = grant_tokens::table.find(hash.0.to_vec());
    let token: QueryResult<Option<TokenRow>> = on!(conn, conn => token.first(conn)).optional();
    let Some(token) = token.map_err(classify)? else { return Ok(None) };
    let grant = grants::table.find(&token.grant_id);
    let grant: QueryResult<Option<GrantRow>> = on!(conn, conn => grant.first(conn)).optional();
    // A grant is deleted after its tokens, so this is another process that is at it.
    let Some(grant) = grant.map_err(classify)? else { return Ok(None) };
    held(grant, token).map(Some)
}

fn allow(
    conn: &mut AnyConnection,
    granted: &Granted,
    code: TokenHash,
    at: Timestamp,
) -> Result<GrantAnswer, StoreError> {
    let grant = &granted.grant;
    let row = GrantRow {
        id: bytes(grant.id),
        party: grant.client.party.as_str().to_owned(),
        client: grant.client.id.to_string(),
        player: grant.player.as_str().to_owned(),
        redirect_uri: grant.redirect_uri.to_string(),
        challenge: grant.challenge.as_str().to_owned(),
        expires_at: GrantTokenKind::Code.expires(at).0,
        revoked: false,
    };
    let inserted =
        on!(conn, conn => diesel::insert_into(grants::table).values(&row).on_conflict_do_nothing().execute(conn));
    inserted.map_err(classify)?;
    keep(conn, code, GrantTokenKind::Code, granted, at)?;
    Ok(Ok(granted.clone()))
}

fn exchange(conn: &mut AnyConnection, act: &Exchange) -> Result<GrantAnswer, StoreError> {
    if let Some(made) = find(conn, act.access)? {
        return Ok(Ok(made.granted));
    }
    let Some(held) = find(conn, act.given)? else { return Ok(Err(GrantRefusal::Unknown)) };
    match held.exchange(act) {
        Ok(granted) if spend(conn, act.given)? => {
            keep(conn, act.access, GrantTokenKind::Access, &granted, act.at)?;
            // A refresh token stays good for all that was granted (RFC 6749, 6).
            keep(conn, act.refresh, GrantTokenKind::Refresh, &held.granted, act.at)?;
            prolong(conn, &granted.grant, act.at)?;
            Ok(Ok(granted))
        }
        // Somebody was faster with the same text: as bad as a second use.
        Ok(_) | Err(GrantRefusal::Spent) => {
            end_family(conn, &held.granted.grant)?;
            Ok(Err(GrantRefusal::Spent))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

fn revoke(conn: &mut AnyConnection, token: TokenHash, client: &Client) -> Result<GrantAnswer, StoreError> {
    let held = find(conn, token)?.filter(|held| held.granted.grant.client == *client);
    let Some(held) = held else { return Ok(Err(GrantRefusal::Unknown)) };
    match held.kind {
        GrantTokenKind::Code => return Ok(Err(GrantRefusal::Unknown)),
        GrantTokenKind::Access => drop(spend(conn, token)?),
        GrantTokenKind::Refresh => end_family(conn, &held.granted.grant)?,
    }
    Ok(Ok(held.granted))
}

/// Whether this was the first to use it.
fn spend(conn: &mut AnyConnection, token: TokenHash) -> Result<bool, StoreError> {
    let unspent = grant_tokens::table.find(token.0.to_vec()).filter(grant_tokens::spent.eq(false));
    let spent = on!(conn, conn => diesel::update(unspent).set(grant_tokens::spent.eq(true)).execute(conn));
    Ok(spent.map_err(classify)? == 1)
}

fn end_family(conn: &mut AnyConnection, grant: &Grant) -> Result<(), StoreError> {
    let family = grants::table.find(bytes(grant.id));
    let ended = on!(conn, conn => diesel::update(family).set(grants::revoked.eq(true)).execute(conn));
    ended.map_err(classify).map(drop)
}

/// A grant lasts as long as its latest refresh token.
fn prolong(conn: &mut AnyConnection, grant: &Grant, at: Timestamp) -> Result<(), StoreError> {
    let (family, until) = (grants::table.find(bytes(grant.id)), GrantTokenKind::Refresh.expires(at).0);
    let prolonged = on!(conn, conn => diesel::update(family).set(grants::expires_at.eq(until)).execute(conn));
    prolonged.map_err(classify).map(drop)
}

fn keep(
    conn: &mut AnyConnection,
    hash: TokenHash,
    kind: GrantTokenKind,
    granted: &Granted,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row = TokenRow {
        hash: hash.0.to_vec(),
        grant_id: bytes(granted.grant.id),
        kind: kind.as_str().to_owned(),
        scope: granted.scope.to_string(),
        expires_at: kind.expires(at).0,
        spent: false,
    };
    let inserted =
        on!(conn, conn => diesel::insert_into(grant_tokens::table).values(&row).on_conflict_do_nothing().execute(conn));
    inserted.map_err(classify).map(drop)
}

/// Deletes what has expired. A code is remembered for as long as its grant, since a second use ends the family.
fn forget(conn: &mut AnyConnection, at: Timestamp) -> Result<(), StoreError> {
    let before = at.0.saturating_sub(KEPT_AFTER_MICROS);
    let over = grants::table.filter(grants::expires_at.lt(before)).select(grants::id);
    let of_over = grant_tokens::table.filter(grant_tokens::grant_id.eq_any(over));
    let deleted = on!(conn, conn => diesel::delete(of_over).execute(conn));
    deleted.map_err(classify)?;
    let expired = grant_tokens::expires_at.lt(before).and(grant_tokens::kind.ne(GrantTokenKind::Code.as_str()));
    let expired = grant_tokens::table.filter(expired);
    let deleted = on!(conn, conn => diesel::delete(expired).execute(conn));
    deleted.map_err(classify)?;
    let over = grants::table.filter(grants::expires_at.lt(before));
    let deleted = on!(conn, conn => diesel::delete(over).execute(conn));
    deleted.map_err(classify).map(drop)
}

fn held(grant: GrantRow, token: TokenRow) -> Result<KeptToken, StoreError> {
    let wrong = |column| move |error| damaged(column, error);
    let kind = GrantTokenKind::ALL.into_iter().find(|kind| kind.as_str() == token.kind);
    let party = Party::parse(&grant.party).map_err(wrong("grants.party"))?;
    let challenge = Challenge::parse(&grant.challenge).ok_or_else(|| damaged("grants.challenge", "is no digest"))?;
    let found = Grant {
        id: uuid(&grant.id)?,
        client: Client { party, id: grant.client.into() },
        player: PlayerId::recorded(&grant.player).map_err(wrong("grants.player"))?,
        redirect_uri: grant.redirect_uri.into(),
        challenge,
    };
    Ok(KeptToken {
        granted: Granted { grant: found, scope: token.scope.into() },
        kind: kind.ok_or_else(|| damaged("grant_tokens.kind", "is not known"))?,
        expires: Timestamp(token.expires_at),
        is_spent: token.spent,
        is_revoked: grant.revoked,
    })
}
