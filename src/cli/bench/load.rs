//! The load: orders at their moments, timed from when they were meant to be sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::{CommandFailure, Mix, Table};
use crate::cli::output;
use crate::cli::tally::{ReplyTally, Summary};
use crate::dialects::egpp::Operation;
use crate::provider::{ProviderError, ProviderRequest};

/// Minor units.
const STAKE: i64 = 100;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub pace: Pace,
    pub orders: u32,
    pub mix: Mix,
}

/// When orders are sent.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// At fixed moments, whatever is still unanswered: as players do, who do not wait for each other.
    Rate { per_second: u32 },
    /// As soon as fewer than so many are under way.
    InFlight { at_once: u32 },
}

/// What every order of a run shares.
struct Play {
    load: Load,
    table: Arc<Table>,
    tally: Mutex<ReplyTally>,
    progress: ProgressBar,
}

/// Sends everything and waits for the last reply.
pub async fn play(load: Load, table: Arc<Table>) -> Result<Summary, CommandFailure> {
    let requests = u64::from(load.orders) * if load.mix == Mix::Rounds { 2 } else { 1 };
    let progress = output::progress_bar(u64::from(load.orders), "orders");
    let play = Arc::new(Play { load, table, tally: Mutex::new(ReplyTally::new()?), progress });
    let began = Instant::now();
    send_all(&play, began).await?;
    let took = began.elapsed();
    play.progress.finish_and_clear();
    let tally = Arc::into_inner(play).map(|play| play.tally.into_inner().unwrap_or_else(PoisonError::into_inner));
    let tally = tally.ok_or_else(|| super::failed("an order is still under way"))?;
    Ok(tally.summary(requests, took))
}

async fn send_all(play: &Arc<Play>, began: Instant) -> Result<(), CommandFailure> {
    let mut under_way = JoinSet::new();
    match play.load.pace {
        Pace::Rate { per_second } => {
            for order in 0..play.load.orders {
                let due = began + moment(order, per_second);
                // Moments that have come are made up for at once; the timer's grain is a millisecond.
                if due > Instant::now() {
                    sleep_until(due).await;
                }
                under_way.spawn(Arc::clone(play).order(order, due));
                while let Some(ended) = under_way.try_join_next() {
                    settled(ended)?;
                }
            }
        }
        Pace::InFlight { at_once } => {
            let slots = Arc::new(Semaphore::new(at_once as usize));
            for order in 0..play.load.orders {
                let slot = Arc::clone(&slots).acquire_owned().await;
                let play = Arc::clone(play);
                under_way.spawn(async move {
                    let _slot = slot;
                    play.order(order, Instant::now()).await
                });
                while let Some(ended) = under_way.try_join_next() {
                    settled(ended)?;
                }
            }
        }
    }
    while let Some(ended) = under_way.join_next().await {
        settled(ended)?;
    }
    Ok(())
}

/// How long after the start an order is due.
fn moment(order: u32, per_second: u32) -> Duration {
    Duration::from_nanos(u64::from(order) * 1_000_000_000 / u64::from(per_second))
}

fn settled(ended: Result<Result<(), ProviderError>, JoinError>) -> Result<(), CommandFailure> {
    Ok(ended??)
}

impl Play {
    /// One order. The bet is timed from when it was due; its result from when the bet was answered.
    async fn order(self: Arc<Self>, order: u32, due: Instant) -> Result<(), ProviderError> {
        self.ask(Operation::OrderBet, order, due).await?;
        if self.load.mix == Mix::Rounds {
            self.ask(Operation::OrderBetResult, order, Instant::now()).await?;
        }
        self.progress.inc(1);
        Ok(())
    }

    async fn ask(&self, operation: Operation, order: u32, due: Instant) -> Result<(), ProviderError> {
        let providers = &self.table.providers;
        let reply = providers[order as usize % providers.len()].ask(self.request(operation, order)).await?;
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).take(&reply, due.elapsed());
        Ok(())
    }

    fn request(&self, operation: Operation, order: u32) -> ProviderRequest {
        let table = &self.table;
        let (player, token) = &table.players[order as usize % table.players.len()];
        let external_id = format!("bench-{}-{order}", table.run);
        let mut body = json!({
            "amount": STAKE, "currency": table.currency, "game": table.game, "round": u64::from(order) + 1,
            "externalId": external_id, "playerId": player,
        });
        if operation == Operation::OrderBetResult {
            body["result"] = ["win", "lose", "tie"][order as usize % 3].into();
        }
        let correlation = format!("{external_id}-{}", operation.name());
        ProviderRequest { operation, correlation, body: body.to_string().into_bytes(), token: token.clone() }
    }
}
