//! Gift-card keys: stocking offers, and buying from the stock (CodeGames `pay`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{KeyId, Offer, OfferId, OfferState, Purchase, SealedKey, ShopDone, ShopEffects, ShopRefusal, StockedKey};
use crate::ledger::account::{HouseSide, Pocket};
use crate::ledger::accounts::AccountRefusal;
use crate::ledger::command::{CommandKey, KeyedCommand};
use crate::ledger::decide::{AreaDecision, Effects, known_player};
use crate::ledger::posting::Posting;
use crate::ledger::{Amount, Currency, Party, PlayerId, State};

/// Sets names and prices of offers, and adds the keys that are not known yet: all or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockOffers {
    pub offers: Vec<Stocking>,
    /// The caller's own name for this command.
    pub key: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stocking {
    #[serde(flatten)]
    pub offer: Offer,
    pub keys: Vec<SealedKey>,
}

/// Buys keys of an offer, and pays for them (CodeGames `pay`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyKeys {
    /// The player who pays: real money, default wallet, product 0.
    pub player: PlayerId,
    /// The partner that the keys are for.
    pub buyer: Arc<str>,
    /// The buyer's own name for this purchase.
    pub reference: Arc<str>,
    pub offer: Arc<str>,
    pub count: u32,
    /// The price of one key that the buyer expects.
    pub price: Amount,
    pub currency: Currency,
    /// The number that the order has had elsewhere: only a replay gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
}

impl CommandKey {
    /// The key of a buyer's purchase of gift-card keys. The length keeps one buyer's names apart from another's.
    pub fn of_buy_keys(party: &Party, buyer: &str, reference: &str) -> Self {
        Self::of_text("buy_keys", party, &format!("{}:{buyer}:{reference}", buyer.len()))
    }
}

pub(super) fn stock(state: &State, keyed: &KeyedCommand, stock: &StockOffers) -> (ShopDone, Effects) {
    let mut offers: BTreeMap<OfferId, OfferState> = BTreeMap::new();
    let (mut stocked, mut seen, mut added) = (Vec::new(), BTreeSet::new(), 0_i64);
    for stocking in &stock.offers {
        let offer = OfferId::of(&keyed.command.party, &stocking.offer.id);
        let known = offers.remove(&offer).or_else(|| state.shop.offers.get(&offer).cloned());
        let mut after = known.unwrap_or_else(|| OfferState { offer: stocking.offer.clone(), stock: 0, next: vec![] });
        after.offer = stocking.offer.clone();
        let new = stocking.keys.iter().filter(|key| !state.shop.gift_keys.contains(&key.id) && seen.insert(key.id));
        for key in new.cloned() {
            // `next` is the front of the stock: it grows only while it is all of it.
            if i64::try_from(after.next.len()) == Ok(after.stock) {
                after.next.push(key.id);
            }
            after.stock = after.stock.saturating_add(1);
            stocked.push(StockedKey { key, offer });
            added = added.saturating_add(1);
        }
        offers.insert(offer, after);
    }
    let shop = ShopEffects { offers: offers.into_iter().collect(), stocked, ..ShopEffects::default() };
    (ShopDone::OffersStocked { added }, Effects { shop, ..Effects::default() })
}

pub(super) fn buy(state: &State, keyed: &KeyedCommand, buy: &BuyKeys, number: i64) -> AreaDecision<ShopDone> {
    let player = known_player(state, keyed.player)?;
    let id = OfferId::of(&keyed.command.party, &buy.offer);
    let known = state.shop.offers.get(&id).ok_or(ShopRefusal::OfferUnknown)?;
    if known.offer.currency != buy.currency {
        return Err(ShopRefusal::OfferCurrencyDiffers.into());
    }
    if known.offer.price != buy.price {
        return Err(ShopRefusal::OfferPriceDiffers { price: known.offer.price.minor() }.into());
    }
    let mut next = known.next.iter().copied();
    let keys: Option<Vec<KeyId>> = (0..buy.count).map(|_| next.next()).collect();
    let keys = keys.filter(|keys| !keys.is_empty()).ok_or(ShopRefusal::OutOfStock { stock: known.stock })?;
    let paid = buy.price.minor().checked_mul(i64::from(buy.count)).ok_or(AccountRefusal::BalanceOverflow)?;
    let paid = Amount::new(paid).map_err(|_| AccountRefusal::BalanceOverflow)?;
    let mut posting = Posting::of(&keyed.command.party, player);
    let balance = posting.debit(&Pocket::real(buy.currency), paid, HouseSide::House)?;
    let stock = known.stock.saturating_sub(i64::from(buy.count));
    let after = OfferState { offer: known.offer.clone(), stock, next: next.collect() };
    let (party, buyer) = (keyed.command.party.clone(), buy.buyer.clone());
    let purchase = Some(Purchase { number, party, buyer, offer: id, paid, keys });
    let shop = ShopEffects { offers: vec![(id, after)], purchase, ..ShopEffects::default() };
    Ok((ShopDone::KeysBought { order: number, balance }, Effects { shop, ..Effects::of(posting) }))
}

/// Keys are compared by their ids: the same key is sealed anew each time.
pub(super) fn is_same_stock(now: &StockOffers, then: &StockOffers) -> bool {
    let same = |(now, then): (&Stocking, &Stocking)| {
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
