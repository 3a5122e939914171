//! Parties that are not served from the ledger that they are configured for, and what else one ledger may not do to the
//! parties of another.

use purser::storage::Database;
use serde_json::{Value, json};

use super::ledgers::{moved, parties, two_ledgers, two_ledgers_and, until_all_are_served};
use super::services::{Addresses, execute, number};
use super::stage::{Base, Stage, on_both};
use crate::patience::until;

/// Until `/readyz` says this of acme.
async fn until_acme_is(stage: &Stage, says: &str) {
    until(says, async || {
        let report = stage.readyz().await.map(|(_, report)| report["parties"]["acme"].to_string());
        report.is_some_and(|acme| acme.contains(says))
    })
    .await;
}

async fn refused(stage: &Stage, arguments: &[&str]) -> String {
    let ran = stage.run_with(arguments, "[]").await;
    let why = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success(), "{arguments:?} {why}");
    why
}

async fn players(database: &Database) -> i64 {
    number(database, "SELECT count(*) FROM players WHERE party = 'acme'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_whose_players_are_in_another_ledger_is_not_served_nor_changed() {
    on_both(async |base| {
        let shop = "[parties.acme.codegames]\npath = \"/hub\"\ncurrency = \"CHF\"\nkeys_secret = \
                    \"what the gift-card keys are sealed with, known to nobody\"\n";
        let (mut stage, second) = two_ledgers_and(base, shop).await;
        stage.done(&["migrate"]).await;
        stage.add_player("acme", "alice").await;
        let configuration = moved(&stage);
        stage.reconfigure(&configuration);
        let commands: [&[&str]; 5] = [
            &["player", "add", "--party", "acme", "--player", "bob"],
            &["player", "password", "--party", "acme", "--player", "bob"],
            &["deposit", "--party", "acme", "--player", "bob", "--currency", "CHF", "--amount", "1"],
            &["offers", "import", "--party", "acme", "-"],
            &["play", "bet", "--party", "acme", "--player", "bob", "--currency", "CHF", "--amount", "1", "--fund", "5"],
        ];
        for command in commands {
            let why = refused(&stage, command).await;
            assert!(why.contains("its players are in ledger default: `purser party move"), "{command:?}: {why}");
        }
        assert_eq!(players(&second).await, 0);
        stage.serve();
        until_acme_is(&stage, "away: its players are in ledger default").await;
        stage.stop().await;
        // Nothing is in the way of the move.
        stage.done(&["party", "move", "--party", "acme", "--from", "default", "--to", "second"]).await;
        stage.add_player("acme", "bob").await;
        assert_eq!(players(&second).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_that_two_ledgers_have_is_served_by_neither_until_one_gives_it_up() {
    on_both(async |base| {
        let (mut stage, second) = two_ledgers(base).await;
        stage.done(&["migrate"]).await;
        stage.add_player("acme", "alice").await;
        let bob = match base {
            Base::Sqlite => "x'0b0b'",
            Base::Postgres => "'\\x0b0b'",
        };
        let stray =
            format!("INSERT INTO players (id, party, player, home_currency) VALUES ({bob}, 'acme', 'bob', 'CHF')");
        execute(&second, stray).await;
        stage.serve();
        until_acme_is(&stage, "away: ledger second has players of it, too").await;
        let mover = ["party", "move", "--party", "acme", "--to", "second"];
        let why = refused(&stage, &mover).await;
        assert!(why.contains("the same with --abandon keeps it in default"), "{why}");
        // The wrong way about, and back.
        let other = ["party", "move", "--party", "acme", "--from", "second", "--to", "default", "--abandon"];
        stage.done(&other).await;
        until_acme_is(&stage, "away: arrives from ledger second").await;
        stage.done(&[mover.as_slice(), &["--abandon"]].concat()).await;
        until_acme_is(&stage, "away: ledger second has players of it, too").await;
        stage.done(&[mover.as_slice(), &["--abandon"]].concat()).await;
        until_acme_is(&stage, "ready").await;
        stage.deposit("acme", "alice", "1", "CHF").await;
        // Where nothing is wrong, giving up changes nothing.
        stage.done(&[mover.as_slice(), &["--abandon"]].concat()).await;
        stage.deposit("acme", "alice", "1", "CHF").await;
        stage.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_never_made_has_nobodys_players() {
    let (mut stage, _) = two_ledgers(Base::Postgres).await;
    let Database::Postgres(url) = &stage.database else { panic!("{:?}", stage.database) };
    execute(&stage.database, "CREATE SCHEMA third").await;
    let between = if url.contains('?') { '&' } else { '?' };
    let third = format!("[ledgers.third]\nurl = \"{url}{between}options=-c%20search_path%3Dthird\"\n[ledgers.second]");
    stage.replace_in_config("[ledgers.second]", &third);
    stage.add_player("acme", "alice").await;
    stage.serve();
    until_all_are_served(&mut stage).await;
    // Beta is new, and asked for in the third, too.
    until("beta is served", async || {
        stage.readyz().await.is_some_and(|(_, report)| report["parties"]["beta"] == "ready")
    })
    .await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_with_offers_and_no_players_moves() {
    on_both(async |base| {
        let shop = "[parties.acme.codegames]\npath = \"/hub\"\ncurrency = \"CHF\"\nkeys_secret = \
                    \"what the gift-card keys are sealed with, known to nobody\"\n";
        let (stage, second) = two_ledgers_and(base, shop).await;
        stage.done(&["migrate"]).await;
        let offers = json!([{ "id": 562, "name": "Card", "price": "9.00", "currency": "CHF", "keys": ["KEY-1"] }]);
        stage.done_with(&["offers", "import", "--party", "acme", "-"], &offers.to_string()).await;
        stage.done(&["party", "move", "--party", "acme", "--to", "second"]).await;
        assert_eq!(number(&second, "SELECT count(*) FROM offers WHERE party = 'acme'").await, 1);
        stage.audit().await;
    })
    .await;
}

/// Rows of somebody else's: so many that nobody reads them all to find a few.
const OTHERS: u32 = 30_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_party_leaves_a_large_ledger_without_anybody_reading_the_others_rows() {
    const TABLES: [&str; 4] = ["orders", "transactions", "accounts", "players"];
    let (stage, _) = two_ledgers(Base::Postgres).await;
    stage.done(&["migrate"]).await;
    for player in ["alice", "bob"] {
        stage.add_player("acme", player).await;
        stage.deposit("acme", player, "1", "CHF").await;
    }
    for rows in [
        "players (id, party, player, home_currency) SELECT sha256(n::text::bytea), 'beta', n::text, 'CHF'",
        "accounts (id, party, side, player, currency, bucket, wallet, product, balance, staked_day, staked) SELECT \
         sha256(n::text::bytea), 'beta', 'player', sha256(n::text::bytea), 'CHF', 'real', '', 0, 0, 0, 0",
        "orders (id, party, game, external_id, player, state, paid) SELECT sha256(n::text::bytea), 'beta', 'g', n::text, \
         sha256(n::text::bytea), 'lost', 0",
        "transactions (number, key, party, player, scope, kind, region, partner, reference, currency, product, moved_real, \
         moved_bonus, moved_ring_fenced, moved_gbt_bonus, external, state, memo) SELECT 1000000 + n, \
         sha256(n::text::bytea), 'beta', sha256(n::text::bytea), '', 1, 1, 1, n::text, 'CHF', 0, 1, 0, 0, 0, 0, 'done', ''",
    ] {
        let table = rows.split(' ').next().expect("a table");
        let insert = format!("INSERT INTO {rows} FROM generate_series(1, {OTHERS}) AS n");
        execute(
            &stage.database,
            format!("ALTER TABLE {table} SET (autovacuum_enabled = off); {insert}; ANALYZE {table}"),
        )
        .await;
    }
    let mut before = Vec::new();
    for table in TABLES {
        before.push(read(&stage.database, table).await);
    }
    stage.done(&["party", "move", "--party", "acme", "--to", "second"]).await;
    // A session reports its statistics when it ends, at the latest.
    until("the mover's statistics", async || {
        let looked = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE schemaname = 'public' AND relname = 'party_moves'";
        number(&stage.database, looked).await >= 2
    })
    .await;
    for (table, before) in TABLES.into_iter().zip(before) {
        assert_eq!(read(&stage.database, table).await, before, "{table}");
    }
}

/// Rows of a table that were read by going through all of it.
async fn read(database: &Database, table: &str) -> i64 {
    let read = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'public' AND relname";
    number(database, format!("{read} = '{table}'")).await
}

/// The parties of two ledgers, over HTTP alone.
async fn without_broker() -> Stage {
    let (stage, _) = two_ledgers(Base::Sqlite).await;
    let text = std::fs::read_to_string(stage.config()).expect("a configuration file");
    let amqp = text.lines().find(|line| line.starts_with("url = \"amqp")).expect("a broker");
    stage.replace_in_config(amqp, "url = \"\"");
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_is_said_who_is_not_served() {
    let mut stage = without_broker().await;
    stage.done(&["migrate"]).await;
    for party in ["acme", "beta"] {
        stage.add_player(party, "alice").await;
    }
    let checked = stage.done(&["check"]).await;
    assert!(checked.contains("warn  amqp.url is empty: results and cancels over HTTP"), "{checked}");
    stage.serve();
    stage.until_ready().await;
    until("nobody is away", async || stage.readyz().await.is_some_and(|(_, report)| report["broker"] == "off")).await;
    execute(&stage.database, "INSERT INTO party_moves VALUES ('acme', 'left', 'second', 0)").await;
    until_acme_is(&stage, "away: has moved to ledger second").await;
    let (status, report) = stage.readyz().await.expect("answered");
    assert_eq!((status, report["parties"].as_object().map(serde_json::Map::len)), (200, Some(1)), "{report}");
    assert!(report["broker"].as_str().is_some_and(|says| says.starts_with("off, and away for acme: has moved")));
    let second = Database::Sqlite(stage.file("second.db"));
    execute(&second, "INSERT INTO party_moves VALUES ('beta', 'left', 'default', 0)").await;
    until("nobody is served", async || stage.readyz_says("broker", "off, and away for acme").await).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_decided_on_while_another_ledger_is_away() {
    let mut stage = Stage::prepare(Base::Sqlite, "", &Addresses::shared()).await;
    let configuration = |first: &str| {
        let second = format!("sqlite://{}", stage.file("second.db").display());
        let parties = parties(&second).replace("[parties.beta]", "[parties.beta]\n# second");
        format!("{parties}[ledgers.a]\nurl = \"{first}\"\n[approvals]\nthreshold = {{ CHF = 100 }}\n")
    };
    let there = configuration(&format!("sqlite://{}", stage.file("a.db").display()));
    let away = configuration("postgres://nobody@127.0.0.1:1/nothing");
    stage.reconfigure(&there);
    stage.add_player("beta", "alice").await;
    let asked = ["deposit", "--party", "beta", "--player", "alice", "--currency", "CHF", "--amount", "5", "--json"];
    let waits: Value = serde_json::from_str(&stage.done(&asked).await).expect("JSON");
    let id = waits["id"].as_str().expect("an id").to_owned();
    let second = Database::Sqlite(stage.file("second.db"));
    execute(&second, "UPDATE approvals SET asked_by = 'somebody else'").await;
    stage.reconfigure(&away);
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let why = refused(&stage, &["approvals", "approve", nobodys]).await;
    assert!(why.contains(&format!("there is no approval {nobodys}; ledger a could not be looked at")), "{why}");
    let approved = stage.done(&["approvals", "approve", &id]).await;
    assert!(approved.contains("deposit of player alice: moved"), "{approved}");
}
