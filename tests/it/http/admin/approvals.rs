mod command_line;

use purser::admin::approvals as road;
use purser::admin::trail::Actor;
use purser::cli::CommandFailure;
use purser::config::Role;
use purser::storage::Reader;
use purser::wallet::direct;
use serde_json::{Value, json};
use uuid::Uuid;

use super::looks::{adjustment, rpc};
use super::{config, execute, get, post, problem, shown, token};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::client::{Call, Response};
use crate::patience::until;

const DEPOSITS: &str = "/parties/acme/players/alice/deposits";
const WITHDRAWALS: &str = "/parties/acme/players/alice/withdrawals";

/// Up to 50.00 CHF one person moves alone.
async fn open(base: Base, more: &str) -> Stage {
    let config = config() + "[approvals]\nthreshold = { CHF = 5000, GBP = 100 }\n" + more;
    let stage = Stage::open(base, &config).await;
    stage.done(&["player", "add", "--party", "acme", "--player", "alice"]).await;
    stage.deposit("acme", "alice", "50.00", "CHF").await;
    stage
}

fn amount(amount: &str, key: &str) -> Value {
    json!({ "amount": amount, "currency": "CHF", "key": key, "reason": "a slip" })
}

/// Asks for a transfer that has to wait; answers with the approval's id.
async fn ask(stage: &Stage, path: &str, body: &Value) -> String {
    let response = post(Role::Operator, path, body).send(stage).await;
    assert_eq!(response.status, 202, "{}", response.text());
    response.json()["id"].as_str().expect("an id").to_owned()
}

async fn decide(stage: &Stage, role: Role, id: &str, decision: &str) -> Response {
    let call = Call::new("POST", format!("/admin/v1/approvals/{id}/{decision}")).bearer(&token(role));
    call.send(stage).await
}

/// The ids that wait, or all of them, each with its state.
async fn listed(stage: &Stage, query: &str) -> Vec<(String, String)> {
    let page = shown(stage, Role::Approver, &format!("/approvals{query}")).await;
    let text = |item: &Value, name: &str| item[name].as_str().expect("text").to_owned();
    page["items"].as_array().expect("a list").iter().map(|item| (text(item, "id"), text(item, "state"))).collect()
}

