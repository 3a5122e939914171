//! Buying a VIP level: a higher one than the player has (GoPlay `POST /partner/1/vip`).

use super::{
    Account, Amount, Done, Effects, HouseAccount, Judged, Keyed, PlayerState, Refusal, Side, State, Transfer,
    known_player,
};
use crate::ledger::account::{HouseSide, Pocket};
use crate::ledger::ids::Currency;
use crate::ledger::membership::BuyVip;

pub(super) fn decide(state: &State, keyed: &Keyed, buy: &BuyVip) -> Judged {
    let player = known_player(state, keyed.player)?;
    let has = player.vip.as_deref().and_then(|level| buy.rank(level));
    if has >= buy.rank(&buy.level) {
        return Err(Refusal::VipNotHigher);
    }
    let (account, transfer) = pay_house(keyed, player, buy.currency, buy.price)?;
    let balance = account.balance;
    let effects = Effects {
        accounts: vec![account],
        transfers: vec![transfer],
        vip: Some((keyed.player, buy.level.clone())),
        ..Effects::default()
    };
    Ok((Done::VipBought { balance }, effects))
}

/// Takes a price from the player's real money.
pub(super) fn pay_house(
    keyed: &Keyed,
    player: &PlayerState,
    currency: Currency,
    price: Amount,
) -> Result<(Account, Transfer), Refusal> {
    let mut account = player.account(&Pocket::real(currency));
    let after = account.balance.checked_sub(price.minor()).filter(|after| *after >= 0);
    account.balance = after.ok_or(Refusal::InsufficientFunds { balance: account.balance })?;
    let party = keyed.command.party.clone();
    let house = HouseAccount { party, side: HouseSide::House, currency };
    let transfer = Transfer { debit: Side::Player(account.id), credit: Side::House(house), amount: price };
    Ok((account, transfer))
}

pub(super) fn is_same(now: &BuyVip, then: &BuyVip) -> bool {
    now.player == then.player && now.level == then.level && now.currency == then.currency
}
