//! The methods that show transactions.

use super::call::Members;
use super::code::{BalanceServiceCode, CallRefused};
use super::handler::{BalanceServiceHandler, result};
use super::model::Selected;
use super::params::{self, ById, ByReference, ByRound, Latest, Params};
use crate::dialects::http::{HandlerError, Reply};
use crate::ledger::PlayerKey;
use crate::ledger::transactions::FindBy;
use crate::wallet::WalletPort;

pub async fn by_round(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    params: &Members,
) -> Result<Reply, HandlerError> {
    let asked = ByRound::of(params)?;
    find_all(handler, wallet, FindBy::Round(asked.game_round_id.to_string().into())).await
}

pub async fn by_id(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    params: &Members,
) -> Result<Reply, HandlerError> {
    let asked = ById::of(params)?;
    find_one(handler, wallet, FindBy::Number(asked.id)).await
}

pub async fn by_reference(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    params: &Members,
) -> Result<Reply, HandlerError> {
    let asked = ByReference::of(params)?;
    params::check_reference(&asked.partner_transaction_id)?;
    let by = FindBy::Reference {
        player: PlayerKey::of(&handler.party, &params::player(asked.user_id)?),
        region: asked.provider_region_id,
        reference: asked.partner_transaction_id.into(),
    };
    find_all(handler, wallet, by).await
}

pub async fn latest(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    params: &Members,
) -> Result<Reply, HandlerError> {
    let asked = Latest::of(params)?;
    let by = FindBy::Latest {
        player: PlayerKey::of(&handler.party, &params::player(asked.user_id)?),
        region: asked.provider_region_id,
        partner: asked.partner_id,
        kind: asked.transaction_type_id,
    };
    find_one(handler, wallet, by).await
}

async fn find_all(handler: &BalanceServiceHandler, wallet: &dyn WalletPort, by: FindBy) -> Result<Reply, HandlerError> {
    let found = handler.transactions(wallet, by).await?;
    let shown: Result<Vec<Selected>, CallRefused> = found.iter().map(|found| Selected::of(handler, found)).collect();
    Ok(result(shown?))
}

async fn find_one(handler: &BalanceServiceHandler, wallet: &dyn WalletPort, by: FindBy) -> Result<Reply, HandlerError> {
    let found = handler.transactions(wallet, by).await?;
    let found = found.last().ok_or(BalanceServiceCode::TransactionUnknown)?;
    Ok(result(Selected::of(handler, found)?))
}
