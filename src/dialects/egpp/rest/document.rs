//! The routes' OpenAPI, made of the published schemas (`schemas/v1.0/`), which the tests hold the decoders to.

use serde_json::{Map, Value, json};

const DEFINITIONS: &str = include_str!("../../../../schemas/v1.0/egpp-definitions.json");
const BALANCE: &str = include_str!("../../../../schemas/v1.0/egpp-balance.get-res-rest.json");
const BET: &str = include_str!("../../../../schemas/v1.0/egpp-order.bet-req-rest.json");
const ORDER: &str = include_str!("../../../../schemas/v1.0/egpp-order.get-res-rest.json");
const RESULT: &str = include_str!("../../../../schemas/v1.0/egpp-order.bet.result-req-rest.json");
const CANCEL: &str = include_str!("../../../../schemas/v1.0/egpp-order.bet.cancel-req-rest.json");
const TOKEN_ASKED: &str = include_str!("../../../../schemas/v1.0/egpp-token-req-rest.json");
const TOKEN_TOLD: &str = include_str!("../../../../schemas/v1.0/egpp-token-res-rest.json");

/// What any request may be refused with, and what it means.
const ALWAYS: [(&str, &str); 6] = [
    ("400", "The request is malformed, or an externalId is reused with other data."),
    ("401", "The token is missing, expired or not well signed, or the provider's key is missing."),
    ("403", "The token is another player's."),
    ("408", "The request did not come whole in time."),
    ("500", "A fault of ours."),
    ("503", "The ledger is away. Ask again after `Retry-After` seconds; repeating is harmless."),
];

const UNKNOWN_PLAYER: (&str, &str) = ("495", "The player is not known.");
const UNKNOWN_GAME: (&str, &str) = ("496", "The game is not one of the party's.");
const UNKNOWN_ORDER: (&str, &str) = ("493", "There is no such bet, or it is settled, cancelled or was refused.");
const TOO_LARGE: (&str, &str) = ("413", "The body is longer than 65,536 bytes.");
const MEDIA_TYPE: (&str, &str) = ("415", "The body is not application/json.");

pub(super) fn balance_get() -> Value {
    let parameters = vec![
        path("playerId", "The player's id: the token's `sub`.", "playerId"),
        query("currency", true, "The currency of the account.", "currency"),
        query("walletId", false, "The wallet; the default wallet where it is left out.", "walletId"),
    ];
    let done = ("200", body("The balance, in minor units.", told(BALANCE)));
    operation("getBalance", "Get a player's balance", parameters, None, done, &[UNKNOWN_PLAYER])
}

pub(super) fn order_bet() -> Value {
    let location = json!({ "description": "The bet's address.", "schema": { "type": "string" } });
    let done = ("201", json!({ "description": "The bet is stored.", "headers": { "Location": location } }));
    let refusals = [
        TOO_LARGE,
        MEDIA_TYPE,
        ("491", "A limit of the player's is reached."),
        ("492", "The balance is too small."),
        ("493", "The bet was cancelled before it came."),
        UNKNOWN_PLAYER,
        UNKNOWN_GAME,
    ];
    with_key(operation("placeBet", "Place a bet", vec![], Some(schema(BET)), done, &refusals))
}

pub(super) fn order_get() -> Value {
    let done = ("200", body("The bet and what became of it.", told(ORDER)));
    operation("getBet", "Look at a bet", vec![bet_id()], None, done, &[UNKNOWN_ORDER])
}

pub(super) fn order_bet_result() -> Value {
    let done = ("200", json!({ "description": "The bet is settled." }));
    let round = ("494", "The bet is of another round.");
    let refusals = [TOO_LARGE, MEDIA_TYPE, UNKNOWN_ORDER, round, UNKNOWN_PLAYER, UNKNOWN_GAME];
    let operation =
        operation("settleBet", "Settle a bet by its result", vec![bet_id()], Some(schema(RESULT)), done, &refusals);
    with_key(operation)
}

