//! The same for what pruning leaves, and for what comes after it.

use purser::ledger::command::Timestamp;
use purser::storage::history::index;
use serde_json::Value;

use super::{Case, SEGMENT, called, check_pruned};
use crate::databases::{Fresh, apply};
use crate::history::follow;
use crate::script::commands;

/// Rows 1 to 16 are pruned: 13 of them are shortened or whole, and 8 and 15 are for the record only.
pub const STORY: &str = "
    open alice CHF at=1
    open bob CHF at=1
    deposit alice 1000 CHF at=1
    deposit bob 50 CHF at=1
    bet alice won r1 100 CHF at=1
    win alice won r1 250 CHF at=1
    bet alice open r1 40 CHF at=1
    withdraw bob 900 CHF at=1
    bet bob refused r1 900 CHF at=1
    cancel bob tombstone at=1
    bet alice lost r1 5 CHF at=1
    bet alice cancelled r1 70 CHF at=1
    cancel alice cancelled at=1
    stake alice paid g1 3 CHF at=1
    win alice nobet r1 5 CHF at=1
    withdraw bob 10 CHF at=1
    lose alice lost r1 at=2
    deposit alice 7 CHF key=later at=2
";

/// When the last of those came, and none later.
pub const BEFORE: i64 = 86_400_000_002;

const CASES: &[Case] = &[
    (
        "UPDATE journal SET outcome = REPLACE(outcome, '250', '25') WHERE seq = 6",
        "journal row 6 is not as pruning left it",
    ),
    ("UPDATE journal SET outcome = 'won' WHERE seq = 6", "journal row 6 cannot be read"),
    (
        "UPDATE journal SET command = REPLACE(command, 'won', 'tied') WHERE seq = 6",
        "{won} is an order won with 250 paid, not tied with 250",
    ),
    ("UPDATE journal SET command = REPLACE(command, '-', '') WHERE seq = 5", "journal row 5 is not as pruning left it"),
    ("UPDATE journal SET command = '{\"pruned\":{}}' WHERE seq = 5", "journal row 5 cannot be read"),
    ("UPDATE journal SET command = REPLACE(command, 'alice', 'alicia') WHERE seq = 1", "journal row 1 is not as"),
    ("UPDATE journal SET at = 5 WHERE seq = 5", "journal row 5 is not as pruning left it"),
    ("UPDATE journal SET party = 'other' WHERE seq = 5", "journal row 5 is not as pruning left it"),
    ("UPDATE journal SET writer = 2 WHERE seq = 5", "journal row 5 is not as pruning left it"),
    ("UPDATE journal SET seq = 8 WHERE seq = 9", "journal row 8 is not as pruning left it"),
    ("UPDATE journal SET key = NULL WHERE seq = 4", "journal row 4 is not as pruning left it"),
    (
        "UPDATE journal SET hash = (SELECT hash FROM journal WHERE seq = 2) WHERE seq = 3",
        "journal row 3 is not as pruning left it",
    ),
    (
        "DELETE FROM journal WHERE seq = 16",
        "13 journal rows and 3 carried accounts are left up to row 16, and pruning left 14 and 3",
    ),
    ("DELETE FROM journal WHERE seq = 5", "are left up to row 16, and pruning left 14 and 3"),
    ("DELETE FROM journal WHERE seq = 17", "journal row 18 does not follow"),
    ("DELETE FROM journal WHERE seq > 16", "chain 1 ends at journal row 16, and was left at 18"),
    ("UPDATE writers SET pruned_seq = 15", "the checkpoint at journal row 16 is not that of what pruning left"),
    ("UPDATE checkpoints SET until = 15", "the checkpoint at journal row 16 is not that of what pruning left"),
    (
        "UPDATE writers SET pruned_head = (SELECT hash FROM journal WHERE seq = 1)",
        "journal row 17 does not follow from its predecessor in chain 1",
    ),
    ("UPDATE carried SET amount = amount + 1 WHERE account = '{alice}'", "acme/alice CHF real: 1109"),
    (
        "UPDATE carried SET amount = amount + 1 WHERE account = '{alice}'",
        "{alice} is an account of which something else is carried",
    ),
    (
        "UPDATE carried SET counterpart = account WHERE account = '{bob}' AND amount > 0",
        "{bob} is an account of which something is carried that does not belong there",
    ),
    (
        "UPDATE carried SET seal = (SELECT hash FROM journal WHERE seq = 2)",
        "is an account of which something else is carried",
    ),
    ("DELETE FROM carried WHERE account = '{bob}'", "acme/bob CHF real: 40"),
    ("DELETE FROM carried WHERE account = '{bob}'", "are left up to row 16, and pruning left 14 and"),
    ("UPDATE checkpoints SET seq = 15", "journal row 16 does not follow"),
    ("UPDATE checkpoints SET seq = 17", "journal row 17 is not as pruning left it"),
    ("UPDATE checkpoints SET rows_left = 13", "are left up to row 16, and pruning left 13"),
    (
        "UPDATE checkpoints SET seals = (SELECT hash FROM journal WHERE seq = 2)",
        "the checkpoint at journal row 16 is not that of what pruning left",
    ),
    (
        "UPDATE journal SET transfers = (SELECT transfers FROM journal WHERE seq = 18) WHERE seq = 5",
        "journal row 5 is not as pruning left it",
    ),
    ("UPDATE journal SET transfers = '{}' WHERE seq = 14", "journal row 14 is not as pruning left it"),
    ("UPDATE accounts SET balance = balance + 1 WHERE id = '{alice}'", "acme/alice CHF real: 1110"),
    ("{order} stake = 7 WHERE id = '{open}'", "{open} is an order that is not as its bet was"),
    ("{order} round = 2 WHERE id = '{won}'", "{won} is an order that is not as its bet was"),
    ("{order} round = 2 WHERE id = '{tombstone}'", "{tombstone} is an order that is not as its bet was"),
    ("{order} state = 'won', paid = 40 WHERE id = '{open}'", "{open} is an order won with 40 paid, not open with 0"),
    ("{order} paid = 1 WHERE id = '{won}'", "{won} is an order won with 1 paid, not won with 250"),
    ("{order} state = 'open' WHERE id = '{refused}'", "{refused} is an order open with 0 paid, not refused"),
    ("DELETE FROM orders WHERE id = '{cancelled}'", "{cancelled} is an order of journal row 12 and is missing"),
    ("UPDATE transactions SET moved_real = -4", "is a transaction that is not as it was told"),
    ("DELETE FROM history_pages WHERE first = 6", "journal row 6 is not found by its player in the index of histories"),
    ("DELETE FROM history_pages WHERE first = 1", "journal row 5 is not found by its correlation id in the index"),
    (
        "UPDATE history_position SET number = 14",
        "the index of histories finds journal row 15 by a player that is not its own",
    ),
    (
        "DELETE FROM history_pages WHERE kind = 2; UPDATE history_pages SET kind = 2",
        "the index of histories finds journal row 5 by a correlation id that is not its own",
    ),
];

