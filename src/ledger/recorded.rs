//! Commands that were decided before, as a journal tells them: what a replay applies.

use super::command::{Act, Keyed};
use super::outcome::{Done, Outcome};

/// One row of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The journal's number.
    pub seq: i64,
    pub keyed: Keyed,
    pub outcome: Outcome,
    /// Whether the outcome answers the same command again. One that was only noted moved nothing, and must not be
    /// applied: on a fuller ledger it might succeed.
    pub kept: bool,
}

impl Recorded {
    /// The command with the name that it gave: a transaction or an order of keys is called by the number that it had,
    /// since its partner knows it by that.
    pub fn with_number(mut self) -> Self {
        let given = match self.outcome {
            Outcome::Done(Done::Adjusted { transaction, .. } | Done::VoidApproved { transaction }) => Some(transaction),
            Outcome::Done(Done::KeysBought { order, .. }) => Some(order),
            // The tombstone, where one was left, is called by the row's own number.
            Outcome::Done(Done::NothingUndone { .. }) => Some(self.seq),
            Outcome::Done(
                Done::PlayerOpened
                | Done::Deposited { .. }
                | Done::Withdrawn { .. }
                | Done::BetPlaced
                | Done::OrderSettled { .. }
                | Done::OrderCancelled { .. }
                | Done::AlreadyVoided { .. }
                | Done::VoidQueued
                | Done::VoidDismissed
                | Done::VipBought { .. }
                | Done::OffersStocked { .. },
            )
            | Outcome::Refused(_) => None,
        };
        let number = match &mut self.keyed.command.act {
            Act::Adjust(adjust) => &mut adjust.number,
            Act::ResolveVoid(resolve) => &mut resolve.number,
            Act::BuyKeys(buy) => &mut buy.number,
            Act::OpenPlayer(_)
            | Act::Deposit(_)
            | Act::Withdraw(_)
            | Act::PlaceBet(_)
            | Act::SettleOrder(_)
            | Act::CancelOrder(_)
            | Act::QueueVoid(_)
            | Act::BuyVip(_)
            | Act::StockOffers(_) => return self,
        };
        // One that was replayed before has brought its number along.
        *number = number.or(given);
        self
    }

    /// The number that the command brings, where it brings one.
    pub fn number(&self) -> Option<i64> {
        match &self.keyed.command.act {
            Act::Adjust(adjust) => adjust.number,
            Act::ResolveVoid(resolve) => resolve.number,
            Act::BuyKeys(buy) => buy.number,
            Act::OpenPlayer(_)
            | Act::Deposit(_)
            | Act::Withdraw(_)
            | Act::PlaceBet(_)
            | Act::SettleOrder(_)
            | Act::CancelOrder(_)
            | Act::QueueVoid(_)
            | Act::BuyVip(_)
            | Act::StockOffers(_) => None,
        }
    }
}
