//! Replies: the envelopes `data` and `error` of the seed.

use schemars::JsonSchema;
use serde::Serialize;

use super::code::QuickPlayCode;
use crate::dialects::http::exact::Number;
use crate::dialects::http::{Failure, Reply};
use crate::ledger::Player;

/// Body of a success.
#[derive(Serialize, JsonSchema)]
pub struct Success {
    data: User,
}

/// A player as QuickPlay sees one.
#[derive(Serialize, JsonSchema)]
struct User {
    /// The player's id.
    id: String,
    /// Real money in major units, after the transaction.
    balance: Number,
    username: String,
}

/// Body of a refusal.
#[derive(Serialize, JsonSchema)]
pub struct QuickPlayRefusalBody {
    error: Error,
}

#[derive(Serialize, JsonSchema)]
struct Error {
    code: u16,
    message: &'static str,
}

/// A success: the player, and a balance in minor units of a currency with this many decimal places.
pub fn user(player: &Player, balance_minor: i64, exponent: u32) -> Reply {
    let profile = &player.profile;
    let username = profile.username.as_deref().or(profile.nickname.as_deref()).unwrap_or(player.id.as_str());
    let balance = Number::of_minor(balance_minor, exponent);
    let data = User { id: player.id.to_string(), balance, username: username.to_owned() };
    Reply::json(200, "0", &Success { data })
}

pub fn refused(code: QuickPlayCode) -> Reply {
    let error = Error { code: code.number(), message: code.message() };
    Reply::json(400, code.number().to_string(), &QuickPlayRefusalBody { error })
}

/// What went wrong without QuickPlay's doing has the number of its HTTP status, which is none of the seed's codes: it
/// must not be taken for a decision about a transaction.
pub fn failed(failure: Failure) -> Reply {
    let message = match failure {
        Failure::NotFound => "There is nothing under this path",
        Failure::MethodNotAllowed => "This path takes POST alone",
        Failure::TooLarge => "The body is too long",
        Failure::Unreadable => "The body did not arrive whole",
        Failure::Unavailable => "Temporarily unavailable, nothing is known to have happened: send the same again",
        Failure::Fault => "A fault of ours, nothing is known to have happened: send the same again",
    };
    let status = failure.status();
    Reply::json(status, status.to_string(), &QuickPlayRefusalBody { error: Error { code: status, message } })
}