pub(super) fn order_bet_cancel() -> Value {
    let done = ("200", json!({ "description": "The stake is refunded." }));
    let refusals = [TOO_LARGE, MEDIA_TYPE, UNKNOWN_ORDER, UNKNOWN_PLAYER, UNKNOWN_GAME];
    let parameters = vec![
        bet_id(),
        query("game", false, "The game, where there is no body.", "game"),
        query("externalId", false, "The provider's id of the bet, where there is no body.", "externalId"),
        query("walletId", false, "The wallet, where there is no body.", "walletId"),
        query("playerId", false, "The player, where there is no body.", "playerId"),
    ];
    let mut operation = operation("cancelBet", "Cancel a bet", parameters, Some(schema(CANCEL)), done, &refusals);
    operation["requestBody"]["required"] = Value::Bool(false);
    with_key(operation)
}

pub(super) fn token() -> Value {
    let done = ("200", body("The token's player.", told(TOKEN_TOLD)));
    let refusals = [TOO_LARGE, MEDIA_TYPE, UNKNOWN_PLAYER];
    let mut operation =
        operation("getTokenPlayer", "Ask whose a token is", vec![], Some(schema(TOKEN_ASKED)), done, &refusals);
    operation["security"] = json!([]);
    operation
}

fn operation(
    id: &str,
    summary: &str,
    parameters: Vec<Value>,
    asked: Option<Value>,
    done: (&str, Value),
    refusals: &[(&str, &str)],
) -> Value {
    let refusal = resolved(json!({ "$ref": "#/$defs/refusal" }), &definitions());
    let mut responses = Map::from_iter([(done.0.to_owned(), done.1)]);
    for (code, description) in ALWAYS.iter().chain(refusals) {
        responses.insert((*code).to_owned(), body(description, refusal.clone()));
    }
    let mut operation = json!({
        "operationId": id, "summary": summary, "tags": ["EGPP REST"], "responses": responses,
        "security": [{ "playerToken": [] }],
    });
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(asked) = asked {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": asked } } });
    }
    operation
}

/// Where the party's provider has a key of its own, the operation needs it as well.
fn with_key(mut operation: Value) -> Value {
    operation["security"] = json!([{ "playerToken": [] }, { "playerToken": [], "apiKey": [] }]);
    operation
}

fn body(description: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn bet_id() -> Value {
    let schema = json!({ "type": "string", "format": "uuid" });
    json!({ "name": "betId", "in": "path", "required": true, "description": "The bet's id, from `Location`.", "schema": schema })
}

fn path(name: &str, description: &str, definition: &str) -> Value {
    let mut parameter = query(name, true, description, definition);
    parameter["in"] = "path".into();
    parameter
}

fn query(name: &str, required: bool, description: &str, definition: &str) -> Value {
    let schema = resolved(json!({ "$ref": format!("#/$defs/{definition}") }), &definitions());
    json!({ "name": name, "in": "query", "required": required, "description": description, "schema": schema })
}

/// A published schema, without its place in the world and with its references put in.
fn schema(text: &str) -> Value {
    let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(schema) = schema.as_object_mut() {
        schema.retain(|name, _| !name.starts_with('$'));
    }
    resolved(schema, &definitions())
}

/// Of a published reply, what is told with success.
fn told(text: &str) -> Value {
    schema(text)["oneOf"][0].take()
}

fn definitions() -> Value {
    let mut definitions: Value = serde_json::from_str(DEFINITIONS).unwrap_or_default();
    definitions["$defs"].take()
}

/// Puts what `$ref` names in its place; what stands beside it adds to it.
fn resolved(schema: Value, definitions: &Value) -> Value {
    match schema {
        Value::Object(mut object) => {
            let named = object.remove("$ref").and_then(|name| name.as_str().map(str::to_owned));
            let name = named.as_deref().and_then(|name| name.rsplit('/').next());
            let base = name.map(|name| resolved(definitions[name].clone(), definitions));
            let mut merged = base.and_then(|base| base.as_object().cloned()).unwrap_or_default();
            merged.extend(object.into_iter().map(|(name, value)| (name, resolved(value, definitions))));
            Value::Object(merged)
        }
        Value::Array(list) => list.into_iter().map(|value| resolved(value, definitions)).collect(),
        plain => plain,
    }
}
