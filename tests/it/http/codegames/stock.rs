//! The last keys and many buyers: money and keys agree, and no key goes out twice.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{call, code, import, open, pay, sign_in};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage, on_both};

/// Buyers who run for the keys at once, and keys that there are.
const BUYERS: usize = 100;
const KEYS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_buyers_get_fifty_keys_between_them() {
    on_both(async |base| {
        let stage = open(base).await;
        let keys: Vec<String> = (0..KEYS).map(|number| format!("KEY-{number}")).collect();
        import(&stage, &json!([{ "id": "rush", "name": "n", "price": 1, "currency": "KZT", "keys": keys }])).await;
        let token = sign_in(&stage, "cc_user").await;
        let buying = (0..BUYERS).map(|buyer| {
            let (stage, token) = (&stage, &token);
            async move {
                let purchase = json!({"id": "rush", "price": 1, "currency": "KZT", "txnId": format!("rush-{buyer}")});
                call(stage, token, "pay", &purchase).await
            }
        });
        let answers = join_all(buying).await;
        let won: Vec<Value> =
            answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.json()).collect();
        assert_eq!(won.len(), KEYS);
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!(code(lost), "409 PRODUCT_OFFER_OUT_OF_STOCK");
        }
        let mut sold = BTreeSet::new();
        for order in &won {
            let keys = call(&stage, &token, "keys", order).await.json();
            sold.insert(keys["keys"].as_str().expect("one key").to_owned());
        }
        assert_eq!(sold, keys.into_iter().collect());
        assert_eq!(stage.balance("acme", "cc_user", "KZT").await, 1_000_000 - 5_000);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_sell_the_last_key_once() {
    let mut first = open(Base::Postgres).await;
    let mut second = first.another_vhost(&Addresses::shared()).await;
    second.serve();
    second.until_ready().await;
    let token = sign_in(&first, "cc_user").await;
    let rounds = 20;
    for round in 0..rounds {
        let id = format!("last-{round}");
        let offer = json!([{ "id": id, "name": "n", "price": 1, "currency": "KZT", "keys": [format!("K-{round}")] }]);
        import(&first, &offer).await;
        let buy = |stage, buyer: &'static str| {
            let purchase = json!({ "id": id, "price": 1, "currency": "KZT", "txnId": format!("{round}-{buyer}") });
            let token = &token;
            async move { call(stage, token, "pay", &purchase).await }
        };
        let (one, other) = tokio::join!(buy(&first, "one"), buy(&second, "other"));
        let mut codes = [code(&one), code(&other)];
        codes.sort();
        assert_eq!(codes, ["201", "409 PRODUCT_OFFER_OUT_OF_STOCK"], "round {round}");
        // Whichever process sold it, both know the order.
        let order = if one.status == 201 { one.json() } else { other.json() };
        for stage in [&first, &second] {
            let keys = call(stage, &token, "keys", &order).await.text();
            assert_eq!(keys, format!("{{\"keys\":\"K-{round}\"}}"));
        }
    }
    assert_eq!(first.balance("acme", "cc_user", "KZT").await, 1_000_000 - rounds * 100);
    first.audit().await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_transaction_sent_many_times_at_once_is_one_purchase() {
    on_both(async |base| {
        let stage = open(base).await;
        let token = sign_in(&stage, "cc_user").await;
        let answers = join_all((0..20).map(|_| async { call(&stage, &token, "pay", &pay("562", "same")).await })).await;
        let mut codes: Vec<String> = answers.iter().map(code).collect();
        codes.sort();
        assert_eq!(codes[0], "201");
        assert!(codes[1..].iter().all(|code| code == "409 PRODUCT_OFFER_TXN_DUPLICATE"), "{codes:?}");
        assert_eq!(stock(&stage, &token).await, 6);
        stage.audit().await;
    })
    .await;
}

/// The money for one key, and two offers: only one of them is sold.
#[tokio::test(flavor = "multi_thread")]
async fn money_is_spent_once_whatever_is_bought() {
    on_both(async |base| {
        let stage = open(base).await;
        stage.add_player("acme", "rival-pays").await;
        stage.deposit("acme", "rival-pays", "1000", "KZT").await;
        let rival = sign_in(&stage, "rival").await;
        let (card, rare) = (pay("562", "card"), pay("last-one", "rare"));
        let (card, rare) = tokio::join!(call(&stage, &rival, "pay", &card), call(&stage, &rival, "pay", &rare));
        let mut codes = [code(&card), code(&rare)];
        codes.sort();
        assert_eq!(codes, ["201", "409 INSUFFICIENT_FUNDS"]);
        let paid = if card.status == 201 { 95_630 } else { 10_000 };
        assert_eq!(stage.balance("acme", "rival-pays", "KZT").await, 100_000 - paid);
        stage.audit().await;
    })
    .await;
}

async fn stock(stage: &Stage, token: &str) -> u64 {
    let offer = call(stage, token, "check", &json!({"id": "562", "currency": "KZT"})).await.json();
    offer["count"].as_u64().expect("a count")
}
