//! What partner dialects write, about seven commands at a time: a contest that is entered and won, given back or rolled
//! back; money into three buckets and out of them; a stake that is voided, by the partner or by hand; a level; a key.

use purser::config::Secret;
use purser::identity::sealing::Vault;
use purser::ledger::shop::BuyVip;
use purser::ledger::shop::{BuyKeys, Offer, StockOffers, Stocking};
use purser::ledger::transactions::{Adjust, Buckets, Change, Label};
use purser::ledger::{Act, Amount, Bucket, Currency, Party, PlayerId, ShopAct, TransactionAct};

use super::{CURRENCY, Planned, SPEND_ORDER, Then, adjust, plain, player, scattered};

/// Of so many steps one asks for a void that nobody decides on.
const WAITING: usize = 100;

/// Steps between two deliveries of keys, and the keys of one; there is one purchase a step.
const DELIVERY: usize = 200;
const DELIVERED: usize = 400;
const OFFERS: usize = 50;

/// A contest's entry, minor units.
const ENTRY: i64 = 100;

/// The price of a key and of a level.
const PRICE: i64 = 95_630;

const LEVELS: [&str; 2] = ["silver", "gold"];

pub struct Partners {
    vault: Vault,
}

impl Partners {
    pub fn open(party: &Party) -> anyhow::Result<Self> {
        Ok(Self { vault: Vault::open(&Secret::new("a benchmark's, so no secret"), party)? })
    }

    pub fn begin(&self, step: usize, players: usize) -> anyhow::Result<Vec<Planned>> {
        let theirs = scattered(step, players)?;
        let mut acts = Vec::new();
        if step.is_multiple_of(DELIVERY) {
            acts.push(plain(self.delivery(step)?));
        }
        acts.extend(contest(step, &theirs)?.map(plain));
        let amounts = Buckets { real: 300, bonus: 200, ring_fenced: 100, gbt_bonus: 0 };
        let pay = Change::Pay { amounts, external: 0, source: None };
        acts.push(plain(adjust(theirs.clone(), format!("pay-{step}"), 199, pay)?));
        let stake = |total, from: &[Bucket]| Change::Stake { total, external: 0, from: from.to_vec() };
        acts.push(plain(adjust(theirs.clone(), format!("stake-{step}"), 2, stake(250, &SPEND_ORDER))?));
        let doubtful = adjust(theirs.clone(), format!("doubtful-{step}"), 2, stake(50, &[Bucket::Real]))?;
        let then = match step % 4 {
            0 => Then::Void { player: theirs.clone(), total: 50, name: format!("void-{step}") },
            // One in so many waits for an operator.
            1 => Then::Queue { player: theirs.clone(), answer: (step % WAITING != 1).then_some(step % 8 == 1) },
            _ => Then::Nothing,
        };
        acts.push(Planned { act: doubtful, then });
        if let Some(level) = LEVELS.get(step / players) {
            acts.push(plain(level_bought(player(step % players)?, level)?));
        }
        acts.push(plain(key_bought(theirs, step)?));
        Ok(acts)
    }

    fn delivery(&self, step: usize) -> anyhow::Result<Act> {
        let keys = (0..DELIVERED).map(|number| self.vault.seal(&format!("KEY-{step:09}-{number:04}")));
        let id = offer(step);
        let name = format!("Card {id}").into();
        let offer = Offer { id: id.into(), name, price: Amount::new(PRICE)?, currency: Currency::parse(CURRENCY)? };
        let stocking = Stocking { offer, keys: keys.collect::<Result<_, _>>()? };
        Ok(Act::Shop(ShopAct::StockOffers(StockOffers {
            offers: vec![stocking],
            key: format!("delivery-{step}").into(),
        })))
    }
}

fn offer(step: usize) -> String {
    (step / DELIVERY % OFFERS).to_string()
}

fn contest(step: usize, player: &PlayerId) -> anyhow::Result<[Act; 2]> {
    let entry = Change::Stake { total: ENTRY, external: 0, from: vec![Bucket::Real] };
    let name = |what: &str| format!("quickplay:{what}-{step}");
    let (kind, end) = match step % 5 {
        0 => (2, Change::Refund { amount: ENTRY, currency: None }),
        1 => (3, Change::Rollback { name: name("entry").into() }),
        _ => (1, Change::Win { amount: ENTRY * 3 / 2 }),
    };
    let named = |what: &str, kind, change| {
        let name = name(what);
        let round = Some(format!("contest-{step}").into());
        let reference = name.as_str().into();
        let label = Label { scope: "quickplay".into(), kind, region: 0, partner: 0, reference, round };
        let Act::Transaction(TransactionAct::Adjust(adjusting)) = adjust(player.clone(), name, kind, change)? else {
            anyhow::bail!("no adjustment")
        };
        Ok(Act::Transaction(TransactionAct::Adjust(Adjust { label, ..adjusting })))
    };
    Ok([named("entry", 0, entry)?, named("end", kind, end)?])
}

fn level_bought(player: PlayerId, level: &str) -> anyhow::Result<Act> {
    Ok(Act::Shop(ShopAct::BuyVip(BuyVip {
        key: format!("{level}-{player}").into(),
        player,
        level: level.into(),
        price: Amount::new(PRICE)?,
        currency: Currency::parse(CURRENCY)?,
        ladder: LEVELS.map(Into::into).to_vec(),
    })))
}

fn key_bought(player: PlayerId, step: usize) -> anyhow::Result<Act> {
    Ok(Act::Shop(ShopAct::BuyKeys(BuyKeys {
        player,
        buyer: "cc_user".into(),
        reference: format!("purchase-{step}").into(),
        offer: offer(step).into(),
        count: 1,
        price: Amount::new(PRICE)?,
        currency: Currency::parse(CURRENCY)?,
        number: None,
    })))
}
