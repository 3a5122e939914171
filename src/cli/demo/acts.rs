//! Each kind of reply once, with its correlation id.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{CommandFailure, Stage, output};
use crate::dialects::egpp::Operation;
use crate::ledger::{Amount, PlayerId};
use crate::provider::{ProviderReply, ProviderRequest};

/// What each player starts with, minor units.
const MONEY: i64 = 100_000;

/// By how much the early result precedes its bet.
const HEAD_START: Duration = Duration::from_millis(200);

/// One act and what was answered.
#[derive(Debug, Serialize)]
pub struct Line {
    pub act: String,
    pub correlation_id: String,
    pub code: String,
    pub reply: String,
    pub as_expected: bool,
}

/// The actors' props: whose bets, and how they are called.
struct Play<'a> {
    stage: &'a Stage,
    player: PlayerId,
    token: Option<String>,
    /// Requests made, for their correlation ids.
    asked: usize,
    lines: Vec<Line>,
}

/// Plays all acts in order.
pub async fn play(stage: &Stage) -> Result<Vec<Line>, CommandFailure> {
    let player = stage.name("alice")?;
    let money = Amount::new(MONEY)?;
    stage.invite(std::slice::from_ref(&player), money).await?;
    let token = stage.token(&player)?;
    let mut play = Play { stage, player, token, asked: 0, lines: Vec::new() };
    play.orders().await?;
    play.refusals().await?;
    play.disorder().await?;
    Ok(play.lines)
}

pub fn print(lines: &[Line]) -> std::io::Result<()> {
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let sign = if line.as_expected { "" } else { "  <-- not as expected" };
            vec![line.act.clone(), line.correlation_id.clone(), line.code.clone(), format!("{}{sign}", line.reply)]
        })
        .collect();
    output::table(&["act", "correlation id", "code", "reply"], &rows)
}

impl Play<'_> {
    async fn orders(&mut self) -> Result<(), CommandFailure> {
        let first = self.act("bet", "201", Operation::OrderBet, self.bet("won", 1000)).await?;
        let again = self.act("repeat of the bet", "201", Operation::OrderBet, self.bet("won", 1000)).await?;
        if first != again
            && let Some(line) = self.lines.last_mut()
        {
            line.as_expected = false;
        }
        self.act("win", "200", Operation::OrderBetResult, self.result("won", "win", 2500)).await?;
        self.act("bet", "201", Operation::OrderBet, self.bet("tied", 500)).await?;
        self.act("tie", "200", Operation::OrderBetResult, self.result("tied", "tie", 500)).await?;
        self.act("bet", "201", Operation::OrderBet, self.bet("lost", 700)).await?;
        self.act("lose", "200", Operation::OrderBetResult, self.result("lost", "lose", 700)).await?;
        self.act("bet", "201", Operation::OrderBet, self.bet("void", 300)).await?;
        self.act("cancel", "200", Operation::OrderBetCancel, self.cancel("void")).await?;
        let body = json!({ "currency": self.stage.currency, "playerId": self.player });
        self.act("balance", "200", Operation::BalanceGet, body).await?;
        Ok(())
    }

    async fn refusals(&mut self) -> Result<(), CommandFailure> {
        self.act("out of money", "492", Operation::OrderBet, self.bet("dear", 900_000)).await?;
        let limits = self.stage.settings.limits.get(&self.stage.currency);
        if let Some(max) = limits.and_then(|limits| limits.max_bet) {
            self.act("limit", "491", Operation::OrderBet, self.bet("limit", max.saturating_add(1))).await?;
        }
        let nobody = self.stage.name("nobody")?;
        let body = json!({ "currency": self.stage.currency, "playerId": nobody });
        let token = self.stage.token(&nobody)?;
        self.act_as(token, "unknown player", "495", Operation::BalanceGet, body).await?;
        self.act("malformed", "400", Operation::OrderBet, json!({ "amount": "much" })).await?;
        Ok(())
    }

    async fn disorder(&mut self) -> Result<(), CommandFailure> {
        let body = self.result("early", "win", 900);
        let early = self.request(Operation::OrderBetResult, "early result", body);
        let correlation = early.correlation.clone();
        let provider = std::sync::Arc::clone(&self.stage.provider);
        let waiting = tokio::spawn(async move { provider.ask(early).await });
        tokio::time::sleep(HEAD_START).await;
        self.act("bet of the early result", "201", Operation::OrderBet, self.bet("early", 450)).await?;
        let reply = waiting.await??;
        self.note("early result", &correlation, "200", &reply);
        self.act("cancel without a bet", "493", Operation::OrderBetCancel, self.cancel("tomb")).await?;
        self.act("bet on its tombstone", "493", Operation::OrderBet, self.bet("tomb", 100)).await?;
        Ok(())
    }

    async fn act(
        &mut self,
        act: &str,
        expected: &str,
        operation: Operation,
        body: Value,
    ) -> Result<ProviderReply, CommandFailure> {
        self.act_as(self.token.clone(), act, expected, operation, body).await
    }

    async fn act_as(
        &mut self,
        token: Option<String>,
        act: &str,
        expected: &str,
        operation: Operation,
        body: Value,
    ) -> Result<ProviderReply, CommandFailure> {
        let request = ProviderRequest { token, ..self.request(operation, act, body) };
        let correlation = request.correlation.clone();
        let reply = self.stage.provider.ask(request).await?;
        self.note(act, &correlation, expected, &reply);
        Ok(reply)
    }

    fn request(&mut self, operation: Operation, act: &str, body: Value) -> ProviderRequest {
        self.asked += 1;
        let correlation = format!("{}-{}-{}", self.stage.run, self.asked, act.replace(' ', "-"));
        ProviderRequest { operation, correlation, body: body.to_string().into_bytes(), token: self.token.clone() }
    }

    fn note(&mut self, act: &str, correlation: &str, expected: &str, reply: &ProviderReply) {
        let code = reply.code();
        self.lines.push(Line {
            act: act.to_owned(),
            correlation_id: correlation.to_owned(),
            as_expected: code == expected,
            code,
            reply: reply.text(),
        });
    }

    fn bet(&self, order: &str, amount: i64) -> Value {
        json!({
            "amount": amount, "currency": self.stage.currency, "game": self.stage.game, "round": 1,
            "externalId": self.external_id(order), "playerId": self.player,
        })
    }

    fn result(&self, order: &str, result: &str, amount: i64) -> Value {
        json!({
            "result": result, "amount": amount, "currency": self.stage.currency, "game": self.stage.game, "round": 1,
            "externalId": self.external_id(order), "playerId": self.player,
        })
    }

    fn cancel(&self, order: &str) -> Value {
        json!({ "game": self.stage.game, "externalId": self.external_id(order), "playerId": self.player })
    }

    fn external_id(&self, order: &str) -> String {
        format!("{order}-{}", self.stage.run)
    }
}
