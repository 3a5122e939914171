//! What must be stored of an order once one of its commands was decided: what `decide` did, from the journal's side, for
//! whoever audits, and for whoever prunes and leaves no more of a command than that.

use uuid::Uuid;

use super::{Order, OrderAct, OrderDone, OrderId, OrderNumbers, OrderOperation, OrderRefusal, OrderState};
use super::{bet, cancel, settle};
use crate::ledger::command::CommandKey;
use crate::ledger::outcome::{Done, Outcome, Refusal};
use crate::ledger::recorded::KeptRow;

/// What follows from one journal row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedOrder {
    pub order: OrderId,
    /// What the row is to the order, and its number.
    pub operation: OrderOperation,
    pub seq: i64,
    /// What the order is by it, unless a later row says otherwise. Minor units.
    pub state: OrderState,
    pub paid: i64,
    /// The order as it began, where the row is its first.
    pub begun: Option<OpeningOrder>,
}

/// An order as it began; what became of it is apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpeningOrder {
    Whole(Box<Order>),
    /// What pruning left of it.
    Digest(Uuid),
}

/// `None` where the row changed no order. Its key tells the order.
pub fn expected(row: &KeptRow<'_>, act: &OrderAct) -> Option<ExpectedOrder> {
    let &KeptRow { seq, key, keyed, outcome } = row;
    let (order, operation) = (key.order(), key.operation()?);
    let begins = |order: Order| {
        let (state, paid) = (order.state(), order.paid());
        (state, paid, Some(OpeningOrder::Whole(Box::new(order))))
    };
    let (state, paid, begun) = match (act, outcome) {
        (OrderAct::PlaceBet(bet), Outcome::Done(Done::Order(OrderDone::BetPlaced))) => {
            begins(bet::opened(keyed, bet, order))
        }
        // Where the player has a tombstone, it stays.
        (OrderAct::PlaceBet(bet), Outcome::Refused(_)) => begins(bet::refused(keyed, bet, order)),
        (OrderAct::SettleOrder(settle), Outcome::Done(Done::Order(OrderDone::OrderSettled { paid }))) => {
            (settle::state(settle.result), paid, None)
        }
        (OrderAct::CancelOrder(_), Outcome::Done(Done::Order(OrderDone::OrderCancelled { refunded }))) => {
            (OrderState::Cancelled, refunded, None)
        }
        (OrderAct::CancelOrder(cancel), Outcome::Refused(Refusal::Order(OrderRefusal::OrderUnknown))) => {
            begins(cancel::tombstone(keyed, cancel, order))
        }
        // What it does is refused, or no act is answered with.
        (OrderAct::PlaceBet(_) | OrderAct::SettleOrder(_) | OrderAct::CancelOrder(_), _) => return None,
    };
    Some(ExpectedOrder { order, operation, seq, state, paid, begun })
}

/// The same where the command was pruned. What is left beside key and outcome: the state in which it left its order, and a digest of
/// the order as it began.
pub(crate) fn expected_of_pruned(
    seq: i64,
    key: CommandKey,
    outcome: Outcome,
    state: Option<OrderState>,
    begun: Option<Uuid>,
) -> Option<ExpectedOrder> {
    let paid = match outcome {
        Outcome::Done(Done::Order(OrderDone::OrderSettled { paid })) => paid,
        Outcome::Done(Done::Order(OrderDone::OrderCancelled { refunded })) => refunded,
        Outcome::Done(_) | Outcome::Refused(_) => 0,
    };
    // What the first build pruned says nothing of a bet that a tombstone refused. No other act is kept where it is refused.
    let refused = matches!(outcome, Outcome::Refused(_)).then_some(OrderState::Refused);
    let (state, begun) = (state.or(refused)?, begun.map(OpeningOrder::Digest));
    Some(ExpectedOrder { order: key.order(), operation: key.operation()?, seq, state, paid, begun })
}

/// Whether what an act moves is taken from its player; else it is given.
pub fn takes(act: &OrderAct) -> bool {
    match act {
        OrderAct::PlaceBet(_) => true,
        OrderAct::SettleOrder(_) | OrderAct::CancelOrder(_) => false,
    }
}

/// What of an order's stake counts towards the limit of its day, in minor units: nothing of one that was taken back, though
/// its day was begun. `None` where nothing was ever staked.
pub fn counted(state: OrderState, stake: i64) -> Option<i64> {
    match state {
        OrderState::Open | OrderState::Won | OrderState::Lost | OrderState::Tied => Some(stake),
        OrderState::Cancelled => Some(0),
        OrderState::Refused | OrderState::Tombstone => None,
    }
}

impl ExpectedOrder {
    /// How the order began, if it began by this row: one that is a tombstone now did not begin by a bet that it refused.
    pub fn beginning(&self, is: Option<OrderState>) -> Option<&OpeningOrder> {
        let was_there = self.state == OrderState::Refused && is == Some(OrderState::Tombstone);
        self.begun.as_ref().filter(|_| !was_there)
    }

    /// Whether the order tells of this row.
    pub fn is_told_by(&self, numbers: &OrderNumbers) -> bool {
        numbers.get(self.operation) == Some(self.seq)
    }

    /// Whether it is this row that left the order as it is.
    pub fn is_last_of(&self, numbers: &OrderNumbers) -> bool {
        numbers.last() == self.operation
    }
}
