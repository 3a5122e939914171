//! What partners ask, as scenarios write it.

use std::collections::HashMap;

use purser::ledger::command::CommandKey;
use purser::ledger::shop::BuyVip;
use purser::ledger::shop::{BuyKeys, KeyId, Offer, OfferId, SealedKey, StockOffers, Stocking};
use purser::ledger::transactions::{Adjust, Buckets, Change, Label, QueueVoid, ResolveVoid, StakeRules, Transaction};
use purser::ledger::{Act, Bucket, Done, Outcome, Party, ShopAct, ShopDone, TransactionAct, TransactionDone};

use super::{Line, Step, amount, currency, told};

/// The number of a transaction that has none.
pub const UNKNOWN: i64 = 8_000_000_000_000;

/// What a scenario calls the numbers that the ledger gave.
#[derive(Default)]
pub struct Names {
    numbers: HashMap<String, i64>,
}

impl Names {
    pub fn number(&self, name: &str) -> i64 {
        self.numbers.get(name).copied().unwrap_or(UNKNOWN)
    }

    fn name(&self, number: i64) -> String {
        let mut named = self.numbers.iter().filter(|(_, known)| **known == number).map(|(name, _)| name.clone());
        named.next().unwrap_or_else(|| number.to_string())
    }

    /// Remembers the number that a step was given, if it was.
    pub fn learn(&mut self, step: &Step, outcome: Outcome) {
        if let (Some(name), Some(number)) = (&step.name, given(outcome)) {
            self.numbers.entry(name.clone()).or_insert(number);
        }
    }

    /// An outcome as scenarios write it: with names for numbers.
    pub fn told(&self, outcome: Outcome) -> String {
        let (told, number) = (told(outcome), given(outcome).or_else(|| mentioned(outcome)));
        let Some(number) = number else { return told };
        let mut words: Vec<String> = told.split(' ').map(str::to_owned).collect();
        words[2] = self.name(number);
        words.join(" ")
    }
}

/// The number that an outcome gives.
fn given(outcome: Outcome) -> Option<i64> {
    match outcome {
        Outcome::Done(Done::Transaction(
            TransactionDone::Adjusted { transaction, .. } | TransactionDone::VoidApproved { transaction },
        )) => Some(transaction),
        Outcome::Done(Done::Shop(ShopDone::KeysBought { order, .. })) => Some(order),
        _ => None,
    }
}

/// The number of another transaction that an outcome mentions.
fn mentioned(outcome: Outcome) -> Option<i64> {
    match outcome {
        Outcome::Done(Done::Transaction(TransactionDone::AlreadyVoided { transaction })) => Some(transaction),
        _ => None,
    }
}

/// A transaction as scenarios write it: its state, what ended it, what it moved, and what was moved elsewhere.
pub fn written(transaction: &Transaction, names: &Names) -> String {
    let ended = transaction.ended_by.map(|number| format!(" by {}", names.name(number)));
    let source = transaction.source.map(|number| format!(" of {}", names.name(number)));
    let moved = transaction.moved.used().map(|(bucket, minor)| format!(", {} {minor}", bucket.as_str()));
    let external = Some(transaction.external).filter(|minor| *minor != 0).map(|minor| format!(", external {minor}"));
    let parts = [transaction.state.as_str().to_owned(), ended.unwrap_or_default(), source.unwrap_or_default()];
    parts.into_iter().chain(moved).chain(external).collect()
}

/// Says by its number which transaction an act is about.
pub fn set_source(act: &mut Act, number: i64) {
    match act {
        Act::Transaction(TransactionAct::Adjust(adjust)) => match &mut adjust.change {
            Change::Pay { source, .. } => *source = Some(number),
            Change::Void { source, .. } => *source = number,
            Change::Stake { .. } | Change::Win { .. } | Change::Refund { .. } | Change::Rollback { .. } => {}
        },
        Act::Transaction(TransactionAct::QueueVoid(queue)) => queue.source = number,
        Act::Transaction(TransactionAct::ResolveVoid(resolve)) => resolve.source = number,
        _ => {}
    }
}

/// The id of a gift-card key: like the real ones, another one for each party.
pub fn key_id(party: &Party, name: &str) -> KeyId {
    KeyId(OfferId::of(party, &format!("key {name}")).uuid())
}

