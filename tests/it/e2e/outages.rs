//! Errors of what stands between Purser and Postgres: whatever they say, the database is only away.

use diesel::connection::SimpleConnection;
use purser::ledger::{PlayerId, PlayerKey};
use purser::storage::queries::{self, AnyConnection};
use purser::storage::{Database, StoreError};

use super::pooler::{OwnError, Pooler, Refusing};
use super::services::Addresses;
use super::stage::{ACME, Base, Stage, party};
use super::wire::{Wire, bet, code};
use crate::patience::until;

const BETS: usize = 12;

/// A command alone used to be the culprit after so many tries and fewer.
const TRIES: usize = 8;

/// Lets Purser reach Postgres through a pooler, and starts it.
pub async fn behind_a_pooler(stage: &mut Stage) -> Pooler {
    let pooler = Pooler::before(stage.postgres_port().expect("Postgres")).await;
    stage.go_through(stage.amqp_port(), Some(pooler.port));
    stage.serve();
    stage.until_ready().await;
    pooler
}

/// The same database, as Purser reaches it.
fn through(pooler: &Pooler, stage: &Stage) -> Database {
    let Database::Postgres(url) = &stage.database else { panic!("a database on Postgres") };
    let port = stage.postgres_port().expect("a port");
    Database::Postgres(url.replace(&format!(":{port}/"), &format!(":{}/", pooler.port)))
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_poolers_own_where_something_begins_or_ends_are_waited_for() {
    const ERRORS: [OwnError; 8] = [
        ("08P01", "server login has been failing, try again later (server_login_retry)"),
        ("XX000", "no more connections allowed"),
        ("58000", "odyssey: c1d2: failed to get remote server connection"),
        ("0A000", "prepared statement did not exist"),
        ("26000", "unnamed prepared statement does not exist"),
        ("42P05", "prepared statement \"s1\" already exists"),
        ("28P01", "das Passwort stimmt nicht"),
        ("ZZ999", ""),
    ];
    const PLACES: [Refusing; 6] = [
        Refusing::Session,
        Refusing::Settings,
        Refusing::Begin,
        Refusing::BeginAndHangUp,
        Refusing::Statements,
        Refusing::Commit,
    ];
    let mut stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let pooler = behind_a_pooler(&mut stage).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1000.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    let mut sent = 0;
    for (number, place) in PLACES.into_iter().enumerate() {
        // Each place meets some of the errors, and each error several places.
        for error in (0..3).map(|step| ERRORS[(number * 3 + step) % ERRORS.len()]) {
            pooler.refuse(place, error);
            if matches!(place, Refusing::Session | Refusing::Settings) {
                pooler.cut();
            }
            wire.send_all((sent..sent + BETS).map(|order| bet(&format!("o-{order}")))).await;
            sent += BETS;
            until(&format!("{place:?} is refused again and again"), async || pooler.refused() >= TRIES).await;
            until("/readyz says what it waits for", async || stage.readyz_says("database", error.1).await).await;
            pooler.let_through();
            for _ in 0..BETS {
                assert_eq!(code(&wire.next_reply().await), "201", "{place:?} {error:?}");
            }
        }
    }
    assert_eq!(wire.ready("v1.0.acme.dead").await, 0);
    let log = stage.log();
    assert!(!log.contains("breaks every batch") && !log.contains("trying its commands apart"), "{log}");
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 100 * i64::try_from(sent).expect("few"));
    stage.audit().await;
}

/// The schema is asked for before anything else is.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_behind_a_pooler_that_refuses_is_waited_with() {
    let mut stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let pooler = Pooler::before(stage.postgres_port().expect("Postgres")).await;
    stage.go_through(stage.amqp_port(), Some(pooler.port));
    for place in [Refusing::Session, Refusing::Settings, Refusing::Statements] {
        pooler.refuse(place, ("XX000", "no more connections allowed"));
        stage.serve();
        until("it is refused again and again", async || pooler.refused() >= 3).await;
        assert!(stage.is_alive(), "{place:?}: {}", stage.log());
        pooler.let_through();
        stage.until_ready().await;
        stage.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_connection_is_cut_meets_an_outage() {
    let mut stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let pooler = behind_a_pooler(&mut stage).await;
    let alice = PlayerKey::of(&party("acme"), &PlayerId::parse("alice").expect("a player"));
    let mut conn = through(&pooler, &stage).open().await.expect("a connection");
    pooler.cut();
    let asking = tokio::task::spawn_blocking(move || queries::player(&mut conn, alice));
    let asked = asking.await.expect("a thread");
    assert!(matches!(asked, Err(StoreError::Outage(_))), "{:?}", asked.err());
}

/// By their codes, whatever they say in which language, over TCP and over the server's socket on this machine.
#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_apart_by_their_codes() {
    const FATES: [(&str, &str); 14] = [
        ("08006", "outage"),
        ("25006", "outage"),
        ("53100", "outage"),
        ("57P01", "outage"),
        ("58030", "outage"),
        ("XX000", "outage"),
        ("40001", "contention"),
        ("40P01", "contention"),
        ("55P03", "contention"),
        ("23505", "conflict"),
        ("22003", "rejected"),
        ("23514", "rejected"),
        ("42501", "rejected"),
        ("P0001", "rejected"),
    ];
    let mut stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let pooler = behind_a_pooler(&mut stage).await;
    let ways = [stage.database.clone(), through(&pooler, &stage), by_socket(&stage).await];
    for (number, database) in ways.into_iter().enumerate() {
        for (sqlstate, fate) in FATES {
            let error = raise(&database, sqlstate).await;
            let told = match error {
                StoreError::Outage(_) => "outage",
                StoreError::Conflict(_) => "conflict",
                StoreError::Contention(_) => "contention",
                StoreError::PartyMoved(_) => "moved",
                StoreError::Rejected(_) => "rejected",
            };
            assert_eq!(told, fate, "{sqlstate}, way {number}: {error}");
        }
    }
}

async fn raise(database: &Database, sqlstate: &str) -> StoreError {
    let sql = format!("DO $$ BEGIN RAISE EXCEPTION 'das ging nicht' USING ERRCODE = '{sqlstate}'; END $$");
    let raising = database.query(move |conn| {
        let AnyConnection::Postgres(conn) = conn else { panic!("a Postgres") };
        conn.batch_execute(&sql).map_err(queries::classify)
    });
    raising.await.expect_err("it was raised")
}

/// The database's address by the directory of the server's socket.
async fn by_socket(stage: &Stage) -> Database {
    let Database::Postgres(url) = &stage.database else { panic!("a database on Postgres") };
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    let row = client.query_one("SELECT current_setting('unix_socket_directories')", &[]).await.expect("a setting");
    let directories: String = row.get(0);
    let directory = directories.split(',').next().expect("a directory").trim().replace('/', "%2F");
    Database::Postgres(url.replace("127.0.0.1", &directory))
}

/// The server would log a warning for each.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_no_transaction_within_another() {
    let mut stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let pooler = behind_a_pooler(&mut stage).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1000.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("o-1")).await), "201");
    assert_eq!(pooler.notices().into_iter().filter(|sqlstate| sqlstate.starts_with("25")).count(), 0);
}
