//! A pruned ledger is the same ledger: it answers every repeat as before, goes on as before, and can be audited.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::{AccountRefusal, Done, OrderDone, Outcome, Refusal};
use purser::storage::pruning::Pruned;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::databases::{Fresh, apply};
use crate::e2e::services::{Addresses, execute};
use crate::e2e::stage::{ACME, Base, Stage};
use crate::memory::{Memory, next_number};
use crate::patience::within_deadline;
use crate::properties::check_few;
use crate::properties::histories::History;
use crate::script::{commands, written_for};

/// One of each act that is shortened, whole refusals, and refusals that are for the record only.
const STORY: &str = "
    open alice CHF
    deposit alice 1000 CHF key=first
    bet alice won r1 100 CHF
    win alice won r1 250 CHF
    bet alice tied r1 40 CHF wallet=w
    bet alice lost r1 40 CHF
    lose alice lost r1 5
    bet alice drawn r1 40 CHF
    tie alice drawn r1 stake
    bet alice cancelled r1 70 CHF
    cancel alice cancelled
    bet alice refused r1 9000000 CHF
    cancel alice tombstone
    win alice nobet r1 5 CHF
    withdraw alice 10 CHF key=out
    withdraw alice 9000000 CHF key=toomuch
    bet alice open r1 30 CHF
    stake alice s1 g1 100 CHF
";

/// All of it.
const EVERYTHING: Timestamp = Timestamp(i64::MAX);

async fn audited(fresh: &Fresh) -> String {
    let report = fresh.audit().await;
    assert_eq!(report.findings, Vec::<String>::new(), "{}", fresh.kind());
    report.digest
}

