//! Recorded bets, results and cancels, published again as a provider would: a trial of another broker or ledger.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{BATCH, ReplayArgs};
use crate::app;
use crate::cli::{CommandFailure, Ended, crowd, failed, output, party, usage};
use crate::config::Config;
use crate::dialects::egpp::Operation;
use crate::ledger::orders::{CancelOrder, GameResult, PlaceBet, SettleOrder};
use crate::ledger::recorded::Recorded;
use crate::ledger::{Act, Done, OrderAct, OrderDone, Outcome, Party, PlayerId, Wallet};
use crate::provider::{Provider, ProviderRequest};

/// Tokens that are kept for their players' next requests, and for how long: half of what they are good for.
const TOKENS: usize = 10_000;
const TOKENS_KEPT: Duration = Duration::from_secs(1_800);

/// What a result that pays nothing, and was recorded without an amount, says in its place: the interface asks for one.
const NO_AMOUNT: i64 = 1;

#[derive(Debug, Default, Serialize)]
struct Summary {
    dry_run: bool,
    published: u64,
    /// Other acts, and what was for the record only.
    passed_over: u64,
    /// Results over REST that named no currency, which a queue's request must.
    incomplete: u64,
}

/// Who publishes, for whom.
struct Publishing {
    config: Config,
    /// Instead of the records' own.
    party: Option<Party>,
    providers: HashMap<Party, Arc<Provider>>,
    tokens: HashMap<(Party, PlayerId), Option<String>>,
    /// When the first of them was made.
    tokens_since: Instant,
}

pub(super) async fn publish(replay: ReplayArgs, mut config: Config) -> Ended {
    config.ensure_demo_secret()?;
    let party = replay.party.as_deref().map(|name| party(&config, name)).transpose()?.map(|(party, _)| party);
    if config.amqp.urls.is_empty() {
        return Err(no_broker());
    }
    let mut pacing = replay.pacing(&config)?;
    let (providers, tokens) = (HashMap::new(), HashMap::new());
    let mut publishing = Publishing { config, party, providers, tokens, tokens_since: Instant::now() };
    let mut summary = Summary { dry_run: replay.dry_run, ..Summary::default() };
    while let Some(records) = pacing.next().await? {
        let mut sendings = Vec::new();
        for recorded in &records {
            match asked(recorded) {
                Asked::Other => summary.passed_over += 1,
                Asked::Incomplete => summary.incomplete += 1,
                Asked::Request(operation, body) => {
                    summary.published += 1;
                    if !replay.dry_run {
                        let (provider, request) = publishing.address(recorded, operation, body).await?;
                        sendings.push(async move { provider.send(request).await });
                    }
                }
            }
        }
        stream::iter(sendings).buffered(BATCH).try_collect::<Vec<()>>().await?;
    }
    pacing.progress.finish_and_clear();
    summary.print(replay.json)?;
    Ok(true)
}

impl Summary {
    fn print(&self, is_json: bool) -> std::io::Result<()> {
        if is_json {
            return output::json(self);
        }
        let Self { dry_run, published, passed_over, incomplete } = self;
        let published = if *dry_run { format!("{published} to publish") } else { format!("{published} published") };
        output::line(&format!("{published}, {passed_over} passed over, {incomplete} without a currency left out"))
    }
}

impl Publishing {
    /// Whoever publishes for the record's party, and the request with its player and, where one is needed, a token.
    async fn address(
        &mut self,
        recorded: &Recorded,
        operation: Operation,
        mut body: Map<String, Value>,
    ) -> Result<(Arc<Provider>, ProviderRequest), CommandFailure> {
        let command = &recorded.keyed.command;
        let party = self.party.clone().unwrap_or_else(|| command.party.clone());
        let player = command.player().ok_or_else(|| failed("a request without a player"))?;
        body.insert("playerId".to_owned(), json!(player));
        let correlation = match &command.correlation {
            Some(recorded) => recorded.to_string(),
            None => recorded.keyed.key.uuid().to_string(),
        };
        let token = self.token(&party, player)?;
        let request =
            ProviderRequest { operation, correlation, body: Value::Object(body).to_string().into_bytes(), token };
        Ok((self.provider(party).await?, request))
    }

