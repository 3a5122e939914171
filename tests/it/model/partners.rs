//! What partners ask, as plainly as it can be written.

use std::collections::{HashMap, HashSet};

use purser::ledger::shop::BuyVip;
use purser::ledger::shop::{BuyKeys, KeyId, StockOffers};
use purser::ledger::transactions::{Adjust, Buckets, Change, QueueVoid, ResolveVoid};
use purser::ledger::{Bucket, Currency, Pocket};

use super::{Model, pocket_name};

const UNKNOWN: &str = "refused transaction_unknown";
const ENDED: &str = "refused transaction_ended";
const DISAGREE: &str = "refused amounts_disagree";

#[derive(Default)]
pub struct Partners {
    /// In the order in which they came.
    transactions: Vec<Told>,
    adjusts: HashMap<String, (Adjust, String)>,
    /// What was asked for, by the transaction that it is about and the attempt.
    queued: HashMap<(i64, i32), QueueVoid>,
    /// The last attempt and what became of it.
    voids: HashMap<i64, (i32, Verdict)>,
    /// What operators were told: of a transaction, an attempt, and an approval.
    resolved: HashMap<(i64, i32, bool), String>,
    levels: HashMap<String, String>,
    vips: HashMap<String, (BuyVip, String)>,
    offers: HashMap<String, (i64, Currency, i128)>,
    keys: HashSet<KeyId>,
    stockings: HashMap<String, (StockOffers, String)>,
    purchases: HashMap<(String, String), (BuyKeys, String)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Pending,
    Approved,
    Dismissed,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Open,
    Settled,
    Voided(i64),
    RolledBack,
    /// Never a stake, and nothing has become of it.
    Done,
    Tombstone,
    Reversal,
}

/// A transaction.
#[derive(Clone)]
struct Told {
    number: i64,
    /// What it can be rolled back by.
    name: Option<String>,
    player: String,
    scope: String,
    round: Option<String>,
    currency: Currency,
    product: i32,
    /// Real, bonus, ring-fenced and GBT bonus.
    moved: [i128; 4],
    external: i128,
    is_stake: bool,
    source: Option<i64>,
    fate: Fate,
    /// What settled, voided or rolled it back.
    ended_by: Option<i64>,
}

fn minors(buckets: &Buckets, sign: i128) -> [i128; 4] {
    [buckets.real, buckets.bonus, buckets.ring_fenced, buckets.gbt_bonus].map(|minor| sign * i128::from(minor))
}

fn pocket(currency: Currency, product: i32, bucket: Bucket) -> String {
    pocket_name(&Pocket { bucket, product, ..Pocket::real(currency) })
}

impl Model {
    pub(super) fn adjust(&mut self, adjust: &Adjust, number: i64) -> String {
        if let Some((before, answer)) = self.partners.adjusts.get(&*adjust.name) {
            return if is_same(before, adjust) { answer.clone() } else { "400 key_reused".to_owned() };
        }
        let answer = self.judge_adjust(adjust, number).unwrap_or_else(|refusal| refusal);
        let is_stake = matches!(adjust.change, Change::Stake { .. });
        if answer.starts_with("200") || (is_stake && answer.starts_with("492")) {
            self.partners.adjusts.insert(adjust.name.to_string(), (adjust.clone(), answer.clone()));
        }
        answer
    }

    fn judge_adjust(&mut self, adjust: &Adjust, number: i64) -> Result<String, String> {
        let has_tombstone = |told: &Told| told.name.as_deref() == Some(&*adjust.name);
        if self.partners.transactions.iter().any(has_tombstone) {
            return Err("refused transaction_undone".to_owned());
        }
        if !self.players.contains_key(adjust.player.as_str()) {
            return Err("495 player_unknown".to_owned());
        }
        match &adjust.change {
            Change::Stake { total, external, from } => self.stake(adjust, number, (*total, *external), from),
            Change::Pay { amounts, external, source } => {
                let minors = minors(amounts, 1);
                if minors.iter().any(|minor| *minor < 0) || *external < 0 {
                    return Err(DISAGREE.to_owned());
                }
                let paid_for = source.map(|source| self.theirs(adjust, source)).transpose()?;
                let stake = paid_for.filter(|told| told.is_stake);
                if stake.as_ref().is_some_and(|stake| matches!(stake.fate, Fate::Voided(_) | Fate::RolledBack)) {
                    return Err(ENDED.to_owned());
                }
                let external = i128::from(*external);
                let paid = Told { external, source: *source, ..begun(adjust, number, minors, Fate::Done) };
                let answer = self.move_as(paid, adjust)?;
                if let Some(Told { number: stake, fate: Fate::Open, .. }) = stake {
                    self.end(stake, Fate::Settled, number);
                }
                Ok(answer)
            }
            Change::Void { source, amounts, external } => {
                self.void(adjust, number, *source, (minors(amounts, 1), i128::from(*external)))
            }
            Change::Win { amount } => self.win(adjust, number, i128::from(*amount)),
            Change::Refund { amount, .. } => self.refund(adjust, number, i128::from(*amount)),
            Change::Rollback { name } => self.rollback(adjust, number, name),
        }
    }

