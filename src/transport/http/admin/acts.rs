//! The calls that change something. Each is in the trail before it is done, and goes through the lanes like any command.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::dead;
use super::decisions;
use super::problem::Problem;
use super::routes::AdminAct;
use super::{AdminRequest, Api};
use crate::admin::approvals::{self, Approval, ApprovalRequest, Road};
use crate::admin::audits::NotStarted;
use crate::admin::cash::{self, CashMoved, Direction};
use crate::admin::players::{self, Known, NewPlayer};
use crate::admin::refusals;
use crate::admin::trail::{self, Deed};
use crate::admin::voids;
use crate::clock;
use crate::config::PartyConfig;
use crate::dialects::http::{Failure, Reply};
use crate::ledger::accounts::Cash;
use crate::ledger::command::{Act, Command};
use crate::ledger::{AccountAct, Currency, Done, Outcome, Party, TransactionDone};
use crate::storage::voids as queue;
use crate::wallet::DecidedCommand;

pub(super) async fn take(api: &Api, act: AdminAct, asked: AdminRequest) -> Result<Reply, Problem> {
    match act {
        AdminAct::AddPlayer => add_player(api, &asked).await,
        AdminAct::Deposit => move_money(api, &asked, Direction::Deposit).await,
        AdminAct::Withdraw => move_money(api, &asked, Direction::Withdraw).await,
        AdminAct::ApproveVoid => resolve_void(api, &asked, true).await,
        AdminAct::DismissVoid => resolve_void(api, &asked, false).await,
        AdminAct::Approve => decisions::approve(api, &asked).await,
        AdminAct::Reject => decisions::reject(api, &asked).await,
        AdminAct::StartAudit => start_audit(&asked).await,
        AdminAct::MakePlan => dead::calls::make_plan(api, &asked).await,
        AdminAct::RunPlan => dead::calls::run(api, &asked).await,
    }
}

impl AdminRequest {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let mut deserializer = serde_json::Deserializer::from_slice(&self.body);
        let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| error.to_string());
        let read = read.and_then(|read| deserializer.end().map(|()| read).map_err(|error| error.to_string()));
        read.map_err(|error| Problem::bad_request(format!("the body is not as it should be: {error}")))
    }

    fn settings(&self, party: &Party) -> Result<&PartyConfig, Problem> {
        self.viewing.config.parties.get(party).ok_or_else(|| Problem::not_found("there is no such party"))
    }

    fn deed(&self, party: &Party, detail: Value) -> Deed {
        let (act, target) = (self.route.operation, self.parameters.target());
        Deed { act, party: Some(party.clone()), target, detail }
    }
}

impl Api {
    /// Decides a command on its lane; what is refused is a problem. `currency` is what amounts are of.
    async fn decide(
        &self,
        asked: &AdminRequest,
        party: &Party,
        act: Act,
        currency: Option<Currency>,
    ) -> Result<DecidedCommand, Problem> {
        let (party, correlation) = (party.clone(), Some(Arc::clone(&asked.correlation)));
        let command = Command { party, at: clock::now(), correlation, act: act.clone() };
        let decided = self.wallet.decide(command).await.map_err(Failure::from)?;
        match decided.outcome {
            Outcome::Done(_) => Ok(decided),
            Outcome::Refused(refusal) => {
                let (kind, why) = refusals::told(&self.config, &act, currency, refusal);
                Err(Problem::refused(kind, why))
            }
        }
    }
}

impl Api {
    /// Moves it, and tells the answer with the words for the trail.
    pub(super) async fn move_cash(
        &self,
        asked: &AdminRequest,
        party: &Party,
        direction: Direction,
        transfer: &Cash,
    ) -> Result<(CashMoved, String), Problem> {
        let currency = transfer.pocket.currency;
        let decided = self.decide(asked, party, direction.act(transfer.clone()), Some(currency)).await?;
        let answer = cash::answer(&self.config, party, transfer, decided.outcome);
        let answer = answer.ok_or(Failure::Fault)?;
        let said = if decided.repeated { "was done before" } else { "done" };
        let outcome = format!("{said}: balance {} {currency}", answer.balance);
        Ok((answer, outcome))
    }

    /// Resolves a void, and tells the transaction that moved it back, if any, with the words for the trail.
    pub(super) async fn resolve(
        &self,
        asked: &AdminRequest,
        party: &Party,
        act: Act,
        currency: Currency,
    ) -> Result<(Option<i64>, String), Problem> {
        match self.decide(asked, party, act, Some(currency)).await?.outcome {
            Outcome::Done(Done::Transaction(TransactionDone::VoidApproved { transaction })) => {
                Ok((Some(transaction), format!("approved: transaction {transaction} moved it back")))
            }
            Outcome::Done(Done::Transaction(TransactionDone::VoidDismissed)) => {
                Ok((None, "dismissed: nothing was moved".to_owned()))
            }
            Outcome::Done(_) | Outcome::Refused(_) => Err(Problem::from(Failure::Fault)),
        }
    }
}

/// The answer to what has to wait for a second person.
fn waits(api: &Api, approval: &Approval) -> Reply {
    Reply::json(202, "202", &approvals::shown(&api.config, approval, &[], clock::now()))
}

