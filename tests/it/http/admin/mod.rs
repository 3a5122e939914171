//! `/admin/v1` from outside, on both databases.
//!
//! Reading order: the set-up below, [`access`] (who may what), [`looks`] (what is shown, and what is not), [`acts`] (money and
//! players by hand), [`trail`] (who did what), [`approvals`] (what takes two), [`audits`], [`turns`]
//! (one audit at a time, for as long as it runs), [`dead`] (dead letters and plans), [`interrupted`] (the same where the broker is
//! slow or away, or the program is killed), [`live`] (how it goes), [`ledgers`] (several of them).

mod access;
pub mod looks;
mod acts;
mod trail;
mod approvals;
mod audits;
mod dead;
mod interrupted;
mod turns;
mod live;
mod ledgers;

use diesel::connection::SimpleConnection as _;
use purser::config::{OperatorTokenHash, Role};
use purser::storage::StoreError;
use purser::storage::queries::AnyConnection;
use serde_json::Value;

use super::client::{Call, Response};
use crate::e2e::stage::{Base, Stage};

/// What scripts/pages configures, too.
const PARTIES: &str = include_str!("../../../operators/parties.toml");
const OPERATORS: &str = include_str!("../../../operators/operators.toml");

/// The token of the operator who has this role and is called by it.
pub fn token(role: Role) -> String {
    format!("{role}-token-0123456789abcdef0123456789")
}

/// Operators of every role, and two parties.
pub fn config() -> String {
    operators() + PARTIES
}

/// One of every role.
pub fn operators() -> String {
    let has_all = Role::ALL.iter().all(|role| OPERATORS.contains(&OperatorTokenHash::of(&token(*role)).text()));
    assert!(has_all, "tests/operators/operators.toml lacks a role");
    OPERATORS.to_owned()
}

pub async fn open(base: Base) -> Stage {
    let stage = Stage::open(base, &config()).await;
    stage.done(&["player", "add", "--party", "acme", "--player", "alice", "--email", "alice@mail.example"]).await;
    stage.deposit("acme", "alice", "100.00", "CHF").await;
    stage
}

pub fn get(role: Role, path: &str) -> Call {
    Call::new("GET", format!("/admin/v1{path}")).bearer(&token(role))
}

pub fn post(role: Role, path: &str, body: &Value) -> Call {
    Call::new("POST", format!("/admin/v1{path}")).bearer(&token(role)).json(body)
}

/// What is shown.
pub async fn shown(stage: &Stage, role: Role, path: &str) -> Value {
    let response = get(role, path).send(stage).await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    response.json()
}

/// A problem's status and detail, once its frame is as it should be.
pub fn problem(response: &Response) -> (u16, String) {
    assert_eq!(response.header("content-type"), "application/problem+json", "{}", response.text());
    let body = response.json();
    assert_eq!(body["status"], response.status, "{body}");
    assert!(body["title"].is_string() && body["type"].is_string(), "{body}");
    (response.status, body["detail"].as_str().expect("a detail").to_owned())
}

/// Runs statements that the program itself never would; whether the database took them.
pub async fn execute(stage: &Stage, sql: &'static str) -> bool {
    let executing = stage.database.query(move |conn| {
        let executed = match conn {
            AnyConnection::Sqlite(conn) => conn.batch_execute(sql),
            AnyConnection::Postgres(conn) => conn.batch_execute(sql),
        };
        executed.map_err(|error| StoreError::Rejected(error.to_string()))
    });
    executing.await.is_ok()
}
