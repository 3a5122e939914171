//! What was decided, refusals included. Outcomes are stored facts: a repeat gets the same answer.

use serde::{Deserialize, Serialize};

use super::command::Act;
use super::transaction::{Adjust, Change};

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done(Done),
    Refused(Refusal),
}

/// What was done. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    PlayerOpened,
    Deposited {
        balance: i64,
    },
    Withdrawn {
        balance: i64,
    },
    BetPlaced,
    OrderSettled {
        paid: i64,
    },
    OrderCancelled {
        refunded: i64,
    },
    /// `balance` is the player's real money afterwards.
    Adjusted {
        transaction: i64,
        balance: i64,
    },
    /// The stake was given back before, by this transaction.
    AlreadyVoided {
        transaction: i64,
    },
    /// There was nothing (left) to undo.
    NothingUndone {
        balance: i64,
    },
    VoidQueued,
    VoidApproved {
        transaction: i64,
    },
    VoidDismissed,
    VipBought {
        balance: i64,
    },
    /// How many keys were not known before.
    OffersStocked {
        added: i64,
    },
    KeysBought {
        order: i64,
        balance: i64,
    },
}

/// Why nothing was done, in the order in which the reasons are looked for (`decide`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The same key was used before with other data.
    KeyReused,
    /// A result or cancel names another currency or wallet than its bet.
    DiffersFromBet,
    GameUnknown,
    PlayerUnknown,
    OrderUnknown,
    /// The order is another player's.
    OrderNotTheirs,
    OrderSettled,
    OrderCancelled,
    /// The order's bet was refused.
    OrderRefused,
    RoundDiffers,
    MaxBet {
        max: i64,
    },
    MaxStakePerDay {
        max: i64,
        staked: i64,
    },
    InsufficientFunds {
        balance: i64,
    },
    /// A balance would pass what 64 bits hold.
    BalanceOverflow,
    /// There is no such transaction, or it is another player's.
    TransactionUnknown,
    /// The transaction has met its fate already.
    TransactionEnded,
    /// The transaction was rolled back before it came.
    TransactionUndone,
    /// The amounts are not those of the transaction that they are about, or do not add up.
    AmountsDisagree,
    VoidUnknown,
    /// The void was approved or dismissed before.
    VoidResolved,
    /// The player has this level or a higher one.
    VipNotHigher,
    OfferUnknown,
    /// The offer is in another currency.
    OfferCurrencyDiffers,
    OfferPriceDiffers {
        price: i64,
    },
    OutOfStock {
        stock: i64,
    },
}

/// What the journal keeps of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Under its key: the same command again gets this outcome.
    Kept,
    /// For the record only: the same command again is judged afresh.
    Noted,
    /// Not at all: a repeat is in the journal already, and a misused key says nothing about the ledger.
    Ignored,
}

impl Refusal {
    /// How a refusal is kept. A refused stake must stay refused, since the provider has seen the "no"; a cancel that
    /// found no bet leaves a tombstone; every other refusal moved nothing and blocks nothing.
    pub fn keeping(self, act: &Act) -> Keeping {
        match (self, act) {
            (Self::KeyReused | Self::DiffersFromBet | Self::BalanceOverflow, _) => Keeping::Ignored,
            (Self::OrderUnknown, Act::CancelOrder(_)) | (_, Act::PlaceBet(_)) => Keeping::Kept,
            (Self::InsufficientFunds { .. }, Act::Adjust(Adjust { change: Change::Stake { .. }, .. })) => Keeping::Kept,
            (
                _,
                Act::OpenPlayer(_)
                | Act::Deposit(_)
                | Act::Withdraw(_)
                | Act::SettleOrder(_)
                | Act::CancelOrder(_)
                | Act::Adjust(_)
                | Act::QueueVoid(_)
                | Act::ResolveVoid(_)
                | Act::BuyVip(_)
                | Act::StockOffers(_)
                | Act::BuyKeys(_),
            ) => Keeping::Noted,
        }
    }
}
