//! Gift-card keys at rest: sealed in the database, and nowhere in a log.

use purser::storage::Database;
use serde_json::json;
use tokio_postgres::NoTls;

use super::{PASSWORD, call, code, open, parties_with, pay, sign_in, try_import};
use crate::e2e::stage::{Base, Stage, on_both};

/// Stands in every key of the set-up.
const IN_KEYS: [&str; 2] = ["XBBRF", "ONLY-ONE"];

/// Every byte of the database: its files, or the text of each row.
async fn dump(stage: &Stage) -> String {
    match &stage.database {
        Database::Sqlite(path) => {
            let beside = ["", "-wal"].map(|suffix| format!("{}{suffix}", path.display()));
            let files = beside.iter().filter_map(|path| std::fs::read(path).ok());
            files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
        }
        Database::Postgres(url) => {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres answers");
            let driving = tokio::spawn(connection);
            let tables = client.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", &[]).await;
            let mut text = String::new();
            for table in tables.expect("tables") {
                let table: String = table.get(0);
                let rows = client.query(&format!("SELECT t::text FROM {table} t"), &[]).await.expect("rows");
                text.extend(rows.iter().map(|row| row.get::<_, String>(0) + "\n"));
            }
            drop(client);
            driving.await.expect("the connection's task").expect("the connection ends well");
            text
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_database_nor_the_log_shows_a_key() {
    on_both(async |base| {
        let mut stage = open(base).await;
        let token = sign_in(&stage, "cc_user").await;
        for offer in ["562", "last-one"] {
            let order = call(&stage, &token, "pay", &pay(offer, offer)).await.json();
            let keys = call(&stage, &token, "keys", &order).await.text();
            assert!(IN_KEYS.iter().any(|word| keys.contains(word)), "{keys}");
        }
        stage.stop().await;
        let (dump, log) = (dump(&stage).await, stage.log());
        assert!(dump.contains("buy_keys") && dump.contains("last-one"), "the dump is of this database");
        assert!(log.contains("codegames"), "{log}");
        for word in IN_KEYS {
            assert!(!dump.contains(word) && !log.contains(word), "{word} is in the clear");
        }
        for secret in [token.as_str(), PASSWORD, super::KEYS_SECRET] {
            assert!(!dump.contains(secret) && !log.contains(secret));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_opens_nothing_and_says_so_without_the_key() {
    let mut stage = open(Base::Sqlite).await;
    let token = sign_in(&stage, "cc_user").await;
    let order = call(&stage, &token, "pay", &pay("562", "one")).await.json();
    stage.stop().await;
    let hash = purser::identity::password::hash(PASSWORD).expect("a hash");
    stage.reconfigure(&parties_with(&hash, "another secret, which seals nothing that is there"));
    stage.serve();
    stage.until_ready().await;
    assert_eq!(code(&call(&stage, &token, "keys", &order).await), "401 UNAUTHORIZED", "sessions end with the secret");
    let token = sign_in(&stage, "cc_user").await;
    assert_eq!(code(&call(&stage, &token, "keys", &order).await), "500 INTERNAL_ERROR");
    let log = stage.log();
    assert!(log.contains("is keys_secret the one that it was imported with?") && !log.contains("XBBRF"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_import_does_not_repeat_a_key() {
    let stage = open(Base::Sqlite).await;
    for text in [
        r#"[{"id": 1, "name": "n", "price": 1, "currency": "KZT", "keys": "SECRET-1"}]"#,
        r#"[{"id": 1, "name": "n", "price": 1, "currency": "KZT", "keys": [" SECRET-1"]}]"#,
        r#"[{"id": 1, "name": "n", "price": "SECRET-1", "currency": "KZT", "keys": []}]"#,
        r#"[{"id": 1, "name": "n", "price": 1, "currency": "KZT", "keys": ["SECRET-1"]"#,
        r#"{"keys": ["SECRET-1"]}"#,
    ] {
        let ran = try_import(&stage, text).await;
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(1), "{said}");
        assert!(said.contains("nothing imported") && !said.contains("SECRET"), "{said}");
    }
    let listed: serde_json::Value =
        serde_json::from_str(&stage.done(&["offers", "list", "--json", "--party", "acme"]).await).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{}", json!(listed));
}
