//! Where a row stands in its chain, as far as can be seen from it.

use purser::storage::StoreError;
use purser::storage::lookups::{self, ChainPlace};

use super::EVERYTHING;
use crate::databases::{Fresh, apply};
use crate::script::commands;

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
