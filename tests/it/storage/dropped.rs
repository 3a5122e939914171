//! Transactions that nobody ends: whoever loaded something went away.

use futures_util::FutureExt;

use super::*;

/// Nothing of a transaction is left, others write at once, and the store goes on.
async fn assert_rolled_back(fresh: &Fresh, store: &mut Writer, bet: &[KeyedCommand]) {
    let before = fresh.number("SELECT COUNT(*) FROM journal").await;
    let deposit = commands("acme", &format!("deposit alice 1 CHF key={before}"));
    let mut other = fresh.writer();
    let written = within_deadline("another writer", apply(&mut other, &deposit)).await;
    assert_eq!(
        written.map(|outcomes| told(outcomes[0])).ok().as_deref(),
        Some("200 deposited 101"),
        "{}",
        fresh.kind()
    );
    assert_eq!(fresh.number("SELECT COUNT(*) FROM orders").await, 0, "{}", fresh.kind());
    let placed = within_deadline("the store", apply(store, bet)).await.expect("the store goes on");
    assert_eq!(told(placed[0]), "201 placed", "{}", fresh.kind());
    assert_sound(fresh).await;
}

async fn begun() -> [(Fresh, Writer, Vec<KeyedCommand>); 2] {
    let mut all = Vec::new();
    for fresh in Fresh::both().await {
        let mut store = fresh.writer();
        apply(&mut store, &commands("acme", "open alice CHF\ndeposit alice 100 CHF")).await.expect("applied");
        all.push((fresh, store, commands("acme", "bet alice o1 r1 5 CHF")));
    }
    all.try_into().unwrap_or_else(|_| panic!("two databases"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_loaded_and_dropped_is_rolled_back_and_its_session_kept() {
    for (fresh, mut store, bet) in begun().await {
        let mut loaded = store.load(&ReadSet::of(&bet)).await.expect("loaded");
        let (batch, _) = decide_all(&mut loaded.state, &bet);
        assert!(!batch.is_empty());
        drop(loaded);
        assert_rolled_back(&fresh, &mut store, &bet).await;
        // Every session that writes has a number of its own. The first rows are this store's, and so is the bet's.
        let same = "SELECT COUNT(*) FROM journal WHERE seq IN (1, (SELECT MAX(seq) FROM journal)) \
                    AND writer = (SELECT writer FROM journal WHERE seq = 1)";
        assert_eq!(fresh.number(same).await, 2, "{}", fresh.kind());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_given_up_before_it_answers_leaves_no_transaction_open() {
    for (fresh, mut store, bet) in begun().await {
        // Asked, and not waited for; where the thread was quick all the same, what it has loaded is dropped.
        drop(store.load(&ReadSet::of(&bet)).now_or_never());
        assert_rolled_back(&fresh, &mut store, &bet).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_given_up_while_it_waits_for_a_lock_leaves_none_behind() {
    let [_, (fresh, mut store, bet)] = begun().await;
    let mut holder = fresh.writer();
    let held = holder.load(&ReadSet::of(&bet)).await.expect("loaded");
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock'";
    let keys = ReadSet::of(&bet);
    tokio::select! {
        loaded = store.load(&keys) => panic!("loaded what another holds: {:?}", loaded.map(drop)),
        () = until("the load waits for the lock", async || fresh.number(waiting).await == 1) => {}
    }
    drop(held);
    assert_rolled_back(&fresh, &mut store, &bet).await;
    let open = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND state LIKE 'idle in transaction%'";
    until("no transaction is open", async || fresh.number(open).await == 0).await;
}
