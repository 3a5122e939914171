//! Cancelling an open order: refunds its stake (EGPP 5.1.4).

use super::{
    CancelOrder, Order, OrderDone, OrderFate, OrderId, OrderName, OrderRefusal, Stake, known_game, open_order, order_of,
};
use crate::ledger::State;
use crate::ledger::account::{HouseSide, Staked};
use crate::ledger::command::KeyedCommand;
use crate::ledger::decide::{AreaDecision, Effects, known_player};
use crate::ledger::posting::Posting;

pub(super) fn decide(state: &State, keyed: &KeyedCommand, cancel: &CancelOrder) -> AreaDecision<OrderDone> {
    let order = order_of(state, keyed);
    if order.is_some_and(|order| order.player() == keyed.player && !agrees_with_bet(order, cancel)) {
        return Err(OrderRefusal::DiffersFromBet.into());
    }
    known_game(cancel.terms)?;
    let player = known_player(state, keyed.player)?;
    let (order, stake) = open_order(order, keyed.player)?;
    let mut posting = Posting::of(&keyed.command.party, player);
    posting.credit(&stake.pocket, stake.amount, HouseSide::House)?;
    if let Some(staked) = unstaked(player.account(&stake.pocket).staked, stake) {
        posting.stake(&stake.pocket, staked);
    }
    let effects = Effects { order: Some(order.with(OrderFate::Cancelled(stake.clone()))), ..Effects::of(posting) };
    Ok((OrderDone::OrderCancelled { refunded: stake.amount.minor() }, effects))
}

/// A stake that was taken back no longer counts towards its day's limit; `None` where another day counts by now.
fn unstaked(staked: Staked, stake: &Stake) -> Option<Staked> {
    // Less was staked than is taken back only where the clock went back over midnight meanwhile.
    let minor = staked.minor.saturating_sub(stake.amount.minor()).max(0);
    (staked.day == stake.day).then_some(Staked { minor, ..staked })
}

/// What a cancel leaves that found no bet: the bet, should it still come, must not take the stake.
pub(super) fn tombstone(keyed: &KeyedCommand, cancel: &CancelOrder, id: OrderId) -> Order {
    let (party, key, player) = (keyed.command.party.clone(), cancel.order.clone(), keyed.player);
    Order::new(OrderName { id, party, key, player }, OrderFate::Tombstone)
}

fn agrees_with_bet(order: &Order, cancel: &CancelOrder) -> bool {
    let stake = order.stake();
    stake.is_none_or(|stake| cancel.wallet.as_ref().is_none_or(|wallet| *wallet == stake.pocket.wallet))
}

pub(super) fn is_same(order: Option<&Order>, now: &CancelOrder, then: &CancelOrder) -> bool {
    now.player == then.player && now.order == then.order && order.is_none_or(|order| agrees_with_bet(order, now))
}
