//! Exports and replays: a ledger that is rebuilt from its journal is the same ledger, on whichever database.

mod refused;
mod export;
mod first_build;
mod program;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use proptest::prelude::*;
use purser::cli::journal::line::{self, LineError};
use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::recorded::Recorded;
use purser::ledger::{AccountDone, Done, OrderDone, Outcome, Party, ReadSet, TransactionDone};
use purser::storage::audit::AuditReport;
use purser::storage::journal::{self, ToldUntil};
use purser::storage::queries::AnyConnection;
use purser::storage::{Store, StoreError};
use purser::wallet::replay::{Replay, ReplayError, ReplayedAs};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::databases::{Fresh, apply};
use crate::e2e::process::purser;
use crate::e2e::services::Addresses;
use crate::e2e::stage::{ACME, Base, Stage};
use crate::memory::next_number;
use crate::patience::{until, within_deadline};
use crate::properties::check_few;
use crate::properties::histories::History;
use crate::script::{parse, written_for};
use crate::storage::feed;

/// Something of everything, at times that a reader can tell apart.
const STORY: &str = "
    open alice CHF nickname=al at=20000+1
    deposit alice 100000 CHF key=first at=20000+2
    bet alice won r1 100 CHF daymax=5000 at=20000+3
    win alice won r1 250 CHF at=20000+4
    bet alice tied r1 40 CHF wallet=w at=20000+5
    bet alice tied2 r1 40 CHF max=50 at=20000+6
    tie alice tied2 r1 stake at=20000+7
    bet alice cancelled r1 70 CHF at=20000+8
    cancel alice cancelled at=20000+9
    bet alice refused r1 9000000 CHF at=20000+10
    cancel alice tombstone at=20000+11
    win alice nobet r1 5 CHF at=20000+12
    withdraw alice 10 CHF at=20000+13
    withdraw alice 9000000 CHF at=20000+14
    stake alice s1 g1 100 CHF from=real,bonus token=secret at=20000+15
    stake alice s0 g1 10 CHF at=20000+15
    pay alice p1 g1 50 CHF source=s0 at=20000+16
    void alice v1 s1 100 CHF at=20000+17
    void alice v2 s1 100 CHF at=20000+18
    stake alice s2 g2 100 CHF at=20000+19
    prize alice w1 g2 250 CHF at=20000+20
    stake alice s3 g3 30 CHF at=20000+21
    refund alice f1 g3 30 CHF at=20000+22
    stake alice s4 g4 30 CHF worth=3.1000 at=20000+23
    rollback alice b1 s4 CHF at=20000+24
    rollback alice b2 s4 CHF at=20000+25
    rollback alice b3 unheard CHF at=20000+26
    stake alice unheard g4 30 CHF at=20000+27
    stake alice s5 g5 9000000 CHF at=20000+28
    stake alice s6 g6 60 CHF at=20000+29
    queue alice s6 at=20000+30
    approve alice s6 at=20000+31
    stake alice s7 g7 60 CHF at=20000+32
    queue alice s7 at=20000+33
    dismiss alice s7 at=20000+34
    queue alice s7 attempt=1 at=20000+34
    approve alice s7 attempt=1 at=20000+34
    vip alice gold 100 CHF ladder=silver,gold at=20000+35
    stock card 30 CHF k1,k2,k3 at=20000+36
    buy alice b1 card 2 30 CHF at=20000+37
    buy alice b2 card 2 30 CHF at=20000+38
";

fn party(name: &str) -> Party {
    Party::parse(name).expect("a party")
}

fn commands(party: &str, text: &str) -> Vec<KeyedCommand> {
    written_for(&parse(party, text), 1).0
}

async fn told(fresh: &Fresh, commands: &[KeyedCommand]) {
    apply(&mut fresh.writer(), commands).await.expect("applied");
}

async fn audited(fresh: &Fresh) -> AuditReport {
    let report = fresh.audit().await;
    assert_eq!(report.findings, Vec::<String>::new(), "{}", fresh.kind());
    report
}

