//! Looking things up from the command line: rows of the journal, histories, orders; beside `serve` and without it.

use purser::dialects::egpp::Operation;
use serde_json::{Value, json};

use super::services::{execute, number};
use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{Message, Wire, bet, code};
use crate::databases::apply;
use crate::patience::until;
use crate::script::commands;

async fn told(stage: &Stage, arguments: &[&str]) -> Value {
    let text = stage.done(&[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&text).expect("JSON")
}

/// What a command says that must fail with this status.
async fn refused(stage: &Stage, arguments: &[&str], status: i32) -> String {
    let ran = stage.run(arguments).await;
    assert_eq!(ran.status.code(), Some(status), "purser {arguments:?}");
    String::from_utf8(ran.stderr).expect("UTF-8")
}

const HISTORY: [&str; 6] = ["journal", "show", "--party", "acme", "--player", "alice"];

fn numbers(rows: &Value) -> Vec<i64> {
    rows.as_array().expect("rows").iter().map(|row| row["number"].as_i64().expect("a number")).collect()
}

fn lose(order: &str) -> Message {
    let body = json!({ "result": "lose", "amount": 100, "currency": "CHF", "game": "wallstroulette", "round": 1,
                       "externalId": order, "playerId": "alice" });
    Message::new(Operation::OrderBetResult, order, &body)
}

/// A stage with a player, a deposit, a bet that was lost, and one that alice could not pay. Rows 1 to 5.
async fn played(base: Base) -> Stage {
    let stage = Stage::open(base, ACME).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1.50", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("one")).await), "201");
    assert_eq!(code(&wire.ask(lose("one")).await), "200");
    assert_eq!(code(&wire.ask(bet("two")).await), "492");
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_shown_with_its_reply_its_chain_and_its_transfers() {
    on_both(async |base| {
        let stage = played(base).await;
        let row = told(&stage, &["journal", "show", "--number", "3"]).await;
        assert_eq!(row["command"]["act"], "place_bet");
        assert_eq!((&row["outcome"], &row["kept"]), (&json!({ "done": "bet_placed" }), &json!(true)));
        assert_eq!(row["reply"], json!({ "code": "201", "body": r#"{"code":"201"}"# }));
        let (before, after) = (
            told(&stage, &["journal", "show", "--number", "2"]).await,
            told(&stage, &["journal", "show", "--number", "4"]).await,
        );
        let chain = &row["chain"];
        assert_eq!((&chain["holds"], &chain["sealed"]), (&json!(true), &json!(false)));
        assert_eq!(chain["previous"]["hash"], before["hash"]);
        assert_eq!(chain["next"]["hash"], after["hash"]);
        let [moved] = row["transfers"].as_array().expect("transfers").as_slice() else { panic!("one: {row}") };
        assert_eq!((&moved["debit"]["owner"], &moved["credit"]["owner"]), (&json!("alice"), &json!("house")));
        assert_eq!((&moved["amount_minor"], &row["sum_minor"]), (&json!(100), &json!({ "CHF": "0" })));
        let people = stage.done(&["journal", "show", "--number", "3"]).await;
        for words in
            ["follows from its predecessor", "order=wallstroulette/one", "alice real", "-1.00", r#"201 {"code":"201"}"#]
        {
            assert!(people.contains(words), "{words}: {people}");
        }
        // Whoever changes a row breaks the chain there, and that is seen.
        execute(&stage.database, "UPDATE journal SET outcome = '{\"done\":\"player_opened\"}' WHERE seq = 3").await;
        assert_eq!(told(&stage, &["journal", "show", "--number", "3"]).await["chain"]["holds"], false);
        let said = refused(&stage, &["journal", "show", "--number", "99"], 1).await;
        assert!(said.contains("the journal has no row 99"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_correlation_ids_and_orders_are_found_pruned_or_not() {
    on_both(async |base| {
        let mut stage = played(base).await;
        stage.stop().await;
        for (turn, pruned) in [false, true].into_iter().enumerate() {
            if pruned {
                stage.done(&["journal", "prune", "--before", "0s"]).await;
            }
            assert_eq!(numbers(&told(&stage, &HISTORY).await), [5, 4, 3, 2, 1], "{base:?}");
            let page = [&HISTORY[..], &["--before", "4", "--limit", "2"]].concat();
            assert_eq!(numbers(&told(&stage, &page).await), [3, 2], "{base:?}");
            let bets = told(&stage, &["journal", "show", "--party", "acme", "--correlation", "one"]).await;
            assert_eq!(numbers(&bets).last(), Some(&3), "{bets}");
            let named = ["order", "show", "--party", "acme", "--player", "alice", "--external-id"];
            let one = told(&stage, &[&named[..], &["one"]].concat()).await;
            assert_eq!((&one[0]["order"]["state"], &one[0]["order"]["stake"]), (&json!("lost"), &json!("1.00")));
            assert_eq!(numbers(&one[0]["rows"]), [3, 4], "{one}");
            assert_eq!(one[0]["rows"][1]["chain"]["holds"], true, "{one}");
            let bet = one[0]["order"]["bet"].as_str().expect("a UUID");
            assert_eq!(told(&stage, &["order", "show", "--bet", bet]).await, one);
            let two = told(&stage, &[&named[..], &["two"]].concat()).await;
            assert_eq!((&two[0]["order"]["state"], numbers(&two[0]["rows"])), (&json!("refused"), vec![5]));
            assert_eq!(two[0]["rows"][0]["reply"]["code"], "492");
            let people = stage.done(&HISTORY).await;
            assert_eq!(people.lines().count(), 6, "{people}");
            assert_eq!(people.matches("(pruned)").count(), turn * 4, "{people}");
            let rebuilt = stage.done(&["journal", "index", "--rebuild"]).await;
            assert!(rebuilt.starts_with("0 journal rows were added to the index; 5 come after it"), "{rebuilt}");
        }
        let said =
            refused(&stage, &["order", "show", "--party", "acme", "--player", "alice", "--external-id", "three"], 1);
        assert!(said.await.contains("there is no such order"));
        for usage in [
            &["journal", "show"][..],
            &["journal", "show", "--correlation", "one"],
            &["order", "show", "--external-id", "one"],
            &[&HISTORY[..], &["--limit", "1001"]].concat(),
        ] {
            refused(&stage, usage, 2).await;
        }
        stage.audit().await;
    })
    .await;
}

/// The journal is longer than a segment by the time it serves: what was there before is brought into the index.
#[tokio::test(flavor = "multi_thread")]
async fn serve_brings_the_index_up_to_date_and_a_killed_one_leaves_it_right() {
    const ROWS: usize = 20_000;
    let mut stage = Stage::open(Base::Sqlite, ACME).await;
    stage.add_player("acme", "alice").await;
    let mut writer = stage.database.writer().expect("a writer");
    let deposits: Vec<String> = (0..ROWS).map(|number| format!("deposit alice 1 CHF key={number}\n")).collect();
    for (turn, chunk) in deposits.chunks(512).enumerate() {
        apply(&mut writer, &commands("acme", &chunk.concat())).await.expect("applied");
        if turn % 8 == 7 {
            stage.serving.take().expect("it serves").kill();
            stage.serve();
        }
    }
    let position = "SELECT number FROM history_position";
    until("the index has caught up", async || number(&stage.database, position).await == 16_384).await;
    let shown = async || reqwest::get(stage.url("/metrics")).await.ok()?.text().await.ok();
    let behind = format!("purser_history_behind_rows {}", ROWS + 1 - 16_384);
    until(&behind, async || shown().await.is_some_and(|text| text.lines().any(|line| line == behind))).await;
    let newest = told(&stage, &[&HISTORY[..], &["--limit", "1000"]].concat()).await;
    assert_eq!(numbers(&newest), (19_002..=20_001).rev().collect::<Vec<_>>());
    let oldest = told(&stage, &[&HISTORY[..], &["--before", "5"]].concat()).await;
    assert_eq!(numbers(&oldest), [4, 3, 2, 1]);
    assert!(!stage.log().contains("ERROR"), "{}", stage.log());
    stage.audit().await;
}
