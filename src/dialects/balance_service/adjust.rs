//! `AdjustBalance`: one transfer of a user's money, of one of 32 types.

use super::balance::check_home;
use super::call::Members;
use super::code::{BalanceServiceCode, CallRefused};
use super::handler::{BalanceServiceHandler, CallContext, SCOPE, result};
use super::kind::Family;
use super::model::{Inserted, Memo, SaidOfAdjustment};
use super::outcome::CallDone;
use super::params::{self, AdjustParams};
use crate::dialects::http::exact::WireAmount;
use crate::dialects::http::{HandlerError, Reply};
use crate::ledger::command::Act;
use crate::ledger::transactions::{Adjust, Buckets, Change, FindBy, Label, StakeRules};
use crate::ledger::{Bucket, CommandKey, Currency, TransactionAct};
use crate::wallet::WalletPort;

/// What tells of the type, before anything is known of what it needs.
const TYPE: &str = "transaction_type_id";

pub async fn adjust(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    params: &Members,
    asked: CallContext,
) -> Result<Reply, HandlerError> {
    let (family, wanted) = decode(params)?;
    let adjust = match as_configured(handler, wallet, family, &wanted).await {
        // What was decided is answered as it was, whatever currencies and rates are configured by now.
        Err(HandlerError::Refused(why)) => {
            as_decided(handler, wallet, family, &wanted).await?.ok_or(HandlerError::Refused(why))?
        }
        adjust => adjust?,
    };
    let decided = wallet.decide(handler.command(asked, Act::Transaction(TransactionAct::Adjust(adjust)))).await?;
    let CallDone::Transaction { number, is_new } = CallDone::of(&decided)? else {
        return Err(BalanceServiceCode::Unrecognised.into());
    };
    let made = match decided.transaction.filter(|transaction| transaction.number == number) {
        Some(made) => made,
        // What gave a stake back before was another command's.
        None => {
            handler.transactions(wallet, FindBy::Number(number)).await?.pop().ok_or(BalanceServiceCode::Unexpected)?
        }
    };
    Ok(result(Inserted::of(handler, &made, is_new)?))
}

/// The adjustment that a call asks for.
async fn as_configured(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    family: Family,
    wanted: &AdjustParams,
) -> Result<Adjust, HandlerError> {
    let currency = handler.currency(wanted.currency_id)?;
    let amounts = Amounts::of(wanted, handler.exponent(currency))?;
    let change = change(handler, family, wanted, &amounts)?;
    let worth = handler.in_gbp(amounts.total, currency)?;
    let adjust = Adjust { worth: Some(worth.into()), ..in_ledger_words(wanted, currency, change, &amounts)? };
    // Before anything is decided: a call that names another currency than the user's must leave no trace.
    let player = wallet.player(handler.party.clone(), adjust.player.clone()).await?;
    check_home(handler, Some(wanted.currency_id), &player.ok_or(BalanceServiceCode::UserUnknown)?)?;
    Ok(adjust)
}

/// The adjustment that the same call was before; `None` where it was not decided, or asks for something else.
async fn as_decided(
    handler: &BalanceServiceHandler,
    wallet: &dyn WalletPort,
    family: Family,
    wanted: &AdjustParams,
) -> Result<Option<Adjust>, HandlerError> {
    let key = CommandKey::of_adjust(&handler.party, &name(wanted));
    let kept = wallet.kept_command(handler.party.clone(), key).await?.map(|command| command.act);
    let Some(Act::Transaction(TransactionAct::Adjust(then))) = kept else { return Ok(None) };
    let again = || {
        let amounts = Amounts::of(wanted, handler.exponent(then.currency))?;
        in_ledger_words(wanted, then.currency, change(handler, family, wanted, &amounts)?, &amounts)
    };
    let again = again().ok().map(|again| Adjust { worth: then.worth.clone(), ..again });
    Ok(again.filter(|again| again.is_same(&then)))
}

