//! Rounds: a bet and its result each, many at the same time, timed.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use super::{Failure, Stage, output};
use crate::dialects::egpp::Operation;
use crate::ledger::{Amount, PlayerId};
use crate::provider::{Provider, Reply, Request};

/// What each player starts with, minor units: enough for any number of rounds that a demo plays.
const MONEY: i64 = 1_000_000_000;

const STAKE: i64 = 100;

const PLAYERS: usize = 20;

/// What was sent and answered.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub sent: u64,
    pub answered: u64,
    pub by_code: BTreeMap<String, u64>,
    pub seconds: f64,
    pub per_second: f64,
    /// Milliseconds from the request to its reply.
    pub latency_ms: BTreeMap<&'static str, f64>,
}

struct Answered {
    reply: Reply,
    took: Duration,
}

pub async fn play(stage: &Stage, rounds: u32, concurrency: usize) -> Result<Summary, Failure> {
    let players = (0..PLAYERS).map(|number| stage.name(&format!("p{number}"))).collect::<Result<Vec<_>, _>>()?;
    stage.invite(&players, Amount::new(MONEY)?).await?;
    let tokens = players.iter().map(|player| stage.token(player)).collect::<Result<Vec<_>, _>>()?;
    let progress = progress_bar(u64::from(rounds));
    let began = Instant::now();
    let playing = stream::iter(0..rounds).map(|round| {
        let index = round as usize % players.len();
        one_round(stage, round, &players[index], tokens[index].clone())
    });
    let mut playing = std::pin::pin!(playing.buffer_unordered(concurrency));
    let mut tally = Tally::new()?;
    while let Some(answers) = playing.next().await {
        answers?.into_iter().for_each(|answered| tally.take(&answered));
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(tally.summary(u64::from(rounds) * 2, began.elapsed()))
}

async fn one_round(
    stage: &Stage,
    round: u32,
    player: &PlayerId,
    token: Option<String>,
) -> Result<[Answered; 2], Failure> {
    let external_id = format!("round-{}-{round}", stage.run);
    let body = |result: Option<&str>| {
        let mut body = json!({
            "amount": STAKE, "currency": stage.currency, "game": stage.game, "round": round + 1,
            "externalId": external_id, "playerId": player,
        });
        if let Some(result) = result {
            body["result"] = result.into();
        }
        body.to_string().into_bytes()
    };
    let result = ["win", "lose", "tie"][round as usize % 3];
    let request = |operation, body| Request {
        operation,
        correlation: format!("{external_id}-{}", if operation == Operation::OrderBet { "bet" } else { "result" }),
        body,
        token: token.clone(),
    };
    let bet = timed(&stage.provider, request(Operation::OrderBet, body(None))).await?;
    let settled = timed(&stage.provider, request(Operation::OrderBetResult, body(Some(result)))).await?;
    Ok([bet, settled])
}

async fn timed(provider: &Arc<Provider>, request: Request) -> Result<Answered, Failure> {
    let began = Instant::now();
    let reply = provider.ask(request).await?;
    Ok(Answered { reply, took: began.elapsed() })
}

fn progress_bar(rounds: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(rounds), ProgressDrawTarget::stderr());
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rounds  {per_sec}  {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Tally {
    by_code: BTreeMap<String, u64>,
    latency_us: Histogram<u64>,
}

impl Tally {
    fn new() -> Result<Self, Failure> {
        Ok(Self { by_code: BTreeMap::new(), latency_us: Histogram::new(3)? })
    }

    fn take(&mut self, answered: &Answered) {
        *self.by_code.entry(answered.reply.code()).or_default() += 1;
        // Never fails: the histogram grows to whatever a reply can have taken.
        let _ = self.latency_us.record(u64::try_from(answered.took.as_micros()).unwrap_or(u64::MAX));
    }

    fn summary(self, sent: u64, took: Duration) -> Summary {
        let answered = self.by_code.values().sum();
        let seconds = took.as_secs_f64();
        let at = |quantile| Duration::from_micros(self.latency_us.value_at_quantile(quantile)).as_secs_f64() * 1000.0;
        let latency_ms = BTreeMap::from([("p50", at(0.5)), ("p90", at(0.9)), ("p99", at(0.99)), ("p99.9", at(0.999))]);
        #[expect(clippy::cast_precision_loss, reason = "a count of messages, for people to read")]
        let per_second = answered as f64 / seconds;
        Summary { sent, answered, by_code: self.by_code, seconds, per_second, latency_ms }
    }
}

impl Summary {
    /// Whether everything was answered, and every bet and result taken.
    pub fn is_complete(&self) -> bool {
        self.sent == self.answered && self.by_code.keys().all(|code| code == "200" || code == "201")
    }

    pub fn print(&self) -> std::io::Result<()> {
        let codes: Vec<String> = self.by_code.iter().map(|(code, count)| format!("{code}: {count}")).collect();
        output::line("")?;
        output::line(&format!("sent {}, answered {} ({})", self.sent, self.answered, codes.join(", ")))?;
        output::line(&format!("{:.1} s, {:.0} requests a second", self.seconds, self.per_second))?;
        let latency: Vec<String> = self.latency_ms.iter().map(|(name, ms)| format!("{name} {ms:.1} ms")).collect();
        output::line(&format!("latency {}", latency.join(", ")))?;
        output::line("")
    }
}
