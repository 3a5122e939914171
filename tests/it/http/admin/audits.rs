use diesel::connection::SimpleConnection as _;
use purser::config::Role;
use purser::storage::StoreError;
use purser::storage::queries::AnyConnection;
use serde_json::{Value, json};

use super::{execute, open, post, problem, shown};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::client::now;
use crate::http::console::{page, sign_in};
use crate::patience::until;

/// What is known once no audit runs.
async fn ended(stage: &Stage) -> Value {
    let mut told = Value::Null;
    until("no audit runs", async || {
        told = shown(stage, Role::Operator, "/audit").await;
        told["running"].is_null()
    })
    .await;
    told
}

async fn start(stage: &Stage) {
    let started = post(Role::Operator, "/audit", &Value::Null).send(stage).await;
    assert_eq!(started.status, 202, "{}", started.text());
    assert_eq!(started.json()["running"]["by"], "the-operator");
}

async fn gauge(stage: &Stage, name: &str) -> Option<f64> {
    let metrics = reqwest::get(stage.url("/metrics")).await.expect("an answer").text().await.expect("text");
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a number"))
}

async fn last_success(stage: &Stage) -> f64 {
    gauge(stage, "purser_audit_last_success_timestamp_seconds").await.unwrap_or(-1.0)
}

async fn verdict(stage: &Stage) -> Option<f64> {
    gauge(stage, "purser_audit_sound").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_beside_serve_finds_what_the_command_finds_and_is_remembered() {
    on_both(async |base| {
        let mut stage = open(base).await;
        let none = shown(&stage, Role::Operator, "/audit").await;
        assert_eq!(none, json!({ "running": null, "last": null, "succeeded_at": null }));
        until("the metric is there", async || last_success(&stage).await == 0.0).await;
        assert_eq!(verdict(&stage).await, None, "nobody has asked");
        start(&stage).await;
        let sound = ended(&stage).await;
        let command: Value = serde_json::from_str(&stage.done(&["audit", "--json"]).await).expect("JSON");
        let last = &sound["last"];
        assert_eq!((&last["is_sound"], &last["report"]["findings"]), (&json!(true), &json!([])), "{sound}");
        assert_eq!((&last["digest"], &last["report"]["books"]), (&command["digest"], &command["books"]));
        assert_eq!(sound["succeeded_at"], last["ended_at"]);
        let trail = shown(&stage, Role::Admin, "/trail?limit=2").await;
        let outcome = trail["items"][0]["outcome"].as_str().expect("an outcome");
        assert!(outcome.starts_with("done: the ledger is sound, digest "), "{outcome}");
        assert_eq!((&trail["items"][1]["act"], &trail["items"][1]["outcome"]), (&json!("audit"), &json!("begun")));

        // After a restart it is known still.
        stage.stop().await;
        stage.serve();
        stage.until_ready().await;
        assert_eq!(ended(&stage).await, sound);
        until("the metric is there again", async || last_success(&stage).await > 0.0).await;
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        let age = now() as f64 - last_success(&stage).await;
        assert!((0.0..600.0).contains(&age), "{age}");

        assert!(execute(&stage, "UPDATE accounts SET balance = balance + 1 WHERE side = 'player'").await);
        start(&stage).await;
        let wrong = ended(&stage).await;
        assert_eq!((&wrong["last"]["is_sound"], &wrong["succeeded_at"]), (&json!(false), &sound["succeeded_at"]));
        assert_ne!(wrong["last"]["report"]["findings"], json!([]));
        until("the alert's metric says so", async || verdict(&stage).await == Some(0.0)).await;
        let page = page(&stage, &sign_in(&stage, Role::Viewer).await, "/health").await;
        assert!(page.contains("The ledger is not sound") && page.contains("compare with the last backup"), "{page}");

        // One that breaks off does not make it sound.
        assert!(execute(&stage, "ALTER TABLE approvals RENAME TO elsewhere").await);
        start(&stage).await;
        let broken = ended(&stage).await;
        assert!(execute(&stage, "ALTER TABLE elsewhere RENAME TO approvals").await);
        let last = &broken["last"];
        assert_eq!(last["report"]["findings"], wrong["last"]["report"]["findings"], "{broken}");
        assert!(last["report"]["error"].is_string() && last["is_sound"] == json!(false), "{broken}");
        stage.stop().await;
        stage.serve();
        stage.until_ready().await;
        until("it is told after a restart", async || verdict(&stage).await == Some(0.0)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_audit_runs_at_a_time() {
    let stage = open(Base::Postgres).await;
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    // What it comes to late cannot be read.
    let holding = stage.database.query(move |conn| {
        let AnyConnection::Postgres(conn) = conn else { panic!("not Postgres") };
        let refused = |error: diesel::result::Error| StoreError::Rejected(error.to_string());
        conn.batch_execute("BEGIN; LOCK TABLE approvals IN ACCESS EXCLUSIVE MODE").map_err(refused)?;
        locked.send(()).expect("somebody waits");
        released.recv().expect("released");
        conn.batch_execute("ROLLBACK").map_err(refused)
    });
    let trying = async {
        is_locked.await.expect("locked");
        start(&stage).await;
        for _ in 0..2 {
            let (status, detail) = problem(&post(Role::Admin, "/audit", &Value::Null).send(&stage).await);
            assert_eq!((status, detail.contains("which the-operator has started")), (409, true), "{detail}");
        }
        // It is told who has started it at once, and how far it has to go when it has looked.
        until("it knows the last row", async || {
            let running = shown(&stage, Role::Operator, "/audit").await["running"].clone();
            assert_eq!(running["by"], "the-operator", "{running}");
            running["last"] == 2
        })
        .await;
        release.send(()).expect("it waits");
    };
    let (held, ()) = tokio::join!(holding, trying);
    held.expect("held");
    assert_eq!(ended(&stage).await["last"]["is_sound"], true);
    start(&stage).await;
    ended(&stage).await;
    let trail = shown(&stage, Role::Admin, "/trail?limit=200").await;
    let refused =
        trail["items"].as_array().expect("a list").iter().filter(|entry| {
            entry["outcome"].as_str().is_some_and(|outcome| outcome.starts_with("refused: an audit runs"))
        });
    assert_eq!(refused.count(), 2);
}
