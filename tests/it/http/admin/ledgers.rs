use purser::config::Role;
use serde_json::{Value, json};

use super::{get, operators, post, problem, shown, token};
use crate::e2e::ledgers::{bet_of, moved, parties, two_ledgers_and, until_all_are_served};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Stage, on_both};
use crate::e2e::wire::{Wire, code};
use crate::http::client::Call;
use crate::patience::until;

/// A member of each item of a list.
fn members<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    list.as_array().expect("a list").iter().filter_map(|item| item[name].as_str()).collect()
}

/// A page of the console, for the administrator.
async fn page(stage: &Stage, path: &str) -> String {
    let response = Call::new("GET", format!("/console{path}")).bearer(&token(Role::Admin)).send(stage).await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    response.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ledger_is_seen_and_it_is_told_whose_a_number_is() {
    on_both(async |base| {
        let (mut stage, _) = two_ledgers_and(base, &operators()).await;
        stage.serve();
        until_all_are_served(&mut stage).await;
        for (party, amount) in [("acme", "10"), ("beta", "20")] {
            stage.add_player(party, "alice").await;
            stage.deposit(party, "alice", amount, "CHF").await;
        }
        let mut wire = Wire::connect(&stage).await;
        assert_eq!(code(&wire.ask(bet_of("beta", "one")).await), "201");

        let found = shown(&stage, Role::Viewer, "/search?q=alice").await;
        assert_eq!(members(&found["found"], "party"), ["acme", "beta"]);
        assert_eq!((&found["ledgers"], &found["away"]), (&json!(["default", "second"]), &json!([])));
        let found = shown(&stage, Role::Viewer, "/search?q=2").await;
        let paths = members(&found["found"], "path");
        assert_eq!(paths, ["/admin/v1/journal/2", "/admin/v1/journal/2?ledger=second"]);
        for (path, amount) in [("/journal/2", 1_000), ("/journal/2?ledger=second", 2_000)] {
            let row = shown(&stage, Role::Viewer, path).await;
            assert_eq!(row["transfers"][0]["amount_minor"].as_i64(), Some(amount), "{row}");
        }
        let player = shown(&stage, Role::Viewer, "/parties/beta/players/alice").await;
        let real = player["buckets"].as_array().expect("buckets").iter().find(|bucket| bucket["bucket"] == "real");
        assert_eq!(real.expect("real money")["balance"], "19.00", "{player}");
        let unknown = get(Role::Viewer, "/journal/2?ledger=third").send(&stage).await;
        let why = "there is no ledger of that name; there is default, second".to_owned();
        assert_eq!(problem(&unknown), (400, why));
        let html = page(&stage, "/parties/beta/players/alice").await;
        assert!(html.contains("journal/3?ledger=second\""), "{html}");
        stage.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_ledger_is_away_the_others_answer_and_it_is_named() {
    on_both(async |base| {
        let mut stage = Stage::prepare(base, "", &Addresses::shared()).await;
        let threshold = "[approvals]\nthreshold = { CHF = 100 }\n";
        // Before its first player is opened, every other ledger must say that it has none of the party's.
        stage.reconfigure(&parties(&format!("sqlite://{}", stage.file("second.db").display())));
        stage.add_player("acme", "alice").await;
        stage.reconfigure(&(parties("postgres://nobody@127.0.0.1:1/nothing") + threshold + &operators()));
        stage.serve();
        until("the first ledger is served", async || {
            stage.readyz().await.is_some_and(|(status, report)| {
                status == 200 && report["database"].as_str().is_some_and(|said| said.contains("away for ledger second"))
            })
        })
        .await;
        let asked = json!({ "amount": "5.00", "currency": "CHF", "key": "k", "reason": "a test" });
        let waits = post(Role::Operator, "/parties/acme/players/alice/deposits", &asked).send(&stage).await;
        assert_eq!(waits.status, 202, "{}", waits.text());
        let approval = waits.json()["id"].as_str().expect("an id").to_owned();

        let found = shown(&stage, Role::Viewer, "/search?q=alice").await;
        assert_eq!(members(&found["found"], "party"), ["acme"]);
        assert_eq!((&found["ledgers"], &found["away"]), (&json!(["default"]), &json!(["second"])));
        assert_eq!(found["parties"], json!(["acme"]), "it says where it looked");
        let listed = shown(&stage, Role::Approver, "/approvals").await;
        assert_eq!(members(&listed["items"], "id"), [&*approval]);
        assert_eq!(listed["away"], json!(["second"]));
        let csv = get(Role::Approver, "/approvals").header("accept", "text/csv").send(&stage).await;
        assert_eq!((csv.status, csv.header("x-away")), (200, "second"));

        // What is found is answered; what is not may be in the other.
        let approved = post(Role::Approver, &format!("/approvals/{approval}/approve"), &Value::Null).send(&stage).await;
        assert_eq!(approved.status, 200, "{}", approved.text());
        let nothing = "00000000-0000-0000-0000-000000000000";
        for call in [
            get(Role::Viewer, &format!("/orders/{nothing}")),
            post(Role::Approver, &format!("/approvals/{nothing}/reject"), &Value::Null),
        ] {
            let (status, why) = problem(&call.send(&stage).await);
            assert_eq!(status, 503);
            assert!(why.contains("ledger second could not be looked at"), "{why}");
        }
        for path in ["/search?q=alice", "/approvals?all=true", "/voids"] {
            let html = page(&stage, path).await;
            assert!(html.contains("Ledger second could not be looked at"), "{path}: {html}");
        }
        assert!(page(&stage, "/voids").await.contains("beta (its ledger is away)"));
        let health = page(&stage, "/health").await;
        for told in
            ["ledger default</span> <strong class=\"good\">ready", "ledger second</span> <strong class=\"bad\">away"]
        {
            assert!(health.contains(told), "{told}: {health}");
        }
        let listed = stage.run(&["approvals", "list", "--all", "--json"]).await;
        assert_eq!(listed.status.code(), Some(1), "one could not be looked at");
        assert!(String::from_utf8_lossy(&listed.stdout).contains(&approval));
        assert!(String::from_utf8_lossy(&listed.stderr).contains("ledger second could not be looked at"));
        stage.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_party_left_behind_is_still_looked_at_and_audited() {
    on_both(async |base| {
        let (mut stage, _) = two_ledgers_and(base, &operators()).await;
        stage.done(&["migrate"]).await;
        stage.add_player("acme", "alice").await;
        stage.add_player("beta", "bob").await;
        stage.deposit("acme", "alice", "10", "CHF").await;
        stage.done(&["party", "move", "--party", "acme", "--to", "second"]).await;
        let configuration = moved(&stage);
        stage.reconfigure(&configuration);
        stage.serve();
        until_all_are_served(&mut stage).await;
        let found = shown(&stage, Role::Viewer, "/search?q=alice").await;
        assert_eq!((members(&found["found"], "party"), &found["ledgers"]), (vec!["acme"], &json!(["second"])));
        let row = shown(&stage, Role::Viewer, "/journal/2?ledger=default").await;
        assert_eq!(row["transfers"][0]["amount_minor"].as_i64(), Some(1_000), "{row}");
        let trail = shown(&stage, Role::Admin, "/trail?ledger=default").await;
        assert!(members(&trail["items"], "act").contains(&"party move"), "{trail}");
        let started = post(Role::Operator, "/audit?ledger=default", &Value::Null).send(&stage).await;
        assert_eq!(started.status, 202, "{}", started.text());
        until("the audit has ended", async || {
            let told = shown(&stage, Role::Operator, "/audit?ledger=default").await;
            told["running"].is_null() && told["last"]["is_sound"] == true
        })
        .await;
        assert!(page(&stage, "/audit").await.contains("?ledger=default\""), "the page leads there");
        stage.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_written_down_in_the_ledger_that_it_was_about() {
    on_both(async |base| {
        let (mut stage, _) = two_ledgers_and(base, &operators()).await;
        stage.serve();
        until_all_are_served(&mut stage).await;
        let refused = post(Role::Viewer, "/audit?ledger=second", &Value::Null).send(&stage).await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        let form = Call::new("POST", "/console/audit?ledger=second").bearer(&token(Role::Viewer));
        assert_eq!(form.send(&stage).await.status, 403);
        let acts = async |ledger: &str| {
            let trail = shown(&stage, Role::Admin, &format!("/trail?ledger={ledger}")).await;
            members(&trail["items"], "act").len()
        };
        assert_eq!((acts("default").await, acts("second").await), (0, 2));
        stage.stop().await;
    })
    .await;
}
