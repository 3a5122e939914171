//! The methods that show transactions.

use std::sync::Arc;

use super::call::Members;
use super::code::{Code, Refused};
use super::desk::{Desk, result, then};
use super::model::Selected;
use super::params::{self, ById, ByReference, ByRound, Latest, Params};
use crate::dialects::http::Next;
use crate::ledger::PlayerKey;
use crate::ledger::transactions::{FindBy, Transaction};

pub fn by_round(desk: &Arc<Desk>, params: &Members) -> Result<Next, Refused> {
    let asked = ByRound::of(params)?;
    Ok(find_all(desk, FindBy::Round(asked.game_round_id.to_string().into())))
}

pub fn by_id(desk: &Arc<Desk>, params: &Members) -> Result<Next, Refused> {
    let asked = ById::of(params)?;
    Ok(find_one(desk, FindBy::Number(asked.id)))
}

pub fn by_reference(desk: &Arc<Desk>, params: &Members) -> Result<Next, Refused> {
    let asked = ByReference::of(params)?;
    params::check_reference(&asked.partner_transaction_id)?;
    let by = FindBy::Reference {
        player: PlayerKey::of(&desk.party, &params::player(asked.user_id)?),
        region: asked.provider_region_id,
        reference: asked.partner_transaction_id.into(),
    };
    Ok(find_all(desk, by))
}

pub fn latest(desk: &Arc<Desk>, params: &Members) -> Result<Next, Refused> {
    let asked = Latest::of(params)?;
    let by = FindBy::Latest {
        player: PlayerKey::of(&desk.party, &params::player(asked.user_id)?),
        region: asked.provider_region_id,
        partner: asked.partner_id,
        kind: asked.transaction_type_id,
    };
    Ok(find_one(desk, by))
}

fn find_all(desk: &Arc<Desk>, by: FindBy) -> Next {
    let show = |desk: &Arc<Desk>, found: Vec<Transaction>| {
        let shown: Result<Vec<Selected>, Refused> = found.iter().map(|found| Selected::of(desk, found)).collect();
        Ok(result(shown?))
    };
    Next::Transactions(desk.finding(by), then(desk, show))
}

fn find_one(desk: &Arc<Desk>, by: FindBy) -> Next {
    let show = |desk: &Arc<Desk>, found: Vec<Transaction>| {
        let found = found.last().ok_or(Code::TransactionUnknown)?;
        Ok(result(Selected::of(desk, found)?))
    };
    Next::Transactions(desk.finding(by), then(desk, show))
}
