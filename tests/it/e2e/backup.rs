//! `purser backup` beside a `serve` under load.

use std::os::unix::fs::PermissionsExt as _;

use purser::storage::Database;
use serde_json::Value;

use super::play::{Plan, Play, invite, rng, seed};
use super::services::Addresses;
use super::stage::{ACME, Base, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn copies_made_while_serve_works_are_sound_and_hold_what_was_answered_before() {
    const ORDERS: u32 = 2000;
    const COPIES: usize = 3;
    let mut stage = Stage::open(Base::Sqlite, ACME).await;
    invite(&stage).await;
    let play = Play::begin(&stage, Plan::new(ORDERS, &mut rng(seed()))).await;
    let mut earlier = 0;
    for copy in 1..=COPIES {
        play.until_answered(play.len() * copy / (COPIES + 2)).await;
        let answered = play.answered() as u64;
        let file = stage.file(&format!("copy-{copy}.db"));
        let told = stage.done(&["backup", "--json", file.to_str().expect("UTF-8")]).await;
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let commands = told["audit"]["commands"].as_u64().expect("a number");
        assert!(commands > earlier && commands >= answered / 2, "{commands} of {answered}");
        earlier = commands;
        let metadata = std::fs::metadata(&file).expect("a copy");
        assert_eq!((metadata.permissions().mode() & 0o777, Some(metadata.len())), (0o600, told["bytes"].as_u64()));
    }
    play.finish(&stage).await;
    stage.stop().await;
    // The last copy is a ledger as good as any: it can be audited, and served from.
    let digest = |told: &str| told.lines().find(|line| line.starts_with("digest ")).map(str::to_owned);
    let whole = stage.file("whole.db");
    let copied = stage.done(&["backup", whole.to_str().expect("UTF-8")]).await;
    assert_eq!(digest(&copied), digest(&stage.done(&["audit"]).await));
    stage.database = Database::Sqlite(whole);
    stage.reconfigure(ACME);
    assert_eq!(digest(&copied), digest(&stage.done(&["audit"]).await));
    stage.serve();
    stage.until_ready().await;
    stage.stop().await;
    let left: Vec<_> = std::fs::read_dir(stage.file("").as_path()).expect("a directory").collect();
    let is_partial = |name: &std::ffi::OsString| name.to_string_lossy().contains("partial");
    assert!(!left.into_iter().map(|entry| entry.expect("an entry").file_name()).any(|name| is_partial(&name)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_left_as_it_is() {
    let stage = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    stage.done(&["migrate"]).await;
    let file = stage.file("copy.db");
    std::fs::write(&file, "mine").expect("written");
    let ran = stage.run(&["backup", file.to_str().expect("UTF-8")]).await;
    assert_eq!(ran.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&file).expect("there"), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_not_sound_makes_no_backup() {
    let stage = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    super::services::execute(&stage.database, "UPDATE accounts SET balance = balance + 1 WHERE side = 'player'").await;
    let file = stage.file("copy.db");
    let ran = stage.run(&["backup", file.to_str().expect("UTF-8")]).await;
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(!file.exists());
    let aside = told.lines().find_map(|line| line.split_once("kept aside as ")).expect("a name").1;
    assert!(std::path::Path::new(aside).exists(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_its_own_tools_are_named() {
    let stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let ran = stage.run(&["backup", "copy.db"]).await;
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(["pg_dump", "pg_basebackup", "WAL"].iter().all(|tool| told.contains(tool)), "{told}");
}