/// Decodes the parameters, once the type tells which of them must be there.
fn decode(params: &Members) -> Result<(Family, AdjustParams), CallRefused> {
    #[derive(serde::Deserialize)]
    struct Type {
        transaction_type_id: i32,
    }
    let Type { transaction_type_id } = params.decode(&[TYPE])?;
    let family = Family::of(transaction_type_id);
    let family = family
        .ok_or_else(|| BalanceServiceCode::TransactionType.because("a balance is not adjusted with this type"))?;
    let wanted: AdjustParams = params.decode(&family.required())?;
    wanted.check_texts()?;
    Ok((family, wanted))
}

/// The call's amounts in minor units, signed as they came; one that is not there is nothing.
struct Amounts {
    real: i64,
    ring_fenced: i64,
    bonus: i64,
    total: i64,
    external_bonus: i64,
    external_ring_fenced: i64,
}

impl Amounts {
    fn of(wanted: &AdjustParams, exponent: u32) -> Result<Self, CallRefused> {
        let required = |name: &str, amount: &WireAmount| {
            amount.minor(exponent).map_err(|error| BalanceServiceCode::Value.because(format!("{name} {error}")))
        };
        let minor =
            |name: &str, amount: &Option<WireAmount>| amount.as_ref().map_or(Ok(0), |amount| required(name, amount));
        let external = &wanted.external_balance_change;
        Ok(Self {
            real: minor("real_amount", &wanted.real_amount)?,
            ring_fenced: minor("ring_fenced_amount", &wanted.ring_fenced_amount)?,
            bonus: minor("bonus_amount", &wanted.bonus_amount)?,
            total: required("total_amount", &wanted.total_amount)?,
            external_bonus: minor("external_balance_change.bonus_amount", &external.bonus_amount)?,
            external_ring_fenced: minor("external_balance_change.ring_fenced_amount", &external.ring_fenced_amount)?,
        })
    }

    fn external(&self) -> Option<i64> {
        self.external_bonus.checked_add(self.external_ring_fenced)
    }

    /// What a stake takes altogether, and what of that elsewhere; neither is negative.
    fn staked(&self) -> Result<(i64, i64), CallRefused> {
        let signed = [self.total, self.external_bonus, self.external_ring_fenced];
        if signed.into_iter().any(|minor| minor > 0) {
            return Err(BalanceServiceCode::Amounts.because("a stake's amounts must not be positive"));
        }
        let external = self.external().filter(|external| *external >= self.total);
        let external =
            external.ok_or_else(|| BalanceServiceCode::Amounts.because("more changed elsewhere than the total"))?;
        let sizes = self.total.checked_neg().zip(external.checked_neg());
        sizes.ok_or_else(|| BalanceServiceCode::Value.because("total_amount is too large"))
    }

    /// What comes to the user, by bucket, and what of the total elsewhere; they add up.
    fn returned(&self, has_gbt_bonus: bool) -> Result<(Buckets, i64), CallRefused> {
        let signed = [self.real, self.ring_fenced, self.bonus, self.external_bonus, self.external_ring_fenced];
        if self.total < 0 || signed.into_iter().any(|minor| minor < 0) {
            return Err(BalanceServiceCode::Amounts.because("only a stake's amounts may be negative"));
        }
        let sum = signed.into_iter().try_fold(0_i64, i64::checked_add);
        let external = self.external().filter(|_| sum == Some(self.total));
        let external =
            external.ok_or_else(|| BalanceServiceCode::Amounts.because("total_amount is not the sum of the others"))?;
        let mut amounts = Buckets { real: self.real, ring_fenced: self.ring_fenced, ..Buckets::default() };
        amounts.set(if has_gbt_bonus { Bucket::GbtBonus } else { Bucket::Bonus }, self.bonus);
        Ok((amounts, external))
    }
}

