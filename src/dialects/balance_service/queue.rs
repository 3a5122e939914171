//! `QueueManualVoidReturn`: asks an operator to void a transaction, and moves nothing.

use super::call::Members;
use super::code::BalanceServiceCode;
use super::handler::{BalanceServiceHandler, CallContext, result};
use super::kind::VOID_RETURN;
use super::model::Memo;
use super::outcome::CallDone;
use super::params::{self, Params, QueueVoidParams};
use crate::dialects::http::{HandlerError, Reply};
use crate::ledger::TransactionAct;
use crate::ledger::command::Act;
use crate::ledger::transactions::{self, FindBy, VoidState};
use crate::wallet::WalletPort;

pub async fn queue_void(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    params: &Members,
    asked: CallContext,
) -> Result<Reply, HandlerError> {
    let wanted = QueueVoidParams::of(params)?;
    if wanted.transaction_type_id != VOID_RETURN {
        return Err(BalanceServiceCode::TransactionType.because(format!("only {VOID_RETURN} can be queued")).into());
    }
    let found = handler.transactions(wallet, FindBy::Number(wanted.source_bet365_games_transaction_id)).await?;
    let source = found.last().ok_or(BalanceServiceCode::TransactionUnknown)?;
    let (player, source) = (params::player(Memo::of(source)?.user_id)?, source.number);
    // What was dismissed opens again; whoever asks for it at the same moment asks for the same.
    let known = wallet.void(handler.party.clone(), source).await?;
    let attempt = known.map_or(0, |void| void.attempt.saturating_add((void.state == VoidState::Dismissed).into()));
    let act = Act::Transaction(TransactionAct::QueueVoid(transactions::QueueVoid {
        player,
        source,
        kind: VOID_RETURN,
        attempt,
    }));
    let decided = wallet.decide(handler.command(asked, act)).await?;
    match CallDone::of(&decided)? {
        CallDone::VoidQueued => Ok(result(true)),
        CallDone::Transaction { .. } => Err(BalanceServiceCode::Unrecognised.into()),
    }
}
