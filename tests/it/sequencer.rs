//! The sequencer on a real SQLite file: disorder, poison, outages, floods.

mod stage;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use purser::ledger::{Party, ReadSet};
use purser::storage::Store;
use purser::wallet::{Answer, Answering, BetBacklogs, CommandSource, Health, Submission};
use tokio::sync::oneshot;

use crate::patience::{until, within_deadline};
use crate::script::commands;
use stage::{Mishap, REQUESTS_AT_ONCE, Stage, answer, assert_answers};

/// So long that no test waits for it.
const LONG_GRACE: Duration = Duration::from_secs(3600);

/// So short that every test waits for it.
const SHORT_GRACE: Duration = Duration::from_millis(60);

const QUEUE: CommandSource = CommandSource(1);
const OTHER_QUEUE: CommandSource = CommandSource(2);

#[tokio::test(flavor = "multi_thread")]
async fn results_and_cancels_that_overtake_their_bet_are_answered_when_it_comes() {
    let stage = Stage::set(LONG_GRACE).await;
    stage
        .plays(
            "win alice won r1 250 CHF        -> 200 settled 250
             cancel alice cancelled          -> 200 cancelled 100
             lose alice lost r1              -> 200 settled 0
             tie bob tied r1 stake           -> 200 settled 100
             win alice wrong r2 250 CHF      -> 494 round_differs
             win alice twice r1 9 CHF        -> 200 settled 9
             win alice twice r1 8 CHF        -> 400 key_reused
             cancel alice twice              -> 493 order_settled
             win alice refused r1 9 CHF      -> 493 order_refused
             bet alice won r1 100 CHF        -> 201 placed
             bet alice cancelled r1 100 CHF  -> 201 placed
             bet alice lost r1 100 CHF       -> 201 placed
             bet bob tied r1 100 CHF         -> 201 placed
             bet alice wrong r1 100 CHF      -> 201 placed
             bet alice twice r1 100 CHF      -> 201 placed
             bet alice refused r1 9 CHF max=1 -> 491 max_bet 1",
        )
        .await;
    assert_eq!(stage.balance("alice").await, 1000 - 100 + 250 - 100 - 100 - 100 + 9);
    assert_eq!(stage.balance("bob").await, 1000);
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_disorder_within_one_batch_is_answered_the_same() {
    let stage = Stage::set(LONG_GRACE).await;
    stage
        .plays_at_once(
            "win alice o1 r1 250 CHF   -> 200 settled 250
             cancel alice o2           -> 200 cancelled 100
             win alice o3 r1 70 CHF    -> 200 settled 70
             bet alice o1 r1 100 CHF   -> 201 placed
             bet alice o2 r1 100 CHF   -> 201 placed
             bet alice o3 r1 100 CHF   -> 201 placed
             cancel alice o3           -> 493 order_settled",
        )
        .await;
    assert_eq!(stage.balance("alice").await, 1120);
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_gives_up_and_leaves_nothing_a_cancel_gives_up_and_leaves_a_tombstone() {
    let stage = Stage::set(SHORT_GRACE).await;
    stage
        .plays(
            "win alice o1 r1 250 CHF   -> 493 order_unknown
             cancel alice o2           -> 493 order_unknown",
        )
        .await;
    stage
        .plays(
            "bet alice o1 r1 100 CHF   -> 201 placed
             win alice o1 r1 250 CHF   -> 200 settled 250
             bet alice o2 r1 100 CHF   -> 493 order_cancelled
             win alice o2 r1 250 CHF   -> 493 order_cancelled
             cancel alice o2           -> 493 order_unknown",
        )
        .await;
    assert_eq!(stage.balance("alice").await, 1150);
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_breaks_its_batch_fails_alone() {
    let stage = Stage::set(LONG_GRACE).await;
    stage.fresh.refuse_poison().await;
    stage
        .plays_at_once(
            "bet alice o1 r1 100 CHF       -> 201 placed
             bet alice poison r1 100 CHF   -> failed
             win alice o1 r1 250 CHF       -> 200 settled 250
             bet bob o2 r1 100 CHF         -> 201 placed
             win bob o3 r1 7 CHF           -> 200 settled 7
             bet bob o3 r1 100 CHF         -> 201 placed",
        )
        .await;
    stage.plays("bet alice poison r1 100 CHF -> failed").await;
    assert_eq!(stage.balance("alice").await, 1150);
    assert_eq!(stage.balance("bob").await, 807);
    stage.is(|health| *health == Health::Ready).await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_break_their_batches_do_not_stop_the_lane() {
    let stage = Stage::set(LONG_GRACE).await;
    stage.fresh.refuse_poison().await;
    let poison: String = (0..12).map(|number| format!("bet alice poison{number} r1 1 CHF -> failed\n")).collect();
    let asked = stage.ask_all(&poison).await;
    // So many in a row look like a database in trouble, until something goes through.
    stage.is(|health| *health != Health::Ready).await;
    let mut number = 0;
    let mut pending = VecDeque::from(asked);
    while let Some((line, mut answered)) = pending.pop_front() {
        match answered.try_recv() {
            Ok(answer) => assert_eq!(answer, Answer::Failed, "{line}"),
            Err(oneshot::error::TryRecvError::Empty) => {
                pending.push_back((line, answered));
                number += 1;
                stage.plays(&format!("bet bob o{number} r1 1 CHF -> 201 placed")).await;
            }
            Err(oneshot::error::TryRecvError::Closed) => panic!("{line} was dropped"),
        }
    }
    stage.is(|health| *health == Health::Ready).await;
    stage.ends_well().await;
}

/// More than look like a database in trouble, with nothing between them that goes through.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_everything_is_not_called_ready_until_it_takes_something() {
    let stage = Stage::set(LONG_GRACE).await;
    stage.fresh.refuse_poison().await;
    let poison: String = (0..7).map(|number| format!("bet alice poison{number} r1 1 CHF -> failed\n")).collect();
    let asked = stage.ask_all(&poison).await;
    stage.is(|health| *health != Health::Ready).await;
    assert!(matches!(&*stage.health.borrow(), Health::Refusing(why) if why.contains("poison")), "work is let in");
    let mut health = stage.health.clone();
    health.mark_unchanged();
    let tried = stage.cues.batches.load(Ordering::Relaxed);
    until("it is tried again", async || stage.cues.batches.load(Ordering::Relaxed) > tried + 12).await;
    assert!(!health.has_changed().expect("the lane runs"), "{:?}", stage.health.borrow());
    stage.plays("bet bob o1 r1 1 CHF -> 201 placed").await;
    assert_answers(asked).await;
    stage.is(|health| *health == Health::Ready).await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_pauses_and_loses_nothing() {
    use Mishap::{AwayAfter, AwayBefore, Conflict};
    for mishaps in [&[AwayBefore, AwayBefore][..], &[AwayAfter], &[AwayBefore, Conflict, AwayAfter, Conflict]] {
        let stage = Stage::set(LONG_GRACE).await;
        stage.go_wrong(mishaps);
        let health = stage.health.clone();
        let fell =
            tokio::spawn(async move { health.clone().wait_for(|health| *health != Health::Ready).await.is_ok() });
        stage
            .plays_at_once(
                "bet alice o1 r1 100 CHF   -> 201 placed
                 win alice o1 r1 250 CHF   -> 200 settled 250
                 bet alice o2 r1 2000 CHF  -> 492 insufficient_funds 1150
                 cancel bob o3             -> 200 cancelled 100
                 bet bob o3 r1 100 CHF     -> 201 placed",
            )
            .await;
        assert!(within_deadline("the outage is told", fell).await.expect("no panic"), "{mishaps:?}");
        stage.is(|health| *health == Health::Ready).await;
        assert_eq!(stage.balance("alice").await, 1150, "{mishaps:?}");
        assert_eq!(stage.fresh.number("SELECT SUM(length(transfers)) / 40 FROM journal").await, 2 + 4, "{mishaps:?}");
        stage.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_answers_is_there_whatever_it_says() {
    let stage = Stage::set(LONG_GRACE).await;
    stage.go_wrong(&[Mishap::AwayBefore, Mishap::Moved]);
    let answered = stage.ask("bet alice o1 r1 100 CHF", QUEUE).await;
    assert!(within_deadline("it is let go of", answered).await.is_err(), "nothing was promised");
    stage.is(|health| *health == Health::Ready).await;
    stage.ends_well().await;
}

/// Results of bets that nobody places, asked for by one who may go away; each ends when its place is free.
fn ask_in_vain(stage: &Stage, asker: &Arc<()>, prefix: &str, many: usize) -> Vec<oneshot::Receiver<()>> {
    let mut places = Vec::new();
    for order in 0..many {
        let (place, given_up) = oneshot::channel::<()>();
        let answering = Answering::WithView { tell: Box::new(move |_, _| drop(place)), asker: Arc::downgrade(asker) };
        let keyed = commands("acme", &format!("win alice {prefix}{order} r1 250 CHF")).remove(0);
        assert!(stage.sequencer.submit(Submission { keyed, source: QUEUE, answering, trace: None }).is_ok());
        places.push(given_up);
    }
    places
}

/// As many as are a crowd on this stage, by half.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_crowd_whoever_nobody_waits_for_any_more_gives_his_place_up() {
    const CROWD: usize = 11;
    let acme = Party::parse("acme").expect("a party");
    let backlogs = BetBacklogs::of([acme.clone()]);
    backlogs.open(&acme);
    let stage = Stage::set_with(SHORT_GRACE, backlogs).await;
    let asker = Arc::new(());
    let places = ask_in_vain(&stage, &asker, "o", CROWD);
    let mut given_up = pin!(join_all(places));
    assert!(tokio::time::timeout(SHORT_GRACE * 3, &mut given_up).await.is_err(), "bets may still be in the queue");
    drop(asker);
    assert!(within_deadline("the places are free", given_up).await.iter().all(Result::is_err));
    stage.plays("bet alice o1 r1 100 CHF -> 201 placed").await;
    assert_eq!(stage.balance("alice").await, 900);
    stage.ends_well().await;
}

/// Fewer than are a crowd on this stage, and more than half of the requests that may be under way.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_nobody_waits_for_give_their_places_back_where_a_crowd_is_more_than_there_may_be() {
    let stage = Stage::set(LONG_GRACE).await;
    let asker = Arc::new(());
    let places = ask_in_vain(&stage, &asker, "never-", REQUESTS_AT_ONCE);
    // By then all that came before it wait.
    stage.plays("bet bob o1 r1 100 CHF -> 201 placed").await;
    drop(asker);
    assert!(within_deadline("the places are free", join_all(places)).await.iter().all(Result::is_err));
    stage.ends_well().await;
}

/// What the database takes must not make a lane give up on a bet that lies before it.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_takes_is_taken_from_nobodys_patience() {
    let stage = Stage::set(SHORT_GRACE).await;
    let permits = stage.hold().await;
    let asked = stage
        .ask_all(
            "win alice o1 r1 250 CHF   -> 200 settled 250
             cancel alice o2           -> 200 cancelled 100
             win alice o3 r1 250 CHF   -> 493 order_unknown
             bet alice o1 r1 100 CHF   -> 201 placed
             bet alice o2 r1 100 CHF   -> 201 placed",
        )
        .await;
    let asked_at = Instant::now();
    until("the grace is over", async || asked_at.elapsed() > SHORT_GRACE * 2).await;
    stage.cues.gate.add_permits(permits);
    assert_answers(asked).await;
    assert_eq!(stage.balance("alice").await, 1150);
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writer_that_is_faster_changes_no_answer() {
    let stage = Stage::set(LONG_GRACE).await;
    stage.go_wrong(&[Mishap::Conflict; 5]);
    stage.plays_at_once("bet alice o1 r1 100 CHF -> 201 placed\nwin alice o1 r1 7 CHF -> 200 settled 7").await;
    // More than a batch is tried again for: then its commands are tried apart.
    stage.go_wrong(&[Mishap::Conflict; 12]);
    stage.plays_at_once("bet alice o2 r1 100 CHF -> 201 placed\nwin alice o2 r1 7 CHF -> 200 settled 7").await;
    stage.ends_well().await;
}

/// A batch is tried eleven times before its commands are tried apart, and then they meet the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_command_that_meets_conflicts_and_deadlocks_alone_is_not_the_culprit() {
    let stage = Stage::set(LONG_GRACE).await;
    for mishaps in [[Mishap::Conflict; 21].as_slice(), &[Mishap::Contention; 40]] {
        stage.go_wrong(mishaps);
        let order = mishaps.len();
        stage.plays(&format!("bet alice o{order} r1 100 CHF -> 201 placed")).await;
    }
    stage.is(|health| *health == Health::Ready).await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_holds_is_an_outage_until_they_let_go() {
    let stage = Stage::set(LONG_GRACE).await;
    let mut other = stage.fresh.writer();
    // A loaded store holds the file's only write lock; the lane's own wait for it ends as an outage.
    let held = other.load(&ReadSet::default()).await.expect("loaded");
    let asked = stage.ask_all("bet alice o1 r1 100 CHF -> 201 placed\nwin alice o1 r1 5 -> 200 settled 5").await;
    stage.is(|health| *health != Health::Ready).await;
    drop(held);
    assert_answers(asked).await;
    stage.is(|health| *health == Health::Ready).await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_results_without_bets_holds_up_nobody() {
    let stage = Stage::set(Duration::from_secs(3)).await;
    let mut flood = Vec::new();
    for number in 0..300 {
        let line = format!("win alice none{number} r1 1 CHF");
        flood.push(stage.ask(&line, QUEUE).await);
    }
    let good = stage.ask("win bob good r1 50 CHF", OTHER_QUEUE).await;
    stage.plays("bet bob good r1 10 CHF -> 201 placed").await;
    assert_eq!(answer("the good result", good).await, "200 settled 50");
    // Of the flood's own queue: it waits for its bet like any other, and need not wait for the flood.
    let own = stage.ask("win bob own r1 50 CHF", QUEUE).await;
    stage.plays("bet bob own r1 10 CHF -> 201 placed").await;
    assert_eq!(answer("the flood's neighbour", own).await, "200 settled 50");
    for answered in flood {
        assert_eq!(answer("the flood", answered).await, "493 order_unknown");
    }
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_party_keeps_no_other_party_out_of_the_next_batch() {
    let stage = Stage::set(LONG_GRACE).await;
    let permits = stage.hold().await;
    let mut flood = Vec::new();
    for number in 0..1000 {
        flood.push(stage.ask(&format!("bet alice o{number} r1 1 CHF"), QUEUE).await);
    }
    let other = stage.submit(commands("other", "bet carol o1 r1 1 CHF").remove(0), OTHER_QUEUE).await;
    // One batch may have been collected before the other party came; sixteen are needed for the flood.
    stage.cues.gate.add_permits(2);
    answer("the other party", other).await;
    flood.retain_mut(|asked| asked.try_recv().is_err());
    assert!(flood.len() >= 1000 - 2 * 64, "all but {} of the flood came first", flood.len());
    stage.cues.gate.add_permits(permits);
    for answered in flood {
        assert_eq!(answer("the flood", answered).await, "201 placed");
    }
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_collected_into_one_batch() {
    let stage = Stage::set(LONG_GRACE).await;
    let before = stage.cues.batches.load(Ordering::Relaxed);
    let bets: String = (0..64).map(|number| format!("bet alice o{number} r1 1 CHF -> 201 placed\n")).collect();
    stage.plays_at_once(&bets).await;
    let batches = stage.cues.batches.load(Ordering::Relaxed) - before;
    // The first may have been taken before the rest came.
    assert!(batches <= 2, "{batches} batches");
    until("the journal", async || stage.fresh.number("SELECT COUNT(*) FROM journal").await == 4 + 64).await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_that_is_told_to_stop_answers_what_it_took() {
    let stage = Stage::set(SHORT_GRACE).await;
    let permits = stage.hold().await;
    let asked = stage
        .ask_all(
            "bet alice o1 r1 100 CHF  -> 201 placed
             win alice o1 r1 5 CHF    -> 200 settled 5
             win alice o2 r1 5 CHF    -> 493 order_unknown",
        )
        .await;
    stage.cues.gate.add_permits(permits);
    stage.ends_well().await;
    assert_answers(asked).await;
}
