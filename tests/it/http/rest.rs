//! EGPP over REST: every call, every code, and that it is the same handler as the queues'.

mod refusals;

use jsonwebtoken::{EncodingKey, Header};
use purser::dialects::egpp::Operation;
use purser::ledger::orders::OrderKey;
use purser::ledger::{ExternalId, Game, OrderId};
use serde_json::{Value, json};

use super::client::{Call, Response, now};
use crate::e2e::stage::{Base, Stage, on_both, party};
use crate::e2e::wire::{Message, Wire, code};

const HOUR: i64 = 3600;

const PARTIES: &str = r#"
[ledger]
ordering_grace = "200ms"
[parties.acme]
currencies = ["CHF", "EUR"]
games = ["wallstroulette", "weekendforex"]
[parties.acme.jwt]
hmac_secret = "a secret of well over thirty-two bytes, shared with nobody"
[parties.acme.limits.EUR]
max_bet = 1000
max_stake_per_day = 2500
[parties.keyed]
currencies = ["GBP"]
games = ["wallstroulette"]
[parties.keyed.jwt]
hmac_secret = "yet another secret of well over thirty-two bytes, for the keyed"
issuer = "https://id.keyed.example"
[parties.keyed.rest]
api_keys = ["the provider's own key", "its next one"]
"#;

fn secret(party: &str) -> &'static [u8] {
    match party {
        "acme" => b"a secret of well over thirty-two bytes, shared with nobody",
        _ => b"yet another secret of well over thirty-two bytes, for the keyed",
    }
}

fn sign(party: &str, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(secret(party))).expect("a token")
}

fn token(player: &str) -> String {
    sign("acme", &json!({ "sub": player, "party": "acme", "exp": now() + HOUR }))
}

fn bet(id: &str, amount: i64) -> Value {
    json!({ "amount": amount, "currency": "CHF", "game": "wallstroulette", "round": 1, "externalId": id })
}

fn result(id: &str, result: &str, amount: Option<i64>) -> Value {
    let mut body = json!({ "result": result, "game": "wallstroulette", "round": 1, "externalId": id });
    if let Some(amount) = amount {
        body["amount"] = amount.into();
        body["currency"] = "CHF".into();
    }
    body
}

fn cancel(id: &str) -> Value {
    json!({ "game": "wallstroulette", "externalId": id })
}

fn address_in(of: &str, id: &str) -> String {
    let key = OrderKey {
        game: Game::parse("wallstroulette").expect("a game"),
        external_id: ExternalId::parse(id).expect("an id"),
    };
    format!("/v1/order/{}", OrderId::of(&party(of), &key).uuid())
}

fn address(id: &str) -> String {
    address_in("acme", id)
}

async fn open(base: Base) -> Stage {
    let stage = Stage::open(base, PARTIES).await;
    stage.done(&["player", "add", "--party", "acme", "--player", "alice", "--nickname", "Ali"]).await;
    stage.add_player("acme", "bob").await;
    stage.add_player("keyed", "kate").await;
    stage.deposit("acme", "alice", "100.00", "CHF").await;
    stage.deposit("acme", "alice", "100.00", "EUR").await;
    stage.deposit("keyed", "kate", "50.00", "GBP").await;
    stage
}

