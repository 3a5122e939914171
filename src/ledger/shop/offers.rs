//! Gift-card offers: a price and a stock of keys. Stocking them, and buying from the stock (CodeGames `pay`). The ledger knows
//! keys by their ids and carries them sealed: it can neither read nor compare what is in them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ShopDone, ShopEffects, ShopKeys, ShopRefusal};
use crate::ledger::account::{HouseSide, Pocket};
use crate::ledger::accounts::AccountRefusal;
use crate::ledger::command::{CommandKey, KeyedCommand};
use crate::ledger::decide::{AreaDecision, Effects, known_player};
use crate::ledger::player::digest;
use crate::ledger::posting::Posting;
use crate::ledger::{Amount, Currency, Party, PlayerId, State};

/// Names one offer of one party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferId(Uuid);

impl OfferId {
    /// `name` is the party's own identifier of the offer.
    pub fn of(party: &Party, name: &str) -> Self {
        Self(digest(&[b"offer", party.as_str().as_bytes(), name.as_bytes()]))
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }
}

/// Names one gift-card key within its party: a keyed digest, made where the key is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyId(pub Uuid);

/// A gift-card key, encrypted: base64 text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    pub id: KeyId,
    pub sealed: Arc<str>,
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedKey({})", self.id.0)
    }
}

/// An offer without its stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The party's own identifier.
    pub id: Arc<str>,
    pub name: Arc<str>,
    /// For one key.
    pub price: Amount,
    pub currency: Currency,
}

/// An offer with what a batch needs of its stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferState {
    pub offer: Offer,
    /// Keys for sale.
    pub stock: i64,
    /// The first of them, in the order in which they are sold.
    pub next: Vec<KeyId>,
}

/// A key as it enters the stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockedKey {
    pub key: SealedKey,
    pub offer: OfferId,
}

/// Keys that were sold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The order's number: grows from order to order.
    pub number: i64,
    pub party: Party,
    pub buyer: Arc<str>,
    pub offer: OfferId,
    /// Minor units, for all of them.
    pub paid: Amount,
    pub keys: Vec<KeyId>,
}

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

/// What stocking looks up: the offers, and which keys are known.
pub(super) fn read_to_stock(keys: &mut ShopKeys, party: &Party, stock: &StockOffers) {
    for stocking in &stock.offers {
        keys.offers.entry(OfferId::of(party, &stocking.offer.id)).or_default();
        keys.known_keys.extend(stocking.keys.iter().map(|key| key.id));
    }
}

/// What buying looks up: as many keys of the offer as are asked for.
pub(super) fn read_to_buy(keys: &mut ShopKeys, party: &Party, buy: &BuyKeys) {
    let wanted = keys.offers.entry(OfferId::of(party, &buy.offer)).or_default();
    // More than there can be is as good as all that there is.
    *wanted = wanted.saturating_add(i64::from(buy.count));
}

pub(super) fn stock(state: &State, keyed: &KeyedCommand, stock: &StockOffers) -> (ShopDone, Effects) {
    let mut offers: BTreeMap<OfferId, OfferState> = BTreeMap::new();
    let (mut stocked, mut seen, mut added) = (Vec::new(), BTreeSet::new(), 0_i64);
    for stocking in &stock.offers {
        let offer = OfferId::of(&keyed.command.party, &stocking.offer.id);
        let known = offers.remove(&offer).or_else(|| state.shop.offers.get(&offer).cloned());
        let mut after = known.unwrap_or_else(|| OfferState { offer: stocking.offer.clone(), stock: 0, next: vec![] });
        after.offer = stocking.offer.clone();
        let new = stocking.keys.iter().filter(|key| !state.shop.known_keys.contains(&key.id) && seen.insert(key.id));
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

/// What must be there after a stocking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedStock {
    /// As they are, unless a later row says otherwise.
    pub offers: Vec<(OfferId, Offer)>,
    /// Keys that entered the stock, or were known before, in the order in which they were brought.
    pub brought: Vec<StockedKey>,
    /// How many of them were not known before.
    pub added: i64,
}

/// What must be there after a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPurchase {
    pub number: i64,
    pub party: Party,
    pub buyer: Arc<str>,
    pub offer: OfferId,
    /// Minor units, for all keys; `None` where 64 bits do not hold it, which nobody can have paid.
    pub paid: Option<i64>,
    pub keys: u32,
}

impl ExpectedStock {
    pub(super) fn of(party: &Party, stock: &StockOffers, added: i64) -> Self {
        let (mut offers, mut brought, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for stocking in &stock.offers {
            let offer = OfferId::of(party, &stocking.offer.id);
            let keys = stocking.keys.iter().filter(|key| seen.insert(key.id));
            brought.extend(keys.map(|key| StockedKey { key: key.clone(), offer }));
            offers.push((offer, stocking.offer.clone()));
        }
        Self { offers, brought, added }
    }
}

impl ExpectedPurchase {
    pub(super) fn of(party: &Party, buy: &BuyKeys, number: i64) -> Self {
        Self {
            number,
            party: party.clone(),
            buyer: Arc::clone(&buy.buyer),
            offer: OfferId::of(party, &buy.offer),
            paid: buy.price.minor().checked_mul(i64::from(buy.count)),
            keys: buy.count,
        }
    }
}
