use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use purser::config::Role;
use purser::storage::queries::AnyConnection;
use purser::storage::{Database, StoreError};
use serde_json::{Value, json};

use super::{config, post, problem, shown};
use crate::e2e::proxy::{Proxy, Weather};
use crate::e2e::services::{Addresses, PostgresDatabase, execute};
use crate::e2e::stage::{Base, Stage};
use crate::http::console;
use crate::patience::{delay, until};

/// As long as a turn is kept in these tests: far longer than whatever ends idle sessions lets them be.
const WHILE: Duration = Duration::from_secs(5);

const OFTEN: Duration = Duration::from_millis(200);

/// Whether an audit may begin; its turn is over at once.
async fn is_free(database: &Database) -> bool {
    let turn = database.audit_turn().await.expect("an answer");
    let is_free = turn.is_some();
    if let Some(turn) = turn {
        turn.release().await;
    }
    is_free
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_outlasts_a_server_that_ends_idle_sessions() {
    let postgres = Addresses::shared().database().await;
    let database = Database::Postgres(postgres.url());
    let name = database_name(&postgres.url());
    for limit in ["idle_session_timeout", "idle_in_transaction_session_timeout"] {
        execute(&database, format!("ALTER DATABASE {name} SET {limit} = '2s'")).await;
    }
    let turn = database.audit_turn().await.expect("an answer").expect("nobody else's");
    // Longer than other transactions of ours may be idle, too.
    delay(Duration::from_secs(17)).await;
    assert!(!is_free(&database).await);
    turn.release().await;
    assert!(is_free(&database).await);
    let dropped = database.audit_turn().await.expect("an answer");
    drop(dropped.expect("nobody else's"));
    until("one that is only dropped is over, too", async || is_free(&database).await).await;
}

fn database_name(url: &str) -> String {
    let url = url::Url::parse(url).expect("a URL");
    url.path().trim_start_matches('/').to_owned()
}

/// A database that is reached directly, and through a proxy.
struct Detour {
    direct: Database,
    through: Database,
    proxy: Proxy,
    _postgres: PostgresDatabase,
}

impl Detour {
    async fn open() -> Self {
        let postgres = Addresses::shared().database().await;
        let mut url = url::Url::parse(&postgres.url()).expect("a URL");
        let proxy = Proxy::before(url.port().expect("a port")).await;
        url.set_port(Some(proxy.address.port())).expect("a port");
        let (direct, through) = (Database::Postgres(postgres.url()), Database::Postgres(url.into()));
        Self { direct, through, proxy, _postgres: postgres }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_outlasts_a_proxy_that_cuts_what_is_idle() {
    let Detour { direct, through, proxy, _postgres } = Detour::open().await;
    proxy.set(Weather::Impatient(Duration::from_secs(2)));
    let turn = through.audit_turn_kept(OFTEN).await.expect("an answer").expect("nobody else's");
    delay(WHILE).await;
    assert!(!is_free(&direct).await);
    turn.release().await;
    assert!(is_free(&direct).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_lost_is_taken_again_once_nobody_has_it() {
    let Detour { direct, through, proxy, _postgres } = Detour::open().await;
    let turn = through.audit_turn_kept(OFTEN).await.expect("an answer").expect("nobody else's");
    proxy.set(Weather::Cut);
    let mut other = None;
    until("the server has noticed", async || {
        other = direct.audit_turn().await.expect("an answer");
        other.is_some()
    })
    .await;
    proxy.set(Weather::Fair);
    // While another has it, it is nobody's to take; and ending it does that one no harm.
    delay(OFTEN * 5).await;
    assert!(!is_free(&direct).await);
    other.expect("a turn").release().await;
    until("it is taken again", async || !is_free(&direct).await).await;
    turn.release().await;
    assert!(is_free(&direct).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_served_by_a_database_that_ends_idle_sessions() {
    let mut stage = Stage::prepare(Base::Postgres, &config(), &Addresses::shared()).await;
    let name = database_name(&stage.postgres.as_ref().expect("Postgres").url());
    execute(&stage.database, format!("ALTER DATABASE {name} SET idle_session_timeout = '2s'")).await;
    stage.serve();
    stage.until_ready().await;
    stage.done(&["player", "add", "--party", "acme", "--player", "alice"]).await;
    let operator = console::sign_in(&stage, Role::Operator).await;
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    // What an audit comes to late cannot be read, so it runs for longer than any session may be idle.
    let holding = stage.database.query(move |conn| {
        let AnyConnection::Postgres(conn) = conn else { panic!("not Postgres") };
        let refused = |error: diesel::result::Error| StoreError::Rejected(error.to_string());
        let lock = "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE approvals IN ACCESS EXCLUSIVE MODE";
        conn.batch_execute(lock).map_err(refused)?;
        locked.send(()).expect("somebody waits");
        released.recv().expect("released");
        conn.batch_execute("ROLLBACK").map_err(refused)
    });
    let trying = async {
        is_locked.await.expect("locked");
        let started = post(Role::Operator, "/audit", &Value::Null).send(&stage).await;
        assert_eq!(started.status, 202, "{}", started.text());
        delay(WHILE).await;
        let (status, why) = problem(&post(Role::Admin, "/audit", &Value::Null).send(&stage).await);
        assert_eq!((status, why.contains("an audit runs")), (409, true), "{why}");
        // In another process, that is.
        assert!(!is_free(&stage.database).await);
        release.send(()).expect("it waits");
    };
    let (held, ()) = tokio::join!(holding, trying);
    held.expect("held");
    let mut told = Value::Null;
    until("no audit runs", async || {
        told = shown(&stage, Role::Operator, "/audit").await;
        told["running"].is_null()
    })
    .await;
    assert_eq!(told["last"]["is_sound"], json!(true), "{told}");
    assert!(is_free(&stage.database).await);
    for number in 0..2 {
        delay(WHILE).await;
        console::page(&stage, &operator, "/parties/acme/players/alice").await;
        let key = number.to_string();
        let body = json!({ "amount": "1.00", "currency": "CHF", "key": key, "reason": "a test" });
        let moved = post(Role::Operator, "/parties/acme/players/alice/deposits", &body).send(&stage).await;
        assert_eq!(moved.status, 201, "{}", moved.text());
    }
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 200);
    stage.audit().await;
}
