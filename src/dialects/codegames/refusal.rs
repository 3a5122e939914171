//! Why a call is refused: the seed's codes, and ours.

use std::borrow::Cow;

use super::answer;
use crate::dialects::http::HandlerError;
use crate::ledger;

/// A refusal: its code and HTTP status, and a sentence for whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeGamesRefusal {
    pub code: CodeGamesCode,
    pub message: Cow<'static, str>,
}

/// What a partner's program decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeGamesCode {
    /// Ours: the body is not what the call takes.
    BadRequest,
    /// Ours.
    WrongCurrency,
    InvalidCredentials,
    /// Ours: too many sign-ins failed.
    TooManyRequests,
    Unauthorized,
    UserNotFound,
    OfferNotFound,
    OrderNotFound,
    OutOfStock,
    WrongPrice,
    TxnDuplicate,
    /// Ours.
    InsufficientFunds,
}

impl CodeGamesCode {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::WrongCurrency => "WRONG_CURRENCY",
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::OfferNotFound => "PRODUCT_OFFER_NOT_FOUND",
            Self::OrderNotFound => "PRODUCT_OFFER_ORDER_NOT_FOUND",
            Self::OutOfStock => "PRODUCT_OFFER_OUT_OF_STOCK",
            Self::WrongPrice => "PRODUCT_OFFER_WRONG_PRICE",
            Self::TxnDuplicate => "PRODUCT_OFFER_TXN_DUPLICATE",
            Self::InsufficientFunds => "INSUFFICIENT_FUNDS",
        }
    }

    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::WrongCurrency => 400,
            Self::InvalidCredentials | Self::Unauthorized => 401,
            Self::TooManyRequests => 429,
            Self::UserNotFound | Self::OfferNotFound | Self::OrderNotFound => 404,
            Self::OutOfStock | Self::WrongPrice | Self::TxnDuplicate | Self::InsufficientFunds => 409,
        }
    }

    /// With what is always true of it.
    pub fn plainly(self) -> CodeGamesRefusal {
        let message = match self {
            Self::BadRequest => "The request is not what this call takes",
            Self::WrongCurrency => "The offer is not sold in this currency",
            Self::InvalidCredentials => "Incorrect login or password",
            Self::TooManyRequests => "Too many sign-ins failed; wait as Retry-After says",
            Self::Unauthorized => "Sign in and send the token as 'Authorization: Bearer <token>'",
            Self::UserNotFound => "User not found",
            Self::OfferNotFound => "Product offer not found",
            Self::OrderNotFound => "Product offer order not found",
            Self::OutOfStock => "Product offer out of stock",
            Self::WrongPrice => "Product offer wrong price",
            Self::TxnDuplicate => "Product offer transaction duplicate: this txnId was used with other data",
            Self::InsufficientFunds => "The balance is too small",
        };
        CodeGamesRefusal { code: self, message: message.into() }
    }
}

impl From<CodeGamesRefusal> for HandlerError {
    fn from(refusal: CodeGamesRefusal) -> Self {
        answer::refused(&refusal).into()
    }
}

impl From<CodeGamesCode> for HandlerError {
    fn from(code: CodeGamesCode) -> Self {
        code.plainly().into()
    }
}

impl CodeGamesRefusal {
    /// `why` reads as a sentence and repeats nothing that was sent.
    pub fn malformed(why: impl Into<Cow<'static, str>>) -> Self {
        Self { code: CodeGamesCode::BadRequest, message: why.into() }
    }

    /// The purchase was made before. Its number is named, so that a partner whose reply was lost gets to the keys.
    pub fn already_bought(order: i64) -> Self {
        let message = format!("Product offer transaction duplicate: this txnId is order {order}");
        Self { code: CodeGamesCode::TxnDuplicate, message: message.into() }
    }

    /// Why a purchase was refused; `None` for what no purchase is refused for.
    pub fn of(refusal: ledger::Refusal) -> Option<Self> {
        use ledger::{AccountRefusal, Refusal, ShopRefusal};
        let code = match refusal {
            Refusal::Shop(ShopRefusal::OfferUnknown) => CodeGamesCode::OfferNotFound,
            Refusal::Shop(ShopRefusal::OfferCurrencyDiffers) => CodeGamesCode::WrongCurrency,
            Refusal::Shop(ShopRefusal::OfferPriceDiffers { .. }) => CodeGamesCode::WrongPrice,
            Refusal::Shop(ShopRefusal::OutOfStock { .. }) => CodeGamesCode::OutOfStock,
            Refusal::Account(refusal) => match refusal {
                AccountRefusal::KeyReused => CodeGamesCode::TxnDuplicate,
                // Nobody has more than a balance can hold.
                AccountRefusal::InsufficientFunds { .. } | AccountRefusal::BalanceOverflow => {
                    CodeGamesCode::InsufficientFunds
                }
                AccountRefusal::PlayerUnknown => {
                    let message = "The account that pays for this login has not been opened yet";
                    return Some(Self { code: CodeGamesCode::InsufficientFunds, message: message.into() });
                }
                AccountRefusal::UsernameTaken => return None,
            },
            // Other acts of the shop's are refused for what is left of its reasons.
            Refusal::Shop(_) | Refusal::Order(_) | Refusal::Transaction(_) => return None,
        };
        Some(code.plainly())
    }
}
