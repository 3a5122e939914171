//! The calls as OpenAPI Operation objects, from the types that decode and encode them.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::answer::{QuickPlayRefusalBody, Success};
use super::code::QuickPlayCode;
use super::wire::{Auth, CallBody, TransactionCall, UserDetails};
use crate::dialects::http::exact::schema_of;

pub fn auth() -> Value {
    let description = "Names the player of a token. Errors: 2 the token is not valid, 6 it has expired, 3 it is good and \
                       there is no such player.";
    operation::<Auth>("auth", "Authenticate a user", description)
}

pub fn user_details() -> Value {
    let description = "A player's name and balance. Errors: 3 there is no such player.";
    operation::<UserDetails>("user-details", "User details", description)
}

pub fn transaction() -> Value {
    let description = "Enters a contest (type 0), pays a win (1), cancels an entry (2) or rolls a transaction back (3). \
                       The same transaction_id with the same data gets the same answer and moves nothing.";
    operation::<TransactionCall>("transaction", "Move money", description)
}

const SIGNED: &str = "The signature (RSA PKCS#1 v1.5, base64) is over the raw body, or over the raw text of its `data` \
                      value; without a good one there is error 5, whatever else is wrong.";

fn operation<T: JsonSchema>(name: &str, summary: &str, description: &str) -> Value {
    json!({
        "operationId": format!("quickplay-{name}"),
        "tags": ["QuickPlay"],
        "summary": summary,
        "description": format!("{description} {SIGNED}"),
        "security": [{ "signature": [] }],
        "parameters": [
            {
                "name": "token",
                "in": "header",
                "required": false,
                "description": "The player's token, where `data` has none.",
                "schema": { "type": "string" },
            },
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schema_of::<CallBody<T>>() } },
        },
        "responses": responses(),
    })
}

fn responses() -> Value {
    let codes: Vec<String> =
        QuickPlayCode::ALL.iter().map(|code| format!("{} {}", code.number(), code.message())).collect();
    let failed = |description: &str| body(description, schema_of::<QuickPlayRefusalBody>());
    json!({
        "200": body("Done: the player, with the balance afterwards.", schema_of::<Success>()),
        "400": failed(&format!("Refused. Codes: {}.", codes.join("; "))),
        "405": failed("Another method than POST. The code is the HTTP status."),
        "408": failed("The body did not arrive whole in time. The code is the HTTP status."),
        "413": failed("The body is too long. The code is the HTTP status."),
        "500": failed("A fault of ours. The code is the HTTP status."),
        "503": failed("Temporarily unavailable: ask again, see Retry-After. The code is the HTTP status."),
    })
}

fn body(description: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}
