//! Very many dead letters: what an operator does with them takes constant memory, and a time that can be borne.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{peak_of, purser};
use super::raw::{Peer, Properties};
use super::stage::{ACME, Base, Stage};
use super::wire::Wire;
use crate::patience::{pause, until};

const DEAD: &str = "v1.0.acme.dead";

/// How many letters, where that is asked for.
const LETTERS: &str = "PURSER_SOAK_LETTERS";

/// In the ordinary test run: more than are held by one channel.
const FEW: u64 = 5_000;

/// What `docs/PERFORMANCE.md` promises, in MiB.
const BOUND: u64 = 96;

fn bet(number: u64) -> Vec<u8> {
    let bet = json!({
        "amount": 1, "currency": "CHF", "game": "wallstroulette", "round": 1, "externalId": format!("dead-{number}"),
        "playerId": "alice",
    });
    bet.to_string().into_bytes()
}

/// Bets that a fault of ours has parked, as the program would have left them. The provider stays until they are in
/// their queue: with a connection the broker forgets what it has read from it and not yet put there.
async fn park(stage: &Stage, letters: u64) -> Peer {
    let url = stage.vhost.amqp_url();
    let parking = tokio::task::spawn_blocking(move || {
        let mut peer = Peer::connect(&url);
        let headers = [
            (b"x-purser-reason".as_slice(), "fault"),
            (b"x-purser-error", "the disk was on fire"),
            (b"x-purser-queue", "v1.0.acme.order.bet"),
            (b"x-purser-dead-at", "1700000000"),
        ];
        for number in 0..letters {
            let id = format!("dead-{number}");
            let properties = Properties { correlation_id: id.as_bytes(), reply_to: b"", headers: &headers };
            assert!(peer.publish(("v1.0.dead", DEAD), &properties, &bet(number), || true), "sent");
        }
        peer.flush(|| true);
        peer
    });
    parking.await.expect("parked")
}

/// Runs `purser dead` to its end; answers with its output, its peak of memory in MiB, and how long it took.
async fn run(stage: &Stage, arguments: &[&str]) -> (String, u64, Duration) {
    let (began, file) = (Instant::now(), stage.file("told"));
    let mut command = purser(&stage.config(), &[&["dead"], arguments, &["--party", "acme"]].concat());
    command.stdout(File::create(&file).expect("a file")).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("purser runs");
    let mut peak = 0;
    let status = loop {
        // Of one that has ended and is not yet waited for, nothing can be read.
        peak = peak.max(peak_of(child.id()).unwrap_or(0));
        match child.try_wait().expect("a status") {
            Some(status) => break status,
            None => pause().await,
        }
    };
    assert!(status.success(), "purser dead {arguments:?}");
    let (took, mib) = (began.elapsed(), peak / 1024 / 1024);
    println!("{:<36} {:>8.1} s {mib:>5} MiB", arguments.join(" "), took.as_secs_f64());
    (std::fs::read_to_string(file).expect("UTF-8"), mib, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_letters_are_looked_at_put_back_and_dropped_in_constant_memory() {
    let letters: u64 = std::env::var(LETTERS).map_or(FEW, |text| text.parse().expect("a number"));
    let stage = Stage::open(Base::Sqlite, ACME).await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "1000000.00", "CHF").await;
    let wire = Wire::connect(&stage).await;
    let parking = park(&stage, letters).await;
    let all = async |what| until(what, async || u64::from(wire.ready(DEAD).await) == letters).await;
    all("all are parked").await;
    drop(parking);
    println!("{letters} dead letters");

    let ids = |told: &str| -> Vec<String> {
        let id =
            |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["id"].as_str().expect("an id").to_owned();
        told.lines().map(id).collect()
    };
    let parked: Vec<String> = (0..letters).map(|number| format!("dead-{number}")).collect();
    let mut peaks = Vec::new();
    for look in [["list", "--json"].as_slice(), &["list"], &["list", "--json"]] {
        let (told, peak, _) = run(&stage, look).await;
        peaks.push(peak);
        if look.contains(&"--json") {
            let told = ids(&told);
            assert_eq!(told.len(), parked.len(), "all are told");
            let out_of_order: Vec<_> =
                told.iter().zip(&parked).enumerate().filter(|(_, (is, was))| is != was).take(5).collect();
            assert!(out_of_order.is_empty(), "all are told, in their order, but {out_of_order:?}");
        } else {
            assert_eq!(told.lines().count() as u64, letters + 1, "a heading and a line each");
        }
        all("all are back").await;
    }
    let last = parked.last().expect("a letter").clone();
    peaks.push(run(&stage, &["show", "--id", &last]).await.1);
    all("all are back").await;
    peaks.push(run(&stage, &["drop", "--id", &last]).await.1);
    until("one is gone", async || u64::from(wire.ready(DEAD).await) == letters - 1).await;

    let (told, peak, _) = run(&stage, &["redrive", "--json"]).await;
    peaks.push(peak);
    let summary: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(summary["answered"], json!({ "201": letters - 1 }), "{summary}");
    until("none is left", async || wire.ready(DEAD).await == 0).await;
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000_000 - i64::try_from(letters - 1).expect("few"));

    let parking = park(&stage, letters).await;
    all("all are parked again").await;
    drop(parking);
    let (told, peak, _) = run(&stage, &["drop", "--all"]).await;
    peaks.push(peak);
    assert_eq!(told, format!("{letters} of {letters} dead letters of acme dropped\n"));
    until("none is left", async || wire.ready(DEAD).await == 0).await;
    stage.audit().await;
    assert!(peaks.iter().all(|peak| *peak <= BOUND), "{peaks:?} MiB, and the bound is {BOUND}");
}
