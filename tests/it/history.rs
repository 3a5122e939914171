//! A player's history and the commands of a correlation id: what the index and the rows behind it say is what a scan of the
//! journal says, whoever wrote the index, and wherever they were interrupted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::{Command, Party, PlayerId, ReadSet};
use purser::storage::history::index::{self, IndexStep, Indexer};
use purser::storage::history::{self, HistoryAnswer, HistoryRow, RecordedCommand};
use purser::storage::lookups::{self, ChainPlace};
use purser::storage::queries::AnyConnection;
use purser::storage::{Store, StoreError};
use tokio::runtime::Runtime;

use crate::databases::{Fresh, apply, decide_all};
use crate::e2e::play::{rng, seed};
use crate::memory::{Memory, next_number};
use crate::patience::{until, within_deadline};
use crate::properties::check_few;
use crate::properties::histories::History;
use crate::script::commands;
use rand::RngExt;

/// Rows of a test's segments: few, so that there are many.
const SEGMENT: usize = 7;

const EVERYTHING: Timestamp = Timestamp(i64::MAX);

fn acme() -> Party {
    Party::parse("acme").expect("a party")
}

/// Follows until there is nothing to do; says how many rows went into the index. What is under way elsewhere on the server
/// may hold it up.
pub async fn follow(fresh: &Fresh, segment: usize) -> usize {
    let mut following = Following::begin(fresh, segment).await;
    let mut indexed = 0;
    until("the index has caught up", async || {
        let (now, goes_on) = following.steps(1).await;
        indexed += now;
        !goes_on
    })
    .await;
    indexed
}

/// A follower that takes a step when it is told to.
struct Following {
    held: Option<(AnyConnection, Indexer)>,
}

impl Following {
    async fn begin(fresh: &Fresh, segment: usize) -> Self {
        let conn = fresh.database.open().await.expect("a connection");
        Self { held: Some((conn, Indexer::new(segment))) }
    }

    /// Takes so many steps; says how many rows went into the index, and whether there is something left to do or wait for.
    async fn steps(&mut self, steps: u32) -> (usize, bool) {
        let (mut conn, mut indexer) = self.held.take().expect("the last steps went well");
        let stepping = tokio::task::spawn_blocking(move || {
            let (mut indexed, mut has_more) = (0, false);
            for _ in 0..steps {
                let step: IndexStep = indexer.step(&mut conn).expect("a step");
                indexed += step.indexed;
                has_more = step.has_more;
            }
            (indexed, has_more || indexer.waits(), conn, indexer)
        });
        let (indexed, goes_on, conn, indexer) = within_deadline("the steps", stepping).await.expect("no panic");
        self.held = Some((conn, indexer));
        (indexed, goes_on)
    }
}

async fn of_player(fresh: &Fresh, player: &str, before: Option<i64>, limit: usize) -> Vec<HistoryRow> {
    let player = PlayerId::parse(player).expect("a player");
    let asking = fresh.database.query(move |conn| history::of_player(conn, &acme(), &player, before, limit));
    rows(asking.await.expect("asked"))
}

async fn of_correlation(fresh: &Fresh, correlation: &str) -> Vec<HistoryRow> {
    let id = correlation.to_owned();
    rows(fresh.database.query(move |conn| history::of_correlation(conn, &acme(), &id)).await.expect("asked"))
}

fn rows(found: HistoryAnswer) -> Vec<HistoryRow> {
    match found {
        HistoryAnswer::Rows(rows) => rows,
        HistoryAnswer::Behind(rows) => panic!("{rows} rows behind"),
    }
}

fn numbers(rows: &[HistoryRow]) -> Vec<i64> {
    rows.iter().map(|row| row.number).collect()
}

/// What is known of every row that was ever in the journal: its player and its correlation id.
#[derive(Default)]
struct Known(BTreeMap<i64, (Option<String>, Option<String>)>);

impl Known {
    /// Takes note of what has come since, before anything of it is pruned.
    async fn learn(&mut self, fresh: &Fresh) {
        let known = self.0.keys().next_back().copied().unwrap_or(0);
        for (number, command, _) in fresh.journal("acme").await.into_iter().filter(|(number, ..)| *number > known) {
            let command: Command = serde_json::from_str(&command).expect("a command");
            let player = command.player().map(|player| player.as_str().to_owned());
            self.0.insert(number, (player, command.correlation.map(|id| id.to_string())));
        }
    }

    /// Those of the rows that are still in the journal, newest first.
    async fn left(&self, fresh: &Fresh, is_theirs: impl Fn(&(Option<String>, Option<String>)) -> bool) -> Vec<i64> {
        let left = fresh.journal("acme").await.into_iter().map(|(number, ..)| number);
        let mut theirs: Vec<i64> = left.filter(|number| is_theirs(&self.0[number])).collect();
        theirs.reverse();
        theirs
    }

