//! What a ledger holds of a party, added up: two ledgers that agree in it, line by line, hold the same.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use crate::ledger::Party;
use crate::storage::StoreError;
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::Bytes;
use crate::storage::schema::accounts;
use crate::storage::shop;

/// Counts and sums, by kind and state, beside the shop's; sums as text, since they may pass 64 bits.
const SUMS: [&str; 4] = [
    "SELECT 'usernames' || substr(party, 1, 0) AS what, CAST(count(*) AS TEXT) AS held FROM usernames WHERE party = ",
    "SELECT 'orders ' || state AS what, CAST(count(*) AS TEXT) || ' with ' || CAST(coalesce(sum(stake), 0) AS TEXT) || \
     ' staked and ' || CAST(sum(paid) AS TEXT) || ' paid' AS held FROM orders WHERE party = ",
    "SELECT 'transactions ' || state AS what, CAST(count(*) AS TEXT) || ' with ' || CAST(sum(moved_real + moved_bonus + \
     moved_ring_fenced + moved_gbt_bonus) AS TEXT) || ' moved' AS held FROM transactions WHERE party = ",
    "SELECT 'voids ' || state AS what, CAST(count(*) AS TEXT) AS held FROM voids WHERE party = ",
];

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
    pub fn of(conn: &mut AnyConnection, party: &Party) -> Result<Self, StoreError> {
        let theirs = accounts::table.filter(accounts::party.eq(party.as_str()).and(accounts::player.is_not_null()));
        let columns = (accounts::id, accounts::balance, accounts::staked_day, accounts::staked);
        let theirs = theirs.select(columns).order(accounts::id);
        let accounts = on!(&mut *conn, conn => theirs.load(conn)).map_err(classify)?;
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
