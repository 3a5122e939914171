//! What the wallet is asked, beside deciding: one method a question, each on one of the reader's connections.

use std::sync::Arc;

use super::{Reader, StoreError, grants, passwords, queries, shop, voids};
use crate::identity::grants::{GrantAct, GrantAnswer};
use crate::ledger::shop::{OfferId, OfferState};
use crate::ledger::state::PlayerState;
use crate::ledger::transactions::{ManualVoid, Transaction, TransactionQuery};
use crate::ledger::{Command, CommandKey, Order, OrderId, Party, PlayerId, PlayerKey};

impl Reader {
    /// The command that is kept under this key, and no order's; `None` where there is none, or pruning has shortened it.
    pub async fn kept_command(&self, party: Party, key: CommandKey) -> Result<Option<Command>, StoreError> {
        self.ask(move |conn| queries::kept_command(conn, &party, key)).await
    }

    /// A player with every account that was ever used.
    pub async fn player(&self, key: PlayerKey) -> Result<Option<PlayerState>, StoreError> {
        self.ask(move |conn| queries::player(conn, key)).await
    }

    /// The level that a player has bought.
    pub async fn level(&self, key: PlayerKey) -> Result<Option<Arc<str>>, StoreError> {
        self.ask(move |conn| shop::level(conn, key)).await
    }

    /// An order with its player's name.
    pub async fn order(&self, id: OrderId) -> Result<Option<(Order, PlayerId)>, StoreError> {
        self.ask(move |conn| queries::order(conn, id)).await
    }

    /// Transactions, oldest first.
    pub async fn transactions(&self, finding: TransactionQuery) -> Result<Vec<Transaction>, StoreError> {
        self.ask(move |conn| queries::transactions(conn, &finding)).await
    }

    /// The void that an operator decides, or decided, on for the transaction of this number.
    pub async fn void(&self, party: Party, source: i64) -> Result<Option<ManualVoid>, StoreError> {
        let queued = self.ask(move |conn| voids::find(conn, &party, source)).await?;
        Ok(queued.map(|queued| queued.void))
    }

    /// An offer and its stock.
    pub async fn offer(&self, id: OfferId) -> Result<Option<OfferState>, StoreError> {
        self.ask(move |conn| shop::offer(conn, id)).await
    }

    /// The sealed keys of an order, in the order of their sale; `None` where the buyer has no such order.
    pub async fn sold_keys(
        &self,
        party: Party,
        buyer: Arc<str>,
        order: i64,
    ) -> Result<Option<Vec<Arc<str>>>, StoreError> {
        self.ask(move |conn| shop::sold_keys(conn, &party, &buyer, order)).await
    }

    /// The player who signs in with this text: a player's id, else the one player of that username.
    pub async fn player_of_login(&self, party: Party, login: String) -> Result<Option<PlayerId>, StoreError> {
        self.ask(move |conn| queries::player_of_login(conn, &party, &login)).await
    }

    /// The hash of a player's password, where one was set.
    pub async fn password_hash(&self, player: PlayerKey) -> Result<Option<String>, StoreError> {
        self.ask(move |conn| passwords::hash_of(conn, player)).await
    }

    /// Keeps, exchanges, ends or looks at what players have allowed partners.
    pub async fn grants(&self, act: GrantAct) -> Result<GrantAnswer, StoreError> {
        self.ask(move |conn| grants::carry_out(conn, &act)).await
    }
}
