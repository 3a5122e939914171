//! The methods that show transactions.

use super::call::Members;
use super::code::{Code, Refused};
use super::desk::{Desk, result};
use super::model::Selected;
use super::params::{self, ById, ByReference, ByRound, Latest, Params};
use crate::dialects::http::{HandlerError, Reply};
use crate::ledger::PlayerKey;
use crate::ledger::transactions::FindBy;
use crate::wallet::WalletPort;

pub async fn by_round(desk: &Desk, wallet: &dyn WalletPort, params: &Members) -> Result<Reply, HandlerError> {
    let asked = ByRound::of(params)?;
    find_all(desk, wallet, FindBy::Round(asked.game_round_id.to_string().into())).await
}

pub async fn by_id(desk: &Desk, wallet: &dyn WalletPort, params: &Members) -> Result<Reply, HandlerError> {
    let asked = ById::of(params)?;
    find_one(desk, wallet, FindBy::Number(asked.id)).await
}

pub async fn by_reference(desk: &Desk, wallet: &dyn WalletPort, params: &Members) -> Result<Reply, HandlerError> {
    let asked = ByReference::of(params)?;
    params::check_reference(&asked.partner_transaction_id)?;
    let by = FindBy::Reference {
        player: PlayerKey::of(&desk.party, &params::player(asked.user_id)?),
        region: asked.provider_region_id,
        reference: asked.partner_transaction_id.into(),
    };
    find_all(desk, wallet, by).await
}

pub async fn latest(desk: &Desk, wallet: &dyn WalletPort, params: &Members) -> Result<Reply, HandlerError> {
    let asked = Latest::of(params)?;
    let by = FindBy::Latest {
        player: PlayerKey::of(&desk.party, &params::player(asked.user_id)?),
        region: asked.provider_region_id,
        partner: asked.partner_id,
        kind: asked.transaction_type_id,
    };
    find_one(desk, wallet, by).await
}

async fn find_all(desk: &Desk, wallet: &dyn WalletPort, by: FindBy) -> Result<Reply, HandlerError> {
    let found = desk.transactions(wallet, by).await?;
    let shown: Result<Vec<Selected>, Refused> = found.iter().map(|found| Selected::of(desk, found)).collect();
    Ok(result(shown?))
}

async fn find_one(desk: &Desk, wallet: &dyn WalletPort, by: FindBy) -> Result<Reply, HandlerError> {
    let found = desk.transactions(wallet, by).await?;
    let found = found.last().ok_or(Code::TransactionUnknown)?;
    Ok(result(Selected::of(desk, found)?))
}
