//! `GET /partner/1/profile` (seed 002): who the player is, and what they have.

use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::document;
use super::handler::GoPlayHandler;
use super::parameters::FormParameters;
use super::partner::{grant_of, unauthorized};
use super::scope::Scope;
use super::wire::unstored;
use crate::dialects::http::exact::Number;
use crate::dialects::http::{HandlerError, Reply, Request};
use crate::ledger::account::{Bucket, Pocket};
use crate::ledger::state::PlayerState;
use crate::wallet::SharedWallet;

pub const SCOPE: Scope = Scope::new(
    "profile",
    "see your nickname, e-mail address and gender, your VIP status and your GoPlay Token balances",
);

/// Seed 002, `GET /partner/1/profile`. What a player has not given is empty.
#[derive(Serialize, JsonSchema)]
pub struct ProfileReply {
    /// Always true.
    pub success: bool,
    /// Always empty.
    pub message: &'static str,
    pub nickname: String,
    pub email: String,
    pub gender: String,
    /// The VIP level, or null where there is none.
    #[schemars(schema_with = "text_or_null")]
    pub vip: Option<String>,
    /// The balance of GoPlay Tokens, in whole tokens.
    pub goplay_token: Number,
    /// The balance of free GoPlay Tokens, in whole tokens.
    pub free_goplay_token: Number,
}

/// Always there, unlike what a type that may be absent says of itself.
fn text_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"] })
}

pub async fn show(handler: Arc<GoPlayHandler>, wallet: SharedWallet, request: Request) -> Result<Reply, HandlerError> {
    let (query, no_form) = (FormParameters::of_query(&request), FormParameters::none());
    let grant = grant_of(&handler, &*wallet, &request, [&query, &no_form], SCOPE).await?;
    let player = wallet.player(handler.party.clone(), grant.player.clone()).await?.ok_or_else(gone)?;
    let level = wallet.level(handler.party.clone(), grant.player).await?;
    Ok(told(&handler, &player, level.as_deref()))
}

fn told(handler: &GoPlayHandler, state: &PlayerState, level: Option<&str>) -> Reply {
    let currency = handler.settings.currency;
    let balance = |pocket: &Pocket| Number::of_minor(state.account(pocket).balance, handler.exponent);
    let profile = &state.player.profile;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let reply = ProfileReply {
        success: true,
        message: "",
        nickname: text(&profile.nickname),
        email: text(&profile.email),
        gender: text(&profile.gender),
        vip: level.map(str::to_owned),
        goplay_token: balance(&Pocket::real(currency)),
        free_goplay_token: balance(&Pocket { bucket: Bucket::Bonus, ..Pocket::real(currency) }),
    };
    unstored(Reply::json(200, "ok", &reply))
}

/// The token outlived its player: as good as none.
fn gone() -> Reply {
    unauthorized(", error=\"invalid_token\"", "The player is not known any more")
}

/// The operation, as OpenAPI has it.
pub fn describe() -> Value {
    json!({
        "operationId": "goplay-profile",
        "tags": ["GoPlay"],
        "summary": "The player's profile",
        "description": "Needs the scope `profile`.",
        "security": document::token_security(),
        "parameters": [document::access_token()],
        "responses": document::partner_responses(document::body::<ProfileReply>("The profile.")),
    })
}
