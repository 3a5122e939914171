//! What came of a call's command, in this dialect's words.

use super::code::{BalanceServiceCode, CallRefused, of_refusal};
use crate::ledger::{Done, Outcome, TransactionDone};
use crate::wallet::DecidedCommand;

/// What the dialect's acts come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallDone {
    /// A transaction of this number, made now or before.
    Transaction {
        number: i64,
        is_new: bool,
    },
    VoidQueued,
}

impl CallDone {
    pub fn of(decided: &DecidedCommand) -> Result<Self, CallRefused> {
        let done = match decided.outcome {
            Outcome::Done(Done::Transaction(done)) => done,
            // No act of this dialect's comes to these.
            Outcome::Done(Done::Account(_) | Done::Order(_) | Done::Shop(_)) => {
                return Err(BalanceServiceCode::Unrecognised.into());
            }
            Outcome::Refused(refusal) => return Err(of_refusal(refusal)),
        };
        match done {
            TransactionDone::Adjusted { transaction, .. } => {
                Ok(Self::Transaction { number: transaction, is_new: !decided.repeated })
            }
            TransactionDone::AlreadyVoided { transaction } => {
                Ok(Self::Transaction { number: transaction, is_new: false })
            }
            TransactionDone::VoidQueued => Ok(Self::VoidQueued),
            // Roll-backs are another dialect's, and voids are resolved by operators.
            TransactionDone::NothingUndone { .. }
            | TransactionDone::VoidApproved { .. }
            | TransactionDone::VoidDismissed => Err(BalanceServiceCode::Unrecognised.into()),
        }
    }
}
