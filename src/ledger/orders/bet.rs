//! Placing a bet: debits the stake (EGPP 5.1.2).

use super::{Order, OrderDone, OrderFate, OrderId, OrderName, OrderRefusal, PlaceBet, Stake, known_game, order_of};
use crate::ledger::account::{HouseSide, Staked};
use crate::ledger::accounts::AccountRefusal;
use crate::ledger::command::KeyedCommand;
use crate::ledger::decide::{AreaDecision, Effects, known_player};
use crate::ledger::outcome::Refusal;
use crate::ledger::posting::Posting;
use crate::ledger::state::{PlayerState, State};

pub(super) fn decide(state: &State, keyed: &KeyedCommand, bet: &PlaceBet) -> AreaDecision<OrderDone> {
    known_game(bet.terms)?;
    let player = known_player(state, keyed.player)?;
    // The bet's own keys are new, so an order that is known can only be the player's tombstone.
    if order_of(state, keyed).is_some() {
        return Err(OrderRefusal::OrderCancelled.into());
    }
    let day = keyed.command.at.day();
    within_limits(player, bet, day)?;
    let mut posting = Posting::of(&keyed.command.party, player);
    posting.debit(&bet.pocket, bet.stake, HouseSide::House)?;
    // What is staked in a day is counted by account, and summed over them.
    let plus_stake = |staked: i64| staked.checked_add(bet.stake.minor()).ok_or(AccountRefusal::BalanceOverflow);
    plus_stake(player.staked_on(day, &bet.pocket).ok_or(AccountRefusal::BalanceOverflow)?)?;
    let staked = plus_stake(player.account(&bet.pocket).staked_on(day))?;
    posting.stake(&bet.pocket, Staked { day, minor: staked });
    let order = keyed.order.map(|ids| opened(keyed, bet, ids.accepted));
    Ok((OrderDone::BetPlaced, Effects { order, ..Effects::of(posting) }))
}

/// Whether both limits allow the bet. More than can be counted is above any limit.
fn within_limits(player: &PlayerState, bet: &PlaceBet, day: i32) -> Result<(), Refusal> {
    let stake = bet.stake.minor();
    if let Some(max) = bet.terms.max_bet.filter(|max| stake > *max) {
        return Err(OrderRefusal::MaxBet { max }.into());
    }
    let staked = player.staked_on(day, &bet.pocket).unwrap_or(i64::MAX);
    let is_above = |max: &i64| staked.checked_add(stake).is_none_or(|total| total > *max);
    if let Some(max) = bet.terms.max_stake_per_day.filter(is_above) {
        return Err(OrderRefusal::MaxStakePerDay { max, staked }.into());
    }
    Ok(())
}

/// The order row of a refused bet, so that its result or cancel is told at once instead of waiting.
/// The player's own tombstone stays what it is.
pub(super) fn refused_order(state: &State, keyed: &KeyedCommand, bet: &PlaceBet) -> Option<Order> {
    let id = keyed.order?.refused;
    let has_own = state.orders.contains_key(&id);
    (!has_own).then(|| refused(keyed, bet, id))
}

/// The order of a bet that is accepted, as it begins.
pub(super) fn opened(keyed: &KeyedCommand, bet: &PlaceBet, id: OrderId) -> Order {
    Order::new(name(keyed, bet, id), OrderFate::Open(stake(keyed, bet)))
}

/// The order of a bet that is refused.
pub(super) fn refused(keyed: &KeyedCommand, bet: &PlaceBet, id: OrderId) -> Order {
    Order::new(name(keyed, bet, id), OrderFate::Refused(stake(keyed, bet)))
}

fn name(keyed: &KeyedCommand, bet: &PlaceBet, id: OrderId) -> OrderName {
    OrderName { id, party: keyed.command.party.clone(), key: bet.order.clone(), player: keyed.player }
}

fn stake(keyed: &KeyedCommand, bet: &PlaceBet) -> Stake {
    Stake { amount: bet.stake, pocket: bet.pocket.clone(), round: bet.round, day: keyed.command.at.day() }
}

pub(super) fn is_same(now: &PlaceBet, then: &PlaceBet) -> bool {
    now.player == then.player
        && now.order == then.order
        && now.round == then.round
        && now.stake == then.stake
        && now.pocket == then.pocket
}
