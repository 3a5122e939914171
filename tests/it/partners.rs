//! What partners' acts write and is not there as it was decided against stops its batch, and the error names the row.

use purser::ledger::command::KeyedCommand;
use purser::ledger::shop::KeyId;
use purser::ledger::{Batch, PlayerKey, ReadSet};
use purser::storage::{Store, StoreError};

use crate::databases::{Fresh, apply, decide_all};
use crate::script::{commands, parse, written_for};
use crate::storage::assert_sound;

const STORY: &str = "
    open alice CHF
    deposit alice 1000 CHF
    stake alice s1 g1 100 CHF
    stock card 30 CHF k1,k2
";

const NEXT: &str = "
    stake alice s2 g2 10 CHF
    vip alice silver 20 CHF
    buy alice b1 card 1 30 CHF
";

/// What comes after [`STORY`], which takes the numbers up to 4.
fn next() -> Vec<KeyedCommand> {
    written_for(&parse("acme", NEXT), 5).0
}

/// Commits what is decided of [`NEXT`], changed by `change`.
async fn committed(fresh: &Fresh, change: impl FnOnce(&mut Batch)) -> Result<(), StoreError> {
    let (mut writer, next) = (fresh.writer(), next());
    let mut loaded = writer.load(&ReadSet::of(&next)).await.expect("loaded");
    let mut batch = decide_all(&mut loaded.state, &next).0;
    change(&mut batch);
    loaded.commit(batch).await.map(drop)
}

fn assert_refused(fresh: &Fresh, committed: Result<(), StoreError>, says: &str) {
    let error = committed.expect_err("a batch that cannot be written").to_string();
    assert!(error.contains(says), "{}: {error}, not {says}", fresh.kind());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_changed_and_is_not_there_is_named() {
    let (nobody, unknown) = (PlayerKey::from_uuid(uuid::Uuid::from_u128(7)), KeyId(uuid::Uuid::from_u128(9)));
    for fresh in Fresh::both().await {
        apply(&mut fresh.writer(), &commands("acme", STORY)).await.expect("applied");
        let level = committed(&fresh, |batch| drop(batch.shop.levels.insert(nobody, "gold".into()))).await;
        assert_refused(&fresh, level, &format!("the player who bought a level is not there any more: {nobody}"));
        let sold = committed(&fresh, |batch| batch.shop.purchases[0].keys = vec![unknown]).await;
        assert_refused(&fresh, sold, &format!("the gift-card key that was sold is not there any more: {}", unknown.0));
        assert_sound(&fresh).await;
        committed(&fresh, |_| {}).await.expect("what is there is written");
        assert_sound(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_sold_again_whatever_was_decided() {
    for fresh in Fresh::both().await {
        apply(&mut fresh.writer(), &commands("acme", STORY)).await.expect("applied");
        let mut sold = Vec::new();
        committed(&fresh, |batch| sold = batch.shop.purchases[0].keys.clone()).await.expect("committed");
        let again = written_for(&parse("acme", "buy alice b2 card 1 30 CHF"), 9).0;
        let mut writer = fresh.writer();
        let mut loaded = writer.load(&ReadSet::of(&again)).await.expect("loaded");
        let mut batch = decide_all(&mut loaded.state, &again).0;
        batch.shop.purchases[0].keys = sold;
        assert_refused(
            &fresh,
            loaded.commit(batch).await.map(drop),
            "the gift-card key that was sold is not there any more",
        );
        assert_sound(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_anothers_is_not_taken_from_it() {
    for fresh in Fresh::both().await {
        apply(&mut fresh.writer(), &commands("acme", STORY)).await.expect("applied");
        let taken = committed(&fresh, |batch| {
            let (_, mut transaction) = batch.transactions.transactions.pop_first().expect("a stake");
            transaction.number = 3;
            batch.transactions.transactions.insert(3, transaction);
        });
        assert!(taken.await.is_err(), "{}", fresh.kind());
        assert_sound(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_named() {
    for (sql, asked, says) in [
        ("UPDATE transactions SET state = 'odd'", "prize alice w1 g1 150 CHF", "transaction 3: damaged row: state"),
        (
            "UPDATE transactions SET currency = 'odd'",
            "prize alice w1 g1 150 CHF",
            "transaction 3: damaged row: currency",
        ),
        ("UPDATE offers SET currency = 'odd'", "buy alice b1 card 1 30 CHF", "offer acme/card: damaged row: currency"),
    ] {
        for fresh in Fresh::both().await {
            apply(&mut fresh.writer(), &commands("acme", STORY)).await.expect("applied");
            fresh.execute(sql).await;
            let mut writer = fresh.writer();
            let loaded = writer.load(&ReadSet::of(&commands("acme", asked))).await;
            assert_refused(&fresh, loaded.map(drop), says);
        }
    }
}

/// Each command by itself: the void's row is written by the first, and changed by the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_void_that_is_queued_again_is_of_the_kind_that_it_was_last_asked_for() {
    const QUEUED: &str = "
        open alice CHF
        deposit alice 1000 CHF
        stake alice s1 g1 100 CHF
        queue alice s1 kind=7
        dismiss alice s1
        queue alice s1 kind=8 attempt=1
    ";
    for fresh in Fresh::both().await {
        let mut writer = fresh.writer();
        for command in written_for(&parse("acme", QUEUED), 1).0 {
            apply(&mut writer, &[command]).await.expect("applied");
        }
        assert_sound(&fresh).await;
    }
}
