//! A Postgres that has to wait for a standby, and has none: what only one host has is told to nobody.

use super::services::{Addresses, Own, execute, number};
use super::stage::{ACME, Base, Stage};
use super::wire::{Wire, bet, code};
use crate::patience::until;

/// Sessions whose commit waits for the standby.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'";

/// A wait that is cut short leaves its row committed, for whoever looks: a repeat is answered from it, but not before a
/// standby has it as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_waits_for_the_standby_that_its_first_time_did_not_wait_out() {
    let own = Own::start(&["postgres"]).await;
    let addresses = Addresses::shared().with_postgres_of(&own.addresses);
    let mut stage = Stage::prepare(Base::Postgres, ACME, &addresses).await;
    stage.serve();
    stage.until_ready().await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    execute(&stage.database, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    execute(&stage.database, "SELECT pg_reload_conf()").await;
    wire.send_all([bet("o1")]).await;
    let waits = async |but: i64| number(&stage.database, format!("{WAITING} AND pid <> {but}")).await == 1;
    until("the bet waits for a standby", async || waits(0).await).await;
    let first = number(&stage.database, WAITING.replace("count(*)", "min(pid)")).await;
    execute(&stage.database, format!("SELECT pg_terminate_backend({first})")).await;
    until("its row is committed", async || number(&stage.database, "SELECT count(*) FROM orders").await == 1).await;
    let answered = tokio::select! {
        reply = wire.next_reply() => Some(code(&reply)),
        () = until("the repeat waits as well", async || waits(first).await) => None,
    };
    execute(&stage.database, "ALTER SYSTEM RESET synchronous_standby_names").await;
    execute(&stage.database, "SELECT pg_reload_conf()").await;
    assert_eq!(answered, None, "no standby has it");
    assert_eq!(code(&wire.next_reply().await), "201");
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 900);
    stage.audit().await;
}
