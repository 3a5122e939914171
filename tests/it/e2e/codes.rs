//! The code table and the reply, message by message.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};
use purser::dialects::egpp::Operation;
use serde_json::{Value, json};

use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{self, Message, Route, Wire, consume, correlation, header};

/// One step a line: what is asked, and after the bar what is answered. What a line leaves out is as in [`fields`].
/// Alice begins with 1000 CHF and 3000 EUR, Bob with 1000 CHF (minor units).
const TABLE: &str = "
# a bet is stored, a result or cancel applied: 201, 200
bet won amount=100                                  | 201
balance                                             | 900 CHF alice
result won amount=250                               | 200
balance                                             | 1150 CHF alice
bet lost amount=50                                  | 201
result lost result=lose amount=50                   | 200
bet tied amount=60                                  | 201
result tied result=tie amount=60                    | 200
bet void amount=70                                  | 201
cancel void                                         | 200
balance                                             | 1100 CHF alice
balance walletId=vip                                | 0 CHF alice vip

# what the key has seen is answered again, whatever has happened since
bet won amount=100                                  | 201
bet void amount=70                                  | 201
cancel void                                         | 200
result won amount=250                               | 200

# malformed, wrong type, unknown field, unknown currency: 400
bet bad amount=0                                    | 400 REQUEST_DATA_FORMAT: amount must be an integer of at least 1
bet bad amount=much                                 | 400 REQUEST_DATA_FORMAT: amount has the wrong type or is out of range
bet bad colour=red                                  | 400 REQUEST_DATA_FORMAT: unknown field colour
bet bad currency=USD                                | 400 REQUEST_DATA_FORMAT: currency USD is not one of this party's
bet bad round=0                                     | 400 REQUEST_DATA_FORMAT: round must be an integer of at least 1
result won result=draw amount=1                     | 400 REQUEST_DATA_FORMAT: result must be one of win, tie, lose

# an externalId reused with different data: 400
bet won amount=101                                  | 400 REQUEST_DATA_FORMAT: externalId was used before with other data
bet won amount=100 round=2                          | 400 REQUEST_DATA_FORMAT: externalId was used before with other data
bet won amount=100 playerId=bob                     | 400 REQUEST_DATA_FORMAT: externalId was used before with other data
result won amount=251                               | 400 REQUEST_DATA_FORMAT: externalId was used before with other data
result won result=lose amount=250                   | 400 REQUEST_DATA_FORMAT: externalId was used before with other data

# single-bet and daily limit: 491, and it stays
bet large currency=EUR amount=1001                  | 491 GAMING_LIMITS_REACHED max_bet=1000
bet day1 currency=EUR amount=1000                   | 201
bet day2 currency=EUR amount=1000                   | 201
bet day3 currency=EUR amount=501                    | 491 GAMING_LIMITS_REACHED max_stake_per_day=2500 staked=2000
cancel day2                                         | 200
bet day3 currency=EUR amount=501                    | 491 GAMING_LIMITS_REACHED max_stake_per_day=2500 staked=2000
bet day4 currency=EUR amount=501                    | 201

# real balance too small: 492, and a deposit does not turn the no into a yes
bet dear amount=1101                                | 492 OUT_OF_MONEY balance=1100
deposit alice 50.00 CHF
bet dear amount=1101                                | 492 OUT_OF_MONEY balance=1100
bet dear2 amount=1101                               | 201
bet walletless amount=1 walletId=vip                | 492 OUT_OF_MONEY balance=0

# result or cancel whose bet is unknown, settled, cancelled, refused or another's: 493
result late                                         | 493 TRANSACTION_NOT_FOUND
bet late                                            | 201
result late                                         | 200
cancel tomb                                         | 493 TRANSACTION_NOT_FOUND
bet tomb                                            | 493 TRANSACTION_NOT_FOUND: the order is cancelled
result tomb                                         | 493 TRANSACTION_NOT_FOUND: the order is cancelled
cancel won                                          | 493 TRANSACTION_NOT_FOUND: the order is settled
result void                                         | 493 TRANSACTION_NOT_FOUND: the order is cancelled
result dear                                         | 493 TRANSACTION_NOT_FOUND: the order's bet was refused
cancel dear                                         | 493 TRANSACTION_NOT_FOUND: the order's bet was refused
result dear2 playerId=bob                           | 493 TRANSACTION_NOT_FOUND
cancel dear2 playerId=bob                           | 493 TRANSACTION_NOT_FOUND

# bet known, round differs: 494, and asked rightly it is judged afresh
bet round round=7                                   | 201
result round round=8                                | 494 ROUND_NOT_FOUND
result round round=7                                | 200
result round round=8                                | 400 REQUEST_DATA_FORMAT: externalId was used before with other data