async fn digest(fresh: &Fresh) -> String {
    audited(fresh).await.digest
}

/// What `purser journal export` writes.
async fn export(fresh: &Fresh, of: &str) -> Vec<u8> {
    let of = party(of);
    let telling = fresh.database.query(move |conn| {
        let mut out = Vec::new();
        let told = journal::tell(conn, &of, Timestamp(i64::MIN)..Timestamp(i64::MAX), |recorded| {
            line::write(&mut out, &recorded).expect("written");
            ControlFlow::<()>::Continue(())
        });
        told.map(|told| {
            assert_eq!(told, ToldUntil::All);
            out
        })
    });
    telling.await.expect("an export")
}

fn records(export: &[u8]) -> Vec<Recorded> {
    let lines = export.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|text| line::read(text).expect("a line")).collect()
}

async fn replay(mut replay: Replay<impl Store>, export: &[u8]) -> Result<Vec<ReplayedAs>, ReplayError> {
    let mut compared = Vec::new();
    for batch in records(export).chunks(7) {
        compared.extend(replay.apply(batch.to_vec()).await?);
    }
    Ok(compared)
}

/// What a replay finds where nothing is missing or other than it was.
fn expected(export: &[u8], of_kept: ReplayedAs) -> Vec<ReplayedAs> {
    let of = |recorded: &Recorded| if recorded.kept { of_kept } else { ReplayedAs::RecordOnly };
    records(export).iter().map(of).collect()
}

async fn assert_replays(export: &[u8], into: &Fresh) {
    let before = digest(into).await;
    let decided = replay(Replay::dry_run(into.writer()), export).await.expect("decided");
    assert_eq!(decided, expected(export, ReplayedAs::Applied), "{}", into.kind());
    assert_eq!(digest(into).await, before, "a dry run writes nothing ({})", into.kind());
    let applied = replay(Replay::new(into.writer()), export).await.expect("applied");
    assert_eq!(applied, expected(export, ReplayedAs::Applied), "{}", into.kind());
    let after = digest(into).await;
    for again in [Replay::new(into.writer()), Replay::dry_run(into.writer())] {
        let compared = replay(again, export).await.expect("replayed");
        assert_eq!(compared, expected(export, ReplayedAs::Equal), "{}", into.kind());
    }
    assert_eq!(digest(into).await, after, "{}", into.kind());
}

/// From SQLite to Postgres and back.
async fn moves(original: &Fresh, of: &str) {
    let [back, postgres] = Fresh::both().await;
    let exported = export(original, of).await;
    assert_replays(&exported, &postgres).await;
    let again = export(&postgres, of).await;
    assert_replays(&again, &back).await;
    let ought = digest(original).await;
    assert_eq!(digest(&postgres).await, ought);
    assert_eq!(digest(&back).await, ought);
    assert_eq!(audited(&back).await.books.len(), audited(original).await.books.len());
}

async fn moves_history(history: &History) {
    let original = Fresh::sqlite().await;
    let mut writer = original.writer();
    let mut memory = crate::memory::Memory::default();
    for range in history.batches() {
        memory.next = next_number(&mut writer).await;
        let batch = history.told("acme", range, &memory);
        memory.apply(&batch);
        apply(&mut writer, &batch).await.expect("applied");
    }
    drop(writer);
    moves(&original, "acme").await;
}

