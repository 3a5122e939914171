//! Purser killed exactly before a commit, after it, after the reply, and before the ack: no hook in the program, only
//! what it says and hears is held back at that moment.

use std::os::unix::process::ExitStatusExt;

use purser::storage::Database;
use rand::RngExt;

use super::disk;
use super::kill_point_proxy::{Moment, Speech, Trap};
use super::play::{Plan, Play, invite, rng, seed};
use super::services::{Addresses, number};
use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{Wire, bet, code, correlation};
use crate::patience::until;

/// SIGXFSZ: what the kernel ends a process with that writes beyond the limit of its files.
const FILE_TOO_LARGE: i32 = 25;

/// Moments that have to do with both databases, and what a crash then leaves behind: is it committed, and how many
/// replies are there in the end?
const MOMENTS: [(Moment, bool, usize); 3] =
    [(Moment::BeforeReply, true, 1), (Moment::AfterReply, true, 2), (Moment::BeforeAck, true, 2)];

/// Moments on the way to Postgres.
const OF_POSTGRES: [(Moment, bool, usize); 2] = [(Moment::BeforeCommit, false, 1), (Moment::Committed, true, 1)];

fn moments(base: Base) -> Vec<(Moment, bool, usize)> {
    match base {
        Base::Sqlite => MOMENTS.to_vec(),
        Base::Postgres => [OF_POSTGRES.as_slice(), &MOMENTS].concat(),
    }
}

/// A stage whose Purser goes through a trap.
async fn trapped(base: Base) -> (Stage, Trap) {
    let mut stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
    let mut trap = Trap::new();
    let amqp = trap.before(stage.amqp_port(), Speech::Amqp).await;
    let postgres = match stage.postgres_port() {
        Some(port) => Some(trap.before(port, Speech::Postgres).await),
        None => None,
    };
    stage.go_through(amqp, postgres);
    stage.serve();
    stage.until_ready().await;
    (stage, trap)
}

/// Whether the order is in the database.
async fn is_committed(database: &Database, order: &str) -> bool {
    number(database, format!("SELECT COUNT(*) FROM orders WHERE external_id = '{order}'")).await == 1
}

/// The only bet under way was taken by a Purser that is dead now: another answers it so often that with what the first
/// one said there are as many replies as expected.
async fn is_answered(stage: &mut Stage, wire: &mut Wire, order: &str, replies: usize) {
    stage.serve();
    let again = format!("{order}-again");
    for _ in 0..replies {
        let reply = wire.next_reply().await;
        assert_eq!((correlation(&reply), &*code(&reply)), (order, "201"));
    }
    stage.until_ready().await;
    // One reply too many would come first.
    let reply = wire.ask(bet(&again)).await;
    assert_eq!((correlation(&reply), &*code(&reply)), (&*again, "201"), "{order} was answered {replies} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_named_moment_it_answers_the_same_and_does_it_once() {
    on_both(async |base| {
        let (mut stage, trap) = trapped(base).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "1000.00", "CHF").await;
        let mut wire = Wire::connect(&stage).await;
        let mut money = 100_000;
        assert_eq!(code(&wire.ask(bet("warm")).await), "201");
        for (moment, committed, replies) in moments(base) {
            let order = format!("{moment:?}");
            until("what was asked before is acked", async || trap.is_quiet()).await;
            trap.arm(moment, 1);
            wire.send_all([bet(&order)]).await;
            until(&format!("{base:?}: the moment {order}"), async || trap.is_sprung()).await;
            stage.serving.take().expect("it serves").kill();
            assert_eq!(is_committed(&stage.database, &order).await, committed, "{base:?}: {order}");
            trap.open();
            is_answered(&mut stage, &mut wire, &order, replies).await;
            money -= 200;
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, money - 100);
        stage.audit().await;
    })
    .await;
}

/// The kernel ends it within the write to the log of the transaction, of which a torn frame is left.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_writes_a_commit_to_the_file_it_does_it_once() {
    let mut stage = Stage::open(Base::Sqlite, ACME).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1000.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("warm")).await), "201");
    for (number, torn) in [0, 100, 5000, 9000].into_iter().enumerate() {
        let order = format!("torn-{number}");
        let mut serving = stage.serving.take().expect("it serves");
        let log = disk::size(&stage.file("purser.db-wal"));
        disk::limit(serving.pid(), log + torn);
        wire.send_all([bet(&order)]).await;
        assert_eq!(serving.ended().await.signal(), Some(FILE_TOO_LARGE), "{order}");
        assert_eq!(disk::size(&stage.file("purser.db-wal")), log + torn, "{order}");
        assert!(!is_committed(&stage.database, &order).await, "{order}");
        is_answered(&mut stage, &mut wire, &order, 1).await;
    }
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 100 - 4 * 200);
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_named_moments_under_load_it_answers_everything_once_and_for_all() {
    const ORDERS: u32 = 1200;
    const KILLS: usize = 5;
    let seed = seed();
    on_both(async |base| {
        let mut rng = rng(seed);
        let (mut stage, trap) = trapped(base).await;
        invite(&stage).await;
        let play = Play::begin(&stage, Plan::new(ORDERS, &mut rng)).await;
        let moments = moments(base);
        for _ in 0..KILLS {
            let (moment, ..) = moments[rng.random_range(0..moments.len())];
            trap.arm(moment, rng.random_range(1..moment.at_most()));
            until(&format!("{base:?}: the moment {moment:?}"), async || trap.is_sprung()).await;
            stage.serving.take().expect("it serves").kill();
            trap.open();
            stage.serve();
            play.until_answered(play.answered() + rng.random_range(1..100)).await;
        }
        play.finish(&stage).await;
        assert!(stage.is_alive());
    })
    .await;
}
