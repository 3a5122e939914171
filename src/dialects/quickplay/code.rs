//! The error codes of the seed's table, and the one that we add.

use super::answer;
use crate::dialects::http::HandlerError;
use crate::ledger::{AccountRefusal, Refusal, TransactionRefusal};

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuickPlayCode {
    InvalidPartner,
    InvalidToken,
    InvalidUser,
    InsufficientFunds,
    InvalidSignature,
    TokenExpired,
    /// Ours: whatever no other code covers.
    Refused,
}

impl QuickPlayCode {
    pub const ALL: [Self; 7] = [
        Self::InvalidPartner,
        Self::InvalidToken,
        Self::InvalidUser,
        Self::InsufficientFunds,
        Self::InvalidSignature,
        Self::TokenExpired,
        Self::Refused,
    ];

    pub fn number(self) -> u16 {
        match self {
            Self::InvalidPartner => 1,
            Self::InvalidToken => 2,
            Self::InvalidUser => 3,
            Self::InsufficientFunds => 4,
            Self::InvalidSignature => 5,
            Self::TokenExpired => 6,
            Self::Refused => 7,
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Self::InvalidPartner => "Invalid partner name provided",
            Self::InvalidToken => "Invalid token provided",
            Self::InvalidUser => "Invalid user provided",
            Self::InsufficientFunds => "Insufficient user funds",
            Self::InvalidSignature => "Invalid message signature",
            Self::TokenExpired => "User login token has been expired",
            Self::Refused => "Transaction refused",
        }
    }

    pub fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Account(AccountRefusal::PlayerUnknown) => Self::InvalidUser,
            Refusal::Account(AccountRefusal::InsufficientFunds { .. }) => Self::InsufficientFunds,
            Refusal::Account(
                AccountRefusal::KeyReused | AccountRefusal::UsernameTaken | AccountRefusal::BalanceOverflow,
            ) => Self::Refused,
            Refusal::Transaction(
                TransactionRefusal::TransactionUnknown
                | TransactionRefusal::TransactionEnded
                | TransactionRefusal::TransactionUndone
                | TransactionRefusal::AmountsDisagree
                | TransactionRefusal::VoidUnknown
                | TransactionRefusal::VoidResolved,
            ) => Self::Refused,
            // No act of this dialect's is refused for these.
            Refusal::Order(_) | Refusal::Shop(_) => Self::Refused,
        }
    }
}

impl From<QuickPlayCode> for HandlerError {
    fn from(code: QuickPlayCode) -> Self {
        answer::refused(code).into()
    }
}
