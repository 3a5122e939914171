//! `purser play`: one act as a game provider, with the message that it takes and the reply that it gets.

mod snippets;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::{CommandFailure, Ended, crowd, failed, invalid, output, party_or_first, trail, usage};
use crate::admin::players::may_be_added;
use crate::admin::trail::Deed;
use crate::app;
use crate::cli::ledger_choice::LedgerChoice;
use crate::clock;
use crate::config::{self, Config, PartyConfig, PlayerTokens, format_duration};
use crate::dialects::egpp::Operation;
use crate::identity;
use crate::ledger::accounts::{Cash, OpenPlayer};
use crate::ledger::command::{Act as LedgerAct, Command};
use crate::ledger::money::parse_decimal;
use crate::ledger::orders::OrderKey;
use crate::ledger::player::Profile;
use crate::ledger::{
    AccountAct, AccountRefusal, Amount, Currency, ExternalId, Game, Outcome, Party, PlayerId, Pocket, Refusal, Wallet,
};
use crate::provider::{Provider, ProviderError, ProviderReply, ProviderRequest};
use crate::storage::Database;
use crate::transport::amqp::topology;
use crate::wallet::direct;

/// How long a token is good for that is made here: a snippet is tried for a while.
const TOKEN_TTL: Duration = Duration::from_secs(3600);

#[derive(Args)]
pub struct PlayArgs {
    act: Act,
    /// The party to play with (default: the first configured).
    #[arg(long)]
    party: Option<String>,
    #[arg(long, default_value = "alice")]
    player: String,
    /// Default: the party's first.
    #[arg(long)]
    game: Option<String>,
    /// The bet's name; a new bet gets a new one, everything else needs it.
    #[arg(long)]
    external_id: Option<String>,
    /// Default: a new bet's is in the externalId that it gets, and is found there again.
    #[arg(long)]
    round: Option<i64>,
    /// In minor units, as in the message: 250 for 2.50.
    #[arg(long, default_value_t = 100)]
    amount: i64,
    /// Default: the party's first.
    #[arg(long)]
    currency: Option<String>,
    #[arg(long)]
    wallet: Option<String>,
    #[arg(long)]
    correlation_id: Option<String>,
    /// The player's token (default: one that the party's key signs).
    #[arg(long, env = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// First create the player where there is none, and deposit this much, in major units: 12.34
    #[arg(long, value_name = "AMOUNT")]
    fund: Option<String>,
    /// How long the reply is waited for.
    #[arg(long, default_value = "15s", value_parser = config::parse_duration)]
    timeout: Duration,
    /// Print the same message for Python, amqp-publish and curl.
    #[arg(long)]
    show: bool,
    /// Print the token instead of hiding it.
    #[arg(long)]
    show_token: bool,
    /// Send nothing and fund nobody.
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Act {
    Bet,
    Win,
    Tie,
    Lose,
    Cancel,
    Balance,
}

impl Act {
    fn operation(self) -> Operation {
        match self {
            Self::Bet => Operation::OrderBet,
            Self::Win | Self::Tie | Self::Lose => Operation::OrderBetResult,
            Self::Cancel => Operation::OrderBetCancel,
            Self::Balance => Operation::BalanceGet,
        }
    }

    fn result(self) -> Option<&'static str> {
        match self {
            Self::Win => Some("win"),
            Self::Tie => Some("tie"),
            Self::Lose => Some("lose"),
            Self::Bet | Self::Cancel | Self::Balance => None,
        }
    }
}

/// The message, and around it all that its other spellings need.
struct Message {
    party: Party,
    act: Act,
    player: PlayerId,
    currency: Currency,
    wallet: Option<Wallet>,
    /// The bet that it is about; a balance is about none.
    order: Option<OrderKey>,
    correlation: String,
    body: Value,
    token: Option<String>,
}

