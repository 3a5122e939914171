//! Full disks: under SQLite and Postgres a limit to the size of their files, which the kernel enforces as it would a
//! full disk; under RabbitMQ the alarm that its own limit raises.

use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;

use super::play::{Plan, Play, invite, rng, seed};
use super::services::{Addresses, Own, execute, number};
use super::stage::{ACME, Base, Stage};
use crate::patience::until;

/// The size of a file in bytes; 0 where there is none.
pub fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// From now on this process cannot make a file longer than so many bytes.
pub fn limit(pid: u32, bytes: u64) {
    set_limit(pid, &bytes.to_string());
}

/// Room again.
fn unlimit(pid: u32) {
    set_limit(pid, "unlimited");
}

fn set_limit(pid: u32, limit: &str) {
    use std::os::unix::fs::MetadataExt as _;
    let owner = |process: &str| {
        let process = std::fs::metadata(process).ok()?;
        Some((process.uid(), process.gid()))
    };
    let process = format!("/proc/{pid}");
    let Some((uid, gid)) = owner(&process) else { return };
    let mut command = if Some((uid, gid)) == owner("/proc/self") {
        Command::new("prlimit")
    } else {
        // Postgres has a user of its own where this is root, who need not have power over the limits of others.
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "prlimit"]);
        command
    };
    // The hard limit stays, or nobody could take it back.
    let set = command.args([format!("--pid={pid}"), format!("--fsize={limit}:")]).output().expect("prlimit runs");
    let has_ended = owner(&process).is_none();
    assert!(set.status.success() || has_ended, "{}", String::from_utf8_lossy(&set.stderr));
}

