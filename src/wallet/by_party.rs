//! The wallet of all parties: of each the ledger that it is in is asked, and none while the party moves to another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::watch;

use super::port::{DecidedCommand, SharedWallet, WalletError, WalletFuture, WalletPort};
use crate::config::Secret;
use crate::identity::grants::{GrantAct, GrantAnswer};
use crate::ledger::shop::{OfferId, OfferState};
use crate::ledger::state::PlayerState;
use crate::ledger::transactions::{ManualVoid, Transaction, TransactionQuery};
use crate::ledger::{Command, CommandKey, Order, OrderId, Party, PlayerId, PlayerKey, Pocket};

/// Parties that are not served from the ledger that they are configured for, and why.
pub type AbsentParties = BTreeMap<Party, String>;

/// A party's wallet, and whether the party is there.
pub struct PartyWallet {
    pub wallet: SharedWallet,
    /// Of the party's ledger.
    pub absent: watch::Receiver<AbsentParties>,
}

/// Every party's wallet.
pub struct WalletByParty(HashMap<Party, PartyWallet>);

impl WalletByParty {
    pub fn of(wallets: impl IntoIterator<Item = (Party, PartyWallet)>) -> Self {
        Self(wallets.into_iter().collect())
    }

    /// Asks the party's wallet. Dialects are mounted for configured parties alone, and each of those has one.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        party: &Party,
        question: impl FnOnce(&'a SharedWallet) -> WalletFuture<'a, T>,
    ) -> WalletFuture<'a, T> {
        match self.0.get(party) {
            // Whoever asks comes again, and is served when the party has arrived.
            Some(theirs) if theirs.absent.borrow().contains_key(party) => {
                Box::pin(std::future::ready(Err(WalletError::Unavailable)))
            }
            Some(theirs) => question(&theirs.wallet),
            None => {
                tracing::error!(%party, "a party that is not configured was asked for");
                Box::pin(std::future::ready(Err(WalletError::Fault)))
            }
        }
    }
}

impl WalletPort for WalletByParty {
    fn decide(&self, command: Command) -> WalletFuture<'_, DecidedCommand> {
        self.ask(&command.party.clone(), move |wallet| wallet.decide(command))
    }

    fn kept_command(&self, party: Party, key: CommandKey) -> WalletFuture<'_, Option<Command>> {
        self.ask(&party.clone(), move |wallet| wallet.kept_command(party, key))
    }

    fn balance(&self, party: Party, player: PlayerId, pocket: Pocket) -> WalletFuture<'_, Option<i64>> {
        self.ask(&party.clone(), move |wallet| wallet.balance(party, player, pocket))
    }

    fn player(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<PlayerState>> {
        self.ask(&party.clone(), move |wallet| wallet.player(party, player))
    }

    fn level(&self, party: Party, player: PlayerId) -> WalletFuture<'_, Option<Arc<str>>> {
        self.ask(&party.clone(), move |wallet| wallet.level(party, player))
    }

    fn order(&self, party: Party, id: OrderId) -> WalletFuture<'_, Option<(Order, PlayerId)>> {
        self.ask(&party.clone(), move |wallet| wallet.order(party, id))
    }

    fn transactions(&self, finding: TransactionQuery) -> WalletFuture<'_, Vec<Transaction>> {
        self.ask(&finding.party.clone(), move |wallet| wallet.transactions(finding))
    }

    fn void(&self, party: Party, source: i64) -> WalletFuture<'_, Option<ManualVoid>> {
        self.ask(&party.clone(), move |wallet| wallet.void(party, source))
    }

    fn offer(&self, party: Party, id: OfferId) -> WalletFuture<'_, Option<OfferState>> {
        self.ask(&party.clone(), move |wallet| wallet.offer(party, id))
    }

    fn sold_keys(&self, party: Party, buyer: Arc<str>, order: i64) -> WalletFuture<'_, Option<Vec<Arc<str>>>> {
        self.ask(&party.clone(), move |wallet| wallet.sold_keys(party, buyer, order))
    }

    fn player_of_login(&self, party: Party, login: String) -> WalletFuture<'_, Option<PlayerId>> {
        self.ask(&party.clone(), move |wallet| wallet.player_of_login(party, login))
    }

    fn password_hash(&self, party: Party, player: PlayerKey) -> WalletFuture<'_, Option<Secret>> {
        self.ask(&party.clone(), move |wallet| wallet.password_hash(party, player))
    }

    fn grants(&self, party: Party, act: GrantAct) -> WalletFuture<'_, GrantAnswer> {
        self.ask(&party.clone(), move |wallet| wallet.grants(party, act))
    }
}