impl PlayArgs {
    pub async fn run(self, mut config: Config) -> Ended {
        config.ensure_demo_secret()?;
        let (party, settings) = party_or_first(&config, self.party.as_deref())?;
        let message = self.message(&party, settings)?;
        let snippets = self.show.then(|| snippets::of(&message, &config, settings, self.show_token));
        if self.dry_run {
            self.tell(&message, snippets.as_ref(), None)?;
            return Ok(true);
        }
        let broker = app::broker(&config, &party).ok_or_else(|| usage("amqp.url is empty: there is no broker"))?;
        if let Some(fund) = &self.fund {
            self.fund(&config, &message, fund).await?;
        }
        let provider = Provider::connect(&broker, party.clone()).await;
        let provider = provider.map_err(|error| failed(format!("cannot reach the broker: {error}")))?;
        provider.expect_service().await?;
        let request = ProviderRequest {
            operation: message.act.operation(),
            correlation: message.correlation.clone(),
            body: message.body.to_string().into_bytes(),
            token: message.token.clone(),
        };
        let began = Instant::now();
        let reply = match tokio::time::timeout(self.timeout, provider.ask(request)).await {
            Ok(Ok(reply)) => Some(reply),
            Ok(Err(ProviderError::NoReply { .. })) | Err(_) => None,
            Ok(Err(error)) => return Err(error.into()),
        };
        let answered = Answered { is_success: reply.as_ref().is_some_and(is_success), reply, took: began.elapsed() };
        self.tell(&message, snippets.as_ref(), Some(&answered))?;
        Ok(answered.is_success)
    }

    fn message(&self, party: &Party, settings: &PartyConfig) -> Result<Message, CommandFailure> {
        let player = PlayerId::parse(&self.player).map_err(|error| usage(format!("--player {error}")))?;
        let currency = match &self.currency {
            Some(code) => Currency::parse(code).map_err(|error| usage(format!("--currency {error}")))?,
            None => *settings.currencies.first().ok_or_else(|| usage("the party has no currency"))?,
        };
        let wallet = self.wallet.as_deref().map(Wallet::parse).transpose();
        let wallet = wallet.map_err(|error| usage(format!("--wallet {error}")))?;
        let token = self.token(party, settings, &player)?;
        let (order, round) = match self.act {
            Act::Balance => (None, 1),
            Act::Bet | Act::Win | Act::Tie | Act::Lose | Act::Cancel => {
                self.order(settings).map(|(order, round)| (Some(order), round))?
            }
        };
        let mut body = Map::new();
        if let Some(result) = self.act.result() {
            body.insert("result".to_owned(), result.into());
        }
        if matches!(self.act.operation(), Operation::OrderBet | Operation::OrderBetResult) {
            body.insert("amount".to_owned(), self.amount.into());
            body.insert("round".to_owned(), round.into());
        }
        if self.act != Act::Cancel {
            body.insert("currency".to_owned(), currency.as_str().into());
        }
        if let Some(order) = &order {
            body.insert("game".to_owned(), order.game.as_str().into());
            body.insert("externalId".to_owned(), order.external_id.as_str().into());
        }
        body.insert("playerId".to_owned(), player.as_str().into());
        if let Some(wallet) = &wallet {
            body.insert("walletId".to_owned(), wallet.name().into());
        }
        let correlation = self.correlation_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let (party, act, body) = (party.clone(), self.act, Value::Object(body));
        Ok(Message { party, act, player, currency, wallet, order, correlation, body, token })
    }