/// An older program's pruning left nothing of whose a row was. Such rows are in the index where they were before, and not in
/// one that is built anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_program_pruned_is_neither_missed_in_the_index_nor_wrong_there() {
    for fresh in Fresh::both().await {
        apply(&mut fresh.writer(), &called(commands("acme", STORY))).await.expect("applied");
        follow(&fresh, SEGMENT).await;
        fresh.prune(Timestamp(BEFORE)).await;
        for (number, command, _) in fresh.journal("acme").await {
            let mut command: Value = serde_json::from_str(&command).expect("JSON");
            let Some(Value::Object(left)) = command.get_mut("pruned") else { continue };
            assert!(left.remove("player").is_some() && left.remove("correlation").is_some());
            fresh.execute(format!("UPDATE journal SET command = '{command}' WHERE seq = {number}")).await;
        }
        let of_index = async || {
            let findings = fresh.audit().await.findings;
            assert!(findings.iter().any(|finding| finding.contains("is not as pruning left it")), "{findings:?}");
            findings.into_iter().filter(|finding| finding.contains("index of histories")).collect::<Vec<_>>()
        };
        assert_eq!(of_index().await, Vec::<String>::new(), "{}", fresh.kind());
        fresh.database.query(index::rebuild).await.expect("dropped");
        follow(&fresh, SEGMENT).await;
        assert_eq!(of_index().await, Vec::<String>::new(), "{}", fresh.kind());
        fresh.execute("DELETE FROM history_pages").await;
        let missed = of_index().await;
        assert!(missed.iter().all(|finding| !finding.contains("row 5 ")), "{}: {missed:?}", fresh.kind());
        assert!(missed.iter().any(|finding| finding.contains("row 1 ")), "{}: {missed:?}", fresh.kind());
    }
}

#[test]
fn what_pruning_left_and_somebody_changed_is_found_out() {
    check_pruned(STORY, Timestamp(BEFORE), CASES);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heads_cover_what_pruning_left() {
    let changes = [
        "UPDATE carried SET amount = amount + 1000000 WHERE amount > 0",
        "UPDATE checkpoints SET until = until + 1",
        "UPDATE journal SET outcome = REPLACE(outcome, '250', '25') WHERE seq = 6",
        "UPDATE journal SET hash = (SELECT hash FROM journal WHERE seq = 17) WHERE seq = 18",
        "DELETE FROM carried WHERE amount > 0",
    ];
    for fresh in Fresh::both().await {
        apply(&mut fresh.writer(), &commands("acme", STORY)).await.expect("applied");
        let whole = fresh.audit().await.heads;
        fresh.prune(Timestamp(BEFORE)).await;
        let pruned = fresh.audit().await.heads;
        assert_eq!((whole.len(), pruned.len(), pruned[0].seq), (1, 1, 18));
        assert_ne!(whole, pruned, "what is left is covered, too");
        assert_eq!(pruned, fresh.audit().await.heads);
        let mut seen = vec![pruned];
        for sql in changes {
            fresh.execute(sql).await;
            let heads = fresh.audit().await.heads;
            assert!(!seen.contains(&heads), "{}: {sql}", fresh.kind());
            seen.push(heads);
        }
    }
}
