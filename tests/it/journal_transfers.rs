//! What commands moved, carried over from a table of its own into the rows of the journal, and back.

use crate::databases::{Fresh, apply};
use crate::memory::next_number;
use crate::script::{parse, written_for};
use crate::storage::{assert_sound, feed, rounds};

/// Back to the table, and there again.
const STEPS: [[&str; 2]; 2] = [
    [
        include_str!("../../migrations/sqlite/2026-11-27-000060_journal_transfers/down.sql"),
        include_str!("../../migrations/sqlite/2026-11-27-000060_journal_transfers/up.sql"),
    ],
    [
        include_str!("../../migrations/postgres/2026-11-27-000060_journal_transfers/down.sql"),
        include_str!("../../migrations/postgres/2026-11-27-000060_journal_transfers/up.sql"),
    ],
];

/// A payment into two buckets, which is two transfers of one row; and nearly as much as there can be.
const SEVERAL: &str = "
    open alice CHF
    deposit alice 9223372036854775000 CHF
    stake alice first g1 30 CHF
    pay alice paid - 5,bonus:6 CHF
";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_transfers_and_a_column_of_them_say_the_same() {
    for (fresh, [back, forth]) in Fresh::both().await.into_iter().zip(STEPS) {
        let kind = fresh.kind();
        let mut writer = fresh.writer();
        let next = next_number(&mut writer).await;
        apply(&mut writer, &written_for(&parse("beta", SEVERAL), next).0).await.expect("applied");
        drop(writer);
        let all = rounds("acme", 12);
        let outcomes = feed(fresh.writer(), all.clone(), 7).await;
        let before = fresh.audit().await;
        assert!(before.transfers > before.commands / 2, "{kind}: {} transfers", before.transfers);
        fresh.execute(back).await;
        assert_eq!(fresh.number("SELECT COUNT(*) FROM transfers").await, before.transfers as i64, "{kind}");
        assert_eq!(fresh.number("SELECT MAX(leg) FROM transfers").await, 1, "{kind}");
        assert_eq!(fresh.number("SELECT MAX(amount) FROM transfers").await, 9_223_372_036_854_775_000, "{kind}");
        fresh.execute(forth).await;
        let after = fresh.audit().await;
        assert_eq!(after.findings, Vec::<String>::new(), "{kind}");
        assert_eq!((after.digest, after.heads), (before.digest, before.heads), "{kind}");
        assert_eq!(after.transfers, before.transfers, "{kind}");
        assert_eq!(feed(fresh.writer(), all, 7).await, outcomes, "{kind}");
        assert_sound(&fresh).await;
    }
}

/// It would be lost, and with it what tells that somebody was there.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_without_its_command_is_not_carried_over_in_silence() {
    for (fresh, [back, forth]) in Fresh::both().await.into_iter().zip(STEPS) {
        feed(fresh.writer(), rounds("acme", 2), 7).await;
        fresh.execute(back).await;
        fresh.execute("DELETE FROM journal WHERE seq = (SELECT MAX(seq) FROM transfers)").await;
        assert!(!fresh.try_to_execute(forth).await, "{}", fresh.kind());
        assert!(fresh.number("SELECT COUNT(*) FROM transfers").await > 0, "{}", fresh.kind());
    }
}