/// What the trail says was done, without what went before.
async fn outcomes(stage: &Stage, act: &str) -> Vec<String> {
    let trail = shown(stage, Role::Admin, "/trail?limit=200").await;
    let entries = trail["items"].as_array().expect("a list").iter().rev().filter(|entry| entry["act"] == act);
    entries
        .map(|entry| format!("{}: {}", entry["who"].as_str().expect("who"), entry["outcome"].as_str().expect("how")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_one_is_moved_once_by_another() {
    on_both(async |base| {
        let stage = open(base, "").await;
        // As much as one may, and a hundredth more.
        assert_eq!(post(Role::Operator, DEPOSITS, &amount("50.00", "a")).send(&stage).await.status, 201);
        let asked = post(Role::Operator, DEPOSITS, &amount("50.01", "b")).send(&stage).await;
        assert_eq!((asked.status, asked.json()["state"].as_str()), (202, Some("pending")), "{}", asked.text());
        let id = asked.json()["id"].as_str().expect("an id").to_owned();
        let told = asked.json();
        for (name, value) in [
            ("amount", json!("50.01")),
            ("amount_minor", json!(5001)),
            ("act", json!("deposit")),
            ("bucket", json!("real")),
            ("asked_by", json!("the-operator")),
            ("reason", json!("a slip")),
            ("decided_by", Value::Null),
        ] {
            assert_eq!(told[name], value, "{told}");
        }
        // The same again, at once and by somebody else, is the same request.
        let again: Vec<_> = (0..4).map(|_| post(Role::Admin, DEPOSITS, &amount("50.01", "b")).send(&stage)).collect();
        for again in futures_util::future::join_all(again).await {
            assert_eq!((again.status, &again.json()["id"]), (202, &json!(id)));
        }
        let other = post(Role::Operator, DEPOSITS, &amount("1.00", "b")).send(&stage).await;
        assert!(problem(&other).1.contains("used before for another transfer"), "{}", other.text());
        let under_its_id = post(Role::Operator, DEPOSITS, &amount("1.00", &id)).send(&stage).await;
        let (_, why) = problem(&under_its_id);
        assert!(why.contains("the id of an approval"), "{why}");
        assert!(outcomes(&stage, "deposit").await.contains(&format!("the-operator: refused: {why}")), "{why}");
        assert_eq!((stage.balance("acme", "alice", "CHF").await, listed(&stage, "").await.len()), (10_000, 1));

        // Twice at once, and once more.
        let twice = [Role::Approver, Role::Admin].map(|role| decide(&stage, role, &id, "approve"));
        let mut answers = futures_util::future::join_all(twice).await;
        answers.push(decide(&stage, Role::Approver, &id, "approve").await);
        for answer in answers {
            assert_eq!(answer.status, 200, "{}", answer.text());
            let body = answer.json();
            assert_eq!((&body["state"], &body["transfer"]["balance"]), (&json!("moved"), &json!("150.01")));
            assert_eq!(body["transfer"]["key"], json!(id));
        }
        assert_eq!((stage.balance("acme", "alice", "CHF").await, listed(&stage, "").await), (15_001, vec![]));
        assert_eq!(listed(&stage, "?all=true").await, [(id.clone(), "moved".to_owned())]);
        // Whoever asked hears now what was moved.
        let moved = post(Role::Operator, DEPOSITS, &amount("50.01", "b")).send(&stage).await;
        assert_eq!((moved.status, &moved.json()["balance"]), (201, &json!("150.01")));
        assert_eq!(problem(&decide(&stage, Role::Approver, &id, "reject").await).0, 409);
        stage.audit().await;
        // What pruning leaves of the transfer is enough to answer by, and to be audited.
        let pruned = stage.done(&["journal", "prune", "--before", "0s", "--json"]).await;
        let pruned: Value = serde_json::from_str(&pruned).expect("JSON");
        assert!(pruned["rows"].as_i64().is_some_and(|rows| rows >= 4), "{pruned}");
        let after = decide(&stage, Role::Admin, &id, "approve").await;
        assert_eq!((after.status, &after.json()["transfer"]["balance"]), (200, &json!("150.01")), "{}", after.text());
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 15_001);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_on_what_he_has_asked_for_and_the_trail_has_who_tried() {
    on_both(async |base| {
        let stage = open(base, "").await;
        let asked = post(Role::Approver, DEPOSITS, &amount("99.00", "a")).send(&stage).await;
        let id = asked.json()["id"].as_str().expect("an id").to_owned();
        for decision in ["approve", "reject"] {
            let (status, detail) = problem(&decide(&stage, Role::Approver, &id, decision).await);
            assert_eq!((status, detail.contains("the-approver asked for it")), (403, true), "{detail}");
            let low = decide(&stage, Role::Operator, &id, decision).await;
            assert_eq!((problem(&low).0, &low.json()["needed_role"]), (403, &json!("approver")));
        }
        assert_eq!(problem(&get(Role::Operator, "/approvals").send(&stage).await).0, 403);
        let nobody = Uuid::new_v4().to_string();
        assert_eq!(problem(&decide(&stage, Role::Admin, &nobody, "approve").await).0, 404);
        assert_eq!(problem(&decide(&stage, Role::Admin, "seven", "approve").await).0, 400);

        let rejected = decide(&stage, Role::Admin, &id, "reject").await;
        assert_eq!((rejected.status, &rejected.json()["state"]), (200, &json!("rejected")));
        assert_eq!(rejected.json()["decided_by"], "the-admin");
        assert_eq!(decide(&stage, Role::Admin, &id, "reject").await.status, 200);
        assert_eq!(problem(&decide(&stage, Role::Admin, &id, "approve").await).0, 409);
        let again = post(Role::Approver, DEPOSITS, &amount("99.00", "a")).send(&stage).await;
        assert_eq!(problem(&again), (409, format!("approval {id} was rejected: ask again under another key")));
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 5_000);

        let deposits = outcomes(&stage, "deposit").await;
        let expected = [
            format!("waits for approval {id}"),
            format!("refused: approval {id} was rejected: ask again under another key"),
        ];
        assert_eq!(deposits[2..], expected.map(|outcome| format!("the-approver: {outcome}")));
        let own = "the-approver: refused: the-approver asked for it, and whoever asks does not decide";
        let low = "the-operator: refused: the role is operator, and approver is needed";
        let late = "the-admin: refused: it was decided on before, and is rejected";
        assert_eq!(outcomes(&stage, "approval approve").await, [own, low, late]);
        let done = "the-admin: done: nothing is moved";
        assert_eq!(outcomes(&stage, "approval reject").await, [own, low, done, done]);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_decides_on_expires_and_what_cannot_be_moved_is_not() {
    on_both(async |base| {
        let stage = open(base, "expire = \"3s\"\n").await;
        let id = ask(&stage, DEPOSITS, &amount("60", "late")).await;
        until("it has expired", async || listed(&stage, "").await.is_empty()).await;
        assert_eq!(listed(&stage, "?all=true").await, [(id.clone(), "expired".to_owned())]);
        for decision in ["approve", "reject"] {
            let (status, detail) = problem(&decide(&stage, Role::Approver, &id, decision).await);
            assert_eq!((status, detail.contains("it has expired")), (409, true), "{detail}");
        }
        let again = post(Role::Operator, DEPOSITS, &amount("60", "late")).send(&stage).await;
        assert!(problem(&again).1.contains("has expired: ask again"), "{}", again.text());
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 5_000);
        stage.audit().await;

        let stage = open(base, "").await;
        let nobody =
            post(Role::Operator, "/parties/acme/players/nobody/deposits", &amount("60", "n")).send(&stage).await;
        assert_eq!(problem(&nobody).0, 404);
        // Too little is there, and later there is enough.
        let id = ask(&stage, WITHDRAWALS, &amount("60", "w")).await;
        let short = problem(&decide(&stage, Role::Approver, &id, "approve").await);
        assert_eq!((short.0, short.1.contains("the balance is 50.00 CHF, too little")), (409, true), "{short:?}");
        assert_eq!(listed(&stage, "").await, [(id.clone(), "approved".to_owned())]);
        stage.deposit("acme", "alice", "10.00", "CHF").await;
        assert_eq!(decide(&stage, Role::Admin, &id, "approve").await.status, 200);
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 0);
        stage.audit().await;
    })
    .await;
}

/// Where the program ends once it is written down that somebody approves, and where it ends once the ledger has moved it.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_was_cut_short_is_carried_to_its_end_once() {
    on_both(async |base| {
        for has_moved in [false, true] {
            let mut stage = open(base, "").await;
            let id = ask(&stage, DEPOSITS, &amount("70.00", "a")).await;
            let (reader, parsed) = (Reader::new(stage.database.clone()), id.parse().expect("a UUID"));
            let dave = Actor { who: "dave".into(), role: "approver", origin: "192.0.2.7".to_owned() };
            let (reached, has_reached) = tokio::sync::oneshot::channel();
            let database = stage.database.clone();
            let approving = tokio::spawn(async move {
                let cut = async |approval: &road::Approval| {
                    if has_moved {
                        let mut writer = database.writer().expect("a writer");
                        direct::apply(&mut writer, approval.command(purser::clock::now())).await.expect("moved");
                    }
                    reached.send(()).expect("somebody waits");
                    std::future::pending::<Result<((), String), CommandFailure>>().await
                };
                road::approve(&reader, &dave, parsed, cut).await.map(drop)
            });
            has_reached.await.expect("reached");
            approving.abort();
            assert!(approving.await.is_err_and(|error| error.is_cancelled()));
            // So it stands after kill -9, and after the next start.
            stage.serving.take().expect("it serves").kill();
            stage.serve();
            stage.until_ready().await;
            let state = if has_moved { "moved" } else { "approved" };
            assert_eq!(listed(&stage, "?all=true").await, [(id.clone(), state.to_owned())]);
            stage.audit().await;
            assert_eq!(problem(&decide(&stage, Role::Admin, &id, "reject").await).0, 409);
            assert_eq!(problem(&decide(&stage, Role::Operator, &id, "approve").await).0, 403);
            let finished = decide(&stage, Role::Admin, &id, "approve").await;
            assert_eq!((finished.status, &finished.json()["decided_by"]), (200, &json!("dave")), "{}", finished.text());
            assert_eq!(stage.balance("acme", "alice", "CHF").await, 12_000, "{base:?}, moved before: {has_moved}");
            stage.audit().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_of_much_is_approved_by_two() {
    on_both(async |base| {
        let stage = open(base, "").await;
        stage.done(&["player", "add", "--party", "acme", "--player", "77", "--currency", "GBP"]).await;
        stage.deposit("acme", "77", "1.00", "GBP").await;
        let staked = rpc(&stage, "AdjustBalance", adjustment(2, "stake", "-1", &json!(0))).await;
        let mut numbers = Vec::new();
        for (reference, amount) in [("little", "1"), ("much", "2.5")] {
            let source = &staked["bet365_games_transaction_id"];
            let paid = rpc(&stage, "AdjustBalance", adjustment(3, reference, amount, source)).await;
            let number = paid["bet365_games_transaction_id"].clone();
            let queued = json!({ "transaction_type_id": 6, "source_bet365_games_transaction_id": number });
            rpc(&stage, "QueueManualVoidReturn", queued).await;
            numbers.push(number);
        }
        let resolve = |number: &Value| {
            post(Role::Approver, &format!("/parties/acme/voids/{number}/approve"), &json!({})).send(&stage)
        };
        assert_eq!(resolve(&numbers[0]).await.status, 200);
        let asked = resolve(&numbers[1]).await;
        assert_eq!((asked.status, &asked.json()["amount"]), (202, &json!("2.50")), "{}", asked.text());
        assert_eq!((&asked.json()["act"], &asked.json()["transaction"]), (&json!("void approve"), &numbers[1]));
        let first = asked.json()["id"].as_str().expect("an id").to_owned();
        assert_eq!(decide(&stage, Role::Admin, &first, "reject").await.status, 200);
        // The void still waits, and may be asked for again.
        let number = numbers[1].to_string();
        let asked = stage.done(&["voids", "approve", "--json", "--party", "acme", &number]).await;
        let asked: Value = serde_json::from_str(&asked).expect("JSON");
        let second = asked["id"].as_str().expect("an id");
        assert_ne!(second, first);
        assert_eq!(stage.balance("acme", "77", "GBP").await, 250);
        for _ in 0..2 {
            let approved = decide(&stage, Role::Approver, second, "approve").await;
            assert_eq!((approved.status, &approved.json()["transfer"]["number"]), (200, &numbers[1]));
        }
        assert_eq!((resolve(&numbers[1]).await.status, stage.balance("acme", "77", "GBP").await), (200, 0));
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_sees_an_approval_that_was_tampered_with() {
    on_both(async |base| {
        let stage = open(base, "").await;
        let moved = ask(&stage, DEPOSITS, &amount("55.00", "moved")).await;
        assert_eq!(decide(&stage, Role::Admin, &moved, "approve").await.status, 200);
        ask(&stage, DEPOSITS, &amount("56.00", "waiting")).await;
        stage.audit().await;
        for (sql, undo, finding) in [
            (
                "UPDATE approvals SET state = 'pending' WHERE key = 'moved'",
                "UPDATE approvals SET state = 'moved' WHERE key = 'moved'",
                "is pending, and journal row",
            ),
            (
                "UPDATE approvals SET state = 'moved' WHERE key = 'waiting'",
                "UPDATE approvals SET state = 'pending' WHERE key = 'waiting'",
                "is moved, and the journal has no such command",
            ),
            (
                "UPDATE approvals SET decided_by = asked_by WHERE key = 'moved'",
                "UPDATE approvals SET decided_by = 'the-admin' WHERE key = 'moved'",
                "was decided on by whoever asked for it",
            ),
            (
                "UPDATE approvals SET command = replace(command, '5500', '5501') WHERE key = 'moved'",
                "UPDATE approvals SET command = replace(command, '5501', '5500') WHERE key = 'moved'",
                "was moved otherwise than it was approved",
            ),
            (
                "UPDATE approvals SET command = replace(command, '\"key\":\"', '\"key\":\"x') WHERE key = 'waiting'",
                "UPDATE approvals SET command = replace(command, '\"key\":\"x', '\"key\":\"') WHERE key = 'waiting'",
                "would move money under another key than its own",
            ),
        ] {
            assert!(execute(&stage, sql).await, "{sql}");
            let audited = stage.run(&["audit"]).await;
            let says = String::from_utf8_lossy(&audited.stdout).into_owned();
            assert!(audited.status.code() == Some(1) && says.contains(finding), "{base:?}: {says}, not {finding}");
            assert!(execute(&stage, undo).await, "{undo}");
            stage.audit().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_and_a_key_is_used_once_even_behind_its_back() {
    let stage = open(Base::Sqlite, "").await;
    let gauge = async |value: &str| {
        let metrics = reqwest::get(stage.url("/metrics")).await.expect("an answer").text().await.expect("text");
        metrics.lines().any(|line| line.strip_prefix("purser_approvals_pending ") == Some(value))
    };
    let id = ask(&stage, DEPOSITS, &amount("55.00", "k")).await;
    until("it is counted", async || gauge("1").await).await;
    // As if it had been asked for at the same moment.
    let deposit = purser::ledger::accounts::Cash {
        player: purser::ledger::PlayerId::parse("alice").expect("a player"),
        pocket: purser::ledger::Pocket::real(purser::ledger::Currency::parse("CHF").expect("a currency")),
        amount: purser::ledger::Amount::new(100).expect("an amount"),
        key: "k".into(),
    };
    let command = purser::ledger::Command {
        party: crate::e2e::stage::party("acme"),
        at: purser::clock::now(),
        correlation: None,
        act: purser::ledger::Act::Account(purser::ledger::AccountAct::Deposit(deposit)),
    };
    direct::apply(&mut stage.database.writer().expect("a writer"), command).await.expect("moved");
    let (status, detail) = problem(&decide(&stage, Role::Admin, &id, "approve").await);
    assert_eq!((status, detail.contains("moved under its key meanwhile")), (409, true), "{detail}");
    assert_eq!(decide(&stage, Role::Admin, &id, "reject").await.status, 200);
    until("none is counted", async || gauge("0").await).await;
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 5_100);
    stage.audit().await;
}
