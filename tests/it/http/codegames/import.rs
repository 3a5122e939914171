//! `purser offers`: all or nothing, and as often as one likes.

use purser::cli::offers::MAX_KEYS;
use serde_json::{Value, json};

use super::{call, import, open, parties, sign_in, try_import};
use crate::e2e::stage::{Base, Stage, on_both};

async fn list(stage: &Stage) -> Value {
    serde_json::from_str(&stage.done(&["offers", "list", "--json", "--party", "acme"]).await).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_adds_what_is_not_known_and_sets_prices() {
    on_both(async |base| {
        let stage = Stage::open(base, &parties()).await;
        let offer = |price: &str, keys: Value| {
            json!([{ "id": 562, "name": "Card", "price": price, "currency": "KZT", "keys": keys }])
        };
        let said = |offers, new_offers, keys, new_keys| {
            json!({ "party": "acme", "offers": offers, "new_offers": new_offers, "keys": keys, "new_keys": new_keys })
        };
        let first = offer("956.30", json!(["A", "B", "A"]));
        assert_eq!(import(&stage, &first).await, said(1, 1, 2, 2));
        assert_eq!(import(&stage, &first).await, said(1, 0, 2, 0));
        let second = offer("1000", json!(["B", "C"]));
        assert_eq!(import(&stage, &second).await, said(1, 0, 2, 1));
        let listed = |price: &str, stock: u32| {
            json!([{ "id": "562", "name": "Card", "price": price, "currency": "KZT", "stock": stock }])
        };
        assert_eq!(list(&stage).await, listed("1000.00", 3));
        // The first file again: its price is set again.
        assert_eq!(import(&stage, &first).await, said(1, 0, 2, 0));
        assert_eq!(list(&stage).await, listed("956.30", 3));
        let table = stage.done(&["offers", "list", "--party", "acme"]).await;
        assert!(table.contains("956.30") && table.contains("Card"), "{table}");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sold_key_does_not_come_back() {
    on_both(async |base| {
        let stage = open(base).await;
        let token = sign_in(&stage, "cc_user").await;
        assert_eq!(call(&stage, &token, "pay", &super::pay("last-one", "one")).await.status, 201);
        let said = import(&stage, &super::offers()).await;
        assert_eq!(said["new_keys"], 0);
        let again = call(&stage, &token, "pay", &super::pay("last-one", "two")).await;
        assert_eq!(super::code(&again), "409 PRODUCT_OFFER_OUT_OF_STOCK");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_offer_keeps_all_out_and_is_named() {
    let stage = Stage::open(Base::Sqlite, &parties()).await;
    let good = json!({ "id": 1, "name": "n", "price": 1, "currency": "KZT", "keys": ["A"] });
    let cases = [
        (json!({ "id": 2, "name": "n", "price": 0, "currency": "KZT", "keys": [] }), "[1].price must be"),
        (json!({ "id": 2, "name": "n", "price": 1, "currency": "EUR", "keys": [] }), "[1].currency must be KZT"),
        (json!({ "id": "1", "name": "n", "price": 1, "currency": "KZT", "keys": [] }), "[1].id is the id of [0]"),
        (json!({ "id": 2, "name": "n", "price": 1, "currency": "KZT", "keys": ["A"] }), "[1].keys has a key of [0]"),
        (json!({ "id": 2, "name": "n", "price": 1, "currency": "KZT" }), "[1].keys is missing"),
    ];
    for (bad, expected) in cases {
        let ran = try_import(&stage, &json!([good, bad]).to_string()).await;
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(1), "{said}");
        assert!(said.contains("nothing imported") && said.contains(expected), "says: {said}\n ought: {expected}");
    }
    assert_eq!(list(&stage).await, json!([]));
    for (arguments, expected) in [
        (["offers", "import", "--party", "acme", "gone.json"], "gone.json"),
        (["offers", "import", "--party", "other", "-"], "--party other is not configured"),
    ] {
        let ran = stage.run(&arguments).await;
        assert!(!ran.status.success() && String::from_utf8_lossy(&ran.stderr).contains(expected), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_keys_as_are_allowed_come_in_at_once_and_no_more() {
    on_both(async |base| {
        let stage = Stage::open(base, &parties()).await;
        let keys = |count| (0..count).map(|number| format!("LARGE-{number:020}")).collect::<Vec<_>>();
        let offer = |count| json!([{ "id": 1, "name": "n", "price": 1, "currency": "KZT", "keys": keys(count) }]);
        let ran = try_import(&stage, &offer(MAX_KEYS + 1).to_string()).await;
        assert!(String::from_utf8_lossy(&ran.stderr).contains("import them in parts"));
        let said = import(&stage, &offer(MAX_KEYS)).await;
        assert_eq!(said["new_keys"], MAX_KEYS);
        assert_eq!(import(&stage, &offer(MAX_KEYS)).await["new_keys"], 0);
        let ran = try_import(&stage, &format!("[{}]", " ".repeat(9 * 1024 * 1024))).await;
        assert!(String::from_utf8_lossy(&ran.stderr).contains("is longer than"));
        stage.audit().await;
    })
    .await;
}
