//! Deadlocks, serialization failures and locks that are held for long, provoked on Postgres while Purser serves.

use purser::storage::Database;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio_postgres::{Client, NoTls};

use super::outages::behind_a_pooler;
use super::play::{Plan, Play, invite, rng, seed};
use super::services::{Addresses, execute, number};
use super::stage::{ACME, Base, Stage};
use super::wire::{Wire, bet, code};
use crate::patience::until;

/// How long Purser waits for a lock before Postgres looks whether it waits in a circle. It looks once: a rival that is
/// later than that has to be the one who gives way.
const DEADLOCK_TIMEOUT: &str = "300ms";

/// A batch is tried eleven times, and a command of it alone was once called the culprit after three more.
const IN_A_ROW: usize = 15;

/// A session of somebody else's, who takes the same locks in another order.
pub struct Rival(Client);

impl Rival {
    pub async fn connect(database: &Database) -> Self {
        let Database::Postgres(url) = database else { panic!("a rival on Postgres") };
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres answers");
        tokio::spawn(connection);
        client.batch_execute("SET deadlock_timeout = '2s'").await.expect("set");
        Self(client)
    }

    async fn done(&self, sql: &str) {
        self.0.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Takes a lock that every writer takes after its players'.
    async fn take_writers(&self) {
        self.done("BEGIN; SELECT id FROM writers ORDER BY id FOR UPDATE; SAVEPOINT taken").await;
    }

    async fn take_last_player(&self) {
        self.done("BEGIN; SELECT id FROM players ORDER BY id DESC LIMIT 1 FOR UPDATE; SAVEPOINT taken").await;
    }

    /// How many wait for what this session has, or for somebody who does.
    async fn waiting(&self) -> usize {
        let sql = "WITH RECURSIVE waiting (pid) AS (SELECT pg_backend_pid() UNION
            SELECT l.pid FROM pg_locks l JOIN waiting w ON w.pid = ANY (pg_blocking_pids(l.pid)) WHERE NOT l.granted)
            SELECT pid FROM waiting";
        self.0.query(sql, &[]).await.expect("the locks").len() - 1
    }

    async fn is_waited_for(&self) -> bool {
        self.waiting().await > 0
    }

    /// Waits until somebody holds a player and waits for this session, and takes that player: somebody has to give way.
    /// Says whether it was the other. What was taken before is kept.
    async fn close_the_circle(&self) -> bool {
        until("somebody waits for the rival", async || self.is_waited_for().await && self.is_any_player_taken().await)
            .await;
        self.take_players().await
    }

    async fn is_any_player_taken(&self) -> bool {
        let taken = self.0.batch_execute("SELECT id FROM players FOR UPDATE NOWAIT").await;
        self.done("ROLLBACK TO SAVEPOINT taken").await;
        taken.is_err()
    }

    async fn take_players(&self) -> bool {
        let taken = self.0.batch_execute("SELECT id FROM players ORDER BY id DESC FOR UPDATE").await;
        self.done("ROLLBACK TO SAVEPOINT taken").await;
        taken.is_ok()
    }
}

async fn deadlocks(stage: &Stage) -> i64 {
    number(&stage.database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await
}

/// A stage on Postgres with a setting of the database's own, before Purser starts.
async fn prepare_with_setting(setting: &str) -> Stage {
    let stage = Stage::prepare(Base::Postgres, ACME, &Addresses::shared()).await;
    let sql = format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$");
    execute(&stage.database, sql).await;
    stage
}

async fn with_setting(setting: &str) -> Stage {
    let mut stage = prepare_with_setting(setting).await;
    stage.serve();
    stage.until_ready().await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bet_that_meets_nothing_but_deadlocks_is_no_culprit() {
    let stage = with_setting(&format!("deadlock_timeout = ''{DEADLOCK_TIMEOUT}''")).await;
    meet_nothing_but_deadlocks(stage).await;
}

/// Nor is it where what the server says is in another language.
#[tokio::test(flavor = "multi_thread")]
async fn a_bet_that_meets_nothing_but_deadlocks_in_another_language_is_no_culprit() {
    let mut stage = prepare_with_setting(&format!("deadlock_timeout = ''{DEADLOCK_TIMEOUT}''")).await;
    let _pooler = behind_a_pooler(&mut stage).await;
    meet_nothing_but_deadlocks(stage).await;
}

async fn meet_nothing_but_deadlocks(stage: Stage) {
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1000.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("o-0")).await), "201");
    let rival = Rival::connect(&stage.database).await;
    let (mut bets, mut in_a_row) = (1, 0);
    // On a slow machine the rival may come too late, and the bet gets through early.
    while in_a_row < IN_A_ROW {
        in_a_row = 0;
        assert!(bets < 10, "the rival is too slow");
        rival.take_writers().await;
        wire.send_all([bet(&format!("o-{bets}"))]).await;
        while in_a_row < IN_A_ROW && rival.close_the_circle().await {
            in_a_row += 1;
        }
        rival.done("ROLLBACK").await;
        assert_eq!(code(&wire.next_reply().await), "201");
        bets += 1;
    }
    assert_eq!(wire.ready("v1.0.acme.dead").await, 0);
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 100 * i64::from(bets));
    stage.audit().await;
}

