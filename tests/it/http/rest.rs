//! EGPP over REST: every call, every code, and that it is the same handler as the queues'.

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

fn expired(player: &str) -> String {
    sign("acme", &json!({ "sub": player, "party": "acme", "exp": now() - HOUR }))
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

/// What is wrong, the call, and the code that it is refused with.
type Refusal = (&'static str, Call, u16);

fn order(body: &Value) -> Call {
    Call::new("POST", "/v1/order").bearer(&token("alice")).json(body)
}

/// A bet with one field set.
fn bet_with(field: &str, value: Value) -> Value {
    let mut body = bet("refused", 10);
    body[field] = value;
    body
}

fn balance(query: &str) -> Call {
    Call::new("GET", format!("/v1/balance/alice{query}")).bearer(&token("alice"))
}

fn put(id: &str, body: &Value) -> Call {
    Call::new("PUT", address(id)).bearer(&token("alice")).json(body)
}

fn of_http() -> Vec<Refusal> {
    let typed = |content_type: &str| order(&Value::Null).header("content-type", content_type);
    vec![
        ("no such path", Call::new("GET", "/v1/nothing"), 404),
        ("no such path at all", Call::new("GET", "/nothing"), 404),
        ("another method", Call::new("PATCH", "/v1/order"), 405),
        ("another type", Call::new("POST", "/v1/order").header("content-type", "text/plain").body("{}"), 415),
        ("two types", typed("text/plain"), 400),
        ("no type", Call::new("POST", "/v1/order").body("{}"), 415),
        ("no body to settle by", Call::new("PUT", address("x")), 415),
        ("too long", order(&json!({ "game": "x".repeat(70_000) })), 413),
    ]
}

fn malformed() -> Vec<Refusal> {
    let bad_id = Call::new("GET", "/v1/order/not-a-uuid").bearer(&token("alice"));
    let no_json = Call::new("POST", "/v1/order").header("content-type", "application/json").body("{");
    let both = Call::new("DELETE", format!("{}?game=wallstroulette", address("x"))).json(&cancel("x"));
    vec![
        ("no JSON", no_json, 400),
        ("an unknown field", order(&bet_with("colour", "red".into())), 400),
        ("another currency", order(&bet_with("currency", "GBP".into())), 400),
        ("a fraction", order(&bet_with("amount", json!(1.5))), 400),
        ("nothing staked", order(&bet_with("amount", json!(0))), 400),
        ("no round", order(&bet_with("round", json!(0))), 400),
        ("a null wallet", order(&bet_with("walletId", Value::Null)), 400),
        ("a bad id", bad_id, 400),
        ("no currency", balance(""), 400),
        ("two currencies", balance("?currency=CHF&currency=CHF"), 400),
        ("an unknown parameter", balance("?currency=CHF&colour=red"), 400),
        ("a win of nothing", put("x", &result("x", "win", None)), 400),
        ("nothing to cancel by", Call::new("DELETE", address("x")), 400),
        ("a body and a query to cancel by", both, 400),
        ("no token to ask about", Call::new("POST", "/v1/token").json(&json!({})), 400),
        ("the same id with other data", order(&bet("kept", 2)), 400),
    ]
}

fn unauthorized() -> Vec<Refusal> {
    let get = || Call::new("GET", "/v1/balance/alice?currency=CHF");
    let settle = || Call::new("PUT", address("x")).json(&result("x", "lose", None));
    let ask = |token: &str| Call::new("POST", "/v1/token").json(&json!({ "token": token }));
    let foreign = sign("keyed", &json!({ "sub": "alice", "party": "acme", "exp": now() + HOUR }));
    let theirs = Call::new("GET", address("kept")).bearer(&token("bob"));
    vec![
        ("no token", get(), 401),
        ("no bearer", get().header("authorization", "Basic YTpi"), 401),
        ("no JWT", get().bearer("nonsense"), 401),
        ("an expired token", get().bearer(&expired("alice")), 401),
        ("an expired token that settles", settle().bearer(&expired("alice")), 401),
        ("a token of another party's", get().bearer(&foreign), 401),
        ("a token of no party", get().bearer(&sign("acme", &json!({ "sub": "alice", "exp": now() + HOUR }))), 401),
        ("a token without an end", get().bearer(&sign("acme", &json!({ "sub": "alice", "party": "acme" }))), 401),
        ("a token that is none", ask("nonsense"), 401),
        ("an expired token's player", ask(&expired("alice")), 401),
        ("another player in the path", Call::new("GET", "/v1/balance/bob?currency=CHF").bearer(&token("alice")), 403),
        ("another player in the body", order(&bet_with("playerId", "bob".into())), 403),
        ("another's bet", theirs, 403),
    ]
}

fn of_the_ledger() -> Vec<Refusal> {
    let get = |id: &str| Call::new("GET", format!("/v1/order/{id}")).bearer(&token("alice"));
    let nobody = token("nobody");
    let high = json!({ "amount": 1001, "currency": "EUR", "game": "wallstroulette", "round": 1, "externalId": "high" });
    let other_round = json!({ "result": "lose", "game": "wallstroulette", "round": 2, "externalId": "kept" });
    vec![
        ("a single bet too high", order(&high), 491),
        ("too little money", order(&bet("poor", 10_001)), 492),
        ("too little money, again", order(&bet("poor", 10_001)), 492),
        ("an unknown bet", get("00000000-0000-8000-8000-000000000000"), 493),
        ("an unknown bet's result", put("unknown", &result("unknown", "lose", None)), 493),
        ("a result for another bet than the path's", put("kept", &result("unknown", "lose", None)), 493),
        ("a refused bet", get(address("poor").trim_start_matches("/v1/order/")), 493),
        ("another round", put("kept", &other_round), 494),
        ("an unknown player", Call::new("GET", "/v1/balance/nobody?currency=CHF").bearer(&nobody), 495),
        ("a token's player, unknown", Call::new("POST", "/v1/token").json(&json!({ "token": nobody })), 495),
        ("an unknown game", order(&bet_with("game", "wallstpoker".into())), 496),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_status_object_under_its_own_code() {
    on_both(async |base| {
        let stage = open(base).await;
        let kept = Call::new("POST", "/v1/order").bearer(&token("alice")).json(&bet("kept", 1)).send(&stage).await;
        assert_eq!(kept.status, 201);
        let all = [of_http(), malformed(), unauthorized(), of_the_ledger()].into_iter().flatten();
        for (what, call, code) in all {
            let response = call.send(&stage).await;
            assert_eq!(status(&response), code, "{what}: {}", response.text());
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 9_999);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_tells_whose_it_is() {
    let stage = open(Base::Sqlite).await;
    let asked = Call::new("POST", "/v1/token").json(&json!({ "token": token("alice") })).send(&stage).await;
    let told =
        json!({ "playerId": "alice", "nickname": "Ali", "balance": 10_000, "currency": "CHF", "walletId": "default" });
    assert_eq!((asked.status, asked.json()), (200, told));
    // The default wallet may be called by its name ever after.
    let path = "/v1/balance/alice?currency=CHF&walletId=default";
    let balance = Call::new("GET", path).bearer(&token("alice")).send(&stage).await;
    assert_eq!(balance.json(), json!({ "balance": 10_000, "currency": "CHF", "walletId": "default" }));
    let other = json!({ "token": token("alice"), "walletId": "savings" });
    let asked = Call::new("POST", "/v1/token").json(&other).send(&stage).await.json();
    assert_eq!((&asked["balance"], &asked["walletId"]), (&json!(0), &json!("savings")));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_provider_has_a_key_a_player_can_neither_bet_nor_settle() {
    let stage = open(Base::Sqlite).await;
    let issued = |exp: i64| sign("keyed", &json!({ "sub": "kate", "iss": "https://id.keyed.example", "exp": exp }));
    let (kate, late) = (issued(now() + HOUR), issued(now() - HOUR));
    for id in ["one", "two"] {
        let mut body = bet(id, 100);
        body["currency"] = "GBP".into();
        let post = |token: &str| Call::new("POST", "/v1/order").bearer(token).json(&body);
        assert_eq!(status(&post(&kate).send(&stage).await), 401);
        assert_eq!(status(&post(&kate).header("x-api-key", "another key").send(&stage).await), 401);
        let with_key = |token: &str| post(token).header("x-api-key", "its next one");
        assert_eq!(status(&with_key(&late).send(&stage).await), 401, "a bet needs a token that holds");
        let placed = with_key(&kate).send(&stage).await;
        assert_eq!(status(&placed), 201, "{}", placed.text());
    }
    let get = Call::new("GET", address_in("keyed", "one")).bearer(&kate).send(&stage).await;
    assert_eq!(status(&get), 200, "who only looks needs no key");
    let put =
        |token: &str| Call::new("PUT", address_in("keyed", "one")).bearer(token).json(&result("one", "lose", None));
    let delete = |token: &str| Call::new("DELETE", address_in("keyed", "two")).bearer(token).json(&cancel("two"));
    assert_eq!(status(&put(&kate).send(&stage).await), 401);
    assert_eq!(status(&delete(&kate).send(&stage).await), 401);
    assert_eq!(status(&put(&kate).header("x-api-key", "another key").send(&stage).await), 401);
    assert_eq!(status(&put(&late).header("x-api-key", "its next one").send(&stage).await), 200);
    assert_eq!(status(&delete(&late).header("x-api-key", "the provider's own key").send(&stage).await), 200);
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
