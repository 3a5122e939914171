//! Several ledgers: each party's players and money are in the one that its section names, and what befalls one of them
//! is nothing to the parties of another.

use serde_json::Value;

use super::services::Addresses;
use super::stage::{Base, Stage, on_both};
use super::wire::{Message, Wire, bet, code};
use crate::patience::until;

/// Two parties, of which the second is in a ledger of its own at this address.
fn parties(second: &str) -> String {
    format!(
        r#"
[ledger]
ordering_grace = "600ms"
[ledgers.second]
url = "{second}"
[parties.acme]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.beta]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
ledger = "second"
"#
    )
}

/// A bet of one of the parties' alice.
fn bet_of(party: &'static str, order: &str) -> Message {
    Message { party, ..bet(order) }
}

async fn two_ledgers(base: Base) -> Stage {
    let mut stage = Stage::prepare(base, "", &Addresses::shared()).await;
    let second = format!("sqlite://{}", stage.file("second.db").display());
    stage.reconfigure(&parties(&second));
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_in_two_ledgers_are_served_side_by_side() {
    on_both(async |base| {
        let mut stage = two_ledgers(base).await;
        assert!(stage.done(&["migrate"]).await.contains("ledger second: applied"));
        stage.serve();
        stage.until_ready().await;
        for party in ["acme", "beta"] {
            stage.add_player(party, "alice").await;
            stage.deposit(party, "alice", "10", "CHF").await;
        }
        let mut wire = Wire::connect(&stage).await;
        for (party, order, expected) in [("acme", "one", "201"), ("beta", "one", "201"), ("beta", "two", "201")] {
            assert_eq!(code(&wire.ask(bet_of(party, order)).await), expected, "{party} {order}");
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 900);
        assert_eq!(stage.balance("beta", "alice", "CHF").await, 800);

        let both = stage.done(&["audit"]).await;
        for said in ["ledger default\n", "ledger second\n", "3 commands, 2 transfers", "4 commands, 3 transfers"] {
            assert!(both.contains(said), "{said}: {both}");
        }
        let second: Value =
            serde_json::from_str(&stage.done(&["audit", "--ledger", "second", "--json"]).await).expect("JSON");
        assert_eq!(second["commands"], 4);
        let parties = second["books"].as_array().expect("books").iter().map(|book| book["party"].as_str());
        assert_eq!(parties.collect::<Vec<_>>(), [Some("beta")]);

        let unsaid = stage.run(&["journal", "show", "--number", "1"]).await;
        assert_eq!(unsaid.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&unsaid.stderr).contains("say --ledger default, second"));
        stage.done(&["journal", "show", "--number", "4", "--ledger", "second"]).await;
        let metrics = reqwest::get(stage.url("/metrics")).await.expect("answered").text().await.expect("text");
        assert!(metrics.contains("purser_approvals_pending{ledger=\"second\"} 0"), "{metrics}");
        stage.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_ledger_is_away_the_parties_of_the_others_are_served() {
    let mut stage = Stage::prepare(Base::Sqlite, "", &Addresses::shared()).await;
    stage.reconfigure(&parties("postgres://nobody@127.0.0.1:1/nothing"));
    stage.serve();
    until("the first ledger is ready", async || {
        let report = stage.readyz().await;
        report.is_some_and(|(status, report)| {
            let database = report["database"].as_str().unwrap_or_default().to_owned();
            status == 200 && database.starts_with("ready, but away for ledger second")
        })
    })
    .await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet_of("acme", "one")).await), "201");
    let audited = stage.run(&["audit"]).await;
    assert_eq!(audited.status.code(), Some(1), "a ledger that is away is not sound");
    stage.done(&["audit", "--ledger", "default"]).await;
    // The end does not wait for the one that is away.
    stage.stop().await;
}
