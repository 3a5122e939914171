//! Giving a move up, or one of two ledgers that have a party without a move between them; and taking that back.

use anyhow::{Context as _, bail};
use tokio::time::sleep;

use super::{PartyMover, UNTIL_NOTICED};
use crate::storage::party_moves::{self, MoveState, PartyMove};

impl<F: FnMut(u64) + Send> PartyMover<F> {
    /// Serves the party from where it was again; what has been copied stays, and is never served. A mover that still lives
    /// finds its row gone, and gives up.
    /// Says whether the party is served from there: not where only a mistake was taken back.
    pub async fn abandon(self) -> anyhow::Result<bool> {
        match self.stands(&self.from).await?.map(|here| here.state) {
            Some(MoveState::Left) => {
                bail!("party {} has left ledger {}: move it back", self.party, self.from.name)
            }
            Some(MoveState::Arriving) => self.own_again().await.map(|()| false),
            Some(MoveState::Leaving) => {
                // It may have been shut out this moment, and processes must notice before they serve it again.
                sleep(UNTIL_NOTICED).await;
                self.take_back(|_| true).await.map(|()| true)
            }
            None => self.disown_the_other().await.map(|()| true),
        }
    }

    /// Where both ledgers have the party and no move is between them, what is over there is never served, as after a move
    /// that was given up.
    async fn disown_the_other(&self) -> anyhow::Result<()> {
        let party = self.party.clone();
        let there = self.to.database.query(move |conn| party_moves::those_in(conn, &[party])).await;
        let there = there.with_context(|| format!("ledger {}", self.to.name))?;
        if !self.has_anything(&self.from).await? {
            bail!("ledger {} has no players and no offers of party {}: nothing is changed", self.from.name, self.party);
        }
        if there.is_empty() {
            return Ok(());
        }
        self.to.database.migrate().await.with_context(|| format!("ledger {}", self.to.name))?;
        self.change(&self.to, Some(self.row(MoveState::Arriving, &self.from)), |row| row.is_none()).await
    }

    /// Where what is here was given up for what is over there, as [`disown_the_other`](Self::disown_the_other) leaves it: takes
    /// that back, after which it must be said anew which of the two is in earnest.
    async fn own_again(&self) -> anyhow::Result<()> {
        let (party, from, to) = (&self.party, &self.from.name, self.to.name.clone());
        if self.stands(&self.to).await.with_context(|| format!("ledger {to}"))?.is_some() {
            bail!("party {party} has not arrived in ledger {from}");
        }
        let is_of_those =
            move |row: Option<&PartyMove>| row.is_some_and(|row| row.state == MoveState::Arriving && row.other == to);
        self.change(&self.from, None, is_of_those).await
    }
}
