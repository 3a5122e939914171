//! For which accounts the orders tell what their players have staked on the last day: the daily limits go by it.

use std::collections::{HashMap, HashSet};

use crate::ledger::account::{AccountId, Pocket};
use crate::ledger::{Bucket, Currency, PlayerKey, Wallet};
use crate::storage::rows::{Bytes, OrderRow, bytes, uuid};

/// Accounts that are remembered because a bet of theirs was decided after one of a later day.
const MOST_DISORDERED: usize = 100_000;

/// Follows the days of the bets. Where a clock went back over midnight, or several programs' clocks differ there, an
/// account may have begun the later day twice, and the orders do not tell what it counted: such accounts are left out.
#[derive(Default)]
pub(super) struct Stakes {
    /// By party: one that has moved here brings the days of its bets along, behind those of others.
    latest: HashMap<String, i32>,
    disordered: HashSet<Bytes>,
}

impl Stakes {
    /// Takes note of an order when its bet comes by, in the journal's order.
    pub(super) fn bet(&mut self, row: &OrderRow) {
        let Some(day) = row.day else { return };
        if self.latest.get(&row.party).is_none_or(|latest| day > *latest) {
            self.latest.insert(row.party.clone(), day);
        }
        if self.latest.get(&row.party) == Some(&day) {
            return;
        }
        if let (Some(account), true) = (staked_from(row), self.disordered.len() < MOST_DISORDERED) {
            self.disordered.insert(bytes(account.uuid()));
        }
    }

    /// Whether the orders tell what was staked from this account: of none, where clocks went back too often.
    pub(super) fn tell_of(&self, account: &Bytes) -> bool {
        self.disordered.len() < MOST_DISORDERED && !self.disordered.contains(account)
    }
}

/// The account that was staked from; `None` where the order names none.
pub(super) fn staked_from(row: &OrderRow) -> Option<AccountId> {
    let pocket = Pocket {
        currency: Currency::parse(row.currency.as_deref()?).ok()?,
        bucket: Bucket::parse(row.bucket.as_deref()?)?,
        wallet: Wallet::recorded(row.wallet.as_deref()?).ok()?,
        product: row.product?,
    };
    Some(AccountId::of_player(PlayerKey::from_uuid(uuid(&row.player).ok()?), &pocket))
}