impl Line<'_> {
    /// The transaction that the line is about, where it is known by its number.
    pub(super) fn about(&self) -> Option<String> {
        match self.words[0] {
            "pay" => self.options.get("source").map(|name| (*name).to_owned()),
            "void" => Some(self.words[3].to_owned()),
            "queue" | "approve" | "dismiss" => Some(self.words[2].to_owned()),
            _ => None,
        }
    }

    /// What the line's number is called, if it is given one.
    pub(super) fn name(&self) -> Option<String> {
        match self.words[0] {
            "stake" | "pay" | "void" | "prize" | "refund" | "rollback" | "buy" => Some(self.words[2].to_owned()),
            "approve" => Some(format!("approved:{}", self.words[2])),
            _ => None,
        }
    }

    /// Transactions are found by their names.
    pub(super) fn transaction_key(&self, name: &str) -> CommandKey {
        CommandKey::of_adjust(self.party, name)
    }

    pub(super) fn partner_act(&self) -> Option<Act> {
        let act = match self.words[0] {
            "stake" => {
                let from = self.options.get("from").copied().unwrap_or("real").split(',');
                let from = from.map(|name| Bucket::parse(name).expect("a bucket")).collect();
                let change = Change::Stake { total: minor(self.words[4]), external: self.external(), from };
                self.adjust(3, 5, change)
            }
            "pay" => {
                let (amounts, external) = (buckets(self.words[4]), self.external());
                // Its number comes when it is known.
                self.adjust(3, 5, Change::Pay { amounts, external, source: None })
            }
            "void" => {
                let (amounts, external) = (buckets(self.words[4]), self.external());
                self.adjust(99, 5, Change::Void { source: 0, amounts, external })
            }
            "prize" => self.adjust(3, 5, Change::Win { amount: minor(self.words[4]) }),
            "refund" => {
                let theirs = self.options.get("in").map(|text| currency(text));
                self.adjust(3, 5, Change::Refund { amount: minor(self.words[4]), currency: theirs })
            }
            "rollback" => self.adjust(99, 4, Change::Rollback { name: self.words[3].into() }),
            "queue" => {
                let (kind, attempt) = (self.count("kind"), self.count("attempt"));
                Act::Transaction(TransactionAct::QueueVoid(QueueVoid {
                    player: self.player(),
                    source: 0,
                    kind,
                    attempt,
                }))
            }
            "approve" | "dismiss" => {
                let approve = self.words[0] == "approve";
                let attempt = self.count("attempt");
                Act::Transaction(TransactionAct::ResolveVoid(ResolveVoid {
                    player: self.player(),
                    source: 0,
                    approve,
                    attempt,
                    number: None,
                }))
            }
            "vip" => self.vip(),
            "stock" => self.stock(),
            "buy" => self.buy(),
            _ => return None,
        };
        Some(act)
    }

    fn adjust(&self, round_at: usize, currency_at: usize, change: Change) -> Act {
        let option = |name: &str| self.options.get(name).copied();
        let round = self.words.get(round_at).filter(|round| **round != "-").map(|round| (*round).into());
        let label = Label {
            scope: option("scope").unwrap_or("partner").into(),
            kind: self.count("kind"),
            region: self.count("region"),
            partner: self.count("partner"),
            reference: self.words[2].into(),
            round,
        };
        Act::Transaction(TransactionAct::Adjust(Adjust {
            player: self.player(),
            name: self.words[2].into(),
            label,
            currency: currency(self.words[currency_at]),
            product: self.count("product"),
            change,
            memo: option("memo").unwrap_or_default().into(),
            said: option("said").unwrap_or_default().into(),
            worth: option("worth").map(Into::into),
            number: None,
            stakes: if option("rules") == Some("first") { StakeRules::First } else { StakeRules::OneEnd },
            token: option("token").map(Into::into),
        }))
    }

    fn vip(&self) -> Act {
        let ladder = self.options.get("ladder").copied().unwrap_or("bronze,silver,gold");
        Act::Shop(ShopAct::BuyVip(BuyVip {
            player: self.player(),
            level: self.words[2].into(),
            price: amount(self.words[3]),
            currency: currency(self.words[4]),
            ladder: ladder.split(',').map(Into::into).collect(),
            key: self.key(),
        }))
    }

    fn stock(&self) -> Act {
        let offers = self.words[1..].split(|word| *word == "and").map(|words| {
            let keys = words[3].split(',').filter(|name| *name != "-");
            let sealed =
                |name: &str| SealedKey { id: key_id(self.party, name), sealed: format!("sealed {name}").into() };
            let (id, name) = (words[0].into(), format!("A {}", words[0]).into());
            let offer = Offer { id, name, price: amount(words[1]), currency: currency(words[2]) };
            Stocking { offer, keys: keys.map(sealed).collect() }
        });
        Act::Shop(ShopAct::StockOffers(StockOffers { offers: offers.collect(), key: self.key() }))
    }

    fn buy(&self) -> Act {
        Act::Shop(ShopAct::BuyKeys(BuyKeys {
            player: self.player(),
            buyer: self.options.get("buyer").copied().unwrap_or("shop").into(),
            reference: self.words[2].into(),
            offer: self.words[3].into(),
            count: self.words[4].parse().expect("a number of keys"),
            price: amount(self.words[5]),
            currency: currency(self.words[6]),
            number: None,
        }))
    }

    fn external(&self) -> i64 {
        self.options.get("external").map_or(0, |text| minor(text))
    }

    fn count(&self, option: &str) -> i32 {
        self.options.get(option).map_or(0, |text| text.parse().expect("a number"))
    }

    fn key(&self) -> std::sync::Arc<str> {
        self.options.get("key").map_or_else(|| format!("line {}", self.number).into(), |key| (*key).into())
    }
}

fn minor(text: &str) -> i64 {
    if text == "MAX" { i64::MAX } else { text.parse().expect("minor units") }
}

/// Minor units of real money, and of the buckets that are named: `60,bonus:40`.
fn buckets(text: &str) -> Buckets {
    let mut buckets = Buckets::default();
    for part in text.split(',') {
        let (name, units) = part.split_once(':').unwrap_or(("real", part));
        buckets.set(Bucket::parse(name).expect("a bucket"), minor(units));
    }
    buckets
}
