//! What a journal row did to its order: what the audit expects to find, and what pruning leaves for it.

use uuid::Uuid;

use super::StoreError;
use super::pruned_command::PrunedCommand;
use super::rows::{OrderRow, damaged};
use crate::ledger::command::{Act, Command, CommandKey, KeyedCommand};
use crate::ledger::orders::{GameResult, Order, OrderFate, OrderKey, OrderName, Stake};
use crate::ledger::player::digest;
use crate::ledger::{
    Done, OrderAct, OrderDone, OrderId, OrderNumbers, OrderOperation, OrderRefusal, OrderState, Outcome, PlayerKey,
    Refusal,
};

/// An order after a journal row.
#[derive(Debug)]
pub struct OrderChange {
    pub order: OrderId,
    /// What the row is to the order, and its number.
    pub operation: OrderOperation,
    pub seq: i64,
    pub state: OrderState,
    pub paid: i64,
    /// The order as it began, where the row is its first.
    pub begun: Option<OpeningOrder>,
}

/// An order as it began; what became of it is apart.
#[derive(Debug)]
pub enum OpeningOrder {
    Whole(Box<Order>),
    Digest(Uuid),
}

impl OrderChange {
    /// `None` where the command changed no order. `key` is what it was kept under, and tells the order.
    pub fn of(seq: i64, key: Option<CommandKey>, keyed: &KeyedCommand, outcome: Outcome) -> Option<Self> {
        keyed.order?;
        let key = key?;
        let (order, operation) = (key.order(), key.operation()?);
        let (state, paid) = match (&keyed.command.act, outcome) {
            (Act::Order(OrderAct::PlaceBet(_)), Outcome::Done(_)) => (OrderState::Open, 0),
            // Where the player has a tombstone, it stays.
            (Act::Order(OrderAct::PlaceBet(_)), Outcome::Refused(_)) => (OrderState::Refused, 0),
            (
                Act::Order(OrderAct::SettleOrder(settle)),
                Outcome::Done(Done::Order(OrderDone::OrderSettled { paid })),
            ) => {
                let state = match settle.result {
                    GameResult::Win(_) => OrderState::Won,
                    GameResult::Tie(_) => OrderState::Tied,
                    GameResult::Lose(_) => OrderState::Lost,
                };
                (state, paid)
            }
            (
                Act::Order(OrderAct::CancelOrder(_)),
                Outcome::Done(Done::Order(OrderDone::OrderCancelled { refunded })),
            ) => (OrderState::Cancelled, refunded),
            (Act::Order(OrderAct::CancelOrder(_)), Outcome::Refused(Refusal::Order(OrderRefusal::OrderUnknown))) => {
                (OrderState::Tombstone, 0)
            }
            _ => return None,
        };
        let begun = begun(&keyed.command, order, keyed.player, state).map(|order| OpeningOrder::Whole(Box::new(order)));
        Some(Self { order, operation, seq, state, paid, begun })
    }

    /// The same where the command was pruned: its key tells the order.
    pub fn of_pruned(seq: i64, key: CommandKey, remains: PrunedCommand, outcome: Outcome) -> Option<Self> {
        let paid = match outcome {
            Outcome::Done(Done::Order(OrderDone::OrderSettled { paid })) => paid,
            Outcome::Done(Done::Order(OrderDone::OrderCancelled { refunded })) => refunded,
            Outcome::Done(_) | Outcome::Refused(_) => 0,
        };
        // What the first build pruned says nothing of a bet that a tombstone refused. No other act is kept where it is refused.
        let refused = matches!(outcome, Outcome::Refused(_)).then_some(OrderState::Refused);
        let (state, begun) = (remains.state.or(refused)?, remains.begun.map(OpeningOrder::Digest));
        Some(Self { order: key.order(), operation: key.operation()?, seq, state, paid, begun })
    }
}

impl OpeningOrder {
    /// What pruning leaves of it.
    pub fn digest(&self) -> Result<Uuid, StoreError> {
        match self {
            Self::Whole(order) => digest_of(&OrderRow::of(order, OrderNumbers::default())),
            Self::Digest(digest) => Ok(*digest),
        }
    }

    /// Whether a row is this order, whatever became of it since.
    pub fn is_of(&self, row: &OrderRow) -> Result<bool, StoreError> {
        Ok(match self {
            Self::Whole(order) => {
                let (state, paid) = (row.state.clone(), row.paid);
                *row == OrderRow { state, paid, ..OrderRow::of(order, row.numbers()) }
            }
            Self::Digest(digest) => *digest == digest_of(row)?,
        })
    }
}

/// The order that a bet, or a cancel without one, begins.
fn begun(command: &Command, id: OrderId, player: PlayerKey, state: OrderState) -> Option<Order> {
    let name = |key: &OrderKey| OrderName { id, party: command.party.clone(), key: key.clone(), player };
    match &command.act {
        Act::Order(OrderAct::PlaceBet(bet)) => {
            let (pocket, day) = (bet.pocket.clone(), command.at.day());
            let stake = Stake { amount: bet.stake, pocket, round: bet.round, day };
            let fate = if state == OrderState::Refused { OrderFate::Refused } else { OrderFate::Open };
            Some(Order::new(name(&bet.order), fate(stake)))
        }
        Act::Order(OrderAct::CancelOrder(cancel)) if state == OrderState::Tombstone => {
            Some(Order::new(name(&cancel.order), OrderFate::Tombstone))
        }
        Act::Order(_) | Act::Account(_) | Act::Transaction(_) | Act::Shop(_) => None,
    }
}

/// Every column but those that say what became of the order.
fn digest_of(row: &OrderRow) -> Result<Uuid, StoreError> {
    let OrderRow { id, party, game, external_id, player, stake, currency, bucket, wallet, product, round, day, .. } =
        row;
    let (name, staked) =
        ((id, party, game, external_id, player), (stake, currency, bucket, wallet, product, round, day));
    let text = serde_json::to_vec(&(name, staked)).map_err(|error| damaged("order", error))?;
    Ok(digest(&[b"begun", &text]))
}