    fn stake(
        &mut self,
        adjust: &Adjust,
        number: i64,
        (total, external): (i64, i64),
        from: &[Bucket],
    ) -> Result<String, String> {
        let (total, external) = (i128::from(total), i128::from(external));
        if external < 0 || total < external {
            return Err(DISAGREE.to_owned());
        }
        let mut left = total - external;
        let mut moved = [0; 4];
        let mut spent = Vec::new();
        let mut available = 0;
        for bucket in from {
            if spent.contains(bucket) {
                continue;
            }
            spent.push(*bucket);
            let name = pocket(adjust.currency, adjust.product, *bucket);
            let balance = self.balance(adjust.player.as_str(), &name);
            available += balance;
            let taken = balance.min(left);
            left -= taken;
            let place = Bucket::ALL.iter().position(|other| other == bucket).expect("a bucket");
            moved[place] = -taken;
        }
        if left > 0 {
            return Err(format!("492 insufficient_funds {}", available.min(i128::from(i64::MAX))));
        }
        let stake = Told { external: -external, is_stake: true, ..begun(adjust, number, moved, Fate::Open) };
        self.move_as(stake, adjust)
    }

    fn void(
        &mut self,
        adjust: &Adjust,
        number: i64,
        source: i64,
        (amounts, external): ([i128; 4], i128),
    ) -> Result<String, String> {
        let stake = self.theirs(adjust, source)?;
        if !stake.is_stake {
            return Err(UNKNOWN.to_owned());
        }
        match stake.fate {
            Fate::Open => {}
            Fate::Voided(by) => return Ok(format!("200 already_voided {by}")),
            _ => return Err(ENDED.to_owned()),
        }
        if stake.moved.map(|minor| -minor) != amounts || -stake.external != external {
            return Err(DISAGREE.to_owned());
        }
        let (currency, product) = (stake.currency, stake.product);
        let begun = begun(adjust, number, amounts, Fate::Done);
        let void = Told { external, source: Some(source), currency, product, ..begun };
        let answer = self.move_as(void, adjust)?;
        self.end(source, Fate::Voided(number), number);
        Ok(answer)
    }

    fn win(&mut self, adjust: &Adjust, number: i64, amount: i128) -> Result<String, String> {
        if amount < 0 {
            return Err(DISAGREE.to_owned());
        }
        let stakes = self.stakes(adjust);
        let open = stakes.iter().find(|stake| stake.fate == Fate::Open).map(|stake| stake.number);
        if !stakes.is_empty() && open.is_none() {
            return Err(ENDED.to_owned());
        }
        let win = Told { source: open, ..begun(adjust, number, [amount, 0, 0, 0], Fate::Done) };
        let answer = self.move_as(win, adjust)?;
        if let Some(stake) = open {
            self.end(stake, Fate::Settled, number);
        }
        Ok(answer)
    }

    fn refund(&mut self, adjust: &Adjust, number: i64, amount: i128) -> Result<String, String> {
        if amount < 0 {
            return Err(DISAGREE.to_owned());
        }
        let stakes = self.stakes(adjust);
        if stakes.is_empty() {
            return Err(UNKNOWN.to_owned());
        }
        let open: Vec<&Told> = stakes.iter().filter(|stake| stake.fate == Fate::Open).collect();
        if open.is_empty() {
            return Err(ENDED.to_owned());
        }
        let fits = |stake: &&&Told| stake.currency == currency_of(adjust) && stake.moved == [-amount, 0, 0, 0];
        let Some(stake) = open.iter().find(fits) else {
            return Err(DISAGREE.to_owned());
        };
        let (stake, currency, product) = (stake.number, stake.currency, stake.product);
        let begun = begun(adjust, number, [amount, 0, 0, 0], Fate::Done);
        let refund = Told { source: Some(stake), currency, product, ..begun };
        let answer = self.move_as(refund, adjust)?;
        self.end(stake, Fate::Voided(number), number);
        Ok(answer)
    }

