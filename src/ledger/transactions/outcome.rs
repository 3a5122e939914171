//! What comes of acts about transactions.

use serde::{Deserialize, Serialize};

use super::{Adjust, Change, TransactionAct};
use crate::ledger::accounts::AccountRefusal;
use crate::ledger::outcome::{Refusal, Retention};

/// What was done. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionDone {
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
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionRefusal {
    /// There is no such transaction, or it is another player's.
    TransactionUnknown,
    /// The transaction has met its fate already.
    TransactionEnded,
    /// The transaction was rolled back before it came.
    TransactionUndone,
    /// The amounts are not those of the transaction that they are about, or do not add up.
    AmountsDisagree,
    /// Nobody has asked for this void; or, asked for again, it is not the attempt that is due.
    VoidUnknown,
    /// The void was approved or dismissed before.
    VoidResolved,
}

impl TransactionDone {
    /// The number that a transaction was given; `seq` is the journal row's own, by which a tombstone is called where one
    /// was left.
    pub(in crate::ledger) fn given(self, seq: i64) -> Option<i64> {
        match self {
            Self::Adjusted { transaction, .. } | Self::VoidApproved { transaction } => Some(transaction),
            Self::NothingUndone { .. } => Some(seq),
            Self::AlreadyVoided { .. } | Self::VoidQueued | Self::VoidDismissed => None,
        }
    }
}

impl TransactionAct {
    /// How the act's refusal is kept: a refused stake must stay refused, since the partner has seen the "no".
    pub(in crate::ledger) fn retention(&self, refusal: Refusal) -> Retention {
        let is_stake = matches!(self, Self::Adjust(Adjust { change: Change::Stake { .. }, .. }));
        // Named one by one: whoever adds a reason to refuse must say whether it is kept.
        match refusal {
            Refusal::Account(AccountRefusal::InsufficientFunds { .. }) if is_stake => Retention::Idempotent,
            Refusal::Account(
                AccountRefusal::InsufficientFunds { .. }
                | AccountRefusal::KeyReused
                | AccountRefusal::PlayerUnknown
                | AccountRefusal::UsernameTaken
                | AccountRefusal::BalanceOverflow,
            )
            | Refusal::Transaction(
                TransactionRefusal::TransactionUnknown
                | TransactionRefusal::TransactionEnded
                | TransactionRefusal::TransactionUndone
                | TransactionRefusal::AmountsDisagree
                | TransactionRefusal::VoidUnknown
                | TransactionRefusal::VoidResolved,
            ) => Retention::RecordOnly,
            // No transaction is refused for these.
            Refusal::Order(_) | Refusal::Shop(_) => Retention::RecordOnly,
        }
    }
}
