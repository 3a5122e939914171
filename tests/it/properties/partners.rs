//! What partners ask, at random: few names and few amounts, so that they meet.

use proptest::prelude::*;
use purser::ledger::command::CommandKey;
use purser::ledger::shop::BuyVip;
use purser::ledger::shop::{BuyKeys, KeyId, Offer, SealedKey, StockOffers, Stocking};
use purser::ledger::transactions::{Adjust, Buckets, Change, Label, QueueVoid, ResolveVoid, StakeRules};
use purser::ledger::{Act, Amount, Bucket, Party, ShopAct, State, TransactionAct};
use uuid::Uuid;

use super::histories::{currencies, player_id};
use crate::script::{UNKNOWN, key_id, set_source};

/// Names of transactions.
const NAMES: u8 = 16;

/// Those of them that are mostly stakes, and that later ones are mostly about.
const STAKES: u8 = 3;

/// An act before it is known what it is about: transactions have numbers only when they are there.
#[derive(Debug, Clone)]
pub struct Drawn {
    act: Act,
    /// The name of the transaction that it is about.
    about: Option<String>,
    /// Whether a void names the amounts that its stake moved.
    is_exact: bool,
}

impl From<Act> for Drawn {
    fn from(act: Act) -> Self {
        Self { act, about: None, is_exact: false }
    }
}

impl Drawn {
    /// The act, told to a ledger that holds `state`.
    pub fn told(&self, party: &Party, state: &State) -> Act {
        let mut act = self.act.clone();
        if let Act::Shop(ShopAct::StockOffers(stock)) = &mut act {
            // Keys of two parties are never the same.
            for key in stock.offers.iter_mut().flat_map(|stocking| &mut stocking.keys) {
                key.id = key_id(party, &key.id.0.to_string());
            }
        }
        let Some(about) = &self.about else { return act };
        let known = state.transactions.named(CommandKey::of_adjust(party, about));
        set_source(&mut act, known.map_or(UNKNOWN, |known| known.number));
        if let (
            Act::Transaction(TransactionAct::Adjust(Adjust { change: Change::Void { amounts, external, .. }, .. })),
            Some(known),
            true,
        ) = (&mut act, known, self.is_exact)
        {
            *amounts = known.moved.reversed().unwrap_or(*amounts);
            *external = known.external.checked_neg().unwrap_or(*external);
        }
        act
    }
}

pub fn acts() -> impl Strategy<Value = Drawn> {
    prop_oneof![
        5 => adjust(stake_name(), stake()),
        2 => adjust(name(), stake()),
        2 => adjust(name(), pay()),
        1 => (adjust(name(), pay()), stake_name()).prop_map(|(drawn, about)| Drawn { about: Some(about), ..drawn }),
        6 => (adjust(name(), void()), stake_name(), prop::bool::weighted(0.8))
            .prop_map(|(drawn, about, is_exact)| Drawn { about: Some(about), is_exact, ..drawn }),
        3 => adjust(name(), minor().prop_map(|amount| Change::Win { amount })),
        3 => adjust(name(), refund()),
        4 => adjust(name(), rolled_back().prop_map(|name| Change::Rollback { name: name.into() })),
        4 => queue(),
        7 => resolve(),
        1 => vip(),
        1 => stock(),
        3 => buy(),
    ]
}

fn name() -> impl Strategy<Value = String> {
    (0..NAMES).prop_map(|number| format!("t{number}"))
}

fn stake_name() -> impl Strategy<Value = String> {
    (0..STAKES).prop_map(|number| format!("t{number}"))
}

/// Transactions that operators hear of.
fn queued() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just("t0"), 1 => Just("t1")].prop_map(str::to_owned)
}

/// Mostly amounts that meet; now and then none, too little and far too much.
fn minor() -> impl Strategy<Value = i64> {
    prop_oneof![20 => Just(5_i64), 15 => Just(3_i64), 8 => Just(0_i64), 2 => Just(-1_i64), 1 => Just(i64::MAX)]
}

fn external() -> impl Strategy<Value = i64> {
    prop_oneof![15 => Just(0_i64), 3 => Just(2_i64), 1 => Just(-1_i64), 1 => Just(i64::MAX)]
}

fn stake() -> impl Strategy<Value = Change> {
    use Bucket::{Bonus, GbtBonus, Real, RingFenced};
    let orders = [vec![Real], vec![Bonus, Real], vec![Real, Bonus], vec![Real, Real], vec![RingFenced, GbtBonus, Real]];
    let from = prop_oneof![3 => Just(orders[0].clone()), 4 => prop::sample::select(orders.to_vec())];
    (minor(), external(), from).prop_map(|(total, external, from)| Change::Stake { total, external, from })
}

fn buckets() -> impl Strategy<Value = Buckets> {
    let rare = || prop_oneof![6 => Just(0_i64), 1 => Just(2_i64)];
    (minor(), rare(), rare(), rare()).prop_map(|(real, bonus, ring_fenced, gbt_bonus)| Buckets {
        real,
        bonus,
        ring_fenced,
        gbt_bonus,
    })
}

fn pay() -> impl Strategy<Value = Change> {
    (buckets(), external()).prop_map(|(amounts, external)| Change::Pay { amounts, external, source: None })
}

fn void() -> impl Strategy<Value = Change> {
    (buckets(), external()).prop_map(|(amounts, external)| Change::Void { source: UNKNOWN, amounts, external })
}

