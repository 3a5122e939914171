use purser::config::Role;
use serde_json::{Value, json};

use super::{get, open, post, shown};
use crate::databases::apply;
use crate::e2e::services::execute;
use crate::e2e::stage::{Base, Stage, on_both};
use crate::script::commands;

/// The trail, oldest first.
async fn trail(stage: &Stage) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut after = String::new();
    // By small pages, so that they are turned.
    loop {
        let page = shown(stage, Role::Admin, &format!("/trail?limit=3{after}")).await;
        entries.extend(page["items"].as_array().expect("a list").iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    entries.reverse();
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_in_the_trail_before_it_is_done_and_after() {
    on_both(async |base| {
        let stage = open(base).await;
        let path = "/parties/acme/players/alice/withdrawals";
        let body = json!({ "amount": "1.00", "currency": "CHF", "key": "w", "reason": "=cmd()" });
        let done = post(Role::Operator, path, &body).send(&stage).await;
        let short = json!({ "amount": "1000.00", "currency": "CHF", "key": "x", "reason": "too much" });
        let refused = post(Role::Approver, path, &short).send(&stage).await;
        let forbidden = post(Role::Viewer, path, &body).send(&stage).await;
        assert_eq!((done.status, refused.status, forbidden.status), (201, 409, 403));

        let trail = trail(&stage).await;
        let numbers: Vec<i64> = trail.iter().map(|entry| entry["number"].as_i64().expect("a number")).collect();
        assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
        let told = |entry: &Value| {
            let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
            [text("role"), text("act"), text("on"), text("outcome")].join(" | ")
        };
        let expected = [
            // The stage was set from the command line.
            "system | player add | alice | begun",
            "system | player add | alice | done",
            "system | deposit | alice | begun",
            "system | deposit | alice | done: balance 100.00 CHF",
            "operator | withdraw | alice | begun",
            "operator | withdraw | alice | done: balance 99.00 CHF",
            "approver | withdraw | alice | begun",
            "approver | withdraw | alice | not done: the balance is 99.00 CHF, too little; nothing was moved (409)",
            "viewer | withdraw | alice | refused: the role is viewer, and operator is needed",
        ];
        assert_eq!(trail.iter().map(told).collect::<Vec<_>>(), expected);
        let begun = &trail[4];
        assert_eq!((&begun["who"], &begun["from"]), (&json!("the-operator"), &json!("127.0.0.1")));
        assert_eq!(begun["detail"]["reason"], "=cmd()");
        assert_eq!((&trail[5]["concludes"], &begun["concludes"]), (&json!(5), &Value::Null));
        assert!(trail[0]["who"].as_str().is_some_and(|who| who.starts_with("os:")), "{}", trail[0]);
        assert!(trail[0]["from"].as_str().is_some_and(|from| from.starts_with("command line on ")), "{}", trail[0]);

        let csv = get(Role::Admin, "/trail?limit=2").header("accept", "text/csv").send(&stage).await;
        let (text, next) = (csv.text(), csv.header("x-next").to_owned());
        assert_eq!((text.matches("\r\n").count(), next.as_str()), (3, "8"), "{text}");
        assert!(text.starts_with("number,at,who,role,from,act,party,on,detail,outcome,concludes,hash\r\n9,"), "{text}");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_command_line_does_to_the_ledger_is_in_the_trail() {
    on_both(async |base| {
        let stage = open(base).await;
        let so_far = trail(&stage).await.len();
        stage.done(&["play", "bet", "--party", "acme", "--player", "carl", "--fund", "5"]).await;
        let exported = stage.file("acme.ndjson");
        std::fs::write(&exported, stage.done(&["journal", "export", "--party", "acme"]).await).expect("a file");
        let exported = exported.display().to_string();
        for dry in [&["replay", "--dry-run", &*exported][..], &["journal", "prune", "--before", "0s", "--dry-run"]] {
            stage.done(dry).await;
        }
        stage.done(&["replay", &exported]).await;
        stage.done(&["journal", "prune", "--before", "0s"]).await;
        let told = trail(&stage).await;
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        let told: Vec<String> = told[so_far..]
            .iter()
            .map(|entry| {
                assert!(text(entry, "who").starts_with("os:"), "{entry}");
                [text(entry, "act"), text(entry, "on"), text(entry, "outcome")].join(" | ")
            })
            .collect();
        let replay = |outcome: &str| format!("replay | {exported} | {outcome}");
        let expected = [
            "deposit | carl | begun".to_owned(),
            "deposit | carl | done".to_owned(),
            replay("begun"),
            replay("done: 0 applied, 5 equal, 0 different, 0 held back"),
            "journal prune | the journal | begun".to_owned(),
            "journal prune | the journal | done: up to journal row 5: 3 shortened, 0 dropped, 2 left whole".to_owned(),
        ];
        assert_eq!(told, expected, "looks and rehearsals are not in it");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_to_try_something_out_is_no_more_than_one_person_may_put_in() {
    let stage = Stage::open(Base::Sqlite, &(super::config() + "[approvals]\nthreshold = { CHF = 500 }\n")).await;
    let play = |fund: &'static str| ["play", "bet", "--party", "acme", "--player", "carl", "--fund", fund];
    stage.done(&play("5")).await;
    let rounds = ["--party", "acme"];
    for refused in [&play("5.01")[..], &[&["demo"][..], &rounds].concat(), &[&["bench"][..], &rounds].concat()] {
        let ran = stage.run(refused).await;
        let why = String::from_utf8_lossy(&ran.stderr);
        assert_eq!((ran.status.code(), why.contains("approvals.threshold lets nobody")), (Some(2), true), "{why}");
    }
    let broker = stage.vhost.amqp_url();
    let conform = ["conform", "wallet", "--amqp", &*broker, "--party", "acme", "--fund"];
    let ran = stage.run(&conform).await;
    let why = String::from_utf8_lossy(&ran.stderr);
    assert_eq!((ran.status.code(), why.contains("approvals.threshold lets nobody")), (Some(2), true), "{why}");
    assert_eq!(stage.balance("acme", "carl", "CHF").await, 400, "what the first bet left");
    let trail = trail(&stage).await;
    assert_eq!(trail.len(), 2, "{trail:?}");
}

async fn audited(stage: &Stage) -> Value {
    serde_json::from_slice(&stage.run(&["audit", "--json"]).await.stdout).expect("a report")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_the_trail_and_the_audit_sees_who_did() {
    on_both(async |base| {
        let stage = open(base).await;
        let report = audited(&stage).await;
        assert_eq!((&report["trail"]["entries"], &report["findings"]), (&json!(4), &json!([])));
        assert_eq!(report["trail"]["head"].as_str().map(str::len), Some(64));
        for sql in ["UPDATE trail SET who = 'nobody' WHERE number = 2", "DELETE FROM trail WHERE number = 4"] {
            assert!(!super::execute(&stage, sql).await, "{base:?}: {sql}");
        }
        // Whoever owns the database can do without what keeps the trail from changing.
        let disarm = match base {
            Base::Sqlite => "DROP TRIGGER trail_never_changes; DROP TRIGGER trail_never_shrinks",
            Base::Postgres => "DROP TRIGGER trail_never_changes ON trail",
        };
        assert!(super::execute(&stage, disarm).await);
        for (sql, undo, finding) in [
            (
                "UPDATE trail SET outcome = 'not done' WHERE number = 2",
                "UPDATE trail SET outcome = 'done' WHERE number = 2",
                "entry 2 of the trail does not follow from the one before it",
            ),
            (
                "UPDATE trail SET number = 40 WHERE number = 4",
                "UPDATE trail SET number = 4 WHERE number = 40",
                "the trail has nothing between its entries 3 and 40",
            ),
            ("DELETE FROM trail WHERE number = 4", "", "the trail ends with entry 3, and its head says 4"),
        ] {
            assert!(super::execute(&stage, sql).await, "{sql}");
            let findings = audited(&stage).await["findings"].to_string();
            assert!(findings.contains(finding), "{base:?}: {findings}, not {finding}");
            if !undo.is_empty() {
                assert!(super::execute(&stage, undo).await, "{undo}");
                assert_eq!(audited(&stage).await["findings"], json!([]));
            }
        }
    })
    .await;
}

/// The database takes the first step, of a thousand rows, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_pruning_that_breaks_off_says_how_much_is_done() {
    on_both(async |base| {
        let stage = open(base).await;
        let deposits: String = (0..1100).map(|n| format!("deposit alice 1 CHF key=many-{n}\n")).collect();
        let mut writer = stage.database.writer().expect("a writer");
        apply(&mut writer, &commands("acme", &deposits)).await.expect("applied");
        let (enough, off) = match base {
            Base::Sqlite => {
                let raise = "BEGIN SELECT RAISE(ABORT, 'enough'); END";
                (format!("WHEN NEW.seq > 1050 {raise}"), "DROP TRIGGER enough")
            }
            Base::Postgres => {
                let raise = "CREATE FUNCTION enough() RETURNS trigger LANGUAGE plpgsql AS \
                             $$ BEGIN RAISE EXCEPTION 'enough'; END $$";
                execute(&stage.database, raise).await;
                let when = "FOR EACH ROW WHEN (NEW.seq > 1050) EXECUTE FUNCTION enough()";
                (when.to_owned(), "DROP TRIGGER enough ON checkpoints")
            }
        };
        execute(&stage.database, format!("CREATE TRIGGER enough BEFORE UPDATE ON checkpoints {enough}")).await;
        let prune = ["journal", "prune", "--before", "0s"];
        assert_eq!(stage.run(&prune).await.status.code(), Some(1));
        execute(&stage.database, off).await;
        stage.done(&prune).await;
        let told: Vec<String> = trail(&stage).await.iter().map(|entry| entry["outcome"].to_string()).collect();
        let [.., broken_off, _, done] = told.as_slice() else { panic!("{told:?}") };
        assert!(broken_off.starts_with("\"broken off after 9"), "{broken_off}");
        assert!(broken_off.contains(" shortened, 0 dropped, ") && broken_off.contains("enough"), "{broken_off}");
        assert!(done.contains("done: ") && done.contains(": 102 shortened, 0 dropped, 0 left whole"), "{done}");
        stage.audit().await;
    })
    .await;
}