# player unknown: 495, and it stays for this bet alone
bet stranger playerId=carol                         | 495 PLAYER_NOT_FOUND
balance playerId=carol                              | 495 PLAYER_NOT_FOUND
result stranger playerId=carol                      | 495 PLAYER_NOT_FOUND
cancel stranger playerId=carol                      | 495 PLAYER_NOT_FOUND
player carol
deposit carol 5.00 CHF
bet stranger playerId=carol                         | 495 PLAYER_NOT_FOUND
bet friend playerId=carol                           | 201
balance playerId=carol                              | 400 CHF carol

# game unknown: 496
bet game game=unknowngame                           | 496 GAME_NOT_FOUND
result game game=unknowngame                        | 496 GAME_NOT_FOUND
cancel game game=unknowngame                        | 496 GAME_NOT_FOUND

# the first that applies wins: shape, key, game, player, order, limit, funds
bet bad amount=0 game=unknowngame                   | 400 REQUEST_DATA_FORMAT: amount must be an integer of at least 1
bet both game=unknowngame playerId=nobody           | 496 GAME_NOT_FOUND
bet poor playerId=nobody amount=999999              | 495 PLAYER_NOT_FOUND
bet limits currency=EUR amount=999999               | 491 GAMING_LIMITS_REACHED max_bet=1000
";

/// The sentences of the document's table.
const DESCRIPTIONS: [(&str, &str); 7] = [
    ("REQUEST_DATA_FORMAT", "Request parameters not as expected"),
    ("GAMING_LIMITS_REACHED", "Player spent max allowed money"),
    ("OUT_OF_MONEY", "Player is out of money"),
    ("TRANSACTION_NOT_FOUND", "Transaction not found"),
    ("ROUND_NOT_FOUND", "Round not found"),
    ("PLAYER_NOT_FOUND", "Player not found"),
    ("GAME_NOT_FOUND", "Game not found"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_code_table_is_answered_as_promised_and_again_byte_by_byte() {
    on_both(async |base| {
        let stage = with_players(base).await;
        let mut wire = Wire::connect(&stage).await;
        for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            check(&stage, &mut wire, line).await;
        }
        stage.audit().await;
    })
    .await;
}

async fn with_players(base: Base) -> Stage {
    let stage = Stage::open(base, ACME).await;
    for player in ["alice", "bob"] {
        stage.add_player("acme", player).await;
        stage.deposit("acme", player, "10.00", "CHF").await;
    }
    stage.deposit("acme", "alice", "30.00", "EUR").await;
    stage
}

/// Plays one line, and where it asks something, asks it again by the other route.
async fn check(stage: &Stage, wire: &mut Wire, line: &str) {
    let Some((asked, answered)) = line.split_once('|') else {
        return match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["deposit", player, amount, currency] => stage.deposit("acme", player, amount, currency).await,
            ["player", player] => stage.add_player("acme", player).await,
            _ => panic!("no such step: {line}"),
        };
    };
    let (operation, body) = fields(asked);
    let message = Message::new(operation, asked.trim(), &body);
    let first = wire.ask(message.clone()).await;
    assert_eq!(told(&first), answered.trim(), "{line}");
    assert_eq!(correlation(&first), asked.trim());
    let again = wire.ask(Message { route: Route::Queue, ..message }).await;
    assert_eq!(text(&again), text(&first), "asked again: {line}");
}

/// `bet ID key=value …` with what is left out filled in.
fn fields(asked: &str) -> (Operation, Value) {
    let mut words = asked.split_whitespace().peekable();
    let (operation, mut body) = match words.next() {
        Some("balance") => (Operation::BalanceGet, json!({ "currency": "CHF" })),
        Some("bet") => (Operation::OrderBet, json!({ "amount": 100, "currency": "CHF", "round": 1 })),
        Some("result") => {
            (Operation::OrderBetResult, json!({ "result": "win", "amount": 100, "currency": "CHF", "round": 1 }))
        }
        Some("cancel") => (Operation::OrderBetCancel, json!({})),
        other => panic!("no such operation: {other:?}"),
    };
    body["playerId"] = "alice".into();
    if operation != Operation::BalanceGet {
        body["game"] = "wallstroulette".into();
        body["externalId"] = words.next().expect("an externalId").into();
    }
    for word in words {
        let (field, value) = word.split_once('=').expect("key=value");
        body[field] = value.parse::<i64>().map_or_else(|_| value.into(), Value::from);
    }
    (operation, body)
}

