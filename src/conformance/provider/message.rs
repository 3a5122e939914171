//! What is told of a provider's message.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::conformance::report::ShownExchange;

/// A plain `playerId` is no longer than this; what is longer is a token.
const LONGEST_PLAYER: usize = 20;

/// How every JWT begins.
const TOKEN: &str = "eyJ";

/// A message that was dealt with.
#[derive(Debug, Clone)]
pub struct ProviderMessage {
    pub operation: String,
    /// `message_id` stands in for it.
    pub correlation: Option<String>,
    pub is_persistent: bool,
    /// The broker says that it delivers it again.
    pub is_redelivered: bool,
    pub body: Vec<u8>,
    /// The reply's code; none: there is no reply.
    pub code: Option<String>,
    /// Why it is among the dead letters.
    pub parked: Option<String>,
    /// As a report shows it.
    pub exchange: ShownExchange,
}

/// A bet, by what tells it from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bet {
    pub game: String,
    pub external_id: String,
    pub player: String,
}

/// What is asked again under the same name is a repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JudgedOrder {
    pub operation: String,
    pub bet: Bet,
}

/// A body, read as far as it can be.
pub struct Content {
    /// With the player in the place of a token, which may be a new one each time.
    pub value: Value,
    /// None: it is about no order, or malformed.
    pub order: Option<JudgedOrder>,
}

impl ProviderMessage {
    /// Whether the provider was to have a reply that means something.
    pub fn is_answered(&self) -> bool {
        self.parked.is_none() && !matches!(self.code.as_deref(), None | Some("400" | "401" | "403" | "500"))
    }

    pub fn content(&self) -> Content {
        let mut value: Value = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.body).into_owned()));
        if let Some(player) = value.get("playerId").and_then(Value::as_str).map(player) {
            value["playerId"] = player.into();
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let bet = || Some(Bet { game: text("game")?, external_id: text("externalId")?, player: text("playerId")? });
        let is_order = self.operation.starts_with("order.");
        let order = bet().filter(|_| is_order).map(|bet| JudgedOrder { operation: self.operation.clone(), bet });
        Content { value, order }
    }
}

/// The player whom a `playerId` means: that of a token is what it says, whoever has signed it.
fn player(id: &str) -> String {
    if id.chars().count() <= LONGEST_PLAYER {
        return id.to_owned();
    }
    let claims = id.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    claims.and_then(|claims| Some(claims["sub"].as_str()?.to_owned())).unwrap_or_else(|| id.to_owned())
}

/// A text with every token in it hidden, wherever it stands.
pub fn without_tokens(text: &str) -> String {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(TOKEN) {
        let (before, token) = rest.split_at(start);
        shown.push_str(before);
        shown.push_str("(hidden)");
        rest = token.trim_start_matches(is_of_token);
    }
    shown + rest
}