    async fn provider(&mut self, party: Party) -> Result<Arc<Provider>, CommandFailure> {
        if let Some(provider) = self.providers.get(&party) {
            return Ok(Arc::clone(provider));
        }
        let settings = app::broker(&self.config, &party).ok_or_else(no_broker)?;
        let connecting = Provider::connect(&settings, party.clone());
        let provider = connecting.await.map_err(|error| failed(format!("cannot reach the broker: {error}")))?;
        let provider = Arc::new(provider);
        self.providers.insert(party, Arc::clone(&provider));
        Ok(provider)
    }

    fn token(&mut self, party: &Party, player: &PlayerId) -> Result<Option<String>, CommandFailure> {
        if self.tokens.len() >= TOKENS || self.tokens_since.elapsed() > TOKENS_KEPT {
            self.tokens.clear();
            self.tokens_since = Instant::now();
        }
        let of = (party.clone(), player.clone());
        if let Some(token) = self.tokens.get(&of) {
            return Ok(token.clone());
        }
        let settings = self.config.parties.get(party).ok_or_else(|| usage(format!("{party} is not configured")))?;
        let token = crowd::token(party, settings, player)?;
        self.tokens.insert(of, token.clone());
        Ok(token)
    }
}

fn no_broker() -> CommandFailure {
    usage("amqp.url is empty: there is no broker to publish to")
}

enum Asked {
    Request(Operation, Map<String, Value>),
    /// A request that a queue's interface cannot say.
    Incomplete,
    Other,
}

/// The request that a record came of. What was not kept is passed over, as in every replay.
fn asked(recorded: &Recorded) -> Asked {
    match &recorded.keyed.command.act {
        _ if !recorded.kept => Asked::Other,
        Act::Order(OrderAct::PlaceBet(bet)) => Asked::Request(Operation::OrderBet, bet_body(bet)),
        Act::Order(OrderAct::SettleOrder(settle)) => match result_body(settle, recorded.outcome) {
            Some(body) => Asked::Request(Operation::OrderBetResult, body),
            None => Asked::Incomplete,
        },
        Act::Order(OrderAct::CancelOrder(cancel)) => Asked::Request(Operation::OrderBetCancel, cancel_body(cancel)),
        Act::Account(_) | Act::Transaction(_) | Act::Shop(_) => Asked::Other,
    }
}

fn bet_body(bet: &PlaceBet) -> Map<String, Value> {
    let wallet = Some(&bet.pocket.wallet).filter(|wallet| !wallet.is_default());
    let body = json!({
        "amount": bet.stake, "currency": bet.pocket.currency, "game": bet.order.game, "round": bet.round,
        "externalId": bet.order.external_id,
    });
    with_wallet(body, wallet)
}

fn result_body(settle: &SettleOrder, outcome: Outcome) -> Option<Map<String, Value>> {
    let currency = settle.currency?;
    let paid = match outcome {
        Outcome::Done(Done::Order(OrderDone::OrderSettled { paid })) => paid,
        Outcome::Done(_) | Outcome::Refused(_) => NO_AMOUNT,
    };
    let (result, amount) = match settle.result {
        GameResult::Win(amount) => ("win", amount.minor()),
        GameResult::Tie(amount) => ("tie", amount.map_or(paid, |amount| amount.minor())),
        GameResult::Lose(amount) => ("lose", amount.map_or(NO_AMOUNT, |amount| amount.minor())),
    };
    let body = json!({
        "result": result, "amount": amount, "currency": currency, "game": settle.order.game, "round": settle.round,
        "externalId": settle.order.external_id,
    });
    Some(with_wallet(body, settle.wallet.as_ref()))
}

fn cancel_body(cancel: &CancelOrder) -> Map<String, Value> {
    let body = json!({ "game": cancel.order.game, "externalId": cancel.order.external_id });
    with_wallet(body, cancel.wallet.as_ref())
}

fn with_wallet(body: Value, wallet: Option<&Wallet>) -> Map<String, Value> {
    let mut body = match body {
        Value::Object(body) => body,
        _ => Map::new(),
    };
    if let Some(wallet) = wallet {
        body.insert("walletId".to_owned(), json!(wallet.name()));
    }
    body
}
