//! Whoever writes the index: what is committed late, several at once, and one that ends in the middle of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use purser::ledger::ReadSet;
use purser::storage::history::index::{self, Indexer};
use purser::storage::{Store, StoreError};
use rand::RngExt;

use super::{Following, Known, SEGMENT, follow, numbers, of_player};
use crate::databases::{Fresh, apply, decide_all};
use crate::e2e::play::{rng, seed};
use crate::patience::{until, within_deadline};
use crate::script::commands;

/// On Postgres a number is taken before it is committed, and another may be faster.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_late_is_in_the_index_and_what_never_is_holds_up_nobody() {
    let fresh = Fresh::postgres().await;
    let mut writer = fresh.writer();
    apply(&mut writer, &commands("acme", "open alice CHF\nopen bob CHF")).await.expect("applied");
    let (mut slow, late) = (fresh.writer(), commands("acme", "deposit alice 5 CHF key=late"));
    let mut slowly = slow.load(&ReadSet::of(&late)).await.expect("loaded");
    apply(&mut writer, &commands("acme", "deposit bob 5 CHF key=early")).await.expect("applied");
    let mut following = Following::begin(&fresh, 2).await;
    let mut steps = async || following.steps(20).await.0;
    assert_eq!(steps().await, 2, "what comes after the gap waits");
    assert_eq!(numbers(&of_player(&fresh, "bob", None, 9).await), [4, 2]);
    let decided = decide_all(&mut slowly.state, &late).0;
    slowly.commit(decided).await.expect("committed");
    assert_eq!(steps().await, 2);
    assert_eq!(numbers(&of_player(&fresh, "alice", None, 9).await), [3, 1]);
    // This one takes its number in vain.
    let in_vain = slow.load(&ReadSet::of(&late)).await.expect("loaded");
    apply(&mut writer, &commands("acme", "deposit bob 5 CHF key=1\ndeposit bob 5 CHF key=2")).await.expect("applied");
    assert_eq!(steps().await, 0);
    drop(in_vain);
    let mut indexed = 0;
    until("the gap is known to be one", async || {
        indexed += steps().await;
        indexed == 2
    })
    .await;
    assert_eq!(numbers(&of_player(&fresh, "bob", None, 9).await), [7, 6, 4, 2]);
}

/// Several processes follow at once, one of which is killed now and then between any two of its statements; commands come
/// from several writers meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn followers_who_meet_and_are_killed_leave_every_row_in_the_index_once() {
    const EACH: usize = 400;
    let seed = seed();
    for fresh in Fresh::both().await {
        let fresh = Arc::new(fresh);
        let done = Arc::new(AtomicBool::new(false));
        let followers: Vec<_> = (0..3_u64)
            .map(|number| tokio::spawn(meet(Arc::clone(&fresh), Arc::clone(&done), seed.wrapping_add(number))))
            .collect();
        let players: &[&str] = if fresh.kind() == "SQLite" { &["alice"] } else { &["alice", "bob", "carol"] };
        let feeding = players.iter().map(|player| {
            let bets = (0..EACH).map(|number| format!("bet {player} {player}{number} r1 1 CHF\n"));
            let text =
                format!("open {player} CHF\ndeposit {player} 1000 CHF key={player}\n{}", bets.collect::<String>());
            tokio::spawn(crate::storage::feed(fresh.writer(), commands("acme", &text), 16))
        });
        for fed in feeding.collect::<Vec<_>>() {
            within_deadline("the writers", fed).await.expect("fed");
        }
        let all = players.len() * (EACH + 2);
        until("nearly all is in the index", async || {
            fresh.number("SELECT number FROM history_position").await > i64::try_from(all - SEGMENT).expect("few")
        })
        .await;
        done.store(true, Ordering::Relaxed);
        for follower in followers {
            within_deadline("the followers", follower).await.expect("no panic");
        }
        let mut known = Known::default();
        known.learn(&fresh).await;
        for player in players {
            let ought = known.left(&fresh, |(whose, _)| whose.as_deref() == Some(player)).await;
            assert_eq!(ought.len(), EACH + 2);
            assert_eq!(numbers(&of_player(&fresh, player, None, 1_000).await), ought, "{}", fresh.kind());
        }
        let bytes = fresh.number("SELECT SUM(LENGTH(entries)) FROM history_pages WHERE kind = 1").await;
        let position = fresh.number("SELECT number FROM history_position").await;
        let indexed = fresh.number(format!("SELECT COUNT(*) FROM journal WHERE seq <= {position}")).await;
        assert_eq!(bytes, indexed * 10, "an entry each: {}", fresh.kind());
    }
}

/// Follows with a connection that breaks now and then, as a killed process's does.
async fn meet(fresh: Arc<Fresh>, done: Arc<AtomicBool>, seed: u64) {
    let mut rng = rng(seed);
    while !done.load(Ordering::Relaxed) {
        let steps = rng.random_range(1..40_u32);
        let following = fresh.database.query(move |conn| {
            index::prepare(conn)?;
            let mut indexer = Indexer::new(SEGMENT);
            for _ in 0..steps {
                indexer.step(conn)?;
            }
            Ok(())
        });
        match following.await {
            Ok(()) | Err(StoreError::Contention(_)) => {}
            Err(error) => panic!("{error}"),
        }
        crate::patience::pause().await;
    }
}

/// Ends the follower's session where it stands: the transaction has moved the position, and not written all pages.
#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_written_whole_or_not_at_all() {
    for fresh in Fresh::both().await {
        let mut writer = fresh.writer();
        let text: String = (0..20).map(|number| format!("deposit alice 1 CHF key={number}\n")).collect();
        apply(&mut writer, &commands("acme", &format!("open alice CHF\n{text}"))).await.expect("applied");
        // The correlation ids' pages are written last. The database takes none of them.
        let refuse = match fresh.kind() {
            "SQLite" => {
                "CREATE TRIGGER half BEFORE INSERT ON history_pages WHEN NEW.first > 7 \
                 BEGIN SELECT RAISE(ABORT, 'half'); END"
            }
            _ => "ALTER TABLE history_pages ADD CONSTRAINT half CHECK (first <= 7)",
        };
        fresh.execute(refuse).await;
        let following = fresh.database.query(|conn| {
            let mut indexer = Indexer::new(SEGMENT);
            loop {
                indexer.step(conn)?;
            }
        });
        let ended: Result<(), StoreError> = following.await;
        assert!(matches!(ended, Err(StoreError::Rejected(_))), "{}: {ended:?}", fresh.kind());
        assert_eq!(fresh.number("SELECT number FROM history_position").await, 7, "{}", fresh.kind());
        let all: Vec<i64> = (1..=21).rev().collect();
        assert_eq!(numbers(&of_player(&fresh, "alice", None, 100).await), all, "{}", fresh.kind());
        let repair = match fresh.kind() {
            "SQLite" => "DROP TRIGGER half",
            _ => "ALTER TABLE history_pages DROP CONSTRAINT half",
        };
        fresh.execute(repair).await;
        assert_eq!(follow(&fresh, SEGMENT).await, 14, "{}", fresh.kind());
        assert_eq!(numbers(&of_player(&fresh, "alice", None, 100).await), all, "{}", fresh.kind());
    }
}
