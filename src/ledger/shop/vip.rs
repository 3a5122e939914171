//! VIP levels: a player buys a higher one than it has (GoPlay `POST /partner/1/vip`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ShopDone, ShopEffects, ShopRefusal};
use crate::ledger::account::{HouseSide, Pocket};
use crate::ledger::command::KeyedCommand;
use crate::ledger::decide::{AreaDecision, Effects, known_player};
use crate::ledger::posting::Posting;
use crate::ledger::{Amount, Currency, PlayerId, State};

/// Buys a level, with real money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyVip {
    pub player: PlayerId,
    pub level: Arc<str>,
    pub price: Amount,
    pub currency: Currency,
    /// The levels that the party offered at the time, from the lowest to the highest. Terms: not compared.
    pub ladder: Vec<Arc<str>>,
    /// The caller's own name for this purchase; the same again is a repeat.
    pub key: Arc<str>,
}

impl BuyVip {
    /// How high a level is: one that is not offered any more is below all that are.
    pub fn rank(&self, level: &str) -> Option<usize> {
        self.ladder.iter().position(|rung| **rung == *level)
    }
}

pub(super) fn decide(state: &State, keyed: &KeyedCommand, buy: &BuyVip) -> AreaDecision<ShopDone> {
    let player = known_player(state, keyed.player)?;
    let has = state.shop.levels.get(&keyed.player).and_then(|level| buy.rank(level));
    if has >= buy.rank(&buy.level) {
        return Err(ShopRefusal::VipNotHigher.into());
    }
    let mut posting = Posting::of(&keyed.command.party, player);
    let balance = posting.debit(&Pocket::real(buy.currency), buy.price, HouseSide::House)?;
    let shop = ShopEffects { level: Some((keyed.player, buy.level.clone())), ..ShopEffects::default() };
    Ok((ShopDone::VipBought { balance }, Effects { shop, ..Effects::of(posting) }))
}

pub(super) fn is_same(now: &BuyVip, then: &BuyVip) -> bool {
    now.player == then.player && now.level == then.level && now.currency == then.currency
}
