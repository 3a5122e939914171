//! Exports and replays by the program itself: as a process, from file to file, and over the broker.

use std::io::Read as _;
use std::process::Stdio;

use super::*;
use crate::e2e::services::number;

/// A stage that serves nobody: its program is run for single commands.
async fn stage(base: Base) -> Stage {
    let stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
    stage.database.migrate().await.expect("migrated");
    stage
}

#[derive(QueryableByName)]
struct TrailDetail {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

fn summary(output: &str) -> Value {
    serde_json::from_str(output.lines().last().expect("a line")).expect("JSON")
}

/// Neither a file nor a table is made for somebody who only looks.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_makes_no_ledger() {
    for base in [Base::Sqlite, Base::Postgres] {
        let stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
        std::fs::write(stage.file("export.ndjson"), "").expect("written");
        for command in [
            ["replay", "export.ndjson", "--unsealed", "--dry-run"].as_slice(),
            &["journal", "prune", "--before", "1h", "--dry-run"],
        ] {
            let ran = stage.run(command).await;
            let says = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!((ran.status.code(), says.contains("run `purser migrate`")), (Some(1), true), "{says}");
        }
        assert!(!stage.file("purser.db").exists());
        assert_eq!(stage.run(&["audit"]).await.status.code(), Some(1), "there is no schema still");
        stage.database.migrate().await.expect("migrated");
        stage.done(&["replay", "export.ndjson", "--unsealed", "--dry-run"]).await;
        stage.done(&["journal", "prune", "--before", "1h", "--dry-run"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_says_what_a_replay_moves_by_hand() {
    let (from, to) = (stage(Base::Sqlite).await, stage(Base::Sqlite).await);
    let moved = "open alice CHF\ndeposit alice 900 CHF key=a\ndeposit alice 200 CHF key=b\nwithdraw alice 50 CHF key=c";
    apply(&mut from.database.writer().expect("a writer"), &commands("acme", moved)).await.expect("applied");
    let exported = from.done(&["journal", "export", "--party", "acme"]).await;
    to.done_with(&["replay", "-"], &exported).await;
    let trail = to.database.query(|conn| {
        let AnyConnection::Sqlite(conn) = conn else { panic!("not SQLite") };
        let replays = diesel::sql_query("SELECT detail FROM trail WHERE act = 'replay' ORDER BY number");
        replays.load::<TrailDetail>(conn).map_err(|error| StoreError::Rejected(error.to_string()))
    });
    let trail = trail.await.expect("a trail");
    let detail: Value = serde_json::from_str(&trail.first().expect("an entry").detail).expect("JSON");
    let flow = json!([{ "party": "acme", "currency": "CHF", "deposits_minor": "1100", "withdrawals_minor": "50" }]);
    assert_eq!(detail, json!({ "unsealed": false, "by_hand": flow }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_moves_a_party_from_sqlite_to_postgres() {
    let (from, to) = (stage(Base::Sqlite).await, stage(Base::Postgres).await);
    apply(&mut from.database.writer().expect("a writer"), &commands("acme", STORY)).await.expect("applied");
    let exported = from.done(&["journal", "export", "--party", "acme"]).await;
    assert_eq!(exported.lines().count(), 42, "41 commands and a seal");
    let file = to.file("export.ndjson");
    std::fs::write(&file, &exported).expect("written");
    let file = file.to_str().expect("a path");
    let dry_run = to.done(&["replay", file, "--dry-run", "--json"]).await;
    let counted = |applied: u64, equal: u64, dry_run: bool| json!({ "dry_run": dry_run, "applied": applied, "equal": equal, "different": 0, "held": 0, "record_only": 4 });
    assert_eq!(summary(&dry_run), counted(37, 0, true));
    assert_eq!(summary(&to.done(&["replay", file, "--json", "--rate", "500"]).await), counted(37, 0, false));
    assert_eq!(summary(&to.done_with(&["replay", "-", "--json"], &exported).await), counted(0, 37, false));
    let said = to.done(&["replay", file]).await;
    assert_eq!(said, "0 applied, 37 equal, 0 different, 4 for the record only\n");
    let audits = [from.done(&["audit", "--json"]).await, to.done(&["audit", "--json"]).await];
    let [before, after] = audits.map(|text| summary(&text)["digest"].as_str().expect("a digest").to_owned());
    assert_eq!(before.len(), 64);
    assert_eq!(before, after);
    let part = from
        .done(&[
            "journal",
            "export",
            "--party",
            "acme",
            "--since",
            "2024-10-04T00:00:00.000003Z",
            "--until",
            "2024-10-04T01:00:00.000005+01:00",
        ])
        .await;
    let seqs: Vec<Value> = part
        .lines()
        .filter(|line| !line.starts_with("{\"seal\""))
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].clone())
        .collect();
    assert_eq!(seqs, [3, 4], "--since is inclusive, --until exclusive");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_file_is_said_with_its_line_and_what_came_before_stays() {
    let stage = stage(Base::Sqlite).await;
    let good = |player: &str| {
        let keyed = commands("acme", &format!("open {player} CHF"))[0].clone();
        let recorded =
            Recorded { seq: 1, kept: true, keyed, outcome: Outcome::Done(Done::Account(AccountDone::PlayerOpened)) };
        let mut written = Vec::new();
        line::write(&mut written, &recorded).expect("written");
        String::from_utf8(written).expect("UTF-8")
    };
    let stranger = {
        let keyed = commands("other", "open alice CHF")[0].clone();
        let mut written = Vec::new();
        let recorded =
            Recorded { seq: 1, kept: true, keyed, outcome: Outcome::Done(Done::Account(AccountDone::PlayerOpened)) };
        line::write(&mut written, &recorded).expect("written");
        String::from_utf8(written).expect("UTF-8")
    };
    let cases = [
        ("half".to_owned(), "line 2 is not a line of an export"),
        (good("bob").replace("\"format\":1", "\"format\":9"), "line 2 is of format 9"),
        (stranger, "line 2 is of party other, which is not configured"),
        (good("bob")[..40].to_owned(), "line 2 is not a line of an export"),
    ];
    for (number, (bad, says)) in cases.into_iter().enumerate() {
        let file = stage.file("bad.ndjson");
        std::fs::write(&file, format!("{}{bad}", good(&format!("player{number}")))).expect("written");
        let ran = stage.run(&["replay", "--unsealed", file.to_str().expect("a path")]).await;
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.status.code(), Some(1), "{err}");
        assert!(err.contains(says), "{err}");
        assert_eq!(out, "1 applied, 0 equal, 0 different, 0 for the record only\n");
    }
    let broken_off = "outcome LIKE 'broken off after 1 applied, 0 equal, 0 different, 0 held back: %line 2 is %'";
    let broken_off = format!("SELECT count(*) FROM trail WHERE act = 'replay' AND {broken_off}");
    assert_eq!(number(&stage.database, broken_off).await, 4, "the trail says what is done");
    let other = commands("acme", "open player0 EUR")[0].clone();
    let recorded =
        Recorded { seq: 1, kept: true, keyed: other, outcome: Outcome::Done(Done::Account(AccountDone::PlayerOpened)) };
    let mut written = Vec::new();
    line::write(&mut written, &recorded).expect("written");
    let file = stage.file("different.ndjson");
    std::fs::write(&file, written).expect("written");
    let ran = stage.run(&["replay", "--unsealed", file.to_str().expect("a path")]).await;
    let out = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1));
    assert!(out.starts_with("DIFFERENT: seq 1, key "), "{out}");
    assert!(out.contains("recorded {\"done\":\"player_opened\"}, here {\"refused\":\"key_reused\"}"), "{out}");
    for usage in [["replay", "nowhere", "--party=acme"], ["replay", "nowhere", "--to=moon"]] {
        assert_eq!(stage.run(&usage).await.status.code(), Some(2), "{usage:?}");
    }
    assert_eq!(stage.run(&["replay", "nowhere"]).await.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_was_changed_makes_no_money() {
    let (from, to) = (stage(Base::Sqlite).await, stage(Base::Sqlite).await);
    apply(&mut from.database.writer().expect("a writer"), &commands("acme", STORY)).await.expect("applied");
    let key = from.file("key");
    std::fs::write(&key, "a key that only the operators have\n").expect("written");
    let key = format!("--key-file={}", key.display());
    let plain = from.done(&["journal", "export", "--party", "acme"]).await;
    let keyed = from.done(&["journal", "export", "--party", "acme", &key]).await;
    let slipped = {
        let keyed = commands("acme", "deposit alice 1000000 CHF key=slipped")[0].clone();
        let recorded = Recorded {
            seq: 999,
            kept: true,
            keyed,
            outcome: Outcome::Done(Done::Account(AccountDone::Deposited { balance: 1 })),
        };
        let mut written = Vec::new();
        line::write(&mut written, &recorded).expect("written");
        String::from_utf8(written).expect("UTF-8")
    };
    let body = |text: &str| {
        text.lines().filter(|line| !line.starts_with("{\"seal\"")).map(|line| format!("{line}\n")).collect::<String>()
    };
    let seal = |text: &str| format!("{}\n", text.lines().last().expect("a seal"));
    let cases = [
        (format!("{}{slipped}{}", body(&plain), seal(&plain)), None, "and says that it holds 41"),
        (format!("{plain}{slipped}"), None, "goes on after its last line"),
        (body(&plain), None, "no last line"),
        (plain.replacen("250", "251", 1), None, "its digest is another one"),
        (keyed.clone(), None, "name it by --key-file"),
        (plain.clone(), Some(key.as_str()), "sealed without a key"),
        (
            format!("{}{slipped}{}", body(&keyed), seal(&keyed).replace("41", "42")),
            Some(&key),
            "its digest is another one",
        ),
    ];
    for (case, (text, key, says)) in cases.into_iter().enumerate() {
        let file = to.file("changed.ndjson");
        std::fs::write(&file, text).expect("written");
        let arguments: Vec<&str> = ["replay", file.to_str().expect("a path")].into_iter().chain(key).collect();
        let ran = to.run(&arguments).await;
        let err = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "case {case}: {err}");
        assert!(err.contains(says), "case {case}: {err}");
        assert_eq!(number(&to.database, "SELECT COUNT(*) FROM journal").await, 0, "case {case}: nothing is applied");
    }
    let file = to.file("good.ndjson");
    std::fs::write(&file, &keyed).expect("written");
    let ran = to.run(&["replay", file.to_str().expect("a path"), &key]).await;
    let err = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && err.contains("acme: deposits"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_only_look_write_nothing() {
    for base in [Base::Sqlite, Base::Postgres] {
        let stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
        let looks: [&[&str]; 5] = [
            &["audit"],
            &["balance", "--party", "acme", "--player", "alice"],
            &["voids", "list", "--party", "acme"],
            &["grants", "list", "--party", "acme"],
            &["journal", "export", "--party", "acme"],
        ];
        for look in looks {
            let ran = stage.run(look).await;
            let err = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(1), "{look:?}: {err}");
            assert!(err.contains("run `purser migrate`"), "{look:?}: {err}");
        }
        for look in [["dead", "list"], ["dead", "show"]] {
            let ran = stage.run(&[look.as_slice(), &["--party", "acme"]].concat()).await;
            assert_eq!(ran.status.code(), Some(1), "{look:?}: there is no queue");
        }
        let checked = stage.done(&["check"]).await;
        assert!(checked.contains("`purser serve` will declare v1.0, "), "{checked}");
        match base {
            Base::Sqlite => assert!(!stage.file("purser.db").exists(), "no file was made"),
            Base::Postgres => {
                let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
                assert_eq!(number(&stage.database, tables).await, 0);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_whose_reader_has_seen_enough_ends_quietly() {
    let stage = stage(Base::Sqlite).await;
    let many: String = (0..3_000).map(|number| format!("deposit alice 1 CHF key={number}\n")).collect();
    let all = commands("acme", &format!("open alice CHF\n{many}"));
    apply(&mut stage.database.writer().expect("a writer"), &all).await.expect("applied");
    let mut exporting = purser(&stage.config(), &["journal", "export", "--party", "acme"]);
    let mut exporting = exporting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("purser starts");
    let mut begun = [0; 100];
    exporting.stdout.take().expect("a pipe").read_exact(&mut begun).expect("something");
    let mut said = exporting.stderr.take().expect("a pipe");
    let ended = tokio::task::spawn_blocking(move || exporting.wait());
    let ended = within_deadline("the export ends", ended).await.expect("a thread").expect("a status");
    let mut text = String::new();
    said.read_to_string(&mut text).expect("text");
    assert!(ended.success(), "{text}");
    assert_eq!(text, "");
}

/// Beside it, a party whose players need tokens.
const WITH_TOKENS: &str = r#"
[parties.acme]
currencies = ["CHF", "EUR"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.beta]
currencies = ["CHF"]
games = ["wallstroulette"]
[parties.beta.jwt]
hmac_secret = "a secret of well over thirty-two bytes, shared with nobody"
"#;

/// For trials: a provider's requests come again, to whoever serves the broker.
#[tokio::test(flavor = "multi_thread")]
async fn recorded_requests_are_published_again_and_another_ledger_comes_to_the_same_orders() {
    let story = "
        open alice CHF
        deposit alice 1000 CHF
        bet alice won r1 100 CHF
        win alice won r1 250 CHF
        bet alice lost r1 100 CHF
        lose alice lost r1 100 CHF
        win alice noted r1 5 CHF
        bet alice tied r1 100 CHF
        tie alice tied r1 90 CHF
        bet alice cancelled r1 70 CHF
        cancel alice cancelled
        bet alice open r1 40 CHF
        bet alice rest r1 10 CHF
        lose alice rest r1
    ";
    let from = stage(Base::Sqlite).await;
    apply(&mut from.database.writer().expect("a writer"), &commands("acme", story)).await.expect("applied");
    let exported = from.done(&["journal", "export", "--party", "acme"]).await;
    for (parties, of) in [(ACME, "acme"), (WITH_TOKENS, "beta")] {
        let to = Stage::open(Base::Sqlite, parties).await;
        to.add_player(of, "alice").await;
        to.deposit(of, "alice", "10.00", "CHF").await;
        let arguments = ["replay", "-", "--json", "--to", "amqp", "--party", of];
        let counted = |dry_run: bool| json!({ "dry_run": dry_run, "published": 10, "passed_over": 3, "incomplete": 1 });
        let dry_run = to.done_with(&[arguments.as_slice(), &["--dry-run"]].concat(), &exported).await;
        assert_eq!(summary(&dry_run), counted(true));
        let published = to.done_with(&[arguments.as_slice(), &["--rate", "100"]].concat(), &exported).await;
        assert_eq!(summary(&published), counted(false));
        // The loser that could not be said stays open, as the last bet does.
        until("the orders are as they were", async || {
            let open = format!("SELECT COUNT(*) AS number FROM orders WHERE party = '{of}' AND state <> 'open'");
            count(&to, open).await == 4 && to.balance(of, "alice", "CHF").await == 990
        })
        .await;
        to.audit().await;
    }
}

async fn count(stage: &Stage, sql: String) -> i64 {
    let counting = stage.database.query(move |conn| {
        let counted = match conn {
            AnyConnection::Sqlite(conn) => diesel::sql_query(&sql).get_result::<Number>(conn),
            AnyConnection::Postgres(conn) => diesel::sql_query(&sql).get_result::<Number>(conn),
        };
        counted.map_err(|error| StoreError::Rejected(error.to_string()))
    });
    counting.await.expect("a count").number
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}
