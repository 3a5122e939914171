//! Several writers on one database at the same moment.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_of_one_database_apply_each_command_once_and_answer_alike() {
    for fresh in Fresh::both().await {
        let all = rounds("acme", 60);
        let (_, serial) = decide_all(&mut State::default(), &all);
        let feeding = [
            tokio::spawn(feed(fresh.writer(), all.clone(), 7)),
            tokio::spawn(feed(fresh.writer(), all.clone(), 5)),
            tokio::spawn(feed(fresh.writer(), all.clone(), 1)),
        ];
        for fed in feeding {
            let outcomes = within_deadline("the writers", fed).await.expect("fed");
            assert_eq!(outcomes, serial, "{}", fresh.kind());
        }
        let rows = usize::try_from(fresh.number("SELECT COUNT(*) FROM journal").await).expect("a count");
        assert_eq!(rows, all.len(), "{}", fresh.kind());
        assert_sound(&fresh).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_take_turns_continue_one_anothers_work() {
    for fresh in Fresh::both().await {
        let all = rounds("acme", 12);
        let (_, serial) = decide_all(&mut State::default(), &all);
        let mut writers = [fresh.writer(), fresh.writer()];
        let mut outcomes = Vec::new();
        for (turn, batch) in all.chunks(5).enumerate() {
            outcomes.extend(apply(&mut writers[turn % 2], batch).await.expect("applied"));
        }
        assert_eq!(outcomes, serial, "{}", fresh.kind());
        assert_sound(&fresh).await;
    }
}

/// What two sessions decide at the same moment, what the second is told at first and then, and what becomes of `o1`.
const RACES: &[(&str, &str, &str, &str)] = &[
    ("bet ghost o1 r1 5 CHF", "bet ghost o1 r1 5 CHF", "495 player_unknown", "refused"),
    ("bet ghost o1 r1 5 CHF", "bet ghost o1 r1 6 CHF", "400 key_reused", "refused"),
    ("open carol CHF", "open carol CHF", "200 opened", "-"),
    ("open carol CHF", "open carol EUR", "400 key_reused", "-"),
    ("bet alice o1 r1 5 CHF", "bet bob o1 r1 5 CHF", "400 key_reused", "open"),
];

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_the_same_moment_the_second_is_decided_again() {
    let fresh = Fresh::postgres().await;
    let (mut first, mut second) = (fresh.writer(), fresh.writer());
    for (number, (winner, loser, answer, state)) in RACES.iter().enumerate() {
        let party = format!("acme-{number}");
        let known = "open alice CHF\nopen bob CHF\ndeposit alice 100 CHF key=a\ndeposit bob 100 CHF key=b";
        apply(&mut first, &commands(&party, known)).await.expect("applied");
        let (winner, loser) = (commands(&party, winner), commands(&party, loser));

        let mut early = second.load(&ReadSet::of(&loser)).await.expect("loaded");
        apply(&mut first, &winner).await.expect("applied");
        let decided = decide_all(&mut early.state, &loser).0;
        let refused = early.commit(decided).await.map(drop);
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{loser:?}: {refused:?}");
        let (outcomes, _) = insist(&mut second, &loser).await;
        assert_eq!(told(outcomes[0]), *answer, "{loser:?}");

        let stored = fresh.number(format!("SELECT COUNT(*) FROM orders WHERE party = '{party}' AND state = '{state}'"));
        assert_eq!(stored.await, i64::from(*state != "-"), "{loser:?}");
    }
    assert_sound(&fresh).await;
}

/// What two players' sessions decide at the same moment without being in each other's way, since what the second is told
/// is right had it come first, and how many orders `o1` are kept then in which state.
const PASSED_BY: &[(&str, &str, &str, (&str, i64))] = &[
    ("bet alice o1 r1 5 CHF", "cancel bob o1", "493 order_unknown", ("tombstone", 1)),
    ("cancel alice o1", "bet bob o1 r1 5 CHF", "201 placed", ("open", 1)),
    ("cancel alice o1", "cancel bob o1", "493 order_unknown", ("tombstone", 2)),
    ("bet alice o1 r1 500 CHF", "bet bob o1 r1 500 CHF", "492 insufficient_funds 100", ("refused", 2)),
    ("bet alice o1 r1 500 CHF", "bet bob o1 r1 5 CHF", "201 placed", ("open", 1)),
    ("bet ghost o1 r1 5 CHF", "cancel bob o1", "493 order_unknown", ("tombstone", 1)),
];

#[tokio::test(flavor = "multi_thread")]
async fn two_players_at_the_same_moment_are_told_by_themselves_what_binds_them_alone() {
    let fresh = Fresh::postgres().await;
    let (mut first, mut second) = (fresh.writer(), fresh.writer());
    for (number, (one, other, answer, (state, orders))) in PASSED_BY.iter().enumerate() {
        let party = format!("acme-{number}");
        let known = "open alice CHF\nopen bob CHF\ndeposit alice 100 CHF key=a\ndeposit bob 100 CHF key=b";
        apply(&mut first, &commands(&party, known)).await.expect("applied");
        let (one, other) = (commands(&party, one), commands(&party, other));
        let mut early = second.load(&ReadSet::of(&other)).await.expect("loaded");
        apply(&mut first, &one).await.expect("applied");
        let (batch, outcomes) = decide_all(&mut early.state, &other);
        early.commit(batch).await.expect("committed");
        assert_eq!(told(outcomes[0]), *answer, "{other:?}");
        let again = apply(&mut first, &other).await.expect("applied");
        assert_eq!(again, outcomes, "the same again");
        let stored = fresh.number(format!("SELECT COUNT(*) FROM orders WHERE party = '{party}' AND state = '{state}'"));
        assert_eq!(stored.await, *orders, "{other:?}");
    }
    assert_sound(&fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_is_opened_while_a_batch_is_read_is_read_again() {
    let fresh = Fresh::postgres().await;
    let (mut holder, mut reader, mut opener) = (fresh.writer(), fresh.writer(), fresh.writer());
    apply(&mut opener, &commands("acme", "open alice CHF")).await.expect("applied");
    // The lock on alice stops the reader between looking for bob and looking for what he was answered.
    let held = holder.load(&ReadSet::of(&commands("acme", "deposit alice 5 CHF"))).await.expect("loaded");
    let batch = commands("acme", "deposit alice 5 CHF key=a\nopen bob CHF\ndeposit bob 5 CHF key=b");
    let reading = tokio::spawn(async move {
        let torn = reader.load(&ReadSet::of(&batch)).await.map(drop);
        assert!(matches!(torn, Err(StoreError::Conflict(_))), "{torn:?}");
        insist(&mut reader, &batch).await.0
    });
    until("the reader waits for the lock", async || {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";
        fresh.number(waiting).await == 1
    })
    .await;
    apply(&mut opener, &commands("acme", "open bob CHF")).await.expect("applied");
    drop(held);
    let outcomes = within_deadline("the reader", reading).await.expect("read");
    let told: Vec<String> = outcomes.into_iter().map(told).collect();
    assert_eq!(told, ["200 deposited 5", "200 opened", "200 deposited 5"]);
    assert_sound(&fresh).await;
}
