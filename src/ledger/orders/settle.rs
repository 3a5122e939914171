//! Settling an order by the result of its round (EGPP 5.1.3).

use super::{
    GameResult, Order, OrderDone, OrderFate, OrderRefusal, OrderState, SettleOrder, Stake, known_game, open_order,
    order_of,
};
use crate::ledger::State;
use crate::ledger::account::HouseSide;
use crate::ledger::command::KeyedCommand;
use crate::ledger::decide::{AreaDecision, Effects, known_player};
use crate::ledger::posting::Posting;

pub(super) fn decide(state: &State, keyed: &KeyedCommand, settle: &SettleOrder) -> AreaDecision<OrderDone> {
    let order = order_of(state, keyed);
    if order.is_some_and(|order| order.player() == keyed.player && !agrees_with_bet(order, settle)) {
        return Err(OrderRefusal::DiffersFromBet.into());
    }
    known_game(settle.terms)?;
    let player = known_player(state, keyed.player)?;
    let (order, stake) = open_order(order, keyed.player)?;
    if stake.round != settle.round {
        return Err(OrderRefusal::RoundDiffers.into());
    }
    let mut posting = Posting::of(&keyed.command.party, player);
    let fate = fate(stake, settle.result);
    if let OrderFate::Won(_, amount) | OrderFate::Tied(_, amount) = &fate {
        posting.credit(&stake.pocket, *amount, HouseSide::House)?;
    }
    let paid = fate.paid();
    Ok((OrderDone::OrderSettled { paid }, Effects { order: Some(order.with(fate)), ..Effects::of(posting) }))
}

/// What becomes of the order: a tie pays the stake where no amount is named, a loss nothing, whatever amount came with it.
fn fate(stake: &Stake, result: GameResult) -> OrderFate {
    match result {
        GameResult::Win(amount) => OrderFate::Won(stake.clone(), amount),
        GameResult::Tie(amount) => OrderFate::Tied(stake.clone(), amount.unwrap_or(stake.amount)),
        GameResult::Lose(_) => OrderFate::Lost(stake.clone()),
    }
}

/// What a result leaves its order as.
pub(super) fn state(result: GameResult) -> OrderState {
    match result {
        GameResult::Win(_) => OrderState::Won,
        GameResult::Tie(_) => OrderState::Tied,
        GameResult::Lose(_) => OrderState::Lost,
    }
}

fn agrees_with_bet(order: &Order, settle: &SettleOrder) -> bool {
    order.stake().is_none_or(|stake| {
        settle.currency.is_none_or(|currency| currency == stake.pocket.currency)
            && settle.wallet.as_ref().is_none_or(|wallet| *wallet == stake.pocket.wallet)
    })
}

/// What is left out (REST may) is taken from the bet; what is named must be named alike, even a loss's amount.
pub(super) fn is_same(order: Option<&Order>, now: &SettleOrder, then: &SettleOrder) -> bool {
    now.player == then.player
        && now.order == then.order
        && now.round == then.round
        && is_same_result(order, now.result, then.result)
        && order.is_none_or(|order| agrees_with_bet(order, now))
}

fn is_same_result(order: Option<&Order>, now: GameResult, then: GameResult) -> bool {
    let stake = order.and_then(|order| order.stake()).map(|stake| stake.amount);
    match (now, then) {
        (GameResult::Win(now), GameResult::Win(then)) => now == then,
        (GameResult::Tie(now), GameResult::Tie(then)) => now.or(stake) == then.or(stake),
        (GameResult::Lose(Some(now)), GameResult::Lose(Some(then))) => now == then,
        (GameResult::Lose(_), GameResult::Lose(_)) => true,
        (GameResult::Win(_) | GameResult::Tie(_) | GameResult::Lose(_), _) => false,
    }
}
