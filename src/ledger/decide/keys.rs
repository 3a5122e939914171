//! Gift-card keys: stocking offers, and buying from the stock (CodeGames `pay`).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Done, Effects, HouseSide, Judged, Keyed, OfferId, OfferState, Posting, Purchase, Refusal, State, StockedKey,
    known_player,
};
use crate::ledger::Amount;
use crate::ledger::account::Pocket;
use crate::ledger::offer::{BuyKeys, StockOffers};

pub(super) fn stock(state: &State, keyed: &Keyed, stock: &StockOffers) -> Judged {
    let mut offers: BTreeMap<OfferId, OfferState> = BTreeMap::new();
    let (mut stocked, mut seen) = (Vec::new(), BTreeSet::new());
    for stocking in &stock.offers {
        let offer = OfferId::of(&keyed.command.party, &stocking.offer.id);
        let known = offers.remove(&offer).or_else(|| state.offers.get(&offer).cloned());
        let mut after = known.unwrap_or_else(|| OfferState { offer: stocking.offer.clone(), stock: 0, next: vec![] });
        after.offer = stocking.offer.clone();
        let new = stocking.keys.iter().filter(|key| !state.gift_keys.contains(&key.id) && seen.insert(key.id));
        for key in new.cloned() {
            // `next` is the front of the stock: it grows only while it is all of it.
            if i64::try_from(after.next.len()) == Ok(after.stock) {
                after.next.push(key.id);
            }
            after.stock = after.stock.saturating_add(1);
            stocked.push(StockedKey { key, offer });
        }
        offers.insert(offer, after);
    }
    let added = i64::try_from(stocked.len()).unwrap_or(i64::MAX);
    let effects = Effects { offers: offers.into_iter().collect(), stocked, ..Effects::default() };
    Ok((Done::OffersStocked { added }, effects))
}

pub(super) fn buy(state: &State, keyed: &Keyed, buy: &BuyKeys, number: i64) -> Judged {
    let player = known_player(state, keyed.player)?;
    let id = OfferId::of(&keyed.command.party, &buy.offer);
    let known = state.offers.get(&id).ok_or(Refusal::OfferUnknown)?;
    if known.offer.currency != buy.currency {
        return Err(Refusal::OfferCurrencyDiffers);
    }
    if known.offer.price != buy.price {
        return Err(Refusal::OfferPriceDiffers { price: known.offer.price.minor() });
    }
    let count = usize::try_from(buy.count).unwrap_or(usize::MAX);
    let keys = known.next.get(..count).filter(|keys| !keys.is_empty());
    let keys = keys.ok_or(Refusal::OutOfStock { stock: known.stock })?.to_vec();
    let paid = buy.price.minor().checked_mul(i64::from(buy.count)).ok_or(Refusal::BalanceOverflow)?;
    let paid = Amount::new(paid).map_err(|_| Refusal::BalanceOverflow)?;
    let mut posting = Posting::of(&keyed.command.party, player);
    let balance = posting.debit(&Pocket::real(buy.currency), paid, HouseSide::House)?;
    let mut after = known.clone();
    after.next.drain(..count);
    after.stock = after.stock.saturating_sub(i64::from(buy.count));
    let (party, buyer) = (keyed.command.party.clone(), buy.buyer.clone());
    let effects = Effects {
        offers: vec![(id, after)],
        purchase: Some(Purchase { number, party, buyer, offer: id, paid, keys }),
        ..Effects::of(posting)
    };
    Ok((Done::KeysBought { order: number, balance }, effects))
}

/// Keys are compared by their ids: the same key is sealed anew each time.
pub(super) fn is_same_stock(now: &StockOffers, then: &StockOffers) -> bool {
    let same = |(now, then): (&crate::ledger::offer::Stocking, &crate::ledger::offer::Stocking)| {
        now.offer == then.offer && now.keys.iter().map(|key| key.id).eq(then.keys.iter().map(|key| key.id))
    };
    now.offers.len() == then.offers.len() && now.offers.iter().zip(&then.offers).all(same)
}

pub(super) fn is_same_purchase(now: &BuyKeys, then: &BuyKeys) -> bool {
    now.player == then.player
        && now.offer == then.offer
        && now.count == then.count
        && now.price == then.price
        && now.currency == then.currency
}
