//! What partners ask, as plainly as it can be written.

mod adjustments;
mod voids;
mod shop;

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

/// Rates, tokens and the order in which buckets are spent may differ; of two that say what they were made of, the buckets
/// themselves.
fn is_same(before: &Adjust, now: &Adjust) -> bool {
    let both_say = !before.said.is_empty() && !now.said.is_empty();
    let plain = |adjust: &Adjust| {
        let mut plain = Adjust { worth: None, token: None, number: None, ..adjust.clone() };
        plain.currency = currency_of(adjust);
        if !both_say {
            plain.said = "".into();
        }
        if let Change::Refund { currency, .. } = &mut plain.change {
            *currency = None;
        }
        if let Change::Stake { from, .. } = &mut plain.change {
            let mut sorted: Vec<Bucket> = Bucket::ALL.into_iter().filter(|bucket| from.contains(bucket)).collect();
            sorted.retain(|_| !both_say);
            std::mem::swap(from, &mut sorted);
        }
        plain
    };
    plain(before) == plain(now)
}
