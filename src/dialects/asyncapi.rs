//! The AsyncAPI document: the queues of EGPP section 5, "Queuing like protocols", made of the published schemas.

use serde_json::{Map, Value, json};

use super::egpp::Operation;
use crate::ledger::Party;

const DEFINITIONS: &str = include_str!("../../schemas/v1.0/egpp-definitions.json");

/// An operation's published request and reply.
fn schemas(operation: Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::BalanceGet => (
            include_str!("../../schemas/v1.0/egpp-balance.get-req-queuing.json"),
            include_str!("../../schemas/v1.0/egpp-balance.get-res-queuing.json"),
        ),
        Operation::OrderBet => (
            include_str!("../../schemas/v1.0/egpp-order.bet-req-queuing.json"),
            include_str!("../../schemas/v1.0/egpp-order.bet-res-queuing.json"),
        ),
        Operation::OrderBetResult => (
            include_str!("../../schemas/v1.0/egpp-order.bet.result-req-queuing.json"),
            include_str!("../../schemas/v1.0/egpp-order.bet.result-res-queuing.json"),
        ),
        Operation::OrderBetCancel => (
            include_str!("../../schemas/v1.0/egpp-order.bet.cancel-req-queuing.json"),
            include_str!("../../schemas/v1.0/egpp-order.bet.cancel-res-queuing.json"),
        ),
    }
}

/// Describes the parties' queues as an AsyncAPI 3 document.
pub fn document<'a>(parties: impl Iterator<Item = &'a Party>) -> Value {
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for party in parties {
        for operation in Operation::ALL {
            let queue = format!("v1.0.{party}.{}", operation.name());
            let id = format!("{party}-{}", operation.name().replace('.', "-"));
            let [request, reply] = ["request", "reply"]
                .map(|kind| json!({ "$ref": format!("#/components/messages/{}", message_key(operation, kind)) }));
            channels.insert(id.clone(), channel(&queue, &request));
            channels.insert(format!("{id}-status"), status_channel(&queue, &reply));
            let (asked, answered) = (format!("#/channels/{id}"), format!("#/channels/{id}-status"));
            operations.insert(
                id,
                json!({
                    "action": "receive",
                    "channel": { "$ref": asked },
                    "reply": { "channel": { "$ref": answered }, "address": { "location": "$message.header#/reply_to" } },
                }),
            );
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": "Purser", "version": env!("CARGO_PKG_VERSION"),
            "description": "The EGPP trading API 1.0 over AMQP 0-9-1. Amounts are integers in minor units." },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages() },
    })
}

/// What a message is called within the document. Not every reader takes dots there.
fn message_key(operation: Operation, kind: &str) -> String {
    format!("{}-{kind}", operation.name().replace('.', "-"))
}

fn channel(queue: &str, message: &Value) -> Value {
    json!({
        "address": queue,
        "description": "A durable queue, bound to the topic exchange v1.0 by its own name.",
        "messages": { "request": message },
        "bindings": { "amqp": { "is": "queue", "queue": { "name": queue, "durable": true }, "bindingVersion": "0.3.0" } },
    })
}

fn status_channel(queue: &str, message: &Value) -> Value {
    json!({
        "address": Value::Null,
        "description": format!(
            "The queue that `reply_to` names; where it names none, topic exchange v1.0.status with routing key {queue}."
        ),
        "messages": { "reply": message },
    })
}

fn messages() -> Value {
    let mut messages = Map::new();
    let headers = json!({
        "type": "object",
        "properties": {
            "authorization": { "type": "string", "description": "`Bearer` and the player's JWT." },
            "traceparent": { "type": "string", "description": "W3C Trace Context, passed on in the reply." },
        },
    });
    for operation in Operation::ALL {
        let (request, reply) = schemas(operation);
        let name = operation.name();
        let correlation = json!({ "location": "$message.header#/correlation_id" });
        messages.insert(
            message_key(operation, "request"),
            json!({ "name": name, "contentType": "application/json", "headers": headers, "payload": payload(request),
                "correlationId": correlation }),
        );
        messages.insert(
            message_key(operation, "reply"),
            json!({ "name": format!("{name}.status"), "contentType": "application/json", "payload": payload(reply),
                "correlationId": correlation }),
        );
    }
    Value::Object(messages)
}

/// A published schema that carries the definitions that it refers to.
fn payload(text: &str) -> Value {
    let own = text.replace("egpp-definitions.json#/$defs/", "#/$defs/");
    let mut schema: Value = serde_json::from_str(&own).unwrap_or_default();
    let mut definitions: Value = serde_json::from_str(DEFINITIONS).unwrap_or_default();
    schema["$defs"] = definitions["$defs"].take();
    // AsyncAPI resolves references from the document's root; an $id makes them the schema's own again.
    json!({ "schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema })
}
