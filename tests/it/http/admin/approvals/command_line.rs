//! What takes two, from the command line: whoever the system says it is, and what is listed and decided there.

use std::collections::BTreeSet;

use purser::admin::approvals as road;
use purser::admin::trail::Actor;
use purser::cli::CommandFailure;
use purser::config::Role;
use purser::storage::Reader;
use serde_json::{Value, json};

use super::super::{execute, problem};
use super::{DEPOSITS, WITHDRAWALS, amount, ask, decide, open, outcomes};
use crate::e2e::stage::{Base, on_both};

/// Whoever the system has no name for may be anybody: the one who asks, or the one who decides.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_a_name_has_a_part_in_what_takes_two() {
    on_both(async |base| {
        let stage = open(base, "").await;
        let (reader, nobody) = (Reader::new(stage.database.clone()), |who: &str| Actor {
            who: who.into(),
            role: "system",
            origin: "command line on somewhere".to_owned(),
        });
        let id = ask(&stage, DEPOSITS, &amount("70.00", "a")).await;
        for who in ["os:uid 77", "os:root, signed in as uid 77"] {
            let moving = async |_: &road::Approval| panic!("moved");
            let who = nobody(who);
            let approving = road::approve::<(), CommandFailure>(&reader, &who, id.parse().expect("an id"), moving);
            let why = approving.await.map(drop).expect_err("refused").to_string();
            assert!(why.contains("`getent passwd 77`") && why.contains("a token of your own"), "{why}");
            let rejected = road::reject(&reader, &who, id.parse().expect("an id")).await.expect("asked");
            assert!(matches!(rejected, Err(road::Denial::Nameless(_))), "{rejected:?}");
        }
        let told = outcomes(&stage, "approval approve").await;
        assert!(told[0].starts_with("os:uid 77: refused: this takes two people"), "{told:?}");

        // One that was asked for before this was so.
        assert!(execute(&stage, "UPDATE approvals SET asked_by = 'os:uid 77'").await);
        let (status, why) = problem(&decide(&stage, Role::Admin, &id, "approve").await);
        assert_eq!((status, why.contains("os:uid 77 asked for it")), (403, true), "{why}");
        assert_eq!(decide(&stage, Role::Admin, &id, "reject").await.status, 200);
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 5_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_every_approval() {
    let stage = open(Base::Sqlite, "").await;
    ask(&stage, DEPOSITS, &amount("70.00", "first")).await;
    let more = "INSERT INTO approvals SELECT randomblob(16), party, act, key || n, player, currency, amount, command, reason, \
                asked_by, asked_from, asked_at + n % 7, expires_at, state, decided_by, decided_at FROM approvals, \
                (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2100) SELECT n FROM c)";
    assert!(execute(&stage, more).await);
    let listed: Vec<Value> = serde_json::from_str(&stage.done(&["approvals", "list", "--json"]).await).expect("JSON");
    let keys: BTreeSet<_> = listed.iter().map(|approval| approval["key"].to_string()).collect();
    assert_eq!((listed.len(), keys.len()), (2_101, 2_101));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_takes_the_same_road() {
    on_both(async |base| {
        let stage = open(base, "").await;
        let deposit =
            ["deposit", "--party", "acme", "--player", "alice", "--currency", "CHF", "--amount", "80", "--json"];
        let asked: Value = serde_json::from_str(&stage.done(&deposit).await).expect("JSON");
        let id = asked["id"].as_str().expect("an id");
        assert_eq!((&asked["state"], stage.balance("acme", "alice", "CHF").await), (&json!("pending"), 5_000));
        // The same user.
        for decision in ["approve", "reject"] {
            let own = stage.run(&["approvals", decision, id]).await;
            let says = String::from_utf8_lossy(&own.stderr).into_owned();
            assert!(own.status.code() == Some(1) && says.contains("whoever asks does not decide"), "{says}");
        }
        assert_eq!(decide(&stage, Role::Approver, id, "approve").await.status, 200);
        let other = ask(&stage, WITHDRAWALS, &amount("60.00", "w")).await;
        assert!(stage.done(&["approvals", "list"]).await.contains(&other));
        assert!(stage.done(&["approvals", "approve", &other]).await.contains("withdraw of player alice: moved"));
        let third = ask(&stage, WITHDRAWALS, &amount("60.00", "x")).await;
        assert!(stage.done(&["approvals", "reject", &third]).await.contains("nothing is moved"));
        assert!(stage.done(&["approvals", "list"]).await.contains("nothing waits"));
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 7_000);
        stage.audit().await;
    })
    .await;
}
