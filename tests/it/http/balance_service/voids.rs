use serde_json::{Value, json};

use super::{USER, body, call, code, fund, held, number, open, payment, post, stake};
use crate::e2e::stage::{Stage, on_both};

async fn run(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = stage.run(&[&["voids"], arguments, &["--party", "acme"]].concat()).await;
    (ran.status.code(), format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr)))
}

async fn listed(stage: &Stage, more: &[&str]) -> Value {
    let (status, text) = run(stage, &[&["list", "--json"], more].concat()).await;
    assert_eq!(status, Some(0), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn queue(source: &Value) -> Value {
    json!({ "transaction_type_id": 6, "source_bet365_games_transaction_id": source })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_void_moves_nothing_until_an_operator_approves_it() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "10").await;
        let staked = number(&call(&stage, "AdjustBalance", &stake("stake", "-1")).await);
        let mut paid = Vec::new();
        for reference in ["first", "second", "third"] {
            paid.push(number(&call(&stage, "AdjustBalance", &payment(reference, "2.5", &staked)).await));
        }
        assert_eq!(code(&stage, "QueueManualVoidReturn", &queue(&json!(0))).await, 1010);
        assert_eq!(code(&stage, "QueueManualVoidReturn", &queue(&json!(i64::MAX))).await, 1010);
        let other = json!({ "transaction_type_id": 5, "source_bet365_games_transaction_id": paid[0] });
        assert_eq!(code(&stage, "QueueManualVoidReturn", &other).await, 1009);
        assert_eq!(listed(&stage, &[]).await, json!([]));
        for source in [&paid[0], &paid[1], &paid[0]] {
            assert_eq!(call(&stage, "QueueManualVoidReturn", &queue(source)).await, json!(true));
        }
        assert_eq!(held(&stage).await, "16.5 0 0");

        let waiting = listed(&stage, &[]).await;
        let ids: Vec<&Value> = waiting.as_array().expect("a list").iter().map(|line| &line["id"]).collect();
        assert_eq!(ids, [&paid[0], &paid[1]]);
        let line = &waiting[0];
        let told = (&line["player"], &line["transaction_type_id"], &line["state"], &line["real"], &line["currency"]);
        assert_eq!(told, (&json!(USER.to_string()), &json!(3), &json!("pending"), &json!("2.50"), &json!("GBP")));
        let (_, table) = run(&stage, &["list"]).await;
        assert!(table.contains("ring_fenced") && table.contains("pending"), "{table}");

        let (first, second, third) = (paid[0].to_string(), paid[1].to_string(), paid[2].to_string());
        for _ in 0..2 {
            let (status, text) = run(&stage, &["approve", &first]).await;
            assert_eq!((status, text.contains("approved")), (Some(0), true), "{text}");
            let (status, text) = run(&stage, &["dismiss", "--json", &second]).await;
            let told: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!((status, &told["state"]), (Some(0), &json!("dismissed")));
        }
        assert_eq!(held(&stage).await, "14 0 0");
        for (arguments, says) in [
            (["dismiss", &first], "resolved before"),
            (["approve", &second], "resolved before"),
            (["approve", &third], "no void of transaction"),
            (["approve", "0"], "no void of transaction"),
        ] {
            let (status, text) = run(&stage, &arguments).await;
            assert_eq!((status, text.contains(says)), (Some(1), true), "{arguments:?}: {text}");
        }
        assert_eq!(listed(&stage, &[]).await, json!([]));
        let states = listed(&stage, &["--all"]).await;
        assert_eq!((&states[0]["state"], &states[1]["state"]), (&json!("approved"), &json!("dismissed")));

        // What moved it back is a transaction of type 6, with the words of the one that it voids.
        let round = call(&stage, "GetTransactionsByGameRound", &json!({ "game_round_id": 1 })).await;
        let void = round.as_array().expect("a list").last().expect("the void");
        let told = (&void["transaction_type_id"], &void["real_amount"], &void["source_transaction_id"]);
        assert_eq!(told, (&json!(6), &json!("-2.5"), &paid[0]));
        assert_eq!((&void["total_amount_gbp"], &void["partner_transaction_id"]), (&json!("-2.5"), &json!("first")));
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_that_was_dismissed_and_is_asked_for_again_waits_again() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "10").await;
        let staked = number(&call(&stage, "AdjustBalance", &stake("stake", "-1")).await);
        let id = staked.to_string();
        for _ in 0..2 {
            assert_eq!(call(&stage, "QueueManualVoidReturn", &queue(&staked)).await, json!(true));
            assert_eq!(call(&stage, "QueueManualVoidReturn", &queue(&staked)).await, json!(true));
            assert_eq!(listed(&stage, &[]).await[0]["id"], staked);
            assert_eq!(run(&stage, &["dismiss", &id]).await.0, Some(0));
            assert_eq!(run(&stage, &["dismiss", &id]).await.0, Some(0));
            assert_eq!(listed(&stage, &[]).await, json!([]));
        }
        assert_eq!(call(&stage, "QueueManualVoidReturn", &queue(&staked)).await, json!(true));
        assert_eq!(held(&stage).await, "9 0 0");
        assert_eq!(run(&stage, &["approve", &id]).await.0, Some(0));
        assert_eq!(call(&stage, "QueueManualVoidReturn", &queue(&staked)).await, json!(true));
        assert_eq!((listed(&stage, &[]).await, held(&stage).await.as_str()), (json!([]), "10 0 0"));
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_already_cannot_be_taken_back_until_it_is_there_again() {
    on_both(async |base| {
        let stage = open(base).await;
        let staked = number(&call(&stage, "AdjustBalance", &stake("stake", "0")).await);
        let paid = number(&call(&stage, "AdjustBalance", &payment("return", "5", &staked)).await);
        call(&stage, "AdjustBalance", &stake("spent", "-4")).await;
        call(&stage, "QueueManualVoidReturn", &queue(&paid)).await;
        let (status, text) = run(&stage, &["approve", &paid.to_string()]).await;
        assert_eq!((status, text.contains("has only 1.00 GBP left")), (Some(1), true), "{text}");
        assert_eq!(held(&stage).await, "1 0 0");
        fund(&stage, "real", "4").await;
        assert_eq!(run(&stage, &["approve", &paid.to_string()]).await.0, Some(0));
        assert_eq!(held(&stage).await, "0 0 0");
        stage.audit().await;
    })
    .await;
}

/// Nobody learns of another party's transactions, nor queues a void of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_partys_transactions_are_its_own() {
    on_both(async |base| {
        let stage = open(base).await;
        let made = number(&call(&stage, "AdjustBalance", &stake("ours", "0")).await);
        let calls = [("GetTransactionById", json!({ "id": made })), ("QueueManualVoidReturn", queue(&made))];
        for (method, params) in calls {
            let asked = post(&format!("/keyed/{method}"), &json!({ "method": method, "params": params }));
            let answer = asked.header("x-api-key", "the first key").send(&stage).await;
            assert_eq!(body(&answer)["error"]["code"], 1010, "{method}");
        }
        let (status, text) = run(&stage, &["list", "--json"]).await;
        assert_eq!((status, text.trim()), (Some(0), "[]"));
    })
    .await;
}