/// A reply as the table writes it: code, error and parameters, or a balance.
fn told(reply: &Delivery) -> String {
    let body: Value = serde_json::from_slice(&reply.data).expect("JSON");
    let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    if let Some(balance) = body["balance"].as_i64() {
        let words = [balance.to_string(), word("currency"), word("playerId"), word("walletId")];
        return words.join(" ").trim_end().to_owned();
    }
    let (code, error) = (word("code"), word("error"));
    check_description(&error, &word("description"));
    let mut words = vec![code, error];
    for parameter in body["parameters"].as_array().into_iter().flatten() {
        for (name, value) in parameter.as_object().expect("an object") {
            words.push(format!("{name}={}", value.as_str().expect("a text")));
        }
    }
    words.join(" ").trim_end().to_owned()
}

fn check_description(error: &str, description: &str) {
    let symbol = error.split(':').next().unwrap_or_default();
    let known = DESCRIPTIONS.iter().find(|(known, _)| *known == symbol).map_or("", |(_, sentence)| sentence);
    assert_eq!(description, known, "{error}");
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.data.clone()).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_a_typed_json_message_that_survives_where_its_request_would() {
    on_both(async |base| {
        let stage = with_players(base).await;
        let mut wire = Wire::connect(&stage).await;
        let of = ["balance", "bet one", "result one", "cancel one"];
        let types = ["balance.get.balance", "order.bet.status", "order.bet.result.status", "order.bet.cancel.status"];
        for (asked, kind) in of.into_iter().zip(types) {
            for persistent in [true, false] {
                let (operation, body) = fields(asked);
                let mut message = Message::new(operation, asked, &body);
                message.properties = message.properties.with_delivery_mode(if persistent { 2 } else { 1 });
                let reply = wire.ask(message).await.properties;
                assert_eq!(reply.kind().as_ref().map(|kind| kind.as_str()), Some(kind));
                assert_eq!(reply.content_type().as_ref().map(|kind| kind.as_str()), Some("application/json"));
                assert_eq!(*reply.delivery_mode(), Some(if persistent { 2 } else { 1 }), "{asked}");
            }
        }
        let unknown = fields("balance playerId=nobody").1;
        let reply = wire.ask(Message::new(Operation::BalanceGet, "unknown", &unknown)).await;
        assert_eq!(reply.properties.kind().as_ref().map(|kind| kind.as_str()), Some("balance.get.status"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_id_stands_in_for_a_correlation_id() {
    on_both(async |base| {
        let stage = with_players(base).await;
        let mut wire = Wire::connect(&stage).await;
        let (operation, body) = fields("bet one");
        let mut message = Message::new(operation, "unused", &body);
        for correlation_id in [None, Some("")] {
            message.properties = BasicProperties::default().with_message_id("m-1".into());
            if let Some(id) = correlation_id {
                message.properties = message.properties.clone().with_correlation_id(id.into());
            }
            let reply = wire.ask(message.clone()).await;
            assert_eq!((correlation(&reply), told(&reply).as_str()), ("m-1", "201"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traceparent_is_passed_on() {
    on_both(async |base| {
        let stage = with_players(base).await;
        let mut wire = Wire::connect(&stage).await;
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (operation, body) = fields("balance");
        let mut message = Message::new(operation, "traced", &body);
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
        message.properties = message.properties.with_headers(headers);
        let reply = wire.ask(message).await;
        // The trace is the same; the span within it may be the reply's own.
        assert_eq!(header(&reply.properties, "traceparent").get(..35), traceparent.get(..35));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reply_queue_the_reply_goes_to_the_status_exchange() {
    on_both(async |base| {
        let stage = with_players(base).await;
        let wire = Wire::connect(&stage).await;
        for asked in ["balance", "bet one", "result one", "cancel one"] {
            let (operation, body) = fields(asked);
            let mut statuses = wire.status_queue(&format!("v1.0.acme.{}", operation.name())).await;
            wire.send(Message::new(operation, asked, &body)).await;
            let status = wire::next(&mut statuses).await;
            assert_eq!(correlation(&status), asked);
            assert_eq!(status.exchange.as_str(), "v1.0.status");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_reply_arrives() {
    on_both(async |base| {
        let stage = with_players(base).await;
        let wire = Wire::connect(&stage).await;
        let mut replies = consume(&wire.channel, "amq.rabbitmq.reply-to").await;
        for route in [Route::Exchange, Route::Queue] {
            let (operation, body) = fields("bet direct");
            let mut message = Message { route, ..Message::new(operation, "direct", &body) };
            message.properties = message.properties.with_reply_to("amq.rabbitmq.reply-to".into());
            wire.send(message).await;
            let reply = wire::next(&mut replies).await;
            assert_eq!((correlation(&reply), told(&reply).as_str()), ("direct", "201"));
        }
        assert!(!stage.log().contains("could not be routed"), "{}", stage.log());
    })
    .await;
}
