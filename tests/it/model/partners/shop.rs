//! VIP levels, offers and their keys.

use super::*;

impl Model {
    pub(in crate::model) fn buy_vip(&mut self, buy: &BuyVip) -> String {
        if let Some((before, answer)) = self.partners.vips.get(&*buy.key) {
            let same = before.player == buy.player && before.level == buy.level && before.currency == buy.currency;
            return if same { answer.clone() } else { "400 key_reused".to_owned() };
        }
        let player = buy.player.as_str();
        if !self.players.contains_key(player) {
            return "495 player_unknown".to_owned();
        }
        let height = |level: &str| buy.ladder.iter().position(|rung| **rung == *level).map_or(0, |at| at + 1);
        let has = self.partners.levels.get(player).map_or(0, |level| height(level));
        if height(&buy.level) <= has {
            return "refused vip_not_higher".to_owned();
        }
        let balance = match self.pay(player, buy.currency, i128::from(buy.price.minor())) {
            Ok(balance) => balance,
            Err(refusal) => return refusal,
        };
        let answer = format!("200 vip_bought {balance}");
        self.partners.levels.insert(player.to_owned(), buy.level.to_string());
        self.partners.vips.insert(buy.key.to_string(), (buy.clone(), answer.clone()));
        answer
    }

    /// Pays the house with real money.
    fn pay(&mut self, player: &str, currency: Currency, price: i128) -> Result<i128, String> {
        let name = pocket(currency, 0, Bucket::Real);
        let balance = self.balance(player, &name);
        if balance < price {
            return Err(format!("492 insufficient_funds {balance}"));
        }
        self.add(player, &name, -price)
    }

    pub(in crate::model) fn stock_offers(&mut self, stock: &StockOffers) -> String {
        if let Some((before, answer)) = self.partners.stockings.get(&*stock.key) {
            let plain = |stock: &StockOffers| {
                let offers = stock.offers.iter().map(|stocking| {
                    let keys: Vec<KeyId> = stocking.keys.iter().map(|key| key.id).collect();
                    (stocking.offer.clone(), keys)
                });
                offers.collect::<Vec<_>>()
            };
            let same = plain(before) == plain(stock);
            return if same { answer.clone() } else { "400 key_reused".to_owned() };
        }
        let mut added = 0;
        for stocking in &stock.offers {
            let new = stocking.keys.iter().filter(|key| self.partners.keys.insert(key.id)).count();
            let offer = &stocking.offer;
            let known = self.partners.offers.entry(offer.id.to_string()).or_insert((0, offer.currency, 0));
            *known = (offer.price.minor(), offer.currency, known.2 + i128::try_from(new).expect("few keys"));
            added += new;
        }
        let answer = format!("200 offers_stocked {added}");
        self.partners.stockings.insert(stock.key.to_string(), (stock.clone(), answer.clone()));
        answer
    }

    pub(in crate::model) fn buy_keys(&mut self, buy: &BuyKeys, number: i64) -> String {
        let key = (buy.buyer.to_string(), buy.reference.to_string());
        if let Some((before, answer)) = self.partners.purchases.get(&key) {
            let same = BuyKeys { number: before.number, ..buy.clone() } == *before;
            return if same { answer.clone() } else { "400 key_reused".to_owned() };
        }
        if !self.players.contains_key(buy.player.as_str()) {
            return "495 player_unknown".to_owned();
        }
        let Some((price, currency, stock)) = self.partners.offers.get(&*buy.offer).copied() else {
            return "refused offer_unknown".to_owned();
        };
        if currency != buy.currency {
            return "refused offer_currency_differs".to_owned();
        }
        if price != buy.price.minor() {
            return format!("refused offer_price_differs {price}");
        }
        let count = i128::from(buy.count);
        if count == 0 || count > stock {
            return format!("refused out_of_stock {stock}");
        }
        let paid = count * i128::from(price);
        if paid > i128::from(i64::MAX) {
            return "400 balance_overflow".to_owned();
        }
        let balance = match self.pay(buy.player.as_str(), currency, paid) {
            Ok(balance) => balance,
            Err(refusal) => return refusal,
        };
        self.partners.offers.insert(buy.offer.to_string(), (price, currency, stock - count));
        let answer = format!("200 keys_bought {number} {balance}");
        self.partners.purchases.insert(key, (buy.clone(), answer.clone()));
        answer
    }

    /// How many keys of an offer are for sale.
    pub fn stock(&self, offer: &str) -> i128 {
        self.partners.offers.get(offer).map_or(0, |(_, _, stock)| *stock)
    }

    pub fn level(&self, player: &str) -> Option<&str> {
        self.partners.levels.get(player).map(String::as_str)
    }
}
