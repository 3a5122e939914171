//! `purser conform provider`: has a sandbox party's replies from whoever serves it, judges what was asked, and sends them on,
//! but for some.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::reports::{self, ReportFiles};
use super::settled;
use super::wallet::MAX_SEED;
use crate::app;
use crate::cli::{CommandFailure, Ended, party, usage};
use crate::config::{self, Config, format_duration};
use crate::conformance::catalogue::Catalogue;
use crate::conformance::judge;
use crate::conformance::provider::message::{ProviderMessage, without_tokens};
use crate::conformance::provider::{Interference, ProviderWatch, WatchTerms};
use crate::conformance::report::{ConformanceVerdict, ReportHead, ShownExchange, Subject, shown};
use crate::conformance::{ConformanceReport, expect};
use crate::ledger::Party;
use crate::transport::amqp::watch::{LEASE, ToWatcher, WatchedExchange, WatchedReply};
use crate::transport::amqp::watcher::Watcher;

/// How often the sessions are told that somebody watches: five times before they forget it.
const CALL_EVERY: Duration = Duration::from_secs(1);

/// How long nobody may be heard of who serves the party.
const SILENCE: Duration = Duration::from_secs(30);

/// How often it is told what has passed.
const TELL_EVERY: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Watching {
    /// A sandbox party that is being served.
    #[arg(long)]
    party: String,
    /// How long to watch; Ctrl-C ends it before.
    #[arg(long = "for", default_value = "30m", value_parser = config::parse_duration)]
    run_for: Duration,
    /// How long the provider has to ask again where no reply came.
    #[arg(long, default_value = "2m", value_parser = config::parse_duration)]
    retry_within: Duration,
    /// How long it has to settle a bet.
    #[arg(long, default_value = "10m", value_parser = config::parse_duration)]
    settle_within: Duration,
    /// How late a late reply is.
    #[arg(long, default_value = "3s", value_parser = config::parse_duration)]
    delay: Duration,
    /// Decides which replies are withheld, late and doubled (default: a new one).
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=MAX_SEED))]
    seed: Option<u64>,
    #[command(flatten)]
    reports: ReportFiles,
}

impl Watching {
    /// Whatever keeps the provider from being judged is status 2.
    pub async fn run(self, config: Config) -> Ended {
        reports::ended(Subject::Provider, self.verdict(&config).await)
    }

    async fn verdict(&self, config: &Config) -> Result<ConformanceVerdict, CommandFailure> {
        let (party, settings) = party(config, &self.party)?;
        if !settings.is_sandbox {
            return Err(usage(format!("party {party} is no sandbox, and its replies are not to be interfered with")));
        }
        if self.run_for <= self.retry_within || self.run_for <= self.settle_within {
            return Err(usage("--for must be longer than --retry-within and --settle-within"));
        }
        let broker = app::broker(config, &party).ok_or_else(|| usage("there is no broker: amqp.url"))?;
        let catalogue = Catalogue::load()?;
        let opening = Watcher::open(&broker, &party).await;
        let watcher = opening.map_err(|error| usage(format!("cannot reach the broker: {error}")))?;
        let seed = self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let began = (Timestamp::now(), Instant::now());
        let terms = self.terms(seed);
        let mut shift =
            Shift { watcher, watch: ProviderWatch::new(terms.clone()), terms, due: BTreeMap::new(), number: 0 };
        eprintln!("watching the provider of party {party}, seed {seed}");
        let watched = shift.work(&party).await;
        let left = shift.leave().await;
        watched?;
        left?;
        let took = began.1.elapsed();
        let Shift { watcher, mut watch, .. } = shift;
        watcher.close().await;
        watch.complete(settled::look_up(config, &party, watch.unsettled(took)).await);
        let again = format!("purser conform provider --party {party} {} --seed {seed}", self.times());
        let head = judge::head((Subject::Provider, party.as_str()), &catalogue, seed, began);
        let head = ReportHead { traffic: Some(watch.traffic), ..head };
        let report = ConformanceReport { head, cases: watch.close(took, &catalogue, &again) };
        self.reports.write(&report)?;
        report.cases.iter().try_for_each(reports::tell)?;
        reports::sum_up(&report)?;
        Ok(report.verdict())
    }

    fn terms(&self, seed: u64) -> WatchTerms {
        let Self { run_for, retry_within, settle_within, delay, .. } = *self;
        WatchTerms { run_for, retry_within, settle_within, delay, seed }
    }

    fn times(&self) -> String {
        let [run_for, retry, settle, delay] =
            [self.run_for, self.retry_within, self.settle_within, self.delay].map(format_duration);
        let joined = |time: String| time.replace(' ', "");
        format!(
            "--for {} --retry-within {} --settle-within {} --delay {}",
            joined(run_for),
            joined(retry),
            joined(settle),
            joined(delay)
        )
    }
}

/// One watch, from its first call to its last reply.
struct Shift {
    watcher: Watcher,
    watch: ProviderWatch,
    terms: WatchTerms,
    /// Late replies, by when they are due; there are no more of them than of messages.
    due: BTreeMap<(Instant, u64), WatchedReply>,
    number: u64,
}

