//! Cancelling an open order: refunds its stake (EGPP 5.1.4).

use super::{
    Done, Effects, Judged, Keyed, Order, OrderState, PlayerState, Refusal, Side, State, Transfer, known_game,
    known_player, open_order, order_of, settle,
};
use crate::ledger::account::{Account, Staked};
use crate::ledger::command::CancelOrder;
use crate::ledger::order::Stake;

pub(super) fn decide(state: &State, keyed: &Keyed, cancel: &CancelOrder) -> Judged {
    let order = order_of(state, keyed);
    if order.is_some_and(|order| order.player == keyed.player && !agrees_with_bet(order, cancel)) {
        return Err(Refusal::DiffersFromBet);
    }
    known_game(cancel.terms)?;
    let player = known_player(state, keyed.player)?;
    let order = open_order(order, keyed.player)?;
    let stake = order.stake.as_ref().ok_or(Refusal::OrderUnknown)?;
    let account = refunded(player, stake)?;
    let transfer = Transfer {
        debit: Side::House(settle::house(keyed, stake)),
        credit: Side::Player(account.id),
        amount: stake.amount,
    };
    let paid = stake.amount.minor();
    let cancelled = Order { state: OrderState::Cancelled, paid, ..order.clone() };
    let (accounts, transfers) = (vec![account], vec![transfer]);
    let effects = Effects { accounts, order: Some(cancelled), transfers, ..Effects::default() };
    Ok((Done::OrderCancelled { refunded: paid }, effects))
}

/// The stake's account with the stake back. A stake that was taken back no longer counts towards its day's limit.
fn refunded(player: &PlayerState, stake: &Stake) -> Result<Account, Refusal> {
    let mut account = player.account(&stake.pocket);
    account.balance = account.balance.checked_add(stake.amount.minor()).ok_or(Refusal::BalanceOverflow)?;
    if account.staked.day == stake.day {
        // Less was staked than is taken back only where the clock went back over midnight meanwhile.
        let minor = account.staked.minor.saturating_sub(stake.amount.minor()).max(0);
        account.staked = Staked { minor, ..account.staked };
    }
    Ok(account)
}

/// What a cancel leaves that found no bet: the bet, should it still come, must not take the stake.
pub(super) fn tombstone(keyed: &Keyed, cancel: &CancelOrder) -> Option<Order> {
    keyed.order.map(|ids| Order {
        id: ids.refused,
        party: keyed.command.party.clone(),
        key: cancel.order.clone(),
        player: keyed.player,
        state: OrderState::Tombstone,
        stake: None,
        paid: 0,
    })
}

fn agrees_with_bet(order: &Order, cancel: &CancelOrder) -> bool {
    let stake = order.stake.as_ref();
    stake.is_none_or(|stake| cancel.wallet.as_ref().is_none_or(|wallet| *wallet == stake.pocket.wallet))
}

pub(super) fn is_same(order: Option<&Order>, now: &CancelOrder, then: &CancelOrder) -> bool {
    now.player == then.player && now.order == then.order && order.is_none_or(|order| agrees_with_bet(order, now))
}
