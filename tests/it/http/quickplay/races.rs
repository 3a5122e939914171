//! Calls that meet: in one process and in two, money moves once and every answer can be explained.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{QuickPlay, code, open, token};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, on_both};

fn entry(player: &str, id: &str) -> Value {
    let mut data = QuickPlay::transaction(0, id);
    data["user_id"] = player.into();
    data["token"] = token(player, 3600).into();
    data
}

fn rollback(player: &str, id: &str, reference: &str) -> Value {
    json!({
        "partner": "acme-partner", "user_id": player, "type": 3, "transaction_id": id, "reference": reference,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_entry_sent_many_times_at_once_is_paid_once() {
    on_both(async |base| {
        let quickplay = open(base).await;
        let data = entry("555", "same");
        let answers = join_all((0..20).map(|_| quickplay.call("transaction", &data))).await;
        for answer in &answers {
            assert_eq!((answer.status, answer.text()), (200, answers[0].text()));
        }
        assert_eq!(quickplay.stage.balance("acme", "555", "EUR").await, 9000);
        quickplay.stage.audit().await;
    })
    .await;
}

/// Two processes, whose players are locked apart: only the transaction's name brings them together.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_give_one_name_to_one_player_alone() {
    let mut first = open(Base::Postgres).await;
    first.stage.add_player("acme", "777").await;
    first.stage.deposit("acme", "777", "1000", "EUR").await;
    first.stage.deposit("acme", "555", "900", "EUR").await;
    let mut second = first.stage.another_vhost(&Addresses::shared()).await;
    second.serve();
    second.until_ready().await;
    let mut second = QuickPlay { stage: second, signer: first.signer.clone() };
    let mut entries = 0;
    for round in 0..15 {
        let id = format!("both-{round}");
        let (ours, theirs) = (entry("555", &id), entry("777", &id));
        let (one, other) = tokio::join!(first.call("transaction", &ours), second.call("transaction", &theirs));
        let mut codes = [code(&one), code(&other)];
        codes.sort_unstable();
        assert_eq!(codes, [0, 7], "round {round}");
        entries += 1;
        // A rollback that meets what it rolls back: whichever came first, nothing is moved in the end.
        let id = format!("met-{round}");
        let (entry, undo) = (entry("555", &id), rollback("555", &format!("undo-{round}"), &id));
        let (entered, undone) = tokio::join!(first.call("transaction", &entry), second.call("transaction", &undo));
        assert_eq!(code(&undone), 0, "round {round}");
        assert!([0, 7].contains(&code(&entered)), "round {round}: {}", entered.text());
    }
    let left = first.stage.balance("acme", "555", "EUR").await + first.stage.balance("acme", "777", "EUR").await;
    assert_eq!(left, 200_000 - entries * 1000);
    first.stage.audit().await;
    second.stage.stop().await;
    first.stage.stop().await;
}
