//! Buying a VIP level: a higher one than the player has (GoPlay `POST /partner/1/vip`).

use super::{Done, Effects, HouseSide, Judged, Keyed, Posting, Refusal, State, known_player};
use crate::ledger::account::Pocket;
use crate::ledger::membership::BuyVip;

pub(super) fn decide(state: &State, keyed: &Keyed, buy: &BuyVip) -> Judged {
    let player = known_player(state, keyed.player)?;
    let has = player.vip.as_deref().and_then(|level| buy.rank(level));
    if has >= buy.rank(&buy.level) {
        return Err(Refusal::VipNotHigher);
    }
    let mut posting = Posting::of(&keyed.command.party, player);
    let balance = posting.debit(&Pocket::real(buy.currency), buy.price, HouseSide::House)?;
    let effects = Effects { vip: Some((keyed.player, buy.level.clone())), ..Effects::of(posting) };
    Ok((Done::VipBought { balance }, effects))
}

pub(super) fn is_same(now: &BuyVip, then: &BuyVip) -> bool {
    now.player == then.player && now.level == then.level && now.currency == then.currency
}