    fn rollback(&mut self, adjust: &Adjust, number: i64, name: &str) -> Result<String, String> {
        let nothing_undone = |model: &Self| format!("200 nothing_undone {}", model.real(adjust));
        let known = self.partners.transactions.iter().find(|told| told.name.as_deref() == Some(name)).cloned();
        let Some(undone) = known else {
            let tombstone = Told { name: Some(name.to_owned()), ..begun(adjust, number, [0; 4], Fate::Tombstone) };
            self.partners.transactions.push(tombstone);
            return Ok(nothing_undone(self));
        };
        if undone.player != adjust.player.as_str() {
            return Err(UNKNOWN.to_owned());
        }
        match undone.fate {
            Fate::RolledBack | Fate::Tombstone => return Ok(nothing_undone(self)),
            Fate::Settled | Fate::Voided(_) | Fate::Reversal => return Err(ENDED.to_owned()),
            Fate::Open | Fate::Done => {}
        }
        let moved = undone.moved.map(|minor| -minor);
        let (currency, product) = (undone.currency, undone.product);
        let source = Some(undone.number);
        let reversal = Told { currency, product, source, ..begun(adjust, number, moved, Fate::Reversal) };
        let answer = self.move_as(reversal, adjust)?;
        self.end(undone.number, Fate::RolledBack, number);
        if let Some(stake) = undone.source.and_then(|source| self.find(source))
            && stake.ended_by == Some(undone.number)
            && matches!(stake.fate, Fate::Settled | Fate::Voided(_))
        {
            stake.fate = Fate::Open;
            stake.ended_by = None;
        }
        Ok(answer)
    }

    /// Moves all that a transaction moves, or nothing, and keeps it.
    fn move_all(&mut self, told: Told) -> Result<(), String> {
        let mut after = Vec::new();
        for (bucket, minor) in Bucket::ALL.into_iter().zip(told.moved).filter(|(_, minor)| *minor != 0) {
            let name = pocket(told.currency, told.product, bucket);
            let balance = self.balance(&told.player, &name);
            if balance + minor < 0 {
                return Err(format!("492 insufficient_funds {balance}"));
            }
            if balance + minor > i128::from(i64::MAX) {
                return Err("400 balance_overflow".to_owned());
            }
            after.push(((told.player.clone(), name), balance + minor));
        }
        self.balances.extend(after);
        self.partners.transactions.push(told);
        Ok(())
    }

    fn move_as(&mut self, told: Told, adjust: &Adjust) -> Result<String, String> {
        let number = told.number;
        self.move_all(told)?;
        Ok(format!("200 adjusted {number} {}", self.real(adjust)))
    }

    fn real(&self, adjust: &Adjust) -> i128 {
        self.balance(adjust.player.as_str(), &pocket(adjust.currency, adjust.product, Bucket::Real))
    }

    fn find(&mut self, number: i64) -> Option<&mut Told> {
        self.partners.transactions.iter_mut().find(|told| told.number == number)
    }

    fn end(&mut self, number: i64, fate: Fate, by: i64) {
        let ended = self.find(number).expect("what ends is known");
        ended.fate = fate;
        ended.ended_by = Some(by);
    }

    fn theirs(&mut self, adjust: &Adjust, number: i64) -> Result<Told, String> {
        let theirs = |told: &&mut Told| told.player == adjust.player.as_str() && told.scope == *adjust.label.scope;
        self.find(number).filter(theirs).map(|told| told.clone()).ok_or_else(|| UNKNOWN.to_owned())
    }

    /// The player's stakes in the round, whatever became of them.
    fn stakes(&self, adjust: &Adjust) -> Vec<Told> {
        let Some(round) = &adjust.label.round else { return Vec::new() };
        let in_round = self.partners.transactions.iter().filter(|told| {
            told.player == adjust.player.as_str()
                && told.scope == *adjust.label.scope
                && told.round.as_deref() == Some(&**round)
                && told.is_stake
        });
        in_round.cloned().collect()
    }

