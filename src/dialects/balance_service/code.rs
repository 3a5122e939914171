//! What a call may be refused with: the seed's error codes, and one of ours for a missing API key.

use schemars::JsonSchema;
use serde::Serialize;

use crate::dialects::http::{Failure, HandlerError, Reply};
use crate::ledger::{AccountRefusal, Refusal, TransactionRefusal};

/// The longest `message`, in characters.
const MAX_MESSAGE: usize = 300;

/// An error code (Balance Service, "Error codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceServiceCode {
    NotPost,
    ContentType,
    Accept,
    Json,
    MemberMissing,
    Method,
    ParameterMissing,
    /// Ours, and the only one with an HTTP status of its own.
    ApiKey,
    UserUnknown,
    Unexpected,
    Failed,
    InsufficientFunds,
    Amounts,
    Calculation,
    Unrecognised,
    TransactionType,
    TransactionUnknown,
    Value,
}

impl BalanceServiceCode {
    pub const ALL: [Self; 18] = [
        Self::NotPost,
        Self::ContentType,
        Self::Accept,
        Self::Json,
        Self::MemberMissing,
        Self::Method,
        Self::ParameterMissing,
        Self::ApiKey,
        Self::UserUnknown,
        Self::Unexpected,
        Self::Failed,
        Self::InsufficientFunds,
        Self::Amounts,
        Self::Calculation,
        Self::Unrecognised,
        Self::TransactionType,
        Self::TransactionUnknown,
        Self::Value,
    ];

    /// The code as it is sent, and the seed's description of it.
    pub fn told(self) -> (i32, &'static str) {
        match self {
            Self::NotPost => (1, "The request wasn't sent using POST"),
            Self::ContentType => (2, "The content type header was missing or invalid"),
            Self::Accept => (3, "The accept header was missing or invalid"),
            Self::Json => (4, "The JSON in the body was missing or invalid"),
            Self::MemberMissing => (5, "The JSON in the body was missing a required field"),
            Self::Method => (6, "The JSON in the body contained an invalid method"),
            Self::ParameterMissing => (7, "A required parameter is missing from the params object"),
            Self::ApiKey => (401, "The API key is missing or not valid"),
            Self::UserUnknown => (1001, "User not found"),
            Self::Unexpected => (1002, "Unexpected error"),
            Self::Failed => (1004, "Transaction failed for unknown reason (network error, duplicate id, etc.)"),
            Self::InsufficientFunds => (1005, "Insufficient funds"),
            Self::Amounts => {
                (1006, "Invalid transfer amount (positive on a stake, negative on a return, total doesn't add up etc.)")
            }
            Self::Calculation => {
                (1007, "Transfer calculation failed (Error code returned from proc, something didn't add up correctly)")
            }
            Self::Unrecognised => (1008, "Unrecognised error code (Error code returned from proc wasn't recognised)"),
            Self::TransactionType => (1009, "Invalid transaction type"),
            Self::TransactionUnknown => (1010, "Transaction not found"),
            Self::Value => (1011, "Invalid parameter value (number too big, string too long, etc.)"),
        }
    }

    /// Refuses with what is to be said beyond the description. No value that was sent belongs in there.
    pub fn because(self, detail: impl Into<String>) -> CallRefused {
        CallRefused { code: self, detail: detail.into() }
    }
}

/// Why a call is not answered with a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRefused {
    pub code: BalanceServiceCode,
    /// Empty where the description says it all.
    pub detail: String,
}

impl From<BalanceServiceCode> for CallRefused {
    fn from(code: BalanceServiceCode) -> Self {
        code.because("")
    }
}

impl From<CallRefused> for HandlerError {
    fn from(refused: CallRefused) -> Self {
        refused.reply().into()
    }
}

impl From<BalanceServiceCode> for HandlerError {
    fn from(code: BalanceServiceCode) -> Self {
        CallRefused::from(code).into()
    }
}

/// The body of a refusal.
#[derive(Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct RefusalBody {
    /// Always null.
    id: (),
    error: Error,
}

#[derive(Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
struct Error {
    /// Which error it is.
    code: i32,
    /// What it means, and where there is more to say: a colon and the detail.
    message: String,
}

impl CallRefused {
    pub fn reply(&self) -> Reply {
        let status = if self.code == BalanceServiceCode::ApiKey { 401 } else { 200 };
        self.with_status(status)
    }

    fn with_status(&self, status: u16) -> Reply {
        let (code, description) = self.code.told();
        let message = match self.detail.as_str() {
            "" => description.to_owned(),
            detail => format!("{description}: {detail}").chars().take(MAX_MESSAGE).collect(),
        };
        Reply::json(status, code.to_string(), &RefusalBody { id: (), error: Error { code, message } })
    }
}

/// What is answered where there is no answer. The seed's status is 200 whatever happens; only what never reached the
/// dialect's own path, and what is worth asking again, tells so by its status.
pub fn failure(failure: Failure) -> Reply {
    match failure {
        Failure::NotFound => BalanceServiceCode::Method.because("there is no such path").with_status(404),
        Failure::MethodNotAllowed => CallRefused::from(BalanceServiceCode::NotPost).reply(),
        Failure::TooLarge => BalanceServiceCode::Json.because("the body is too long").reply(),
        Failure::Unreadable => BalanceServiceCode::Json.because("the body did not come whole and in time").reply(),
        Failure::Unavailable => {
            BalanceServiceCode::Unexpected.because("not available now; send the same request again").with_status(503)
        }
        Failure::Fault => CallRefused::from(BalanceServiceCode::Unexpected).reply(),
    }
}

/// What a refusal of the ledger's is called here.
pub fn of_refusal(refusal: Refusal) -> CallRefused {
    match refusal {
        Refusal::Account(refusal) => match refusal {
            AccountRefusal::PlayerUnknown => BalanceServiceCode::UserUnknown.into(),
            AccountRefusal::KeyReused => {
                BalanceServiceCode::Failed.because("partner_transaction_id was used before with other data")
            }
            AccountRefusal::InsufficientFunds { .. } => BalanceServiceCode::InsufficientFunds.into(),
            AccountRefusal::BalanceOverflow => {
                BalanceServiceCode::Calculation.because("a balance would be more than an account can hold")
            }
            AccountRefusal::UsernameTaken => BalanceServiceCode::Unrecognised.into(),
        },
        Refusal::Transaction(refusal) => match refusal {
            TransactionRefusal::TransactionUnknown => BalanceServiceCode::TransactionUnknown
                .because("source_bet365_games_transaction_id is not one of the user's"),
            TransactionRefusal::TransactionEnded => BalanceServiceCode::TransactionUnknown
                .because("the source transaction was paid for, or given back, before"),
            TransactionRefusal::AmountsDisagree => {
                BalanceServiceCode::Amounts.because("the amounts are not those of the source transaction")
            }
            TransactionRefusal::TransactionUndone
            | TransactionRefusal::VoidUnknown
            | TransactionRefusal::VoidResolved => BalanceServiceCode::Unrecognised.into(),
        },
        // No act of this dialect's is refused for these.
        Refusal::Order(_) | Refusal::Shop(_) => BalanceServiceCode::Unrecognised.into(),
    }
}
