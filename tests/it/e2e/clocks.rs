//! The clock of the wall set forward and back by hours and days under a running Purser, with libfaketime. Its timers go
//! by another clock, and no clock decides about money.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use purser::dialects::egpp::Operation;
use rand::RngExt;
use serde_json::{Value, json};

use super::play::{Plan, Play, invite, rng, seed};
use super::services::Addresses;
use super::stage::{ACME, Base, Stage, on_both};
use super::wire::{Message, Wire, code};
use crate::patience::until;

pub const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Seconds since 1970 by the clock that is right.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs().cast_signed()
}

/// A clock that is so many seconds ahead of the right one.
pub struct Clock(PathBuf);

impl Clock {
    pub fn set(&self, ahead: i64) {
        // Moved there whole: it is read at any moment.
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{ahead:+}\n")).and_then(|()| std::fs::rename(&new, &self.0)).expect("written");
    }
}

/// From its next start on, the stage's Purser goes by a clock of the test's own.
pub fn give_clock(stage: &mut Stage) -> Clock {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");
    let found = Command::new(script).arg("faketime").output().expect("scripts/services runs");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let library = String::from_utf8(found.stdout).expect("UTF-8").trim().to_owned();
    assert!(Path::new(&library).is_file(), "{library}");
    let clock = Clock(stage.file("clock"));
    clock.set(0);
    stage.starter = vec![
        "env".to_owned(),
        format!("LD_PRELOAD={library}"),
        format!("FAKETIME_TIMESTAMP_FILE={}", clock.0.display()),
        "FAKETIME_NO_CACHE=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        "FAKETIME_DISABLE_SHM=1".to_owned(),
    ];
    clock
}

async fn with_clock(base: Base, parties: &str) -> (Stage, Clock) {
    let mut stage = Stage::prepare(base, parties, &Addresses::shared()).await;
    let clock = give_clock(&mut stage);
    stage.serve();
    stage.until_ready().await;
    (stage, clock)
}

const SECRET: &str = "a secret of well over thirty-two bytes, shared with nobody";

const SIGNED: &str = r#"
[ledger]
ordering_grace = "100ms"
[parties.acme]
currencies = ["CHF"]
games = ["wallstroulette"]
[parties.acme.jwt]
hmac_secret = "a secret of well over thirty-two bytes, shared with nobody"
"#;

/// What a bet is answered whose token is good from now on for an hour, and which says when it was sent or does not,
/// by a clock that is so far ahead.
const TOKENS: [(i64, bool, &str); 9] = [
    (0, false, "201"),
    (0, true, "201"),
    // Expired; but where it was sent while it was good, that counts.
    (2 * HOUR, false, "401"),
    (2 * HOUR, true, "201"),
    // A time of more than a day ago is not believed.
    (25 * HOUR, true, "401"),
    // Not valid yet; and a time in the future is not believed.
    (-2 * HOUR, false, "401"),
    (-2 * HOUR, true, "401"),
    (-400 * DAY, true, "401"),
    (0, false, "201"),
];

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_judged_by_the_clock_as_it_stands_or_when_they_were_sent() {
    on_both(async |base| {
        let (stage, clock) = with_clock(base, SIGNED).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "1000.00", "CHF").await;
        let mut wire = Wire::connect(&stage).await;
        let sent = now();
        let claims = json!({ "sub": "alice", "nbf": sent - 60, "exp": sent + HOUR });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).expect("a token");
        let message = |operation, order: &str, is_dated: bool, more: Value| {
            let mut body = json!({ "game": "wallstroulette", "externalId": order, "playerId": token });
            let Value::Object(more) = more else { panic!("an object") };
            body.as_object_mut().expect("an object").extend(more);
            let mut message = Message::new(operation, &format!("{}-{order}", operation.name()), &body);
            if is_dated {
                message.properties = message.properties.with_timestamp(sent.cast_unsigned());
            }
            message
        };
        let bet = json!({ "amount": 100, "currency": "CHF", "round": 1 });
        for (number, (ahead, is_dated, expected)) in TOKENS.into_iter().enumerate() {
            clock.set(ahead);
            let bet = message(Operation::OrderBet, &format!("o-{number}"), is_dated, bet.clone());
            assert_eq!(code(&wire.ask(bet).await), expected, "{ahead} s ahead, dated: {is_dated}");
        }
        // Money owed is owed.
        clock.set(3 * DAY);
        let win = json!({ "result": "win", "amount": 150, "currency": "CHF", "round": 1 });
        assert_eq!(code(&wire.ask(message(Operation::OrderBetResult, "o-0", false, win)).await), "200");
        assert_eq!(code(&wire.ask(message(Operation::OrderBetCancel, "o-1", false, json!({}))).await), "200");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 2 * 100 + 50);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_the_daily_limit_is_the_one_that_the_clock_shows() {
    on_both(async |base| {
        let (stage, clock) = with_clock(base, ACME).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "1000.00", "EUR").await;
        let mut wire = Wire::connect(&stage).await;
        // However late it is, it is noon for Purser.
        let noon = DAY / 2 - now() % DAY;
        let steps = [(0, ["201", "201", "491"]), (6 * HOUR, ["491"; 3]), (DAY, ["201", "201", "491"])];
        for (step, (ahead, expected)) in steps.into_iter().enumerate() {
            clock.set(noon + ahead);
            for (number, expected) in expected.into_iter().enumerate() {
                let body = json!({ "amount": 1000, "currency": "EUR", "game": "wallstroulette", "round": 1,
                                   "externalId": format!("o-{step}-{number}"), "playerId": "alice" });
                let asked = Message::new(Operation::OrderBet, &format!("{step}-{number}"), &body);
                assert_eq!(code(&wire.ask(asked).await), expected, "bet {number} at noon + {ahead} s");
            }
        }
        assert_eq!(stage.balance("acme", "alice", "EUR").await, 100_000 - 4 * 1000);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_under_load_loses_nothing_and_what_it_left_can_be_replayed() {
    const STEPS: usize = 20;
    let seed = seed();
    on_both(async |base| {
        let mut rng = rng(seed);
        let (mut stage, clock) = with_clock(base, ACME).await;
        invite(&stage).await;
        // On Postgres another one goes by the right clock.
        let _other = (base == Base::Postgres).then(|| stage.another_process("other"));
        let play = Play::begin(&stage, Plan::new(1000, &mut rng)).await;
        let share = play.len() / STEPS;
        for step in 1..STEPS {
            play.until_answered(step * share).await;
            clock.set([HOUR, DAY][rng.random_range(0..2)] * rng.random_range(-40..40));
        }
        until("purser is ready", async || stage.is_ready().await).await;
        play.finish(&stage).await;
        assert!(stage.is_alive());
        assert!(!stage.log().contains("panicked") && !stage.log().contains("ended"), "{}", stage.log());
        is_replayed(&stage).await;
    })
    .await;
}

/// The journal, replayed elsewhere, makes the same ledger.
async fn is_replayed(stage: &Stage) {
    let elsewhere = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    elsewhere.done(&["migrate"]).await;
    let export = elsewhere.file("export.ndjson");
    std::fs::write(&export, stage.done(&["journal", "export", "--party", "acme"]).await).expect("written");
    // Fails where anything is decided otherwise.
    elsewhere.done(&["replay", export.to_str().expect("a path")]).await;
    let digest = async |stage: &Stage| {
        let told: Value = serde_json::from_str(&stage.done(&["audit", "--json"]).await).expect("JSON");
        told["digest"].as_str().expect("a digest").to_owned()
    };
    assert_eq!(digest(stage).await, digest(&elsewhere).await);
}
