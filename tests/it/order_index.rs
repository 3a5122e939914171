//! SQLite's index of orders and its tail: whichever writer moved what, and wherever it was interrupted, every order is found,
//! once.

use purser::ledger::{ExternalId, Game, OrderId, orders::OrderKey};
use purser::ledger::{OrderIds, Party, PlayerId, PlayerKey, ReadSet};
use purser::storage::sqlite::SqliteStore;
use purser::storage::{Database, Store, queries, sqlite};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::databases::{Fresh, apply};
use crate::e2e::play::{rng, seed};
use crate::memory::Memory;
use crate::script::{commands, told};

/// Ids that a test's tail may hold: few, so that many are moved.
const TAIL: usize = 24;

const BATCHES: usize = 250;

fn store(fresh: &Fresh) -> SqliteStore {
    let Database::Sqlite(path) = &fresh.database else { panic!("another database") };
    SqliteStore::open_with_tail(path.clone(), TAIL).expect("a writer")
}

/// The figures are of a library that was compiled like this, and so is the one that is tested.
#[tokio::test(flavor = "multi_thread")]
async fn the_library_was_compiled_as_it_should_be() {
    let missing = Fresh::sqlite().await.database.query(sqlite::compiled_without).await.expect("asked");
    assert_eq!(missing, Vec::<&str>::new());
}

/// Some orders of some players: new bets, old ones again, and what ends them.
fn batch(rng: &mut StdRng, bets: &mut Vec<String>) -> String {
    let mut text = String::new();
    for _ in 0..rng.random_range(1..5_u32) {
        let old = (!bets.is_empty()).then(|| rng.random_range(0..bets.len().max(1)));
        match (old, rng.random_range(0..6_u32)) {
            (Some(old), 0) => text += &format!("bet {} r1 3 CHF\n", bets[old]),
            (Some(old), 1) => text += &format!("win {} r1 5\n", bets[old]),
            (Some(old), 2) => text += &format!("cancel {}\n", bets[old]),
            (None, _) | (_, 3..) => {
                let player = ["alice", "bob"][bets.len() % 2];
                bets.push(format!("{player} o{}", bets.len()));
                text += &format!("bet {} r1 3 CHF\n", bets[bets.len() - 1]);
            }
        }
    }
    text
}

