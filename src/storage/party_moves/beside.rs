//! What a party has in a ledger beside the journal: passwords, what players have allowed partners, and transfers that wait
//! for a second person.

use diesel::prelude::*;

use crate::ledger::Party;
use crate::storage::StoreError;
use crate::storage::approvals::ApprovalRow;
use crate::storage::grants::{GrantRow, TokenRow, in_transaction};
use crate::storage::party_moves::{PartyMove, of_party};
use crate::storage::queries::{AnyConnection, classify, on, snapshot};
use crate::storage::rows::Bytes;
use crate::storage::schema::{approvals, credentials, grant_tokens, grants, players};

/// Rows that one statement writes: Postgres takes 65,535 values.
const AT_ONCE: usize = 1_000;

/// All of it.
#[derive(Default)]
pub struct BesideJournal {
    credentials: Vec<(Bytes, String)>,
    grants: Vec<GrantRow>,
    tokens: Vec<TokenRow>,
    approvals: Vec<ApprovalRow>,
}

impl BesideJournal {
    /// What a ledger has of a party's, however long reading it takes.
    pub fn of(conn: &mut AnyConnection, party: &Party) -> Result<Self, StoreError> {
        snapshot(conn, |conn| Self::read(conn, party))
    }

    fn read(conn: &mut AnyConnection, party: &Party) -> Result<Self, StoreError> {
        let name = party.as_str();
        let ids = || grants::table.filter(grants::party.eq(name)).select(grants::id);
        let secrets = credentials::table
            .filter(credentials::player.eq_any(players::table.filter(players::party.eq(name)).select(players::id)));
        let secrets = on!(&mut *conn, conn => secrets.load(conn)).map_err(classify)?;
        let theirs = grants::table.filter(grants::party.eq(name));
        let theirs = on!(&mut *conn, conn => theirs.load(conn)).map_err(classify)?;
        let tokens = grant_tokens::table.filter(grant_tokens::grant_id.eq_any(ids()));
        let tokens = on!(&mut *conn, conn => tokens.load(conn)).map_err(classify)?;
        let waiting = approvals::table.filter(approvals::party.eq(name));
        let waiting = on!(conn, conn => waiting.select(ApprovalRow::as_select()).load(conn)).map_err(classify)?;
        Ok(Self { credentials: secrets, grants: theirs, tokens, approvals: waiting })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.credentials.len() + self.grants.len() + self.tokens.len() + self.approvals.len()
    }

    /// Puts it into a ledger that has the party's players, in place of what it has, where the party still arrives there by
    /// this move.
    pub fn put(&self, conn: &mut AnyConnection, arriving: &PartyMove) -> Result<(), StoreError> {
        let party = &arriving.party;
        in_transaction(conn, |conn| {
            if of_party(conn, party)?.as_ref() != Some(arriving) {
                return Err(StoreError::PartyMoved(vec![party.clone()]));
            }
            Self::forget(conn, party)?;
            for rows in self.credentials.chunks(AT_ONCE) {
                let row = |(player, hash): &(Bytes, String)| {
                    (credentials::player.eq(player.clone()), credentials::password_hash.eq(hash.clone()))
                };
                let insert = diesel::insert_into(credentials::table).values(rows.iter().map(row).collect::<Vec<_>>());
                on!(&mut *conn, conn => insert.execute(conn)).map_err(classify)?;
            }
            for rows in self.grants.chunks(AT_ONCE) {
                let insert = diesel::insert_into(grants::table).values(rows);
                on!(&mut *conn, conn => insert.execute(conn)).map_err(classify)?;
            }
            for rows in self.tokens.chunks(AT_ONCE) {
                let insert = diesel::insert_into(grant_tokens::table).values(rows);
                on!(&mut *conn, conn => insert.execute(conn)).map_err(classify)?;
            }
            for rows in self.approvals.chunks(AT_ONCE) {
                let insert = diesel::insert_into(approvals::table).values(rows);
                on!(&mut *conn, conn => insert.execute(conn)).map_err(classify)?;
            }
            Ok(())
        })
    }

    fn forget(conn: &mut AnyConnection, party: &Party) -> Result<(), StoreError> {
        let name = party.as_str();
        let theirs = players::table.filter(players::party.eq(name)).select(players::id);
        let secrets = diesel::delete(credentials::table.filter(credentials::player.eq_any(theirs)));
        on!(&mut *conn, conn => secrets.execute(conn)).map_err(classify)?;
        let ids = grants::table.filter(grants::party.eq(name)).select(grants::id);
        let tokens = diesel::delete(grant_tokens::table.filter(grant_tokens::grant_id.eq_any(ids)));
        on!(&mut *conn, conn => tokens.execute(conn)).map_err(classify)?;
        let theirs = diesel::delete(grants::table.filter(grants::party.eq(name)));
        on!(&mut *conn, conn => theirs.execute(conn)).map_err(classify)?;
        let waiting = diesel::delete(approvals::table.filter(approvals::party.eq(name)));
        on!(conn, conn => waiting.execute(conn)).map(drop).map_err(classify)
    }
}
