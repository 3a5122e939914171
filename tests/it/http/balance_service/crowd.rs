use futures_util::future::join_all;
use serde_json::Value;

use super::{body, call, fund, held, open, request, stake};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage, on_both};

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

/// What one process has not heard of, the other has.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_postgres_spend_one_balance_and_know_each_others_transactions() {
    let stage = open(Base::Postgres).await;
    let mut other = stage.another_vhost(&Addresses::shared()).await;
    other.serve();
    other.until_ready().await;
    fund(&stage, "real", "100").await;
    let references = || (0..40).map(|number| format!("spend {number}"));
    let (ours, theirs) = tokio::join!(answers(&stage, references()), answers(&other, references()));
    for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let new = [ours, theirs].map(|answer| answer["result"]["is_new"].as_bool().expect("a transaction"));
        assert_eq!(new.iter().filter(|is_new| **is_new).count(), 1, "{index}: {ours} {theirs}");
        let number = |answer: &Value| answer["result"]["bet365_games_transaction_id"].clone();
        assert_eq!(number(ours), number(theirs));
    }
    assert_eq!(held(&stage).await, "40 0 0");
    let own = |name: &'static str| (0..40).map(move |number| format!("{name} {number}"));
    let (ours, theirs) = tokio::join!(answers(&stage, own("ours")), answers(&other, own("theirs")));
    let spent = ours.iter().chain(&theirs).filter(|answer| answer["result"]["is_new"] == true).count();
    // 40.00 pays for 26 stakes of 1.50.
    assert_eq!((spent, held(&other).await.as_str()), (26, "1 0 0"));
    stage.audit().await;
}