impl Shift {
    /// Watches until the time is over, or somebody ends it.
    async fn work(&mut self, party: &Party) -> Result<(), CommandFailure> {
        let start = Instant::now();
        let end = start + self.terms.run_for;
        let (mut calls, mut telling) = (interval(CALL_EVERY), interval(TELL_EVERY));
        calls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = None;
        loop {
            let next_due = self.due.first_key_value().map(|((at, _), _)| *at);
            tokio::select! {
                told = self.watcher.next() => match told {
                    Some(ToWatcher::Heard { .. }) => heard = Some(Instant::now()),
                    Some(ToWatcher::Exchange(exchange)) => self.take(start.elapsed(), *exchange).await?,
                    None => return Err(usage("the connection to the broker was lost")),
                },
                () = sleep_until(next_due.unwrap_or(end).into()), if next_due.is_some() => self.send_due().await?,
                _ = calls.tick() => {
                    let silent_for = heard.unwrap_or(start).elapsed();
                    if silent_for > if heard.is_some() { SILENCE } else { LEASE } {
                        return Err(usage(format!("nobody serves party {party} as a sandbox: start `purser serve`")));
                    }
                    self.watcher.call(false).await?;
                }
                _ = telling.tick() => self.tell(),
                () = sleep_until(end.into()) => return Ok(()),
                ended = tokio::signal::ctrl_c() => return Ok(ended?),
            }
            if self.watch.is_full() {
                eprintln!("as many messages came as one watch takes; it ends here");
                return Ok(());
            }
        }
    }

    async fn take(&mut self, at: Duration, exchange: WatchedExchange) -> Result<(), CommandFailure> {
        let interference = self.watch.handle(at, &told_message(&exchange));
        let Some(reply) = exchange.reply else { return Ok(()) };
        match interference {
            Interference::None => self.watcher.send_on(&reply).await?,
            Interference::Twice => {
                self.watcher.send_on(&reply).await?;
                self.watcher.send_on(&reply).await?;
            }
            Interference::Late => {
                self.number += 1;
                self.due.insert((Instant::now() + self.terms.delay, self.number), reply);
            }
            Interference::Withheld => {}
        }
        Ok(())
    }

    async fn send_due(&mut self) -> Result<(), CommandFailure> {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= Instant::now()) {
            self.watcher.send_on(&entry.remove()).await?;
        }
        Ok(())
    }

    /// Ends the watch, and sends on what still comes: a session that has not heard of the end yet forgets it anyway.
    async fn leave(&mut self) -> Result<(), CommandFailure> {
        self.watcher.call(true).await?;
        let until = tokio::time::Instant::now() + LEASE;
        while let Ok(Some(told)) = tokio::time::timeout_at(until, self.watcher.next()).await {
            match told {
                ToWatcher::Exchange(exchange) => {
                    for reply in exchange.reply.iter() {
                        self.watcher.send_on(reply).await?;
                    }
                }
                ToWatcher::Heard { .. } => {}
            }
        }
        for reply in std::mem::take(&mut self.due).into_values() {
            self.watcher.send_on(&reply).await?;
        }
        Ok(())
    }

    fn tell(&self) {
        let traffic = self.watch.traffic;
        if traffic.messages > 0 {
            eprintln!(
                "{} messages; replies: {} withheld, {} late, {} doubled; bets: {} accepted, {} settled",
                traffic.messages, traffic.withheld, traffic.late, traffic.doubled, traffic.bets, traffic.settled
            );
        }
    }
}

/// A message as it is judged, tokens hidden in what is shown of it.
fn told_message(exchange: &WatchedExchange) -> ProviderMessage {
    let WatchedExchange { request, reply, parked } = exchange;
    let body = request.body();
    let given = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
    let code = reply.as_ref().map(|reply| {
        let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        expect::code(&body).to_owned()
    });
    ProviderMessage {
        operation: request.routing_key.splitn(4, '.').nth(3).unwrap_or_default().to_owned(),
        correlation: given(&request.correlation_id).or_else(|| given(&request.message_id)),
        is_persistent: request.delivery_mode == Some(2),
        is_redelivered: request.is_redelivered,
        code,
        parked: parked.as_ref().map(|parked| format!("{}: {}", parked.reason, parked.error)),
        exchange: ShownExchange {
            request: json!({
                "exchange": request.exchange, "routing_key": request.routing_key, "reply_to": request.reply_to,
                "correlation_id": request.correlation_id, "message_id": request.message_id,
                "delivery_mode": request.delivery_mode, "timestamp": request.timestamp,
                "authorization": request.has_token.then_some("(hidden)"), "body": without_tokens(&shown(&body)),
            }),
            reply: reply.as_ref().map(|reply| {
                json!({
                    "correlation_id": reply.correlation_id, "type": reply.kind, "delivery_mode": reply.delivery_mode,
                    "body": without_tokens(&reply.body),
                })
            }),
        },
        body,
    }
}
