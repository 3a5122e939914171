//! What a ledger holds of a party, added up, for comparing two: that each command is decided alike in both the replay has
//! seen, here is what came of them all.
//!
//! It is asked for while the party is shut out, so every statement reaches the party's rows by an index, however large the
//! ledger is (but for offers, which are few).

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use crate::ledger::Party;
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on, snapshot};
use crate::storage::rows::Bytes;
use crate::storage::schema::{accounts, players};
use crate::storage::shop;

/// Counts and sums, by kind and state, beside the shop's; sums as text, since they may pass 64 bits. Orders, transactions and
/// purchases are left out: nobody can find a party's among everybody's but by reading them all, while nobody serves the party.
const SUMS: [&str; 2] = [
    "SELECT 'usernames' || substr(party, 1, 0) AS what, CAST(count(*) AS TEXT) AS held FROM usernames WHERE party = ",
    "SELECT 'voids ' || state AS what, CAST(count(*) AS TEXT) AS held FROM voids WHERE party = ",
];

/// Players whose accounts are read together: so few that they are looked up one by one.
const PLAYERS: usize = 500;

/// Everything that was added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartyTally {
    /// Id, balance, day and stakes of it, of every account that was used.
    accounts: Vec<(Bytes, i64, i32, i64)>,
    sums: Vec<(String, String)>,
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = Text)]
    what: String,
    #[diesel(sql_type = Text)]
    held: String,
}

impl PartyTally {
    /// However long it takes: a party of many players must be able to leave.
    pub fn of(conn: &mut AnyConnection, party: &Party) -> Result<Self, StoreError> {
        snapshot(conn, |conn| Self::read(conn, party))
    }

    fn read(conn: &mut AnyConnection, party: &Party) -> Result<Self, StoreError> {
        let ids = players::table.filter(players::party.eq(party.as_str())).select(players::id);
        let ids: Vec<Bytes> = on!(&mut *conn, conn => ids.load(conn)).map_err(classify)?;
        let mut accounts = Vec::new();
        for ids in ids.chunks(PLAYERS) {
            let columns = (accounts::id, accounts::balance, accounts::staked_day, accounts::staked);
            let theirs = accounts::table.filter(accounts::player.eq_any(ids)).select(columns);
            let theirs: Vec<(Bytes, i64, i32, i64)> = on!(&mut *conn, conn => theirs.load(conn)).map_err(classify)?;
            accounts.extend(theirs);
        }
        accounts.sort_unstable();
        let mut sums = Vec::new();
        for sql in SUMS.into_iter().chain(shop::SUMS) {
            let grouped = |place: &str| format!("{sql}{place} GROUP BY 1 ORDER BY 1");
            let found: Vec<Sum> = match conn {
                AnyConnection::Sqlite(conn) => sql_query(grouped("?")).bind::<Text, _>(party.as_str()).load(conn),
                AnyConnection::Postgres(conn) => sql_query(grouped("$1")).bind::<Text, _>(party.as_str()).load(conn),
            }
            .map_err(classify)?;
            sums.extend(found.into_iter().map(|sum| (sum.what, sum.held)));
        }
        sums.sort();
        Ok(Self { accounts, sums })
    }

    /// Accounts that were used.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// The first thing that differs, with what this one has of it and what the other.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.accounts != other.accounts {
            let unequal = self.accounts.iter().zip(&other.accounts).find(|(own, others)| own != others);
            return Some(match unequal {
                Some((own, others)) => format!("an account with {} here has {} there", own.1, others.1),
                None => format!("{} accounts here and {} there", self.accounts.len(), other.accounts.len()),
            });
        }
        let missing = |sums: &Self, line: &(String, String)| !sums.sums.contains(line);
        let own = self.sums.iter().find(|line| missing(other, line));
        let others = other.sums.iter().find(|line| missing(self, line));
        let told = |line: Option<&(String, String)>| {
            line.map_or("nothing".to_owned(), |(what, held)| format!("{what}: {held}"))
        };
        (own.is_some() || others.is_some()).then(|| format!("{} here and {} there", told(own), told(others)))
    }
}
