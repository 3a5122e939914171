//! The stores against their databases: several writers at once ([`races`]), transactions that nobody
//! ends ([`dropped`]), the planner, statements, refusals.

mod races;
mod dropped;

use std::collections::BTreeMap;
use std::time::Duration;

use purser::ledger::command::KeyedCommand;
use purser::ledger::{AccountAct, Act, Outcome, ReadSet, State};
use purser::storage::follow::Follower;
use purser::storage::{Store, StoreError, Writer};

use crate::databases::{Fresh, apply, decide_all};
use crate::patience::{until, within_deadline};
use crate::script::{commands, told};
use crate::wiretap::tap;

/// How often a test tries a batch again because another writer was faster.
const TRIES: u32 = 50;

/// Applies a batch as a lane does: decided again where another writer was faster. Says how often that was.
pub async fn insist(store: &mut impl Store, batch: &[KeyedCommand]) -> (Vec<Outcome>, u32) {
    for conflicts in 0..TRIES {
        match apply(store, batch).await {
            Ok(outcomes) => return (outcomes, conflicts),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{TRIES} conflicts in a row")
}

pub async fn feed(mut store: Writer, commands: Vec<KeyedCommand>, length: usize) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for batch in commands.chunks(length) {
        outcomes.extend(insist(&mut store, batch).await.0);
    }
    outcomes
}

pub async fn assert_sound(fresh: &Fresh) {
    assert_eq!(fresh.audit().await.findings, Vec::<String>::new(), "{}", fresh.kind());
}

/// Rounds of four players, one of whom nobody knows: every command of them is kept, so a repeat is answered alike.
pub fn rounds(party: &str, number: usize) -> Vec<KeyedCommand> {
    let mut text = String::new();
    for player in ["alice", "bob", "carol"] {
        text += &format!("open {player} CHF\ndeposit {player} 700 CHF key={player}\n");
    }
    for round in 0..number {
        for player in ["alice", "bob", "carol"] {
            let order = format!("{player}-{round}");
            text += &format!("bet {player} {order} r1 {} CHF\n", 10 + round % 7);
        }
        text += &format!("bet ghost ghost-{round} r1 5 CHF\n");
        for (player, end) in [("alice", "win"), ("bob", "tie"), ("carol", "lose")] {
            text += &format!("{end} {player} {player}-{round} r1 {}\n", 3 + round % 5);
        }
    }
    let all = commands(party, &text);
    // Commands of bets that were refused are refused themselves, and those are judged afresh each time.
    let (_, outcomes) = decide_all(&mut State::default(), &all);
    let settled = |outcome: &Outcome| !told(*outcome).contains("order_refused");
    all.into_iter().zip(outcomes).filter(|(_, outcome)| settled(outcome)).map(|(keyed, _)| keyed).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_database_refuses_leaves_nothing() {
    for fresh in Fresh::both().await {
        let mut store = fresh.writer();
        apply(&mut store, &commands("acme", "open alice CHF\ndeposit alice 100 CHF")).await.expect("applied");
        fresh.refuse_poison().await;
        let batch = commands("acme", "bet alice good r1 5 CHF\nbet alice poison r1 5 CHF\nopen bob CHF");
        let refused = apply(&mut store, &batch).await;
        assert!(matches!(refused, Err(StoreError::Rejected(_))), "{}: {refused:?}", fresh.kind());
        for (table, rows) in [("journal", 2), ("orders", 0), ("players", 1)] {
            assert_eq!(fresh.number(format!("SELECT COUNT(*) FROM {table}")).await, rows, "{table}");
        }
        let after = apply(&mut store, &batch[..1]).await.expect("the store goes on");
        assert_eq!(told(after[0]), "201 placed");
        assert_sound(&fresh).await;
    }
}

/// An update passes over a row that is gone without a word, and what the bet took would be written down nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_account_is_gone_by_the_time_that_it_is_written_leaves_nothing() {
    let fresh = Fresh::postgres().await;
    let mut store = fresh.writer();
    apply(&mut store, &commands("acme", "open alice CHF\ndeposit alice 100 CHF")).await.expect("applied");
    let bet = commands("acme", "bet alice o1 r1 5 CHF");
    let mut loaded = store.load(&ReadSet::of(&bet)).await.expect("loaded");
    let (batch, _) = decide_all(&mut loaded.state, &bet);
    fresh.execute("DELETE FROM accounts WHERE side = 'player'").await;
    let gone = loaded.commit(batch).await.map(drop);
    assert!(matches!(gone, Err(StoreError::Conflict(_))), "{gone:?}");
    for (table, rows) in [("journal", 2), ("orders", 0)] {
        assert_eq!(fresh.number(format!("SELECT COUNT(*) FROM {table}")).await, rows, "{table}");
    }
}

/// What an order's row may not say, and how whoever asks about the order is told.
const CONTRADICTIONS: [(&str, &str); 4] = [
    ("round = NULL", "has half a stake"),
    (
        "stake = NULL, currency = NULL, bucket = NULL, wallet = NULL, product = NULL, round = NULL, day = NULL",
        "is open and has no stake",
    ),
    ("paid = 3", "is open and has paid"),
    ("state = 'won'", "is won and has paid nothing"),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_contradicts_itself_is_named_and_nothing_follows_from_it() {
    for fresh in Fresh::both().await {
        for (changed, says) in CONTRADICTIONS {
            let mut store = fresh.writer();
            let name = changed.len();
            let begin = format!("open alice CHF\ndeposit alice 100 CHF\nbet alice o{name} r1 5 CHF");
            insist(&mut store, &commands("acme", &begin)).await;
            let before = fresh.number("SELECT COUNT(*) FROM journal").await;
            fresh.execute(format!("UPDATE orders SET {changed} WHERE external_id = 'o{name}'")).await;
            let refused = apply(&mut store, &commands("acme", &format!("win alice o{name} r1 9"))).await;
            let told = format!("{refused:?}");
            assert!(matches!(refused, Err(StoreError::Rejected(_))) && told.contains(says), "{}: {told}", fresh.kind());
            assert_eq!(fresh.number("SELECT COUNT(*) FROM journal").await, before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_given_no_number_of_its_own_is_not_written() {
    for fresh in Fresh::both().await {
        let mut store = fresh.writer();
        let batch = commands("acme", "open alice CHF\ndeposit alice 100 CHF");
        let mut loaded = store.load(&ReadSet::of(&batch)).await.expect("loaded");
        // As though nothing had been reserved: entries are numbered by their positions.
        loaded.state.numbers.clear();
        let (decided, _) = decide_all(&mut loaded.state, &batch);
        let refused = loaded.commit(decided).await.map(drop);
        let told = format!("{refused:?}");
        assert!(told.contains("journal row 0 would follow row 0 of its chain"), "{}: {told}", fresh.kind());
        assert_eq!(fresh.number("SELECT COUNT(*) FROM journal").await, 0);
        insist(&mut store, &batch).await;
        assert_sound(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_its_player_is_never_taken_for_none() {
    let fresh = Fresh::postgres().await;
    let mut store = fresh.writer();
    insist(&mut store, &commands("acme", "open alice CHF\ndeposit alice 100 CHF")).await;
    fresh.execute("DELETE FROM players").await;
    let told = format!("{:?}", apply(&mut store, &commands("acme", "deposit alice 1 CHF key=2")).await);
    assert!(told.starts_with("Err(Conflict(") && told.contains("has an account"), "{told}");
}

/// The steps that keep what takes two, and what the last audit found.
const APPROVALS: [[&str; 4]; 2] = [
    [
        include_str!("../../migrations/sqlite/2026-11-27-000031_last_audit/down.sql"),
        include_str!("../../migrations/sqlite/2026-11-27-000030_approvals/down.sql"),
        include_str!("../../migrations/sqlite/2026-11-27-000030_approvals/up.sql"),
        include_str!("../../migrations/sqlite/2026-11-27-000031_last_audit/up.sql"),
    ],
    [
        include_str!("../../migrations/postgres/2026-11-27-000031_last_audit/down.sql"),
        include_str!("../../migrations/postgres/2026-11-27-000030_approvals/down.sql"),
        include_str!("../../migrations/postgres/2026-11-27-000030_approvals/up.sql"),
        include_str!("../../migrations/postgres/2026-11-27-000031_last_audit/up.sql"),
    ],
];

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_two_is_taken_back_and_made_again() {
    for (fresh, steps) in Fresh::both().await.into_iter().zip(APPROVALS) {
        feed(fresh.writer(), rounds("acme", 2), 7).await;
        for step in steps {
            fresh.execute(step).await;
        }
        assert_sound(&fresh).await;
        assert_eq!(fresh.number("SELECT COUNT(*) FROM approvals").await, 0);
    }
}

/// Tables that every batch touches.
const HOT: [&str; 5] = ["players", "accounts", "orders", "journal", "writers"];

/// Orders in the grown database, and commands in its batches: of all sizes, since the size decides the plan.
const ORDERS: usize = 20_000;
const BATCHES: [usize; 5] = [512, 7, 256, 1, 64];

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_began_on_empty_tables_never_scans_them_grown() {
    let fresh = Fresh::postgres().await;
    for table in HOT {
        // The worst that can be: statistics of an empty table, and nobody to renew them.
        fresh.execute(format!("ALTER TABLE {table} SET (autovacuum_enabled = off); ANALYZE {table}")).await;
    }
    let before = scanned(&fresh).await;
    let mut store = fresh.writer();
    apply(&mut store, &commands("acme", "open alice CHF\ndeposit alice 9000000 CHF")).await.expect("applied");
    let mut text = String::new();
    (0..ORDERS).for_each(|number| text += &format!("bet alice o{number} r1 1 CHF\n"));
    let bets = commands("acme", &text);
    let (mut rest, mut sizes) = (bets.as_slice(), BATCHES.iter().cycle());
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(rest.len().min(sizes.next().copied().unwrap_or(1)));
        apply(&mut store, batch).await.expect("applied");
        rest = after;
    }
    // A session reports its statistics when it ends, at the latest.
    drop(store);
    until("the session's statistics", async || {
        fresh.number("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'orders'").await >= ORDERS as i64
    })
    .await;
    assert_eq!(scanned(&fresh).await, before);
}

/// Rows that were read by scanning a hot table from end to end.
async fn scanned(fresh: &Fresh) -> BTreeMap<&'static str, i64> {
    let mut scanned = BTreeMap::new();
    for table in HOT {
        let sql = format!("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = '{table}'");
        scanned.insert(table, fresh.number(sql).await);
    }
    scanned
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_the_same_number_of_statements_whatever_its_size() {
    let fresh = Fresh::postgres().await;
    let (tapped, sent) = tap(&fresh.database).await;
    let mut store = tapped.writer().expect("a writer");
    apply(&mut store, &commands("acme", "open alice CHF\ndeposit alice 9000 CHF")).await.expect("applied");
    sent.take();
    let mut counts = Vec::new();
    for size in [1, 2, 300] {
        let bet = |number: usize| format!("bet alice o{size}-{number} r1 1 CHF\n");
        let batch = commands("acme", &(0..size).map(bet).collect::<String>());
        apply(&mut store, &batch).await.expect("applied");
        counts.push(sent.take());
    }
    let statements = |count: &BTreeMap<char, u32>| -> Vec<u32> {
        ['Q', 'P', 'B', 'E'].iter().map(|kind| count.get(kind).copied().unwrap_or(0)).collect()
    };
    // BEGIN and COMMIT; nothing prepared any more; six reads and four writes.
    let counts: Vec<Vec<u32>> = counts.iter().map(statements).collect();
    assert_eq!(counts, [[2, 0, 11, 11], [2, 0, 11, 11], [2, 0, 11, 11]]);
}

/// Looks once more; answers with the keys of the deposits that were found.
async fn looked(fresh: &Fresh, follower: &mut Follower) -> Vec<String> {
    let mut following = follower.clone();
    let looking = fresh.database.query(move |conn| {
        let found = following.look(conn, &purser::ledger::Party::parse("acme").expect("a party"), Duration::ZERO)?;
        Ok((following, found))
    });
    let (after, found) = looking.await.expect("looked");
    *follower = after;
    let keys = found.into_iter().map(|recorded| match recorded.keyed.command.act {
        Act::Account(AccountAct::Deposit(cash)) => cash.key.to_string(),
        other => panic!("no deposit: {other:?}"),
    });
    keys.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_the_journal_misses_nothing_that_is_committed_out_of_order() {
    for fresh in Fresh::both().await {
        let mut writer = fresh.writer();
        apply(&mut writer, &commands("acme", "open alice CHF\nopen bob CHF")).await.expect("applied");
        apply(&mut writer, &commands("beta", "open alice CHF")).await.expect("applied");
        let began = fresh.database.query(|conn| Follower::begin(conn, None, Duration::ZERO));
        let mut follower = began.await.expect("begun");
        assert_eq!(looked(&fresh, &mut follower).await, Vec::<String>::new());
        apply(&mut writer, &commands("acme", "deposit alice 5 CHF key=first")).await.expect("applied");
        assert_eq!(looked(&fresh, &mut follower).await, ["first"]);
        if fresh.kind() == "SQLite" {
            continue;
        }
        // One takes its number, and another is faster.
        let (mut slow, late) = (fresh.writer(), commands("acme", "deposit alice 5 CHF key=late"));
        let mut slowly = slow.load(&ReadSet::of(&late)).await.expect("loaded");
        apply(&mut writer, &commands("beta", "deposit alice 5 CHF key=b")).await.expect("applied");
        apply(&mut writer, &commands("acme", "deposit bob 5 CHF key=early")).await.expect("applied");
        assert_eq!(looked(&fresh, &mut follower).await, ["early"]);
        let decided = decide_all(&mut slowly.state, &late).0;
        slowly.commit(decided).await.expect("committed");
        assert_eq!(looked(&fresh, &mut follower).await, ["late"]);
        assert_eq!(looked(&fresh, &mut follower).await, Vec::<String>::new());
    }
}