    fn order(&self, settings: &PartyConfig) -> Result<(OrderKey, i64), CommandFailure> {
        let game = match &self.game {
            Some(game) => Game::parse(game).map_err(|error| usage(format!("--game {error}")))?,
            None => settings.games.first().cloned().ok_or_else(|| usage("the party has no games"))?,
        };
        let external_id = match &self.external_id {
            Some(id) => id.clone(),
            None if self.act == Act::Bet => {
                let round = self.round.unwrap_or_else(|| i64::from(rand::random::<u32>() % 1_000_000) + 1);
                format!("{PREFIX}{round}-{:08x}", rand::random::<u32>())
            }
            None => return Err(usage("--external-id is missing: which bet is it about?")),
        };
        let round = self.round.or_else(|| round_of(&external_id)).unwrap_or(1);
        let external_id = ExternalId::parse(&external_id).map_err(|error| usage(format!("--external-id {error}")))?;
        Ok((OrderKey { game, external_id }, round))
    }

    /// Where nobody asks for a token, none is needed; else it is given, or the party's key can sign one.
    fn token(
        &self,
        party: &Party,
        settings: &PartyConfig,
        player: &PlayerId,
    ) -> Result<Option<String>, CommandFailure> {
        if let Some(token) = self.token.clone().filter(|token| !token.is_empty()) {
            return Ok(Some(token));
        }
        if settings.player_tokens == PlayerTokens::Trusted {
            return Ok(None);
        }
        let jwt = settings.jwt.as_ref().ok_or_else(|| usage("the party has no [jwt] section"))?;
        let minted = identity::mint(jwt, player, party, clock::now().second(), TOKEN_TTL);
        minted.map(Some).map_err(|error| usage(format!("{error}; or give --token")))
    }

    async fn fund(&self, config: &Config, message: &Message, fund: &str) -> Result<(), CommandFailure> {
        let currency = message.currency;
        let minor = parse_decimal(fund, config.exponent(currency));
        let minor = minor.map_err(|error| usage(format!("--fund {error}")))?;
        let amount = Amount::new(minor).map_err(|_| usage("--fund must be more than nothing"))?;
        if let Some(settings) = config.parties.get(&message.party) {
            may_be_added(&message.player, &message.party, settings).map_err(invalid)?;
        }
        crowd::check_threshold(config, currency, amount)?;
        let database = LedgerChoice::to_change(config, &message.party).await?;
        let key = uuid::Uuid::new_v4().to_string();
        let wallet = message.wallet.as_ref().map(Wallet::to_string);
        let detail = json!({ "amount": fund, "currency": currency, "wallet": wallet, "key": key, "for": "play" });
        let (party, target) = (Some(message.party.clone()), message.player.to_string());
        let deed = Deed { act: "deposit", party, target, detail };
        trail::recorded(&database, deed, put_in(&database, message, amount, key)).await
    }

    fn tell(
        &self,
        message: &Message,
        snippets: Option<&snippets::Snippets>,
        answered: Option<&Answered>,
    ) -> Result<(), CommandFailure> {
        let queue = topology::request_queue(&message.party, message.act.operation());
        let shown = message.token.as_deref().map(|token| if self.show_token { token } else { "(hidden)" });
        if self.json {
            let reply = answered.and_then(|answered| answered.reply.as_ref());
            let body = reply.map(|reply| serde_json::from_slice::<Value>(&reply.body).unwrap_or_default());
            return Ok(output::json(&json!({
                "party": message.party, "queue": queue, "correlation_id": message.correlation, "token": shown,
                "request": message.body, "sent": answered.is_some(), "reply": body, "code": reply.map(ProviderReply::code),
                "success": answered.map(|answered| answered.is_success),
                "latency_ms": answered.map(|answered| answered.took.as_secs_f64() * 1000.0), "show": snippets,
            }))?);
        }
        output::line(&format!("request to {queue}, correlation id {}", message.correlation))?;
        if let Some(token) = shown {
            output::line(&format!("  authorization: Bearer {token}"))?;
        }
        output::line(&format!("  {}", message.body))?;
        match answered {
            None => output::line("not sent")?,
            Some(Answered { reply: Some(reply), took, .. }) => {
                output::line(&format!("reply after {:.1} ms", took.as_secs_f64() * 1000.0))?;
                output::line(&format!("  {}", reply.text()))?;
                self.advise(message, &reply.code())?;
            }
            Some(Answered { reply: None, .. }) => output::line(&format!(
                "no reply in {}: the message may lie in the queue still, or in the dead letters (`purser dead list --party {}`)",
                format_duration(self.timeout),
                message.party
            ))?,
        }
        snippets.map_or(Ok(()), |snippets| output::lines(&snippets.text()))?;
        Ok(())
    }