fn change(
    handler: &BalanceServiceHandler,
    family: Family,
    wanted: &AdjustParams,
    amounts: &Amounts,
) -> Result<Change, CallRefused> {
    let has_gbt_bonus = wanted.user_bonus_id.is_some();
    let source = wanted.source_bet365_games_transaction_id.unwrap_or_default();
    match family {
        Family::Stake | Family::InstantGamesStake => {
            let (total, external) = amounts.staked()?;
            Ok(Change::Stake { total, external, from: spent_from(handler, wanted) })
        }
        Family::Return | Family::InstantGamesReturn => {
            let (amounts, external) = amounts.returned(has_gbt_bonus)?;
            Ok(Change::Pay { amounts, external, source: Some(source) })
        }
        Family::Award => {
            // An award need not be for anything that was staked; the seed's own way to say "none" is 0.
            let (amounts, external) = amounts.returned(has_gbt_bonus)?;
            Ok(Change::Pay { amounts, external, source: Some(source).filter(|source| *source != 0) })
        }
        Family::Void | Family::InstantGamesVoid => {
            let (amounts, external) = amounts.returned(has_gbt_bonus)?;
            Ok(Change::Void { source, amounts, external })
        }
    }
}

/// The buckets that a stake may be spent from, in the party's order.
fn spent_from(handler: &BalanceServiceHandler, wanted: &AdjustParams) -> Vec<Bucket> {
    let bonus = if wanted.user_bonus_id.is_some() { Bucket::GbtBonus } else { Bucket::Bonus };
    let (allow_bonus, allow_ring_fenced) = (wanted.allow_bonus == Some(true), wanted.allow_ring_fenced == Some(true));
    let spent = handler.settings.spend_order.iter().filter_map(|bucket| match bucket {
        Bucket::Real => Some(Bucket::Real),
        Bucket::RingFenced => allow_ring_fenced.then_some(Bucket::RingFenced),
        Bucket::Bonus | Bucket::GbtBonus => allow_bonus.then_some(bonus),
    });
    spent.collect()
}

/// What makes two calls the same. Numbers have no slashes, so nothing in the reference makes two names equal.
fn name(wanted: &AdjustParams) -> String {
    let AdjustParams { user_id, provider_region_id, transaction_type_id, partner_transaction_id, .. } = wanted;
    format!("{SCOPE}/{user_id}/{provider_region_id}/{transaction_type_id}/{partner_transaction_id}")
}

/// The adjustment, but for what it is worth.
fn in_ledger_words(
    wanted: &AdjustParams,
    currency: Currency,
    change: Change,
    amounts: &Amounts,
) -> Result<Adjust, CallRefused> {
    let said = SaidOfAdjustment {
        currency_id: wanted.currency_id,
        allow_bonus: wanted.allow_bonus,
        allow_ring_fenced: wanted.allow_ring_fenced,
    };
    let memo = Memo {
        user_id: wanted.user_id,
        flake_id: wanted.flake_id,
        action_type_id: wanted.action_type_id,
        partner_timestamp_utc: wanted.partner_timestamp_utc.clone(),
        regulated_game_id: wanted.regulated_game_id,
        cmscore_game_id: wanted.cmscore_game_id,
        bonus_game_type: wanted.bonus_game_type.clone(),
        bet365_transaction_id: wanted.bet365_transaction_id,
        user_bonus_id: wanted.user_bonus_id,
        external_bonus: amounts.external_bonus,
        external_ring_fenced: amounts.external_ring_fenced,
    };
    let label = Label {
        scope: SCOPE.into(),
        kind: wanted.transaction_type_id,
        region: wanted.provider_region_id,
        partner: wanted.partner_id,
        reference: wanted.partner_transaction_id.as_str().into(),
        round: Some(wanted.game_round_id.to_string().into()),
    };
    Ok(Adjust {
        player: params::player(wanted.user_id)?,
        name: name(wanted).into(),
        label,
        currency,
        product: wanted.product_id,
        change,
        memo: serde_json::to_string(&memo).map_err(|_| BalanceServiceCode::Unexpected)?.into(),
        said: serde_json::to_string(&said).map_err(|_| BalanceServiceCode::Unexpected)?.into(),
        worth: None,
        number: None,
        stakes: StakeRules::OneEnd,
        token: Some(wanted.token.as_str().into()),
    })
}
