//! Orders: placing a bet, settling it and cancelling it (EGPP 5.1).
//!
//! An order's commands are found by the order, which tells the journal's numbers of what is kept about it; so whatever is
//! kept about an order leaves one, be it a refusal or a tombstone.

mod order;
mod acts;
mod outcome;
mod bet;
mod settle;
mod cancel;
pub mod expected;

pub use acts::{CancelOrder, GameResult, OrderAct, PlaceBet, SettleOrder, Terms};
pub use order::{
    IllegalOrder, Order, OrderFate, OrderId, OrderIds, OrderKey, OrderName, OrderNumbers, OrderOperation, OrderState,
    Stake,
};
pub use outcome::{OrderDone, OrderRefusal};

use super::command::KeyedCommand;
use super::command_digest::CommandDigest;
use super::decide::AreaDecision;
use super::player::PlayerKey;
use super::state::State;

pub(super) fn decide(state: &State, keyed: &KeyedCommand, act: &OrderAct) -> AreaDecision<OrderDone> {
    match act {
        OrderAct::PlaceBet(bet) => bet::decide(state, keyed, bet),
        OrderAct::SettleOrder(settle) => settle::decide(state, keyed, settle),
        OrderAct::CancelOrder(cancel) => cancel::decide(state, keyed, cancel),
    }
}

/// What a refusal that is kept leaves: it is found by its order.
pub(super) fn refused(state: &State, keyed: &KeyedCommand, act: &OrderAct) -> Option<Order> {
    match act {
        OrderAct::PlaceBet(bet) => bet::refused_order(state, keyed, bet),
        OrderAct::CancelOrder(cancel) => keyed.order.map(|ids| cancel::tombstone(keyed, cancel, ids.refused)),
        OrderAct::SettleOrder(_) => None,
    }
}

pub(super) fn is_same(state: &State, keyed: &KeyedCommand, now: &OrderAct, then: &OrderAct) -> bool {
    match (now, then) {
        (OrderAct::PlaceBet(now), OrderAct::PlaceBet(then)) => bet::is_same(now, then),
        (OrderAct::SettleOrder(now), OrderAct::SettleOrder(then)) => settle::is_same(order_of(state, keyed), now, then),
        (OrderAct::CancelOrder(now), OrderAct::CancelOrder(then)) => cancel::is_same(order_of(state, keyed), now, then),
        (OrderAct::PlaceBet(_) | OrderAct::SettleOrder(_) | OrderAct::CancelOrder(_), _) => false,
    }
}

/// [`is_same`] where only the digest of the earlier command is left, as far as the order tells.
pub(super) fn is_same_as_pruned(state: &State, keyed: &KeyedCommand, now: &OrderAct, then: &CommandDigest) -> bool {
    match now {
        OrderAct::PlaceBet(_) => true,
        OrderAct::SettleOrder(settle) => {
            let then = SettleOrder { result: then.result_like(settle.result), ..settle.clone() };
            settle::is_same(order_of(state, keyed), settle, &then)
        }
        OrderAct::CancelOrder(cancel) => cancel::is_same(order_of(state, keyed), cancel, cancel),
    }
}

/// The order that a command is about: what its player was refused under the key, or else whatever was accepted.
fn order_of<'a>(state: &'a State, keyed: &KeyedCommand) -> Option<&'a Order> {
    let OrderIds { accepted, refused } = keyed.order?;
    state.orders.get(&refused).or_else(|| state.orders.get(&accepted))
}

fn known_game(terms: Terms) -> Result<(), OrderRefusal> {
    if terms.game_offered { Ok(()) } else { Err(OrderRefusal::GameUnknown) }
}

/// The open order that a result or cancel is about, with its stake.
fn open_order(order: Option<&Order>, player: PlayerKey) -> Result<(&Order, &Stake), OrderRefusal> {
    let order = order.ok_or(OrderRefusal::OrderUnknown)?;
    if order.player() != player {
        return Err(OrderRefusal::OrderNotTheirs);
    }
    match order.fate() {
        OrderFate::Open(stake) => Ok((order, stake)),
        OrderFate::Won(..) | OrderFate::Lost(_) | OrderFate::Tied(..) => Err(OrderRefusal::OrderSettled),
        OrderFate::Cancelled(_) | OrderFate::Tombstone => Err(OrderRefusal::OrderCancelled),
        OrderFate::Refused(_) => Err(OrderRefusal::OrderRefused),
    }
}