async fn answered(fresh: &Fresh, text: &str) -> Vec<Outcome> {
    apply(&mut fresh.writer(), &commands("acme", text)).await.expect("applied")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pruned_is_answered_as_before() {
    for fresh in Fresh::both().await {
        let kind = fresh.kind();
        let first = answered(&fresh, STORY).await;
        let before = audited(&fresh).await;
        let pruned = fresh.prune(EVERYTHING).await;
        assert_eq!(pruned, Pruned { shortened: 14, dropped: 2, whole: 2 }, "{kind}");
        assert_eq!(audited(&fresh).await, before, "pruning changes nothing that the ledger holds ({kind})");
        assert_eq!(
            fresh.number("SELECT SUM(length(transfers)) / 40 FROM journal").await,
            1,
            "the partner's alone ({kind})"
        );
        let again = answered(&fresh, STORY).await;
        let kept = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| format!("{outcome:?}")).collect::<Vec<_>>();
        // Withdrawals that were refused are judged afresh, on what is there now.
        assert_eq!(kept(&again)[..15], kept(&first)[..15], "{kind}");
        assert_eq!(kept(&again)[16..], kept(&first)[16..], "{kind}");
        audited(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_data_under_a_pruned_key_is_told_from_the_same() {
    const OTHERS: &str = "
        deposit alice 1001 CHF key=first
        deposit alice 1000 EUR key=first
        bet alice won r2 100 CHF
        bet alice won r1 101 CHF
        bet alice won r1 100 CHF wallet=w
        win alice won r1 251 CHF
        lose alice won r1
        win alice won r2 250 CHF
        lose alice lost r1 6
        tie alice drawn r1 41
        cancel bob cancelled
        cancel alice cancelled wallet=w
        bet alice refused r1 8000000 CHF
        withdraw alice 11 CHF key=out
    ";
    const SAME: &str = "
        lose alice lost r1
        tie alice drawn r1 40
    ";
    for fresh in Fresh::both().await {
        answered(&fresh, &format!("{STORY} open bob CHF")).await;
        fresh.prune(EVERYTHING).await;
        let answers = answered(&fresh, OTHERS).await;
        assert_eq!(
            answers,
            vec![Outcome::Refused(Refusal::Account(AccountRefusal::KeyReused)); answers.len()],
            "{}",
            fresh.kind()
        );
        let settled = |paid| Outcome::Done(Done::Order(OrderDone::OrderSettled { paid }));
        assert_eq!(answered(&fresh, SAME).await, [settled(0), settled(40)], "{}", fresh.kind());
        audited(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_ledger_goes_on_and_is_pruned_again() {
    for fresh in Fresh::both().await {
        let kind = fresh.kind();
        answered(&fresh, STORY).await;
        // The last rows of the journal go: their numbers are not given again.
        answered(&fresh, "withdraw alice 9000000 CHF key=late").await;
        fresh.prune(EVERYTHING).await;
        let [number] = answered(&fresh, "win alice open r1 60 CHF").await[..] else { panic!("one answer") };
        assert_eq!(number, Outcome::Done(Done::Order(OrderDone::OrderSettled { paid: 60 })), "{kind}");
        let more = answered(&fresh, "bet alice next r1 1 CHF\n deposit alice 5 CHF key=second").await;
        assert!(more.iter().all(|outcome| matches!(outcome, Outcome::Done(_))), "{kind}: {more:?}");
        let before = audited(&fresh).await;
        assert_eq!(fresh.prune(EVERYTHING).await, Pruned { shortened: 3, dropped: 0, whole: 0 }, "{kind}");
        assert_eq!(fresh.prune(EVERYTHING).await, Pruned::default(), "{kind}");
        assert_eq!(audited(&fresh).await, before, "{kind}");
        assert_eq!(
            answered(&fresh, "cancel alice next").await,
            [Outcome::Done(Done::Order(OrderDone::OrderCancelled { refunded: 1 }))]
        );
        audited(&fresh).await;
    }
}

/// Pruned between batches, wherever that is, a ledger answers and holds what one does that keeps everything.
async fn goes_on(history: &History, [fresh, whole]: [Fresh; 2]) -> Result<(), TestCaseError> {
    let (mut writer, mut other, mut memory) = (fresh.writer(), whole.writer(), Memory::default());
    let mut told: Vec<KeyedCommand> = Vec::new();
    for (turn, range) in history.batches().enumerate() {
        memory.next = next_number(&mut writer).await;
        let batch = history.told("acme", range, &memory);
        let (_, ought) = memory.apply(&batch);
        prop_assert_eq!(apply(&mut writer, &batch).await.expect("applied"), ought, "{}", fresh.kind());
        next_number(&mut other).await;
        apply(&mut other, &batch).await.expect("applied");
        told.extend(batch);
        if turn % 2 == 1 {
            fresh.prune(told[told.len() * 2 / 3].command.at).await;
        }
    }
    prop_assert_eq!(audited(&fresh).await, audited(&whole).await, "{}", fresh.kind());
    fresh.prune(EVERYTHING).await;
    memory.next = next_number(&mut writer).await;
    let (_, ought) = memory.apply(&told);
    prop_assert_eq!(apply(&mut writer, &told).await.expect("applied"), ought, "{}", fresh.kind());
    audited(&fresh).await;
    Ok(())
}

#[test]
fn random_histories_that_are_pruned_meanwhile_are_the_same() {
    let runtime = Runtime::new().expect("a runtime");
    check_few(|history, number| {
        runtime.block_on(async {
            let pair = if number % 2 == 0 {
                [Fresh::sqlite().await, Fresh::sqlite().await]
            } else {
                [Fresh::postgres().await, Fresh::postgres().await]
            };
            goes_on(history, pair).await
        })
    });
}

/// Several writers go on while somebody prunes right behind them.
#[tokio::test(flavor = "multi_thread")]
async fn pruning_is_in_nobodys_way() {
    let fresh = Arc::new(Fresh::postgres().await);
    let writing = Arc::new(AtomicBool::new(true));
    let player = |player: &str| {
        let bets = (0..1_500)
            .map(|number| format!("bet {player} {player}{number} r1 1 CHF\nlose {player} {player}{number} r1\n"));
        format!("open {player} CHF\ndeposit {player} 100000 CHF key={player}\n{}", bets.collect::<String>())
    };
    let feeding = ["alice", "bob", "carol"].map(|name| {
        let all = written_for(&crate::script::parse("acme", &player(name)), 1).0;
        tokio::spawn(crate::storage::feed(fresh.writer(), all, 16))
    });
    let pruning = {
        let (fresh, writing) = (Arc::clone(&fresh), Arc::clone(&writing));
        tokio::spawn(async move {
            let mut pruned = Pruned::default();
            while writing.load(Ordering::Relaxed) {
                pruned += fresh.prune(EVERYTHING).await;
                audited(&fresh).await;
            }
            pruned
        })
    };
    for fed in feeding {
        within_deadline("the writers", fed).await.expect("fed");
    }
    writing.store(false, Ordering::Relaxed);
    let mut pruned = within_deadline("pruning", pruning).await.expect("pruned");
    pruned += fresh.prune(EVERYTHING).await;
    assert_eq!(pruned, Pruned { shortened: 3 * 3_001, dropped: 0, whole: 3 });
    audited(&fresh).await;
}

/// What a command says that must fail.
async fn refused(stage: &Stage, arguments: &[&str]) -> String {
    let ran = stage.run(arguments).await;
    assert!(!ran.status.success(), "purser {arguments:?}");
    String::from_utf8(ran.stderr).expect("UTF-8")
}

/// An unsound ledger is not pruned: what is wrong could not be found out later.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_prunes_what_is_old_and_sound() {
    for base in [Base::Sqlite, Base::Postgres] {
        let stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
        stage.database.migrate().await.expect("migrated");
        let mut writer = stage.database.writer().expect("a writer");
        apply(&mut writer, &commands("acme", STORY)).await.expect("applied");
        let later = commands("acme", "deposit alice 5 CHF key=later at=20000");
        apply(&mut writer, &later).await.expect("applied");
        drop(writer);

        let summary = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let dry = summary(&stage.done(&["journal", "prune", "--before", "2024-01-01", "--dry-run", "--json"]).await);
        assert_eq!((&dry["rows"], &dry["shortened"], &dry["up_to"]), (&18.into(), &0.into(), &18.into()));
        assert_eq!(
            stage.done(&["journal", "prune", "--before", "2024-01-01"]).await,
            "up to journal row 18: 14 shortened, 2 dropped, 2 left whole\n"
        );
        let none = stage.done(&["journal", "prune", "--before", "2024-01-01"]).await;
        assert_eq!(none, "nothing was received before 2024-01-01T00:00:00.000000Z that is not pruned\n");

        let said = refused(&stage, &["journal", "export", "--party", "acme"]).await;
        assert!(said.contains("export the rest with --since 1970-01-01T00:00:00.000001Z"), "{said}");
        let rest = stage.done(&["journal", "export", "--party", "acme", "--since", "2024-01-01"]).await;
        assert_eq!(rest.lines().count(), 2, "one command and the seal");
        let said = refused(&stage, &["journal", "prune", "--before", "2999-01-01"]).await;
        assert!(said.contains("--before lies in the future"), "{said}");

        execute(&stage.database, "UPDATE accounts SET balance = 1 WHERE balance > 0").await;
        let said = refused(&stage, &["journal", "prune", "--before", "1h"]).await;
        assert!(said.contains("nothing is pruned, since the ledger is not sound"), "{said}");
    }
}