    /// Compares every player and every correlation id, and pages of histories.
    async fn compare(&self, fresh: &Fresh) -> Result<(), TestCaseError> {
        for player in ["alice", "bob", "ghost", "nobody"] {
            let ought = self.left(fresh, |(whose, _)| whose.as_deref() == Some(player)).await;
            prop_assert_eq!(numbers(&of_player(fresh, player, None, 1_000).await), ought.clone(), "{}", player);
            let (middle, limit) = (ought.get(ought.len() / 2).copied(), 5);
            let page: Vec<i64> = ought
                .iter()
                .copied()
                .filter(|number| middle.is_none_or(|middle| *number < middle))
                .take(limit)
                .collect();
            prop_assert_eq!(numbers(&of_player(fresh, player, middle, limit).await), page, "a page of {}", player);
        }
        for correlation in self.0.values().filter_map(|(_, correlation)| correlation.as_deref()) {
            let ought = self.left(fresh, |(_, called)| called.as_deref() == Some(correlation)).await;
            prop_assert_eq!(numbers(&of_correlation(fresh, correlation).await), ought, "{}", correlation);
        }
        Ok(())
    }
}

/// The commands with correlation ids, some of them used twice, and some commands without.
fn called(told: Vec<KeyedCommand>, from: usize) -> Vec<KeyedCommand> {
    let called = told.into_iter().zip(from..).map(|(keyed, number)| {
        let correlation = (number % 5 > 0).then(|| format!("c \"{}\"", number - number % 3).into());
        Command { correlation, ..keyed.command }.keyed()
    });
    called.collect()
}

async fn is_found(history: &History, fresh: Fresh, number: u32) -> Result<(), TestCaseError> {
    let (mut writer, mut memory, mut known) = (fresh.writer(), Memory::default(), Known::default());
    let mut count = 0;
    for (turn, range) in history.batches().enumerate() {
        memory.next = next_number(&mut writer).await;
        let batch = called(history.told("acme", range, &memory), count);
        count += batch.len();
        memory.apply(&batch);
        apply(&mut writer, &batch).await.expect("applied");
        known.learn(&fresh).await;
        match (turn + number as usize) % 4 {
            0 => drop(follow(&fresh, SEGMENT).await),
            1 => drop(fresh.prune(batch[0].command.at).await),
            _ => {}
        }
    }
    known.compare(&fresh).await?;
    fresh.prune(EVERYTHING).await;
    known.compare(&fresh).await?;
    follow(&fresh, SEGMENT).await;
    known.compare(&fresh).await?;
    prop_assert_eq!(
        fresh.audit().await.findings,
        Vec::<String>::new(),
        "what was dropped is in the index and is not missed"
    );
    fresh.database.query(index::rebuild).await.expect("dropped");
    prop_assert_eq!(fresh.audit().await.findings, Vec::<String>::new(), "while it is dropped");
    known.compare(&fresh).await?;
    let left = fresh.journal("acme").await.len();
    prop_assert_eq!(follow(&fresh, SEGMENT).await, left / SEGMENT * SEGMENT);
    known.compare(&fresh).await?;
    prop_assert_eq!(fresh.audit().await.findings, Vec::<String>::new());
    Ok(())
}

#[test]
fn histories_are_what_a_scan_of_the_journal_says() {
    let runtime = Runtime::new().expect("a runtime");
    check_few(|history, number| {
        runtime.block_on(async {
            let fresh = if number % 2 == 0 { Fresh::sqlite().await } else { Fresh::postgres().await };
            is_found(history, fresh, number).await
        })
    });
}

/// One act of each kind that a player can be the subject of, and one that is nobody's.
const EVERY_ACT: &str = "
    open alice CHF
    deposit alice 1000 CHF key=in
    withdraw alice 10 CHF key=out
    bet alice o1 r1 100 CHF
    win alice o1 r1 250 CHF
    bet alice o2 r1 100 CHF
    cancel alice o2
    stake alice s1 g1 100 CHF
    queue alice s1
    dismiss alice s1
    vip alice gold 100 CHF
    stock card 30 CHF k1,k2
    buy alice b1 card 1 30 CHF
";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_every_act_is_its_players() {
    for fresh in Fresh::both().await {
        let mut writer = fresh.writer();
        let acts = crate::script::written_for(&crate::script::parse("acme", EVERY_ACT), 1).0;
        apply(&mut writer, &acts).await.expect("applied");
        apply(&mut writer, &commands("beta", "open alice CHF")).await.expect("applied");
        let stocked = 12;
        let ought: Vec<i64> = (1..=13).rev().filter(|number| *number != stocked).collect();
        assert_eq!(numbers(&of_player(&fresh, "alice", None, 100).await), ought, "{}", fresh.kind());
        assert_eq!(follow(&fresh, 13).await, 13);
        assert_eq!(numbers(&of_player(&fresh, "alice", None, 100).await), ought, "{}", fresh.kind());
        let newest = &of_player(&fresh, "alice", None, 1).await[0];
        assert!(matches!(&newest.command, RecordedCommand::Whole(command) if **command == acts[12].command));
    }
}

