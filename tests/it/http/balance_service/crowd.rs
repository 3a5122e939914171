use futures_util::future::join_all;
use serde_json::Value;

use super::{body, call, fund, held, open, request, stake};
use crate::e2e::stage::{Stage, on_both};

async fn answers(stage: &Stage, references: impl Iterator<Item = String>) -> Vec<Value> {
    let spending = references.map(|reference| request("AdjustBalance", &stake(&reference, "-1.5")).send(stage));
    join_all(spending).await.iter().map(body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_spends_at_once_never_overdraw_and_none_is_lost() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "60").await;
        fund(&stage, "ring_fenced", "20").await;
        fund(&stage, "bonus", "20").await;
        let answers = answers(&stage, (0..100).map(|number| format!("spend {number}"))).await;
        let is_spent = |answer: &&Value| answer["result"]["is_new"] == true;
        let is_refused = |answer: &&Value| answer["error"]["code"] == 1005;
        // 100.00 in three buckets pays for 66 stakes of 1.50.
        assert_eq!((answers.iter().filter(is_spent).count(), answers.iter().filter(is_refused).count()), (66, 34));
        assert_eq!(held(&stage).await, "0 1 0");
        let round = call(&stage, "GetTransactionsByGameRound", &serde_json::json!({ "game_round_id": 1 })).await;
        assert_eq!(round.as_array().expect("a list").len(), 66);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_spend_sent_fifty_times_at_once_is_made_once() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "60").await;
        let answers = answers(&stage, (0..50).map(|_| "the same".to_owned())).await;
        let new = answers.iter().filter(|answer| answer["result"]["is_new"] == true).count();
        let known = answers.iter().filter(|answer| answer["result"]["is_new"] == false).count();
        assert_eq!((new, known), (1, 49));
        assert_eq!(held(&stage).await, "58.5 0 0");
        stage.audit().await;
    })
    .await;
}
