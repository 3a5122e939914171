//! A player's history and the commands of a correlation id: what the index and the rows behind it say is what a scan of the
//! journal says, whoever wrote the index, and wherever they were interrupted.

mod followers;
mod neighbours;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::{Command, Party, PlayerId};
use purser::storage::history::index::{self, IndexStep, Indexer};
use purser::storage::history::{self, HistoryAnswer, HistoryRow, RecordedCommand};
use purser::storage::queries::AnyConnection;
use tokio::runtime::Runtime;

use crate::databases::{Fresh, apply};
use crate::memory::{Memory, next_number};
use crate::patience::{until, within_deadline};
use crate::properties::check_few;
use crate::properties::histories::History;
use crate::script::commands;

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
