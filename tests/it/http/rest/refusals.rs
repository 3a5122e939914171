//! Every refusal, under its code, and whose a token is.

use super::*;

fn expired(player: &str) -> String {
    sign("acme", &json!({ "sub": player, "party": "acme", "exp": now() - HOUR }))
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