    /// What to do next, where that is plain.
    fn advise(&self, message: &Message, code: &str) -> std::io::Result<()> {
        let whose = format!("--party {} --player {}", message.party, message.player);
        let advice = match (code, &message.order) {
            ("201", Some(OrderKey { game, external_id })) => {
                let (round, currency) = (&message.body["round"], message.currency);
                let order = format!("--game {game} --round {round} --external-id {external_id}");
                format!("settle it: purser play win {whose} --currency {currency} {order}")
            }
            ("400", _) => "the message is not as the schema says; see docs/INTEGRATING.md".to_owned(),
            ("401" | "403", _) => format!("a token that is good: purser token {whose}"),
            ("491", _) => "the party's limits forbid it; a smaller --amount may do".to_owned(),
            ("492", _) => "there is too little money; --fund 100 adds some. This externalId stays refused".to_owned(),
            ("493", _) => "no open bet has this --game and --external-id".to_owned(),
            ("494", _) => "the bet was in another --round".to_owned(),
            ("495", _) => format!("nobody added the player: purser player add {whose}, or --fund 100"),
            ("496", _) => "the game is not among the party's `games`".to_owned(),
            ("500", _) => format!("the message was parked: purser dead list --party {}", message.party),
            _ => return Ok(()),
        };
        output::line(&advice)
    }
}

/// What came of the message.
struct Answered {
    reply: Option<ProviderReply>,
    took: Duration,
    is_success: bool,
}

fn is_success(reply: &ProviderReply) -> bool {
    matches!(reply.code().as_str(), "200" | "201")
}

/// How the externalIds begin that are made here; the round follows, so that it need not be said again.
const PREFIX: &str = "play-";

fn round_of(external_id: &str) -> Option<i64> {
    let (round, _) = external_id.strip_prefix(PREFIX)?.split_once('-')?;
    round.parse().ok().filter(|round| *round >= 1)
}

/// Makes the player, where there is none, and puts money into the account that the message is about.
async fn put_in(
    database: &Database,
    message: &Message,
    amount: Amount,
    key: String,
) -> Result<((), String), CommandFailure> {
    let (currency, player) = (message.currency, message.player.clone());
    let profile = Profile { home_currency: currency, username: None, nickname: None, email: None, gender: None };
    let open = LedgerAct::Account(AccountAct::OpenPlayer(OpenPlayer { player: player.clone(), profile }));
    match apply(database, &message.party, open).await? {
        // Who was there with another profile is as good.
        Outcome::Done(_) | Outcome::Refused(Refusal::Account(AccountRefusal::KeyReused)) => {}
        Outcome::Refused(refusal) => return Err(failed(format!("the player is refused: {refusal:?}"))),
    }
    let pocket = Pocket::real_in(currency, message.wallet.clone().unwrap_or_else(Wallet::default_wallet));
    let deposit = LedgerAct::Account(AccountAct::Deposit(Cash { player, pocket, amount, key: key.into() }));
    match apply(database, &message.party, deposit).await? {
        Outcome::Done(_) => Ok(((), "done".to_owned())),
        Outcome::Refused(refusal) => Err(failed(format!("the deposit is refused: {refusal:?}"))),
    }
}

async fn apply(database: &Database, party: &Party, act: LedgerAct) -> Result<Outcome, CommandFailure> {
    let command = Command { party: party.clone(), at: clock::now(), correlation: None, act };
    Ok(direct::apply(&mut database.writer()?, command).await?)
}