#[test]
fn random_histories_move_to_postgres_and_back_and_are_the_same() {
    let runtime = Runtime::new().expect("a runtime");
    check_few(|history, _| {
        let moved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(moves_history(history))));
        prop_assert!(moved.is_ok(), "{:?}", moved.err().and_then(|why| why.downcast::<String>().ok()));
        Ok(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_of_every_act_moves_to_postgres_and_back() {
    let original = Fresh::sqlite().await;
    told(&original, &commands("acme", STORY)).await;
    let exported = export(&original, "acme").await;
    assert!(!String::from_utf8_lossy(&exported).contains("secret"), "a transaction's private token stays where it is");
    moves(&original, "acme").await;
}

/// Numbers are the ledger's, so parties are moved one after another, and neither is in the other's way.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_two_parties_is_moved_party_by_party() {
    let original = Fresh::sqlite().await;
    let mut writer = original.writer();
    for (turn, of) in ["acme", "beta", "acme", "beta"].into_iter().enumerate() {
        let steps = parse(of, &STORY.replace("s1", &format!("s1-{turn}")));
        let next = next_number(&mut writer).await;
        apply(&mut writer, &written_for(&steps, next).0).await.expect("applied");
    }
    drop(writer);
    for order in [["acme", "beta"], ["beta", "acme"]] {
        for fresh in Fresh::both().await {
            for of in order {
                assert_replays(&export(&original, of).await, &fresh).await;
            }
            assert_eq!(digest(&fresh).await, digest(&original).await, "{}", fresh.kind());
        }
    }
}

/// Several writers sell from one stock: their numbers tell in which order, so a replay gives every order its own keys.
#[tokio::test(flavor = "multi_thread")]
async fn purchases_of_several_writers_keep_their_keys() {
    let [_, postgres] = Fresh::both().await;
    let stock: String = (0..120).map(|number| format!("stock card 30 CHF k{number} key={number}\n")).collect();
    let shopper = |player: &str| {
        let buys: String = (0..40).map(|number| format!("buy {player} {player}-{number} card 1 30 CHF\n")).collect();
        format!("open {player} CHF\ndeposit {player} 100000 CHF key={player}\n{buys}")
    };
    let shoppers = ["alice", "bob", "carol"].map(shopper);
    let feeding = shoppers.iter().chain([&stock]).map(|text| {
        let all = commands("acme", text);
        tokio::spawn(feed(postgres.writer(), all, 2))
    });
    for fed in feeding.collect::<Vec<_>>() {
        within_deadline("the writers", fed).await.expect("fed");
    }
    let sold = postgres.number("SELECT COUNT(*) FROM gift_keys WHERE purchase IS NOT NULL").await;
    assert!(sold > 0, "something was sold");
    moves(&postgres, "acme").await;
}

/// Names that partners know stay free: what comes after a replay is called by numbers that nothing is called by.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_replay_has_numbers_of_its_own() {
    let original = Fresh::sqlite().await;
    told(&original, &commands("other", &"withdraw ghost 5 CHF\n".repeat(50))).await;
    let steps = parse("acme", "open alice CHF\ndeposit alice 100 CHF\nstake alice s1 g1 10 CHF");
    told(&original, &written_for(&steps, 51).0).await;
    let exported = export(&original, "acme").await;
    let highest = records(&exported).last().expect("a record").seq;
    for fresh in Fresh::both().await {
        replay(Replay::new(fresh.writer()), &exported).await.expect("applied");
        let later = commands("acme", "stake alice s2 g1 10 CHF");
        let outcomes = apply(&mut fresh.writer(), &later).await.expect("applied");
        let Outcome::Done(Done::Transaction(TransactionDone::Adjusted { transaction, balance: 80 })) = outcomes[0]
        else {
            panic!("{}: {outcomes:?}", fresh.kind())
        };
        assert!(transaction > highest, "{}: {transaction} after {highest}", fresh.kind());
        audited(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_was_interrupted_goes_on_where_it_was() {
    let original = Fresh::sqlite().await;
    told(&original, &commands("acme", STORY)).await;
    let exported = export(&original, "acme").await;
    let half: Vec<u8> = exported.split_inclusive(|byte| *byte == b'\n').take(17).flatten().copied().collect();
    let mut expected_now = expected(&half, ReplayedAs::Equal);
    expected_now.extend(expected(&exported, ReplayedAs::Applied).split_off(17));
    for fresh in Fresh::both().await {
        replay(Replay::new(fresh.writer()), &half).await.expect("applied");
        assert_eq!(replay(Replay::new(fresh.writer()), &exported).await.expect("applied"), expected_now);
        assert_eq!(digest(&fresh).await, digest(&original).await, "{}", fresh.kind());
    }
}
