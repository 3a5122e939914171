//! Bringing a schema on Postgres up to date: statement by statement, and each migration whole or not at all.

use std::path::Path;

use purser::storage::StoreError;

use crate::databases::Fresh;
use crate::wiretap::tap;

/// Plain queries that a migration sends beside its statements: BEGIN, its version, COMMIT.
const BESIDE: u32 = 3;

/// What is sent before the first: a session's settings, two limits, the lock, the table of versions.
const BEFORE: u32 = 5;

/// And after the last, on a session of its own.
const AFTER: u32 = 1;

/// How many statements a migration has, counted as its lines are written: each ends with its line, or the body that it is in.
fn statements(script: &str) -> u32 {
    let mut is_in_body = false;
    let mut ends = 0;
    for line in script.lines().filter(|line| !line.trim_start().starts_with("--")) {
        is_in_body ^= line.matches("$$").count() % 2 == 1;
        ends += u32::from(!is_in_body && line.ends_with(';'));
    }
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_of_a_migration_is_a_message_of_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut ought = BEFORE + AFTER;
    for entry in std::fs::read_dir(folder).expect("the migrations") {
        let script = std::fs::read_to_string(entry.expect("a migration").path().join("up.sql")).expect("a script");
        ought += statements(&script) + BESIDE;
    }
    let fresh = Fresh::postgres().await;
    fresh.execute("DROP SCHEMA public CASCADE").await;
    fresh.execute("CREATE SCHEMA public").await;
    let (tapped, sent) = tap(&fresh.database).await;
    assert!(!tapped.migrate().await.expect("migrated").is_empty());
    assert_eq!(sent.take().get(&'Q'), Some(&ought));
}

/// The third statement finds its index's name taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_is_named_with_its_statement_and_leaves_nothing() {
    let fresh = Fresh::postgres().await;
    let version = "20261127000030";
    fresh.execute(format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'")).await;
    fresh.execute("DROP TABLE approvals").await;
    fresh.execute("CREATE TABLE approvals_by_age (id INTEGER)").await;
    let failed = fresh.database.migrate().await;
    let Err(StoreError::Rejected(why)) = failed else { panic!("{failed:?}") };
    let named = "migration 2026-11-27-000030_approvals: statement 3 of 3 \
                 (CREATE INDEX approvals_by_age ON approvals (asked_at, id)): ";
    assert!(why.starts_with(named) && why.contains("approvals_by_age"), "{why}");
    assert_eq!(fresh.number("SELECT count(to_regclass('approvals'))").await, 0);
    fresh.execute("DROP TABLE approvals_by_age").await;
    assert_eq!(fresh.database.migrate().await.expect("migrated"), [version]);
    assert_eq!(fresh.database.migrate().await.expect("migrated"), Vec::<String>::new());
}
