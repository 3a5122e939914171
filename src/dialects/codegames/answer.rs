//! Replies.

use schemars::JsonSchema;
use serde::Serialize;

use super::refusal::{CodeGamesCode, CodeGamesRefusal};
use crate::dialects::http::exact::Number;
use crate::dialects::http::{Failure, Reply};

/// Reply of `auth/sign-in`.
#[derive(Serialize, JsonSchema)]
pub struct SignInReply {
    token: String,
}

/// Reply of `partner/product-offers/check`.
#[derive(Serialize, JsonSchema)]
pub struct Offered {
    /// Keys in stock.
    count: i64,
    /// Of one key, in major units.
    price: Number,
}

/// Reply of `partner/product-offers/pay`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paid {
    order_id: i64,
}

/// Reply of `partner/product-offers/keys`.
#[derive(Serialize, JsonSchema)]
pub struct Bought {
    keys: OneOrMore,
}

/// One key is a string, more are an array.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Body of every refusal.
#[derive(Serialize, JsonSchema)]
pub struct CodeGamesRefusalBody<'a> {
    code: &'a str,
    message: &'a str,
}

pub fn signed_in(token: String) -> Reply {
    Reply::json(200, "200", &SignInReply { token }).with_header("cache-control", "no-store")
}

/// A price in minor units of a currency with this many decimal places.
pub fn offered(stock: i64, price_minor: i64, exponent: u32) -> Reply {
    Reply::json(200, "200", &Offered { count: stock, price: Number::of_minor(price_minor, exponent) })
}

pub fn paid(order_id: i64) -> Reply {
    Reply::json(201, "201", &Paid { order_id })
}

pub fn bought(mut keys: Vec<String>) -> Reply {
    let keys = match keys.pop() {
        Some(only) if keys.is_empty() => OneOrMore::One(only),
        last => OneOrMore::More(keys.into_iter().chain(last).collect()),
    };
    Reply::json(200, "200", &Bought { keys }).with_header("cache-control", "no-store")
}

pub fn refused(refusal: &CodeGamesRefusal) -> Reply {
    let symbol = refusal.code.symbol();
    let reply =
        Reply::json(refusal.code.status(), symbol, &CodeGamesRefusalBody { code: symbol, message: &refusal.message });
    match refusal.code {
        CodeGamesCode::Unauthorized | CodeGamesCode::InvalidCredentials => {
            reply.with_header("www-authenticate", "Bearer")
        }
        CodeGamesCode::BadRequest
        | CodeGamesCode::WrongCurrency
        | CodeGamesCode::TooManyRequests
        | CodeGamesCode::UserNotFound
        | CodeGamesCode::OfferNotFound
        | CodeGamesCode::OrderNotFound
        | CodeGamesCode::OutOfStock
        | CodeGamesCode::WrongPrice
        | CodeGamesCode::TxnDuplicate
        | CodeGamesCode::InsufficientFunds => reply,
    }
}

pub fn too_many(seconds: i64) -> Reply {
    refused(&CodeGamesCode::TooManyRequests.plainly()).with_header("retry-after", seconds.to_string())
}

pub fn failed(failure: Failure) -> Reply {
    let (code, message) = match failure {
        Failure::NotFound => ("NOT_FOUND", "There is nothing under this path"),
        Failure::MethodNotAllowed => ("METHOD_NOT_ALLOWED", "This path takes POST alone"),
        Failure::TooLarge => ("TOO_LARGE", "The body is too long"),
        Failure::Unreadable => ("UNREADABLE", "The body did not arrive whole"),
        Failure::Unavailable => ("UNAVAILABLE", "Temporarily unavailable: send the same again"),
        Failure::Fault => ("INTERNAL_ERROR", "A fault of ours: send the same again"),
    };
    Reply::json(failure.status(), code, &CodeGamesRefusalBody { code, message })
}
