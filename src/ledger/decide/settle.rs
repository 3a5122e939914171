//! Settling an order by the result of its round (EGPP 5.1.3).

use super::{
    Amount, Done, Effects, HouseAccount, Judged, Keyed, Order, OrderState, Refusal, Side, State, Transfer, known_game,
    known_player, open_order, order_of,
};
use crate::ledger::account::HouseSide;
use crate::ledger::command::{GameResult, SettleOrder};
use crate::ledger::order::Stake;

pub(super) fn decide(state: &State, keyed: &Keyed, settle: &SettleOrder) -> Judged {
    let order = order_of(state, keyed);
    if order.is_some_and(|order| order.player == keyed.player && !agrees_with_bet(order, settle)) {
        return Err(Refusal::DiffersFromBet);
    }
    known_game(settle.terms)?;
    let player = known_player(state, keyed.player)?;
    let order = open_order(order, keyed.player)?;
    let stake = order.stake.as_ref().ok_or(Refusal::OrderUnknown)?;
    if stake.round != settle.round {
        return Err(Refusal::RoundDiffers);
    }
    let payout = payout(stake, settle.result);
    let mut account = player.account(&stake.pocket);
    let paid = payout.map_or(0, Amount::minor);
    account.balance = account.balance.checked_add(paid).ok_or(Refusal::BalanceOverflow)?;
    let transfer = payout.map(|amount| Transfer {
        debit: Side::House(house(keyed, stake)),
        credit: Side::Player(account.id),
        amount,
    });
    let settled = Order { state: settled_state(settle.result), paid, ..order.clone() };
    let accounts = transfer.iter().map(|_| account.clone()).collect();
    let transfers = transfer.into_iter().collect();
    Ok((Done::OrderSettled { paid }, Effects { accounts, order: Some(settled), transfers, ..Effects::default() }))
}

/// What the player gets: nothing for a loss, whatever amount came with it.
fn payout(stake: &Stake, result: GameResult) -> Option<Amount> {
    match result {
        GameResult::Win(amount) => Some(amount),
        GameResult::Tie(amount) => Some(amount.unwrap_or(stake.amount)),
        GameResult::Lose(_) => None,
    }
}

fn settled_state(result: GameResult) -> OrderState {
    match result {
        GameResult::Win(_) => OrderState::Won,
        GameResult::Tie(_) => OrderState::Tied,
        GameResult::Lose(_) => OrderState::Lost,
    }
}

fn agrees_with_bet(order: &Order, settle: &SettleOrder) -> bool {
    order.stake.as_ref().is_none_or(|stake| {
        settle.currency.is_none_or(|currency| currency == stake.pocket.currency)
            && settle.wallet.as_ref().is_none_or(|wallet| *wallet == stake.pocket.wallet)
    })
}

pub(super) fn house(keyed: &Keyed, stake: &Stake) -> HouseAccount {
    HouseAccount { party: keyed.command.party.clone(), side: HouseSide::House, currency: stake.pocket.currency }
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
    let stake = order.and_then(|order| order.stake.as_ref()).map(|stake| stake.amount);
    match (now, then) {
        (GameResult::Win(now), GameResult::Win(then)) => now == then,
        (GameResult::Tie(now), GameResult::Tie(then)) => now.or(stake) == then.or(stake),
        (GameResult::Lose(Some(now)), GameResult::Lose(Some(then))) => now == then,
        (GameResult::Lose(_), GameResult::Lose(_)) => true,
        (GameResult::Win(_) | GameResult::Tie(_) | GameResult::Lose(_), _) => false,
    }
}