/// On Postgres a number is taken before it is committed, and another may be faster.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_late_is_in_the_index_and_what_never_is_holds_up_nobody() {
    let fresh = Fresh::postgres().await;
    let mut writer = fresh.writer();
    apply(&mut writer, &commands("acme", "open alice CHF\nopen bob CHF")).await.expect("applied");
    let (mut slow, late) = (fresh.writer(), commands("acme", "deposit alice 5 CHF key=late"));
    let mut state = slow.load(&ReadSet::of(&late)).await.expect("loaded");
    apply(&mut writer, &commands("acme", "deposit bob 5 CHF key=early")).await.expect("applied");
    let mut following = Following::begin(&fresh, 2).await;
    let mut steps = async || following.steps(20).await.0;
    assert_eq!(steps().await, 2, "what comes after the gap waits");
    assert_eq!(numbers(&of_player(&fresh, "bob", None, 9).await), [4, 2]);
    slow.commit(decide_all(&mut state, &late).0).await.expect("committed");
    assert_eq!(steps().await, 2);
    assert_eq!(numbers(&of_player(&fresh, "alice", None, 9).await), [3, 1]);
    // This one takes its number in vain.
    slow.load(&ReadSet::of(&late)).await.expect("loaded");
    apply(&mut writer, &commands("acme", "deposit bob 5 CHF key=1\ndeposit bob 5 CHF key=2")).await.expect("applied");
    assert_eq!(steps().await, 0);
    slow.abandon().await;
    let mut indexed = 0;
    until("the gap is known to be one", async || {
        indexed += steps().await;
        indexed == 2
    })
    .await;
    assert_eq!(numbers(&of_player(&fresh, "bob", None, 9).await), [7, 6, 4, 2]);
}

/// A replay brings numbers that were given elsewhere, and the next ones come after them: what is between was never there to be
/// looked through.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_were_left_out_are_not_what_the_index_is_behind() {
    let fresh = Fresh::postgres().await;
    let mut writer = fresh.writer();
    apply(&mut writer, &commands("acme", "open alice CHF\nopen bob CHF")).await.expect("applied");
    fresh.execute("SELECT setval('journal_seq', 5000000)").await;
    apply(&mut writer, &commands("acme", "deposit bob 5 CHF key=1")).await.expect("applied");
    assert_eq!(numbers(&of_player(&fresh, "bob", None, 9).await), [5_000_001, 2]);
    assert_eq!(numbers(&of_player(&fresh, "alice", None, 9).await), [1]);
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

async fn chain_of(fresh: &Fresh, number: i64, reach: i64) -> ChainPlace {
    let found = fresh.database.query(move |conn| lookups::entry(conn, number, reach)).await.expect("asked");
    found.expect("a row").chain
}

/// What pruning carried of a chain is followed by the first row after it alone: where others may lie between, nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_predecessor_is_far_away_is_not_said_to_be_wrong() {
    // On SQLite there is one chain: whoever writes continues it.
    let fresh = Fresh::postgres().await;
    let (kind, mut ours, mut theirs) = (fresh.kind(), fresh.writer(), fresh.writer());
    apply(&mut ours, &commands("acme", "open alice CHF")).await.expect("applied");
    assert_eq!(fresh.prune(EVERYTHING).await.whole, 1, "{kind}");
    apply(&mut ours, &commands("acme", "deposit alice 5 CHF key=2")).await.expect("applied");
    let text = "open bob CHF\ndeposit bob 5 CHF key=4\ndeposit bob 5 CHF key=5";
    apply(&mut theirs, &commands("beta", text)).await.expect("applied");
    apply(&mut ours, &commands("acme", "deposit alice 5 CHF key=6")).await.expect("applied");
    let told = async |number, reach| {
        let ChainPlace { previous, next, follows, is_sealed, holds } = chain_of(&fresh, number, reach).await;
        let [previous, next, follows] = [previous, next, follows].map(|row| row.map(|row| row.seq));
        (previous, next, follows, is_sealed, holds)
    };
    assert_eq!(told(1, 9).await, (None, Some(2), None, true, Some(true)), "sealed ({kind})");
    assert_eq!(told(2, 9).await, (Some(1), Some(6), Some(1), false, Some(true)), "the first after it ({kind})");
    assert_eq!(told(3, 9).await, (None, Some(4), None, false, Some(true)), "a chain's first ({kind})");
    assert_eq!(told(6, 9).await, (Some(2), None, Some(2), false, Some(true)), "{kind}");
    assert_eq!(told(6, 3).await, (None, None, None, false, None), "{kind}");
    fresh.execute("UPDATE journal SET hash = (SELECT hash FROM journal WHERE seq = 4) WHERE seq = 6").await;
    assert_eq!(told(6, 9).await.4, Some(false), "{kind}");
    fresh.execute("DELETE FROM players WHERE player = 'alice'").await;
    let nobodys = fresh.database.query(|conn| lookups::entry(conn, 2, 9)).await;
    let Err(StoreError::Rejected(why)) = nobodys else { panic!("{nobodys:?}") };
    assert!(why.contains("account: is of nobody"), "{why}");
}