/// Either side gives way, the batch as a whole or one of its commands.
#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_and_serialization_failures_under_load_are_nobodys_fault() {
    let stage = with_setting(&format!("deadlock_timeout = ''{DEADLOCK_TIMEOUT}''")).await;
    play_through_contention(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_and_serialization_failures_in_another_language_are_nobodys_fault() {
    let mut stage = prepare_with_setting(&format!("deadlock_timeout = ''{DEADLOCK_TIMEOUT}''")).await;
    let _pooler = behind_a_pooler(&mut stage).await;
    play_through_contention(stage).await;
}

async fn play_through_contention(stage: Stage) {
    let mut rng = rng(seed());
    invite(&stage).await;
    let play = Play::begin(&stage, Plan::new(2000, &mut rng)).await;
    let rival = Rival::connect(&stage.database).await;
    for _ in 0..4 {
        play.until_answered(play.answered() + rng.random_range(1..50)).await;
        quarrel(&rival, &play, &mut rng).await;
    }
    let counted = deadlocks(&stage).await;
    serialization_fails_in_droves(&stage.database).await;
    play.finish(&stage).await;
    println!("{counted} deadlocks");
    assert!(counted >= 2, "{counted} deadlocks");
    let tries = number(&stage.database, "SELECT last_value FROM trouble").await;
    assert!(tries > 60, "{tries} tries");
    let log = stage.log();
    assert!(!log.contains("breaks every batch") && !log.contains("panicked"), "{log}");
}

/// Some deadlocks, one after another, for as long as there is anything to do.
pub async fn quarrel(rival: &Rival, play: &Play, rng: &mut StdRng) {
    if rng.random_bool(0.5) {
        rival.take_writers().await;
    } else {
        rival.take_last_player().await;
    }
    for _ in 0..rng.random_range(1..4) {
        until("somebody waits for the rival", async || play.is_over() || rival.is_waited_for().await).await;
        rival.take_players().await;
    }
    rival.done("ROLLBACK").await;
}

/// Of the next sixty transactions that write, sixteen of every twenty fail in a row as those of a stricter isolation
/// would. What a sequence gives is not taken back with them.
async fn serialization_fails_in_droves(database: &Database) {
    let sql = "CREATE SEQUENCE trouble;
        CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE n BIGINT := nextval('trouble'); BEGIN
        IF n <= 60 AND n % 20 < 16 THEN
        RAISE EXCEPTION 'could not serialize access due to concurrent update' USING ERRCODE = '40001'; END IF;
        RETURN NULL; END $$;
        CREATE TRIGGER trouble BEFORE INSERT ON journal FOR EACH STATEMENT EXECUTE FUNCTION trouble();";
    execute(database, sql).await;
}

/// Whoever waits for a lock longer than it may takes that for an outage, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_keeps_is_waited_for() {
    let stage = Stage::open(Base::Postgres, ACME).await;
    invite(&stage).await;
    let play = Play::begin(&stage, Plan::new(600, &mut rng(seed()))).await;
    play.until_answered(50).await;
    let rival = Rival::connect(&stage.database).await;
    rival.take_last_player().await;
    until("/readyz says what it waits for", async || stage.readyz_says("database", "lock timeout").await).await;
    rival.done("ROLLBACK").await;
    play.finish(&stage).await;
    until("purser is ready again", async || stage.is_ready().await).await;
}

/// Under a stricter isolation a bet that has waited for its player's lock would not see the deposit that it waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_isolation_by_default_does_not_change_what_is_read_after_a_lock() {
    for isolation in ["repeatable read", "serializable"] {
        let stage = with_setting(&format!("default_transaction_isolation = ''{isolation}''")).await;
        stage.add_player("acme", "alice").await;
        let mut wire = Wire::connect(&stage).await;
        let rival = Rival::connect(&stage.database).await;
        rival.take_last_player().await;
        let ((), reply) = tokio::join!(stage.deposit("acme", "alice", "1000.00", "CHF"), async {
            until("the deposit waits", async || rival.waiting().await == 1).await;
            wire.send_all([bet("o-1")]).await;
            until("the bet waits behind it", async || rival.waiting().await == 2).await;
            rival.done("ROLLBACK").await;
            wire.next_reply().await
        });
        assert_eq!(code(&reply), "201", "{isolation}");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 100);
        stage.audit().await;
    }
}