/// Starts a program that hears of a file that would become too long by an error, as it would of a full disk, and not
/// by a signal.
fn without_signal() -> Vec<String> {
    ["sh", "-c", r#"trap "" XFSZ; exec "$@""#, "sh"].map(str::to_owned).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_under_sqlite_and_the_log_is_waited_for() {
    let mut stage = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    stage.starter = without_signal();
    stage.serve();
    stage.until_ready().await;
    invite(&stage).await;
    let play = Play::begin(&stage, Plan::new(1500, &mut rng(seed()))).await;
    let pid = stage.serving.as_ref().expect("it serves").pid();
    // At once, and when the file has to grow.
    for grows_to in [1, size(&stage.file("purser.db-wal"))] {
        play.until_answered(play.answered() + 100).await;
        limit(pid, grows_to);
        until("/readyz says that the database is away", async || stage.readyz_says("database", "away: ").await).await;
        assert_eq!(stage.get("/healthz").await.expect("it lives").0, 200);
        unlimit(pid);
        stage.until_ready().await;
    }
    play.finish(&stage).await;
    assert!(stage.is_alive());
    assert!(!stage.log().contains("panicked"), "{}", stage.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_under_postgres_is_waited_for() {
    let own = Own::start(&["postgres"]).await;
    let addresses = Addresses::shared().with_postgres_of(&own.addresses);
    let mut stage = Stage::prepare(Base::Postgres, ACME, &addresses).await;
    stage.serve();
    stage.until_ready().await;
    invite(&stage).await;
    let full = make_journal_larger_than_a_log_file(&stage).await;
    let play = Play::begin(&stage, Plan::new(1500, &mut rng(seed()))).await;
    for _ in 0..2 {
        play.until_answered(play.answered() + 100).await;
        let grown = number(&stage.database, "pg_relation_size('journal')").await;
        let pids = processes(&own).await;
        pids.iter().for_each(|pid| limit(*pid, full.max(u64::try_from(grown).expect("a size"))));
        until("/readyz says what is the matter", async || stage.readyz_says("database", "could not extend file").await)
            .await;
        assert_eq!(stage.get("/healthz").await.expect("it lives").0, 200);
        // Sessions that Purser has begun meanwhile have the limit, too.
        processes(&own).await.into_iter().for_each(unlimit);
        stage.until_ready().await;
    }
    play.finish(&stage).await;
    assert!(stage.is_alive());
}

/// A limit that spares the server's own log must be larger than that log's files: so the journal's is made larger yet,
/// with rows that are never committed.
async fn make_journal_larger_than_a_log_file(stage: &Stage) -> u64 {
    let sql = "ALTER TABLE journal SET (autovacuum_enabled = off); BEGIN;
        INSERT INTO journal (writer, seq, key, by_key, at, party, command, outcome, hash, transfers)
        SELECT 1, 1000000000 + n, NULL, FALSE, 0, 'acme', repeat(md5(n::text), 60), '', decode(repeat('00', 32), 'hex'), ''
        FROM generate_series(1, 12000) AS n; ROLLBACK;";
    execute(&stage.database, sql).await;
    let size = number(&stage.database, "pg_relation_size('journal')").await;
    assert!(size > 17_000_000, "{size}");
    u64::try_from(size).expect("a size")
}

/// The server and all its sessions.
async fn processes(own: &Own) -> Vec<u32> {
    let listed = own.run(&["psql", "-Atc", "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"]).await;
    let mut pids: Vec<u32> = listed.lines().map(|line| line.parse().expect("a pid")).collect();
    let status = pids.iter().find_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let status = status.expect("a session that lives");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent");
    pids.push(parent.trim().parse().expect("a pid"));
    pids
}

/// The broker stops listening to whoever publishes: replies, confirms and acks all wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_whose_disk_is_full_is_waited_for_by_whoever_serves_starts_or_drains() {
    let own = Own::start(&["broker"]).await;
    let addresses = own.addresses.with_postgres_of(&Addresses::shared());
    let open = async |base| {
        let patient = format!("[shutdown]\ngrace = \"1s\"\n{ACME}");
        let mut stage = Stage::prepare(base, &patient, &addresses).await;
        // A connection that it does not listen to is given up only because nobody takes its heartbeats.
        stage.add_to_amqp_url("?heartbeat=2");
        stage.serve();
        stage.until_ready().await;
        invite(&stage).await;
        stage
    };
    let stages = join_all([Base::Sqlite, Base::Postgres].map(open)).await;
    let begin = async |stage| {
        let play = Play::begin(&stage, Plan::new(2000, &mut rng(seed()))).await;
        let mut world = (stage, play);
        freeze(&mut world).await;
        world
    };
    let mut stages = join_all(stages.into_iter().map(begin)).await;
    raise_disk_alarm(&own).await;
    for (stage, _) in &mut stages {
        stage.serving.as_ref().expect("it serves").signal("CONT");
        is_blocked(stage).await;
    }
    // One is killed. The other cannot bring its answers to an end and gives up after its grace.
    stages[0].0.serving.take().expect("it serves").kill();
    stages[1].0.stop().await;
    stages.iter_mut().for_each(|(stage, _)| stage.serve());
    join_all(stages.iter().map(async |(stage, _)| is_blocked(stage).await)).await;
    clear_disk_alarm(&own).await;
    for (mut stage, play) in stages {
        stage.until_ready().await;
        play.finish(&stage).await;
        assert!(!stage.log().contains("panicked"), "{}", stage.log());
    }
}

/// Asks for more free space than any disk has.
pub async fn raise_disk_alarm(own: &Own) {
    own.run(&["rabbitmqctl", "-q", "set_disk_free_limit", "1000000GB"]).await;
}

pub async fn clear_disk_alarm(own: &Own) {
    own.run(&["rabbitmqctl", "-q", "set_disk_free_limit", "50MB"]).await;
}

/// Lets Purser serve for a while and freezes it, so that there is something to be said when it goes on.
async fn freeze((stage, play): &mut (Stage, Play)) {
    play.until_answered(50).await;
    stage.serving.as_ref().expect("it serves").signal("STOP");
    until("events wait for purser", async || play.unanswered() > 200).await;
}

/// Purser lives, and says what is the matter.
async fn is_blocked(stage: &Stage) {
    until("/readyz says so", async || stage.readyz_says("broker", "blocked: low on disk").await).await;
    assert_eq!(stage.get("/healthz").await.expect("it lives").0, 200);
}