fn refund() -> impl Strategy<Value = Change> {
    (minor(), prop::option::weighted(0.3, currencies()))
        .prop_map(|(amount, currency)| Change::Refund { amount, currency })
}

fn attempts() -> impl Strategy<Value = i32> {
    prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(2)]
}

fn label() -> impl Strategy<Value = Label> {
    let scope = prop_oneof![12 => Just("qp"), 1 => Just("bs")];
    let round = prop_oneof![6 => Just(Some("g1")), 2 => Just(Some("g2")), 1 => Just(None)];
    (scope, round, 0..2_i32).prop_map(|(scope, round, kind)| Label {
        scope: scope.into(),
        kind,
        region: 0,
        partner: 0,
        reference: "reference".into(),
        round: round.map(Into::into),
    })
}

/// Whatever may have moved something, and stakes as often again.
fn rolled_back() -> impl Strategy<Value = String> {
    prop_oneof![name(), stake_name()]
}

fn adjust(name: impl Strategy<Value = String>, change: impl Strategy<Value = Change>) -> impl Strategy<Value = Drawn> {
    let product = prop_oneof![12 => Just(0_i32), 1 => Just(7_i32)];
    let said = prop_oneof![8 => Just(""), 1 => Just("one"), 1 => Just("other")];
    let carried = (prop::option::of(Just("1.5")), prop::option::of(Just("token")), said);
    (player_id(), name, label(), (currencies(), product), carried, change).prop_map(
        |(player, name, label, (currency, product), (worth, token, said), change)| {
            Drawn::from(Act::Transaction(TransactionAct::Adjust(Adjust {
                player,
                name: name.into(),
                label,
                currency,
                product,
                change,
                memo: "".into(),
                said: said.into(),
                worth: worth.map(Into::into),
                number: None,
                stakes: StakeRules::OneEnd,
                token: token.map(Into::into),
            })))
        },
    )
}

fn queue() -> impl Strategy<Value = Drawn> {
    let kind = prop_oneof![5 => Just(0_i32), 1 => Just(1_i32)];
    (player_id(), queued(), kind, attempts()).prop_map(|(player, about, kind, attempt)| {
        let act = Act::Transaction(TransactionAct::QueueVoid(QueueVoid { player, source: UNKNOWN, kind, attempt }));
        Drawn { about: Some(about), ..Drawn::from(act) }
    })
}

fn resolve() -> impl Strategy<Value = Drawn> {
    (player_id(), queued(), any::<bool>(), attempts()).prop_map(|(player, about, approve, attempt)| {
        let act = Act::Transaction(TransactionAct::ResolveVoid(ResolveVoid {
            player,
            source: UNKNOWN,
            approve,
            attempt,
            number: None,
        }));
        Drawn { about: Some(about), ..Drawn::from(act) }
    })
}

fn prices() -> impl Strategy<Value = Amount> {
    let minor = prop_oneof![20 => Just(4_i64), 3 => Just(6_i64), 1 => Just(i64::MAX)];
    minor.prop_map(|minor| Amount::new(minor).expect("a price"))
}

fn vip() -> impl Strategy<Value = Drawn> {
    let levels = ["bronze", "silver", "gold"];
    let rungs = prop_oneof![4 => Just(3_usize), 1 => Just(2_usize)];
    let level = prop::sample::select(levels.to_vec());
    (player_id(), level, prices(), currencies(), rungs, 0..6_u8).prop_map(
        move |(player, level, price, currency, rungs, key)| {
            let ladder = levels[..rungs].iter().map(|rung| (*rung).into()).collect();
            let key = key.to_string().into();
            Drawn::from(Act::Shop(ShopAct::BuyVip(BuyVip {
                player,
                level: level.into(),
                price,
                currency,
                ladder,
                key,
            })))
        },
    )
}

fn offers() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just("card"), 2 => Just("game")]
}

fn stock() -> impl Strategy<Value = Drawn> {
    let keys = prop::collection::vec(0..16_u128, 0..5);
    let stocking = (offers(), prices(), currencies(), keys).prop_map(|(offer, price, currency, keys)| {
        let sealed = |key| SealedKey { id: KeyId(Uuid::from_u128(key)), sealed: format!("sealed {key}").into() };
        let offer = Offer { id: offer.into(), name: "An offer".into(), price, currency };
        Stocking { offer, keys: keys.into_iter().map(sealed).collect() }
    });
    (prop::collection::vec(stocking, 1..3), 0..8_u8).prop_map(|(offers, key)| {
        let key = key.to_string().into();
        Drawn::from(Act::Shop(ShopAct::StockOffers(StockOffers { offers, key })))
    })
}

fn buy() -> impl Strategy<Value = Drawn> {
    let offer = prop_oneof![12 => offers(), 1 => Just("nothing")];
    let named = (prop_oneof![6 => Just("shop"), 1 => Just("kiosk")], 0..10_u8);
    (player_id(), named, offer, 0..3_u32, prices(), currencies()).prop_map(
        |(player, (buyer, reference), offer, count, price, currency)| {
            Drawn::from(Act::Shop(ShopAct::BuyKeys(BuyKeys {
                player,
                buyer: buyer.into(),
                reference: reference.to_string().into(),
                offer: offer.into(),
                count,
                price,
                currency,
                number: None,
            })))
        },
    )
}