    pub(super) fn queue_void(&mut self, queue: &QueueVoid) -> String {
        let (source, attempt) = (queue.source, queue.attempt);
        if let Some(before) = self.partners.queued.get(&(source, attempt)) {
            return if before == queue { "200 void_queued" } else { "400 key_reused" }.to_owned();
        }
        if self.find(source).is_none_or(|told| told.player != queue.player.as_str()) {
            return UNKNOWN.to_owned();
        }
        let is_next = match self.partners.voids.get(&source) {
            None => attempt == 0,
            Some((last, verdict)) => *verdict == Verdict::Dismissed && attempt == last + 1,
        };
        if !is_next {
            return "refused void_unknown".to_owned();
        }
        self.partners.queued.insert((source, attempt), queue.clone());
        self.partners.voids.insert(source, (attempt, Verdict::Pending));
        "200 void_queued".to_owned()
    }

    pub(super) fn resolve_void(&mut self, resolve: &ResolveVoid, number: i64) -> String {
        let key = (resolve.source, resolve.attempt, resolve.approve);
        // An answer that was given is given again, whoever asks.
        if let Some(answer) = self.partners.resolved.get(&key) {
            return answer.clone();
        }
        if !self.players.contains_key(resolve.player.as_str()) {
            return "495 player_unknown".to_owned();
        }
        let Some(known) = self.partners.voids.get(&resolve.source).copied() else {
            return "refused void_unknown".to_owned();
        };
        let source = self.find(resolve.source).cloned().expect("what is queued is known");
        if source.player != resolve.player.as_str() {
            return UNKNOWN.to_owned();
        }
        if known != (resolve.attempt, Verdict::Pending) {
            return "refused void_resolved".to_owned();
        }
        let answer = if resolve.approve { self.approve(source, number) } else { "200 void_dismissed".to_owned() };
        if answer.starts_with("200") {
            let verdict = if resolve.approve { Verdict::Approved } else { Verdict::Dismissed };
            self.partners.voids.insert(resolve.source, (resolve.attempt, verdict));
            self.partners.resolved.insert(key, answer.clone());
        }
        answer
    }

    fn approve(&mut self, source: Told, number: i64) -> String {
        if !matches!(source.fate, Fate::Open | Fate::Settled | Fate::Done) {
            return ENDED.to_owned();
        }
        let (moved, external) = (source.moved.map(|minor| -minor), -source.external);
        let about = source.number;
        let reversal = Told {
            number,
            name: None,
            moved,
            external,
            is_stake: false,
            source: Some(about),
            fate: Fate::Reversal,
            ended_by: None,
            ..source
        };
        if let Err(refusal) = self.move_all(reversal) {
            return refusal;
        }
        self.end(about, Fate::Voided(number), number);
        format!("200 void_approved {number}")
    }

    pub(super) fn buy_vip(&mut self, buy: &BuyVip) -> String {
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

    pub(super) fn stock_offers(&mut self, stock: &StockOffers) -> String {
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

    pub(super) fn buy_keys(&mut self, buy: &BuyKeys, number: i64) -> String {
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

/// A transaction as it begins; most are no stakes.
fn begun(adjust: &Adjust, number: i64, moved: [i128; 4], fate: Fate) -> Told {
    Told {
        number,
        name: Some(adjust.name.to_string()),
        player: adjust.player.to_string(),
        scope: adjust.label.scope.to_string(),
        round: adjust.label.round.as_deref().map(str::to_owned),
        currency: adjust.currency,
        product: adjust.product,
        moved,
        external: 0,
        is_stake: false,
        source: None,
        fate,
        ended_by: None,
    }
}

/// What an amount is in.
fn currency_of(adjust: &Adjust) -> Currency {
    match adjust.change {
        Change::Refund { currency: Some(currency), .. } => currency,
        _ => adjust.currency,
    }
}

/// Rates, tokens and the order in which buckets are spent may differ.
fn is_same(before: &Adjust, now: &Adjust) -> bool {
    let plain = |adjust: &Adjust| {
        let mut plain = Adjust { worth: None, token: None, number: None, ..adjust.clone() };
        plain.currency = currency_of(adjust);
        if let Change::Refund { currency, .. } = &mut plain.change {
            *currency = None;
        }
        if let Change::Stake { from, .. } = &mut plain.change {
            let mut sorted: Vec<Bucket> = Bucket::ALL.into_iter().filter(|bucket| from.contains(bucket)).collect();
            std::mem::swap(from, &mut sorted);
        }
        plain
    };
    plain(before) == plain(now)
}