async fn add_player(api: &Api, asked: &AdminRequest) -> Result<Reply, Problem> {
    let party = asked.party()?;
    let new: NewPlayer = asked.read()?;
    let open = new.open(&party, asked.settings(&party)?)?;
    let deed = Deed { target: open.player.to_string(), ..asked.deed(&party, Value::Null) };
    let player = open.player.clone();
    let working = async {
        let (of, wanted) = (party.clone(), open.clone());
        let is_new = match asked.ledger.reader.ask(move |conn| players::known(conn, &of, &wanted)).await? {
            Known::No => true,
            Known::Yes => false,
            Known::NameTaken(field, name) => {
                let why = format!("{field} {name} is another player's name to sign in by; nothing was changed");
                return Err(Problem::refused(refusals::RefusalKind::Conflict, why));
            }
        };
        api.decide(asked, &party, Act::Account(AccountAct::OpenPlayer(open)), None).await?;
        Ok((is_new, if is_new { "done" } else { "was there already" }.to_owned()))
    };
    let is_new = trail::recorded(&asked.ledger.reader, &asked.actor, &deed, working).await?;
    let status = if is_new { 201 } else { 200 };
    let body = json!({ "party": party, "player": player, "created": is_new });
    Ok(Reply::json(status, status.to_string(), &body))
}

async fn move_money(api: &Api, asked: &AdminRequest, direction: Direction) -> Result<Reply, Problem> {
    let (party, player) = (asked.party()?, asked.player()?);
    let body: cash::CashRequest = asked.read()?;
    let mut transfer = body.transfer(&api.config, &party, player)?;
    let currency = transfer.pocket.currency;
    let deed = asked.deed(
        &party,
        json!({
            "amount": body.amount, "currency": currency, "bucket": transfer.pocket.bucket,
            "key": body.key, "reason": body.reason,
        }),
    );
    let request = ApprovalRequest {
        party: party.clone(),
        player: transfer.player.clone(),
        act: direction.act(transfer.clone()),
        key: body.key,
        currency,
        amount_minor: transfer.amount.minor(),
        reason: body.reason,
        deed: deed.clone(),
    };
    match approvals::road(&asked.ledger.reader, &api.config, &asked.actor, request).await? {
        Road::Open => {}
        Road::Waits(approval) => return Ok(waits(api, &approval)),
        Road::Moved(approval) => transfer = cash::of(approval.command).ok_or(Failure::Fault)?,
        Road::Closed(kind, why) => return Err(Problem::refused(kind, why)),
    }
    let working = api.move_cash(asked, &party, direction, &transfer);
    let answer = trail::recorded(&asked.ledger.reader, &asked.actor, &deed, working).await?;
    Ok(Reply::json(201, "201", &answer))
}

async fn start_audit(asked: &AdminRequest) -> Result<Reply, Problem> {
    let deed = Deed { act: asked.route.operation, party: None, target: "the ledger".to_owned(), detail: Value::Null };
    match asked.ledger.audits.start(&asked.ledger.reader, &asked.actor, deed.clone()).await {
        Ok(running) => Ok(Reply::json(202, "202", &json!({ "running": running }))),
        Err(NotStarted::Store(error)) => Err(error.into()),
        Err(busy @ (NotStarted::Busy(_) | NotStarted::BusyElsewhere)) => {
            let why = busy.to_string();
            trail::refused(&asked.ledger.reader, &asked.actor, &deed, &why).await?;
            Err(Problem::refused(refusals::RefusalKind::Conflict, why))
        }
    }
}

async fn resolve_void(api: &Api, asked: &AdminRequest, approve: bool) -> Result<Reply, Problem> {
    let (party, number) = (asked.party()?, asked.number()?);
    let of = party.clone();
    let queued = asked.ledger.reader.ask(move |conn| queue::find(conn, &of, number)).await?;
    let queued = queued.ok_or_else(|| Problem::not_found(refusals::no_void(number)))?;
    let why: voids::Why = if asked.body.is_empty() { voids::Why::default() } else { asked.read()? };
    why.check()?;
    let shown = voids::shown(&api.config, &queued);
    let deed = asked.deed(&party, json!({ "player": shown.player, "currency": shown.currency, "reason": why.reason }));
    let currency = queued.source.currency;
    if approve {
        let request = voids::request(&party, &queued, deed.clone())?;
        match approvals::road(&asked.ledger.reader, &api.config, &asked.actor, request).await? {
            // Its command is the void's own, which answers a repeat.
            Road::Open | Road::Moved(_) => {}
            Road::Waits(approval) => return Ok(waits(api, &approval)),
            Road::Closed(kind, why) => return Err(Problem::refused(kind, why)),
        }
    }
    let working = api.resolve(asked, &party, voids::resolve(&queued, approve), currency);
    let transaction = trail::recorded(&asked.ledger.reader, &asked.actor, &deed, working).await?;
    let state = if approve { "approved" } else { "dismissed" };
    let transaction = transaction.map(crate::admin::shown::Exact);
    let body = json!({ "number": shown.number, "state": state, "transaction": transaction });
    Ok(Reply::json(200, "200", &body))
}
