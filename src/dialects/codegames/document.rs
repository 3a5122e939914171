//! The calls as OpenAPI Operation objects, from the types that decode and encode them.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::answer::{Bought, CodeGamesRefusalBody, Offered, Paid, SignInReply};
use super::refusal::CodeGamesCode;
use super::wire::{Check, Keys, Pay, SignIn};
use crate::dialects::http::exact::schema_of;

/// What every call may be refused for, by its HTTP status; the code says more than the status.
const FAILURES: [(&str, &str); 5] = [
    ("405", "METHOD_NOT_ALLOWED: another method than POST."),
    ("408", "UNREADABLE: the body did not arrive whole in time."),
    ("413", "TOO_LARGE: the body is too long."),
    ("500", "INTERNAL_ERROR: a fault of ours."),
    ("503", "UNAVAILABLE: ask again, see Retry-After."),
];

pub fn sign_in() -> Value {
    let codes = [
        CodeGamesCode::BadRequest,
        CodeGamesCode::InvalidCredentials,
        CodeGamesCode::TooManyRequests,
        CodeGamesCode::UserNotFound,
    ];
    let mut operation = operation::<SignIn, SignInReply>("sign-in", "Sign in", "200", &codes);
    // The token, where there is one that holds, spares its partner the wait for others' failed sign-ins.
    operation["security"] = json!([{}, { "partnerToken": [] }]);
    operation
}

pub fn check() -> Value {
    let codes = [
        CodeGamesCode::BadRequest,
        CodeGamesCode::WrongCurrency,
        CodeGamesCode::Unauthorized,
        CodeGamesCode::OfferNotFound,
        CodeGamesCode::OutOfStock,
    ];
    operation::<Check, Offered>("check", "Get product offer", "200", &codes)
}

pub fn pay() -> Value {
    let codes = [
        CodeGamesCode::BadRequest,
        CodeGamesCode::WrongCurrency,
        CodeGamesCode::Unauthorized,
        CodeGamesCode::OfferNotFound,
        CodeGamesCode::OutOfStock,
        CodeGamesCode::WrongPrice,
        CodeGamesCode::TxnDuplicate,
        CodeGamesCode::InsufficientFunds,
    ];
    operation::<Pay, Paid>("pay", "Pay product offer", "201", &codes)
}

pub fn keys() -> Value {
    let codes = [CodeGamesCode::BadRequest, CodeGamesCode::Unauthorized, CodeGamesCode::OrderNotFound];
    operation::<Keys, Bought>("keys", "Get keys", "200", &codes)
}

fn operation<Req: JsonSchema, Res: JsonSchema>(
    name: &str,
    summary: &str,
    status: &str,
    codes: &[CodeGamesCode],
) -> Value {
    let mut responses = json!({ status: body("Done.", &schema_of::<Res>()) });
    let refused = schema_of::<CodeGamesRefusalBody<'static>>();
    for (status, description) in FAILURES {
        responses[status] = body(description, &refused);
    }
    for status in [400, 401, 404, 409, 429] {
        let of_status = codes.iter().filter(|code| code.status() == status).map(|code| code.symbol());
        let symbols = of_status.collect::<Vec<_>>().join(", ");
        if !symbols.is_empty() {
            responses[status.to_string()] = body(&format!("Refused: {symbols}."), &refused);
        }
    }
    json!({
        "operationId": format!("codegames-{name}"),
        "tags": ["CodeGames"],
        "summary": summary,
        "security": [{ "partnerToken": [] }],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schema_of::<Req>() } },
        },
        "responses": responses,
    })
}

fn body(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}
