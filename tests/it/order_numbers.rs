//! What orders tell of the journal: the numbers of their commands, without which a command would be decided twice.

use purser::ledger::ReadSet;
use purser::storage::{Store, StoreError};

use crate::databases::{Fresh, apply, decide_all};
use crate::script::{commands, told};
use crate::storage::{assert_sound, feed, rounds};

/// What takes a schema back to the time before orders told the numbers of their commands, and there again.
const ORDER_NUMBERS: [[&str; 4]; 2] = [
    [
        include_str!("../../migrations/sqlite/2026-11-27-000060_journal_transfers/down.sql"),
        include_str!("../../migrations/sqlite/2026-11-26-000006_order_numbers/down.sql"),
        include_str!("../../migrations/sqlite/2026-11-26-000006_order_numbers/up.sql"),
        include_str!("../../migrations/sqlite/2026-11-27-000060_journal_transfers/up.sql"),
    ],
    [
        include_str!("../../migrations/postgres/2026-11-27-000060_journal_transfers/down.sql"),
        include_str!("../../migrations/postgres/2026-11-26-000006_order_numbers/down.sql"),
        include_str!("../../migrations/postgres/2026-11-26-000006_order_numbers/up.sql"),
        include_str!("../../migrations/postgres/2026-11-27-000060_journal_transfers/up.sql"),
    ],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_before_orders_told_numbers_answers_repeats_as_it_did() {
    for (fresh, steps) in Fresh::both().await.into_iter().zip(ORDER_NUMBERS) {
        let mut all = rounds("acme", 12);
        let edges =
            "cancel alice never\nbet alice never r1 5 CHF\nbet bob dear r1 90000 CHF\ndeposit bob 7 CHF key=later";
        all.extend(commands("acme", edges));
        let outcomes = feed(fresh.writer(), all.clone(), 7).await;
        let before = fresh.audit().await;
        for step in steps {
            fresh.execute(step).await;
        }
        let after = fresh.audit().await;
        assert_eq!(after.findings, Vec::<String>::new(), "{}", fresh.kind());
        assert_eq!((after.digest, after.heads), (before.digest, before.heads), "{}", fresh.kind());
        assert_eq!(feed(fresh.writer(), all, 7).await, outcomes, "{}", fresh.kind());
        assert_eq!(fresh.audit().await.commands, before.commands, "{}: a repeat was written", fresh.kind());
    }
}

/// An order that tells a number that is not its command's would have the command decided twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_tells_of_anothers_journal_row_stops_its_batch_and_is_named() {
    for fresh in Fresh::both().await {
        let mut store = fresh.writer();
        let all = commands("acme", "open alice CHF\ndeposit alice 100 CHF\nbet alice o1 r1 5 CHF");
        apply(&mut store, &all).await.expect("applied");
        for wrong in [1, 99] {
            fresh.execute(format!("UPDATE orders SET placed_seq = {wrong}")).await;
            let Err(StoreError::Rejected(why)) = store.load(&ReadSet::of(&all[2..])).await else { panic!("loaded") };
            assert!(why.contains(&format!("tells of journal row {wrong}, which is not its own")), "{why}");
        }
        fresh.execute("UPDATE orders SET placed_seq = 3").await;
        assert_eq!(told(apply(&mut store, &all[2..]).await.expect("applied")[0]), "201 placed", "{}", fresh.kind());
    }
}

/// An entry that is kept and that no order tells of could not be found again.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_orders_do_not_tell_of_all_that_is_kept_is_refused() {
    for fresh in Fresh::both().await {
        let mut store = fresh.writer();
        let all = commands("acme", "open alice CHF\ndeposit alice 100 CHF\nbet alice o1 r1 5 CHF");
        let mut loaded = store.load(&ReadSet::of(&all)).await.expect("loaded");
        let (mut batch, _) = decide_all(&mut loaded.state, &all);
        batch.orders.clear();
        let Err(StoreError::Rejected(why)) = loaded.commit(batch).await else { panic!("committed") };
        assert!(why.contains("1 commands are kept about orders that tell 0 numbers"), "{why}");
        assert_eq!(fresh.number("SELECT COUNT(*) FROM journal").await, 0, "{}", fresh.kind());
        apply(&mut store, &all).await.expect("the store goes on");
        assert_sound(&fresh).await;
    }
}
