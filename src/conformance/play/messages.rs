//! Messages as a case sends them, and as a report shows them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{CasePlay, CaseStopped, STRANGER};
use crate::conformance::catalogue::{Message, PublishRoute, TokenKind};
use crate::conformance::report::shown;
use crate::conformance::wire::{ReceivedReply, SentRequest};

impl CasePlay<'_> {
    pub(super) fn request(&self, message: &Message) -> Result<SentRequest, CaseStopped> {
        let player = self.values.text(&message.player)?;
        let token = self.token(message.token, &player)?;
        let mut body = self.values.object(&ordinary(&message.operation))?;
        let in_body = token.clone().filter(|_| message.token == TokenKind::Body);
        body.insert("playerId".to_owned(), in_body.unwrap_or(player).into());
        body.extend(self.values.object(&message.body)?);
        body.retain(|name, _| !message.without.contains(name));
        let mut bytes = match &message.raw {
            Some(raw) => self.values.text(raw)?.into_bytes(),
            None => Value::Object(body).to_string().into_bytes(),
        };
        bytes.resize(message.pad_to.unwrap_or_default().max(bytes.len()), b' ');
        let filled = |template: &Option<String>| template.as_ref().map(|text| self.values.text(text)).transpose();
        let own = || Some(uuid::Uuid::new_v4().to_string());
        let correlation_id = match filled(&message.correlation_id)? {
            Some(given) => Some(given).filter(|id| !id.is_empty()),
            None => own(),
        };
        Ok(SentRequest {
            queue: self.wire.queue(&message.operation),
            route: message.route,
            reply_to: message.reply_to,
            correlation_id,
            message_id: filled(&message.message_id)?,
            persistent: message.persistent,
            token: token.filter(|_| message.token != TokenKind::Body),
            timestamp: message.sent_ago_s.map(|ago| now_s().saturating_sub(ago)),
            body: bytes,
        })
    }

    pub(super) fn token(&self, kind: TokenKind, player: &str) -> Result<Option<String>, CaseStopped> {
        let other = if player == STRANGER { "cf-another-nobody" } else { STRANGER };
        Ok(self.wallet.tokens.make(kind, player, other)?)
    }
}

/// The members that a message of this operation has by itself.
fn ordinary(operation: &str) -> Map<String, Value> {
    let order = json!({ "game": "{game}", "externalId": "{id:a}" });
    let money = json!({ "amount": "=stake", "currency": "{currency}", "round": "=round" });
    let parts = match operation {
        "balance.get" => vec![json!({ "currency": "{currency}" })],
        "order.bet" => vec![order, money],
        "order.bet.result" => vec![order, money, json!({ "result": "win" })],
        _ => vec![order],
    };
    parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten().collect()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A request as a report shows it.
pub(super) fn told_request(request: &SentRequest) -> Value {
    json!({
        "exchange": if request.route == PublishRoute::Exchange { "v1.0" } else { "" },
        "routing_key": request.queue, "reply_to": request.reply_to, "correlation_id": request.correlation_id,
        "message_id": request.message_id, "delivery_mode": if request.persistent { 2 } else { 1 },
        "timestamp": request.timestamp, "authorization": request.token.as_ref().map(|token| format!("Bearer {token}")),
        "body": shown(&request.body),
    })
}

pub(super) fn told_reply(reply: &ReceivedReply) -> Value {
    json!({
        "correlation_id": reply.correlation, "content_type": reply.content_type, "type": reply.kind,
        "delivery_mode": if reply.persistent { 2 } else { 1 }, "body": shown(&reply.body),
    })
}
