//! The audit of a large ledger takes its accounts in slices: whatever their number, it finds the same.

use std::fmt::Write as _;

use purser::storage::audit;

use crate::databases::{Fresh, apply};
use crate::script::commands;

/// Slices that each hold several of the accounts, and such as hold one or two.
const SLICES: [u64; 3] = [2, 7, 64];

/// What puts one account wrong in each of several ways.
const WRONG: [&str; 4] = [
    "UPDATE accounts SET balance = balance + 1 WHERE side = 'player'",
    "UPDATE accounts SET staked = staked + 1",
    "UPDATE accounts SET staked_day = staked_day - 1 WHERE side = 'player'",
    // Another amount each.
    "UPDATE journal SET transfers = substr(transfers, 1, 39) || substr(transfers, 1, 1) WHERE length(transfers) > 0",
];

fn story() -> String {
    let mut story = String::new();
    for number in 0..40 {
        writeln!(story, "open p{number} CHF\ndeposit p{number} {} EUR", 1_000 + number).expect("written");
        writeln!(story, "deposit p{number} 500 CHF\nbet p{number} o{number} r1 {} CHF", 1 + number).expect("written");
    }
    for number in 0..20 {
        writeln!(story, "win p{number} o{number} r1 {} CHF\ncancel p{} o{}", 2 * number + 1, 20 + number, 20 + number)
            .expect("written");
    }
    story
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_however_many_slices_the_audit_finds_the_same() {
    for fresh in Fresh::both().await {
        let kind = fresh.kind();
        apply(&mut fresh.writer(), &commands("acme", &story())).await.expect("applied");
        let whole = fresh.audit().await;
        assert_eq!(whole.findings, Vec::<String>::new(), "{kind}");
        assert_eq!(whole.books.len(), 2, "{kind}");
        for sql in [""].iter().chain(&WRONG) {
            fresh.execute(*sql).await;
            let whole = fresh.audit().await;
            assert_eq!(whole.findings.is_empty(), sql.is_empty(), "{kind}: {sql}: {:?}", whole.findings);
            let told = |report| serde_json::to_value(report).expect("JSON");
            let whole = told(whole);
            for slices in SLICES {
                let sliced = fresh.database.query(move |conn| audit::run_in_slices(conn, slices)).await;
                assert_eq!(told(sliced.expect("an audit")), whole, "{kind}: {slices}: {sql}");
            }
        }
    }
}