/// The HTTP status is the code of the status object, or there is no body.
fn status(response: &Response) -> u16 {
    if !response.body.is_empty() && response.status >= 400 {
        assert_eq!(response.json()["code"], response.status.to_string(), "{}", response.text());
        assert_eq!(response.header("content-type"), "application/json");
    }
    response.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bet_is_placed_looked_at_settled_and_paid_once() {
    on_both(async |base| {
        let stage = open(base).await;
        let alice = token("alice");
        for _ in 0..2 {
            let placed = Call::new("POST", "/v1/order").bearer(&alice).json(&bet("one", 1234)).send(&stage).await;
            assert_eq!(
                (placed.status, placed.header("location"), placed.text()),
                (201, &*address("one"), String::new())
            );
        }
        let seen = Call::new("GET", address("one")).bearer(&alice).send(&stage).await;
        let id = address("one").rsplit('/').next().expect("an id").to_owned();
        let mut expected = json!({
            "betId": id, "state": "open", "amount": 1234, "currency": "CHF", "game": "wallstroulette",
            "round": 1, "externalId": "one", "playerId": "alice",
        });
        assert_eq!((seen.status, seen.json()), (200, expected.clone()));
        for _ in 0..2 {
            let body = result("one", "win", Some(5000));
            let settled = Call::new("PUT", address("one")).bearer(&alice).json(&body).send(&stage).await;
            assert_eq!((settled.status, settled.text()), (200, String::new()));
        }
        let seen = Call::new("GET", address("one")).bearer(&alice).send(&stage).await;
        expected["state"] = "won".into();
        expected["paid"] = 5000.into();
        assert_eq!(seen.json(), expected);
        let balance = Call::new("GET", "/v1/balance/alice?currency=CHF").bearer(&alice).send(&stage).await;
        assert_eq!(
            (balance.status, balance.json()),
            (200, json!({ "balance": 10_000 - 1234 + 5000, "currency": "CHF" }))
        );
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tie_without_an_amount_returns_the_stake_and_a_loss_pays_nothing() {
    on_both(async |base| {
        let stage = open(base).await;
        let alice = token("alice");
        for (id, end, state, paid) in [("tied", "tie", "tied", 700), ("lost", "lose", "lost", 0)] {
            Call::new("POST", "/v1/order").bearer(&alice).json(&bet(id, 700)).send(&stage).await;
            let settled = Call::new("PUT", address(id)).bearer(&alice).json(&result(id, end, None)).send(&stage).await;
            assert_eq!(status(&settled), 200, "{}", settled.text());
            let seen = Call::new("GET", address(id)).bearer(&alice).send(&stage).await.json();
            assert_eq!((&seen["state"], &seen["paid"]), (&json!(state), &json!(paid)));
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 9_300);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_bet_is_gone_and_cancelling_again_is_a_repeat() {
    on_both(async |base| {
        let stage = open(base).await;
        let alice = token("alice");
        for (id, by_query) in [("by-body", false), ("by-query", true)] {
            Call::new("POST", "/v1/order").bearer(&alice).json(&bet(id, 700)).send(&stage).await;
            for _ in 0..2 {
                let call = match by_query {
                    true => Call::new("DELETE", format!("{}?game=wallstroulette&externalId={id}", address(id))),
                    false => Call::new("DELETE", address(id)).json(&cancel(id)),
                };
                let cancelled = call.bearer(&alice).send(&stage).await;
                assert_eq!((cancelled.status, cancelled.text()), (200, String::new()));
            }
            let seen = Call::new("GET", address(id)).bearer(&alice).send(&stage).await;
            assert_eq!(status(&seen), 493);
            let settled =
                Call::new("PUT", address(id)).bearer(&alice).json(&result(id, "lose", None)).send(&stage).await;
            assert_eq!(status(&settled), 493);
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_000);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_and_rest_are_one_desk() {
    on_both(async |base| {
        let stage = open(base).await;
        let mut wire = Wire::connect(&stage).await;
        let alice = token("alice");
        let with_player = |mut body: Value| {
            body["playerId"] = alice.clone().into();
            body
        };
        let ask = |operation, body: Value| Message::new(operation, "parity", &with_player(body));
        // Placed over REST: a repeat over AMQP is a repeat, and it is settled there.
        Call::new("POST", "/v1/order").bearer(&alice).json(&bet("rest", 100)).send(&stage).await;
        assert_eq!(code(&wire.ask(ask(Operation::OrderBet, bet("rest", 100))).await), "201");
        let won = ask(Operation::OrderBetResult, result("rest", "win", Some(300)));
        assert_eq!(code(&wire.ask(won).await), "200");
        let again = Call::new("PUT", address("rest")).bearer(&alice).json(&result("rest", "win", Some(300)));
        assert_eq!(status(&again.send(&stage).await), 200);
        // Placed over AMQP: cancelled over REST, and the repeat over AMQP is a repeat.
        assert_eq!(code(&wire.ask(ask(Operation::OrderBet, bet("amqp", 50))).await), "201");
        let cancelled = Call::new("DELETE", address("amqp")).bearer(&alice).json(&cancel("amqp")).send(&stage).await;
        assert_eq!(status(&cancelled), 200);
        assert_eq!(code(&wire.ask(ask(Operation::OrderBetCancel, cancel("amqp"))).await), "200");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_200);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_spends_at_once_never_overdraw() {
    on_both(async |base| {
        let stage = open(base).await;
        let alice = token("alice");
        let spending = (0..100).map(|number| {
            Call::new("POST", "/v1/order").bearer(&alice).json(&bet(&format!("spend-{number}"), 150)).send(&stage)
        });
        let answers = futures_util::future::join_all(spending).await;
        let count = |code: u16| answers.iter().filter(|answer| status(answer) == code).count();
        // 10,000 minor units pay for 66 stakes of 150.
        assert_eq!((count(201), count(492)), (66, 34));
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 100);
        stage.audit().await;
    })
    .await;
}

/// `schemas/rest/examples`, in the order of their names. `{token}` is Alice's; `{betId}` the bet that was placed last.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_answered_as_they_say() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/rest/examples");
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.collect();
    files.sort();
    assert!(files.len() > 10);
    on_both(async |base| {
        let stage = open(base).await;
        let (alice, mut bet_id) = (token("alice"), String::new());
        for file in &files {
            let text = std::fs::read_to_string(file).expect("an example");
            let text = text.replace("{token}", &alice).replace("{betId}", &bet_id);
            let example: Value = serde_json::from_str(&text).expect("JSON");
            let (request, reply) = (&example["request"], &example["reply"]);
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let mut call = Call::new(&text(&request["method"]), text(&request["path"]));
            for (name, value) in request["headers"].as_object().expect("headers") {
                call = call.header(name, text(value));
            }
            if let Some(body) = request.get("body") {
                call = call.body(body.to_string());
            }
            let response = call.send(&stage).await;
            let told = (json!(response.status), response.json());
            assert_eq!(told, (reply["status"].clone(), reply["body"].clone()), "{}", file.display());
            if let Some((_, id)) = response.header("location").rsplit_once('/') {
                id.clone_into(&mut bet_id);
            }
        }
    })
    .await;
}
