//! `QueueManualVoidReturn`: asks an operator to void a transaction, and moves nothing.

use std::sync::Arc;

use super::call::Members;
use super::code::{Code, Refused, of_refusal};
use super::desk::{Asked, Desk, result, then};
use super::kind::VOID_RETURN;
use super::model::Memo;
use super::params::{self, Params, QueueVoid};
use crate::dialects::http::{Decided, Next};
use crate::ledger::command::Act;
use crate::ledger::transactions::{self, FindBy, ManualVoid, Transaction, VoidState};
use crate::ledger::{Done, Outcome, TransactionAct, TransactionDone};

pub fn queue_void(desk: &Arc<Desk>, params: &Members, asked: Asked) -> Result<Next, Refused> {
    let wanted = QueueVoid::of(params)?;
    if wanted.transaction_type_id != VOID_RETURN {
        return Err(Code::TransactionType.because(format!("only {VOID_RETURN} can be queued")));
    }
    let finding = desk.finding(FindBy::Number(wanted.source_bet365_games_transaction_id));
    Ok(Next::Transactions(finding, then(desk, move |desk, found: Vec<_>| queue(desk, &found, asked))))
}

fn queue(desk: &Arc<Desk>, found: &[Transaction], asked: Asked) -> Result<Next, Refused> {
    let source = found.last().ok_or(Code::TransactionUnknown)?;
    let (player, source) = (params::player(Memo::of(source)?.user_id)?, source.number);
    let decide = move |desk: &Arc<Desk>, known: Option<ManualVoid>| {
        // What was dismissed opens again; whoever asks for it at the same moment asks for the same.
        let attempt = known.map_or(0, |void| void.attempt.saturating_add((void.state == VoidState::Dismissed).into()));
        let act = Act::Transaction(TransactionAct::QueueVoid(transactions::QueueVoid {
            player,
            source,
            kind: VOID_RETURN,
            attempt,
        }));
        Ok(Next::Decide(desk.command(asked, act), then(desk, |_, decided: Decided| queued(decided.outcome))))
    };
    Ok(Next::Void(desk.party.clone(), source, then(desk, decide)))
}

fn queued(outcome: Outcome) -> Result<Next, Refused> {
    match outcome {
        Outcome::Done(Done::Transaction(TransactionDone::VoidQueued)) => Ok(result(true)),
        Outcome::Done(Done::Transaction(
            TransactionDone::Adjusted { .. }
            | TransactionDone::AlreadyVoided { .. }
            | TransactionDone::NothingUndone { .. }
            | TransactionDone::VoidApproved { .. }
            | TransactionDone::VoidDismissed,
        )) => Err(Code::Unrecognised.into()),
        Outcome::Done(Done::Account(_) | Done::Order(_) | Done::Shop(_)) => Err(Code::Unrecognised.into()),
        Outcome::Refused(refusal) => Err(of_refusal(refusal)),
    }
}
