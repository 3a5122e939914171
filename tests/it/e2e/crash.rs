//! Purser killed in the middle of its work, again and again.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::play::{Plan, Play, check, invite, rng, seed};
use super::services::{Addresses, Own};
use super::stage::{ACME, Base, Stage, on_both};

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_it_answers_everything_once_and_for_all() {
    const ORDERS: u32 = 2500;
    const KILLS: usize = 6;
    let seed = seed();
    on_both(async |base| {
        let mut rng = rng(seed);
        let mut stage = Stage::open(base, ACME).await;
        invite(&stage).await;
        let plan = Plan::new(ORDERS, &mut rng);
        let events = plan.len();
        let play = Play::begin(&stage, plan).await;
        let mut at = 0;
        for _ in 0..KILLS {
            at += rng.random_range(1..events / KILLS);
            play.until_answered(at).await;
            stage.serving.take().expect("it serves").kill();
            stage.serve();
        }
        play.finish(&stage).await;
        assert!(stage.is_alive());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_postgres_agree_though_one_is_killed() {
    const ORDERS: u32 = 1500;
    const KILLS: usize = 3;
    let mut rng = rng(seed());
    let mut one = Stage::open(Base::Postgres, ACME).await;
    let mut two = one.another_vhost(&Addresses::shared()).await;
    two.serve();
    two.until_ready().await;
    invite(&one).await;
    let plan = Plan::new(ORDERS, &mut rng);
    let events = plan.len();
    let other_plan = plan.reshuffled(&mut rng);
    let mut plays = [Play::begin(&one, plan).await, Play::begin(&two, other_plan).await];
    let mut at = 0;
    for _ in 0..KILLS {
        at += rng.random_range(1..events / KILLS);
        plays[1].until_answered(at).await;
        two.serving.take().expect("it serves").kill();
        two.serve();
    }
    for play in &mut plays {
        play.until_complete().await;
    }
    check(&[&plays[0], &plays[1]], &one).await;
    assert!(one.is_alive() && two.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_the_same_queues_share_the_work_though_each_is_killed() {
    const ORDERS: u32 = 1500;
    const KILLS: usize = 4;
    let mut rng = rng(seed());
    let mut one = Stage::open(Base::Postgres, ACME).await;
    invite(&one).await;
    let mut other = Some(one.another_process("two"));
    let play = Play::begin(&one, Plan::new(ORDERS, &mut rng)).await;
    let events = play.len();
    let mut at = 0;
    for kill in 0..KILLS {
        at += rng.random_range(1..events / KILLS);
        play.until_answered(at).await;
        if kill % 2 == 0 {
            one.serving.take().expect("it serves").kill();
            one.serve();
        } else {
            other.take().expect("it serves").kill();
            other = Some(one.another_process("two"));
        }
    }
    play.finish(&one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_postgres_and_purser_crash_in_turns_and_nothing_is_lost_or_done_twice() {
    const ORDERS: u32 = 4000;
    let mut rng = rng(seed());
    let own = Own::start(&["broker", "postgres"]).await;
    let mut stage = Stage::prepare(Base::Postgres, ACME, &own.addresses).await;
    stage.serve();
    stage.until_ready().await;
    invite(&stage).await;
    let play = Play::begin(&stage, Plan::new(ORDERS, &mut rng)).await;
    let mut crashes = [["kill", "broker"], ["kill", "postgres"], ["stop", "broker"], ["kill", "purser"]];
    crashes.shuffle(&mut rng);
    for crash in crashes {
        play.until_answered(play.answered() + rng.random_range(100..400)).await;
        match crash {
            ["kill", "purser"] => {
                stage.serving.take().expect("it serves").kill();
                stage.serve();
            }
            [_, service] => {
                own.run(&crash).await;
                own.run(&["start", service]).await;
            }
        }
    }
    play.finish(&stage).await;
}