async fn assert_sound(fresh: &Fresh, what: &str) {
    assert_eq!(fresh.audit().await.findings, Vec::<String>::new(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_move_ids_and_are_stopped_find_every_order_once() {
    let fresh = Fresh::sqlite().await;
    let (mut rng, mut bets, mut model) = (rng(seed()), Vec::new(), Memory::default());
    let mut writers = [store(&fresh), store(&fresh)];
    let opened = "open alice CHF\ndeposit alice 90000 CHF\nopen bob CHF\ndeposit bob 90000 CHF";
    let opened = commands("acme", opened);
    apply(&mut writers[0], &opened).await.expect("applied");
    model.apply(&opened);
    for number in 0..BATCHES {
        let batch = commands("acme", &batch(&mut rng, &mut bets));
        let writer = &mut writers[rng.random_range(0..2_usize)];
        match rng.random_range(0..40_u32) {
            // Another one, which knows nothing of what this one knew.
            0 => {
                drop(writer.load(&ReadSet::of(&batch)).await.expect("loaded"));
                *writer = store(&fresh);
            }
            1 => drop(writer.load(&ReadSet::of(&batch)).await.expect("loaded")),
            _ => {}
        }
        let outcomes = apply(writer, &batch).await.expect("applied");
        let told_of = |outcomes: Vec<_>| outcomes.into_iter().map(told).collect::<Vec<_>>();
        assert_eq!(told_of(outcomes), told_of(model.apply(&batch).1), "batch {number}");
        if number % 25 == 0 {
            assert_sound(&fresh, &format!("after batch {number}")).await;
        }
    }
    assert_sound(&fresh, "at the end").await;
    let (indexed, end) =
        (fresh.number("SELECT COUNT(*) FROM order_index").await, fresh.number("SELECT num FROM order_index_end").await);
    let orders = fresh.number("SELECT COUNT(*) FROM orders").await;
    assert!(end > 0 && indexed >= end && orders > indexed, "{orders} orders, {indexed} indexed, complete to {end}");
    let behind = i64::try_from(4 * TAIL).expect("a small number");
    assert!(orders - end <= behind, "{orders} orders, complete to {end}");
    // Whoever only reads finds all of them, too.
    for bet in &bets {
        let (player, order) = bet.split_once(' ').expect("a player and an order");
        let id = accepted(player, order);
        let found = fresh.database.query(move |conn| queries::order(conn, id)).await.expect("asked");
        assert_eq!(found.map(|(_, of)| of.to_string()).as_deref(), Some(player), "{bet}");
    }
}

fn accepted(player: &str, order: &str) -> OrderId {
    let party = Party::parse("acme").expect("a party");
    let game = Game::parse("wallstroulette").expect("a game");
    let key = OrderKey { game, external_id: ExternalId::parse(order).expect("an externalId") };
    let player = PlayerKey::of(&party, &PlayerId::parse(player).expect("a player"));
    OrderIds::of(OrderId::of(&party, &key), player).accepted
}

/// What is done, and what the audit says. `{id}` is an order's that is indexed, `{late}` one's that is not yet.
const CHANGES: &[(&str, &str)] = &[
    ("UPDATE order_index SET num = num + 1", "is an order that its index finds elsewhere"),
    ("DELETE FROM order_index WHERE num = 3", "orders stand where their index is complete, and it has"),
    ("UPDATE order_index_end SET num = num + 999", "the index of orders is said to be complete to"),
    ("DELETE FROM order_index_end", "the index of orders does not tell how far it is complete"),
    ("INSERT INTO order_index SELECT zeroblob(16), 3", "is an order that its index finds elsewhere"),
    ("UPDATE orders SET num = 99999 WHERE num = 3", "is an order that its index finds elsewhere"),
    (
        "UPDATE orders SET id = (SELECT id FROM orders WHERE num = 3) WHERE num = (SELECT MAX(num) FROM orders)",
        "is an order that is there twice",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_orders_that_was_changed_is_found_out() {
    let fresh = Fresh::sqlite().await;
    let mut writer = store(&fresh);
    apply(&mut writer, &commands("acme", "open alice CHF\ndeposit alice 90000 CHF")).await.expect("applied");
    for number in 0..5 * TAIL {
        apply(&mut writer, &commands("acme", &format!("bet alice o{number} r1 3 CHF"))).await.expect("applied");
    }
    assert_sound(&fresh, "before").await;
    for (sql, finding) in CHANGES {
        for table in ["orders", "order_index", "order_index_end"] {
            fresh.execute(format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}")).await;
        }
        fresh.execute(*sql).await;
        let findings = fresh.audit().await.findings;
        assert!(findings.iter().any(|found| found.contains(finding)), "{sql}: {findings:?}");
        for table in ["orders", "order_index", "order_index_end"] {
            let back = format!(
                "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved_{table}; DROP TABLE saved_{table}"
            );
            fresh.execute(back).await;
        }
    }
    assert_sound(&fresh, "after").await;
}

/// An id that leads elsewhere stops its batch rather than have a bet decided twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_leads_to_another_order_stops_its_batch() {
    let fresh = Fresh::sqlite().await;
    let mut writer = store(&fresh);
    apply(&mut writer, &commands("acme", "open alice CHF\ndeposit alice 90000 CHF")).await.expect("applied");
    for number in 0..5 * TAIL {
        apply(&mut writer, &commands("acme", &format!("bet alice o{number} r1 3 CHF"))).await.expect("applied");
    }
    fresh.execute("UPDATE order_index SET num = num + 1").await;
    let again = commands("acme", "bet alice o0 r1 3 CHF");
    let error = store(&fresh).load(&ReadSet::of(&again)).await.map(drop).expect_err("loaded");
    assert!(error.to_string().contains("is not the order of number"), "{error}");
    // So does one that would be moved to a place that is another's.
    fresh.execute("UPDATE order_index SET num = num - 1").await;
    fresh.execute("INSERT INTO order_index SELECT id, 1 FROM orders WHERE num = (SELECT MAX(num) FROM orders)").await;
    let mut stopped = false;
    for number in 0..5 * TAIL {
        let later = commands("acme", &format!("bet alice later{number} r1 3 CHF"));
        stopped = stopped || apply(&mut writer, &later).await.is_err();
    }
    assert!(stopped, "an id was moved to another order's number");
}
