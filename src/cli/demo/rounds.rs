//! Rounds: a bet and its result each, many at the same time, timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::json;

use super::{CommandFailure, Stage, output};
use crate::cli::tally::{ReplyTally, Summary};
use crate::dialects::egpp::Operation;
use crate::ledger::{Amount, PlayerId};
use crate::provider::{Provider, ProviderReply, ProviderRequest};

/// What each player starts with, minor units: enough for any number of rounds that a demo plays.
pub(super) const MONEY: i64 = 1_000_000_000;

const STAKE: i64 = 100;

const PLAYERS: usize = 20;

struct Answered {
    reply: ProviderReply,
    took: Duration,
}

pub async fn play(stage: &Stage, rounds: u32, concurrency: usize) -> Result<Summary, CommandFailure> {
    let players = (0..PLAYERS).map(|number| stage.name(&format!("p{number}"))).collect::<Result<Vec<_>, _>>()?;
    stage.invite(&players, Amount::new(MONEY)?).await?;
    let tokens = players.iter().map(|player| stage.token(player)).collect::<Result<Vec<_>, _>>()?;
    let progress = output::progress_bar(u64::from(rounds), "rounds");
    let began = Instant::now();
    let playing = stream::iter(0..rounds).map(|round| {
        let index = round as usize % players.len();
        one_round(stage, round, &players[index], tokens[index].clone())
    });
    let mut playing = std::pin::pin!(playing.buffer_unordered(concurrency));
    let mut tally = ReplyTally::new()?;
    while let Some(answers) = playing.next().await {
        answers?.into_iter().for_each(|answered| tally.take(&answered.reply, answered.took));
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
) -> Result<[Answered; 2], CommandFailure> {
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
    let request = |operation, body| ProviderRequest {
        operation,
        correlation: format!("{external_id}-{}", if operation == Operation::OrderBet { "bet" } else { "result" }),
        body,
        token: token.clone(),
    };
    let bet = timed(&stage.provider, request(Operation::OrderBet, body(None))).await?;
    let settled = timed(&stage.provider, request(Operation::OrderBetResult, body(Some(result)))).await?;
    Ok([bet, settled])
}

async fn timed(provider: &Arc<Provider>, request: ProviderRequest) -> Result<Answered, CommandFailure> {
    let began = Instant::now();
    let reply = provider.ask(request).await?;
    Ok(Answered { reply, took: began.elapsed() })
}
