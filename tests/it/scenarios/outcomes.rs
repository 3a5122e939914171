//! Every outcome there is, area by area, in the order of its enum.

use super::{Scenario, check};
use crate::script::tidied;

/// `Done`, variant by variant.
const DONE: &[Scenario] = &[
    (
        "PlayerOpened",
        "open alice CHF           -> 200 opened
         balance alice CHF        -> 0",
    ),
    (
        "Deposited",
        "open alice CHF           -> 200 opened
         deposit alice 1000 CHF   -> 200 deposited 1000
         deposit alice 1 CHF      -> 200 deposited 1001
         balance alice CHF        -> 1001",
    ),
    (
        "Withdrawn",
        "open alice CHF           -> 200 opened
         deposit alice 1000 CHF   -> 200 deposited 1000
         withdraw alice 400 CHF   -> 200 withdrawn 600
         withdraw alice 600 CHF   -> 200 withdrawn 0
         balance alice CHF        -> 0",
    ),
    (
        "BetPlaced",
        "open alice CHF           -> 200 opened
         deposit alice 1000 CHF   -> 200 deposited 1000
         bet alice o1 r1 300 CHF  -> 201 placed
         bet alice o2 r1 700 CHF  -> 201 placed
         balance alice CHF        -> 0
         order o1                 -> open, paid 0
         order o2                 -> open, paid 0",
    ),
    (
        "OrderSettled by a win pays the amount",
        "open alice CHF           -> 200 opened
         deposit alice 1000 CHF   -> 200 deposited 1000
         bet alice o1 r1 300 CHF  -> 201 placed
         win alice o1 r1 250 CHF  -> 200 settled 250
         balance alice CHF        -> 950
         order o1                 -> won, paid 250",
    ),
    (
        "OrderSettled by a tie pays the amount",
        "open alice CHF           -> 200 opened
         deposit alice 1000 CHF   -> 200 deposited 1000
         bet alice o1 r1 300 CHF  -> 201 placed
         tie alice o1 r1 299 CHF  -> 200 settled 299
         balance alice CHF        -> 999
         order o1                 -> tied, paid 299",
    ),
    (
        "OrderSettled by a tie without an amount pays the stake",
        "open alice CHF           -> 200 opened
         deposit alice 1000 CHF   -> 200 deposited 1000
         bet alice o1 r1 300 CHF  -> 201 placed
         tie alice o1 r1 stake    -> 200 settled 300
         balance alice CHF        -> 1000
         order o1                 -> tied, paid 300",
    ),
    (
        "OrderSettled by a loss pays nothing, whatever amount it names",
        "open alice CHF           -> 200 opened
         deposit alice 1000 CHF   -> 200 deposited 1000
         bet alice o1 r1 300 CHF  -> 201 placed
         lose alice o1 r1 250 CHF -> 200 settled 0
         balance alice CHF        -> 700
         order o1                 -> lost, paid 0",
    ),
    (
        "OrderCancelled refunds the stake",
        "open alice CHF           -> 200 opened
         deposit alice 1000 CHF   -> 200 deposited 1000
         bet alice o1 r1 300 CHF  -> 201 placed
         cancel alice o1          -> 200 cancelled 300
         balance alice CHF        -> 1000
         order o1                 -> cancelled, paid 300",
    ),
    (
        "Adjusted by a stake",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stake alice s1 g1 300 CHF -> 200 adjusted s1 700
         balance alice CHF         -> 700
         transaction s1            -> open, real -300",
    ),
    (
        "Adjusted by a payment",
        "open alice CHF            -> 200 opened
         pay alice p1 - 300 CHF    -> 200 adjusted p1 300
         balance alice CHF         -> 300
         transaction p1            -> done, real 300",
    ),
    (
        "Adjusted by a void",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stake alice s1 g1 300 CHF -> 200 adjusted s1 700
         void alice v1 s1 300 CHF  -> 200 adjusted v1 1000
         transaction s1            -> voided by v1, real -300
         transaction v1            -> done of s1, real 300",
    ),
    (
        "Adjusted by a win",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stake alice s1 g1 300 CHF -> 200 adjusted s1 700
         prize alice w1 g1 500 CHF -> 200 adjusted w1 1200
         transaction s1            -> settled by w1, real -300
         transaction w1            -> done of s1, real 500",
    ),
    (
        "Adjusted by a refund",
        "open alice CHF             -> 200 opened
         deposit alice 1000 CHF     -> 200 deposited 1000
         stake alice s1 g1 300 CHF  -> 200 adjusted s1 700
         refund alice f1 g1 300 CHF -> 200 adjusted f1 1000
         transaction s1             -> voided by f1, real -300
         transaction f1             -> done of s1, real 300",
    ),
    (
        "Adjusted by a rollback",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stake alice s1 g1 300 CHF -> 200 adjusted s1 700
         rollback alice b1 s1 CHF  -> 200 adjusted b1 1000
         transaction s1            -> rolled_back by b1, real -300
         transaction b1            -> reversal of s1, real 300",
    ),
    (
        "AlreadyVoided",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stake alice s1 g1 300 CHF -> 200 adjusted s1 700
         void alice v1 s1 300 CHF  -> 200 adjusted v1 1000
         void alice v2 s1 300 CHF  -> 200 already_voided v1
         balance alice CHF         -> 1000
         transaction v2            -> unknown",
    ),
    (
        "NothingUndone",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         rollback alice b1 s1 CHF  -> 200 nothing_undone 1000
         transaction s1            -> tombstone
         transaction b1            -> unknown",
    ),
    (
        "VoidQueued",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stake alice s1 g1 300 CHF -> 200 adjusted s1 700
         queue alice s1            -> 200 void_queued
         queued s1                 -> pending
         balance alice CHF         -> 700",
    ),
    (
        "VoidApproved",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stake alice s1 g1 300 CHF -> 200 adjusted s1 700
         queue alice s1            -> 200 void_queued
         approve alice s1          -> 200 void_approved approved:s1
         queued s1                 -> approved
         transaction s1            -> voided by approved:s1, real -300
         balance alice CHF         -> 1000",
    ),
    (
        "VoidDismissed",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stake alice s1 g1 300 CHF -> 200 adjusted s1 700
         queue alice s1            -> 200 void_queued
         dismiss alice s1          -> 200 void_dismissed
         queued s1                 -> dismissed
         transaction s1            -> open, real -300
         balance alice CHF         -> 700",
    ),
    (
        "VipBought",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         level alice               -> none
         vip alice silver 300 CHF  -> 200 vip_bought 700
         level alice               -> silver",
    ),
    (
        "OffersStocked",
        "offer card                -> unknown
         stock card 30 CHF k1,k2   -> 200 offers_stocked 2
         offer card                -> 2 at 30 CHF",
    ),
    (
        "KeysBought",
        "open alice CHF            -> 200 opened
         deposit alice 1000 CHF    -> 200 deposited 1000
         stock card 30 CHF k1,k2,k3 -> 200 offers_stocked 3
         buy alice b1 card 2 30 CHF -> 200 keys_bought b1 940
         offer card                -> 1 at 30 CHF",
    ),
];

/// `Refusal`, variant by variant.
const REFUSED: &[Scenario] = &[
    (
        "KeyReused: the same key with other data",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         bet alice o1 r1 300 CHF         -> 201 placed
         bet alice o1 r1 301 CHF         -> 400 key_reused
         balance alice CHF               -> 700",
    ),
    (
        "PlayerUnknown",
        "deposit ghost 1 CHF             -> 495 player_unknown
         withdraw ghost 1 CHF            -> 495 player_unknown
         bet ghost o1 r1 300 CHF         -> 495 player_unknown
         win ghost o2 r1 1 CHF           -> 495 player_unknown
         cancel ghost o3                 -> 495 player_unknown
         balance ghost CHF               -> nobody
         order o1 of=ghost               -> refused, paid 0
         order o3 of=ghost               -> unknown",
    ),
    (
        "UsernameTaken: a name to sign in by is one player's",
        "open alice CHF username=ally     -> 200 opened
         open bob CHF username=ally       -> refused username_taken
         deposit bob 1 CHF                -> 495 player_unknown
         open alice CHF username=ally     -> 200 opened
         open alice CHF username=al       -> 400 key_reused
         open bob CHF username=bobby      -> 200 opened
         open carol CHF username=bobby    -> refused username_taken
         open carol CHF                   -> 200 opened",
    ),
    (
        "InsufficientFunds",
        "open alice CHF                  -> 200 opened
         deposit alice 299 CHF           -> 200 deposited 299
         bet alice o1 r1 300 CHF         -> 492 insufficient_funds 299
         withdraw alice 300 CHF          -> 492 insufficient_funds 299
         bet alice o2 r1 1 EUR           -> 492 insufficient_funds 0
         balance alice CHF               -> 299
         order o1 of=alice               -> refused, paid 0",
    ),
    (
        "BalanceOverflow",
        "open alice CHF                  -> 200 opened
         deposit alice MAX CHF           -> 200 deposited 9223372036854775807
         deposit alice 1 CHF             -> 400 balance_overflow
         balance alice CHF               -> 9223372036854775807",
    ),
    (
        "DiffersFromBet: a result in another currency, or for another wallet",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         bet alice o1 r1 300 CHF         -> 201 placed
         win alice o1 r1 1 EUR           -> 400 differs_from_bet
         lose alice o1 r1 9 EUR          -> 400 differs_from_bet
         win alice o1 r1 1 CHF wallet=w  -> 400 differs_from_bet
         cancel alice o1 wallet=w        -> 400 differs_from_bet
         balance alice CHF               -> 700
         order o1                        -> open, paid 0",
    ),
    (
        "GameUnknown",
        "open alice CHF                      -> 200 opened
         deposit alice 1000 CHF              -> 200 deposited 1000
         bet alice o1 r1 300 CHF offered=no  -> 496 game_unknown
         win alice o2 r1 1 CHF offered=no    -> 496 game_unknown
         cancel alice o3 offered=no          -> 496 game_unknown
         balance alice CHF                   -> 1000
         order o1 of=alice                   -> refused, paid 0
         order o2                            -> unknown
         order o3                            -> unknown",
    ),
    (
        "OrderUnknown: a result leaves nothing, a cancel leaves a tombstone",
        "open alice CHF                  -> 200 opened
         win alice o1 r1 1 CHF           -> 493 order_unknown
         cancel alice o2                 -> 493 order_unknown
         balance alice CHF               -> 0
         order o1                        -> unknown
         order o2 of=alice               -> tombstone, paid 0",
    ),
    (
        "OrderNotTheirs",
        "open alice CHF                  -> 200 opened
         open bob CHF                    -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         bet alice o1 r1 300 CHF         -> 201 placed
         win bob o1 r1 1 CHF             -> 493 order_not_theirs
         cancel bob o1                   -> 493 order_not_theirs
         balance bob CHF                 -> 0
         order o1                        -> open, paid 0",
    ),
    (
        "OrderSettled: a cancel after the result",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         bet alice o1 r1 100 CHF         -> 201 placed
         win alice o1 r1 250 CHF         -> 200 settled 250
         cancel alice o1                 -> 493 order_settled
         bet alice o2 r1 100 CHF         -> 201 placed
         tie alice o2 r1 stake           -> 200 settled 100
         cancel alice o2                 -> 493 order_settled
         bet alice o3 r1 100 CHF         -> 201 placed
         lose alice o3 r1                -> 200 settled 0
         cancel alice o3                 -> 493 order_settled
         balance alice CHF               -> 1050",
    ),
    (
        "OrderCancelled: a result after the cancel, a bet or result after a tombstone",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         bet alice o1 r1 300 CHF         -> 201 placed
         cancel alice o1                 -> 200 cancelled 300
         win alice o1 r1 250 CHF         -> 493 order_cancelled
         cancel alice o2                 -> 493 order_unknown
         bet alice o2 r1 300 CHF         -> 493 order_cancelled
         win alice o2 r1 250 CHF         -> 493 order_cancelled
         balance alice CHF               -> 1000
         order o1                        -> cancelled, paid 300
         order o2 of=alice               -> tombstone, paid 0",
    ),
    (
        "OrderRefused: a result or cancel of a bet that was refused",
        "open alice CHF                  -> 200 opened
         bet alice o1 r1 300 CHF         -> 492 insufficient_funds 0
         win alice o1 r1 250 CHF         -> 493 order_refused
         lose alice o1 r1                -> 493 order_refused
         cancel alice o1                 -> 493 order_refused
         balance alice CHF               -> 0
         order o1 of=alice               -> refused, paid 0",
    ),
    (
        "RoundDiffers",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         bet alice o1 r1 300 CHF         -> 201 placed
         win alice o1 r2 250 CHF         -> 494 round_differs
         tie alice o1 r2 stake           -> 494 round_differs
         lose alice o1 r2                -> 494 round_differs
         balance alice CHF               -> 700
         order o1                        -> open, paid 0",
    ),
    (
        "MaxBet",
        "open alice CHF                    -> 200 opened
         deposit alice 1000 CHF            -> 200 deposited 1000
         bet alice o1 r1 301 CHF max=300   -> 491 max_bet 300
         bet alice o2 r1 300 CHF max=300   -> 201 placed
         balance alice CHF                 -> 700
         order o1 of=alice                 -> refused, paid 0",
    ),
    (
        "MaxStakePerDay",
        "open alice CHF                      -> 200 opened
         deposit alice 1000 CHF              -> 200 deposited 1000
         bet alice o1 r1 200 CHF daymax=300  -> 201 placed
         bet alice o2 r1 101 CHF daymax=300  -> 491 max_stake_per_day 300 200
         bet alice o3 r1 100 CHF daymax=300  -> 201 placed
         balance alice CHF                   -> 700
         order o2 of=alice                   -> refused, paid 0",
    ),
    (
        "TransactionUnknown",
        "open alice CHF                  -> 200 opened
         void alice v1 s1 300 CHF        -> refused transaction_unknown
         refund alice f1 g1 300 CHF      -> refused transaction_unknown
         pay alice p1 - 5 CHF source=s1  -> refused transaction_unknown
         queue alice s1                  -> refused transaction_unknown
         balance alice CHF               -> 0",
    ),
    (
        "TransactionEnded",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         stake alice s1 g1 300 CHF       -> 200 adjusted s1 700
         prize alice w1 g1 0 CHF         -> 200 adjusted w1 700
         void alice v1 s1 300 CHF        -> refused transaction_ended
         refund alice f1 g1 300 CHF      -> refused transaction_ended
         prize alice w2 g1 5 CHF         -> refused transaction_ended
         balance alice CHF               -> 700",
    ),
    (
        "TransactionUndone: rolled back before it came",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         rollback alice b1 s1 CHF        -> 200 nothing_undone 1000
         stake alice s1 g1 300 CHF       -> refused transaction_undone
         balance alice CHF               -> 1000
         transaction s1                  -> tombstone",
    ),
    (
        "AmountsDisagree",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         stake alice s1 g1 300 CHF       -> 200 adjusted s1 700
         void alice v1 s1 299 CHF        -> refused amounts_disagree
         refund alice f1 g1 299 CHF      -> refused amounts_disagree
         stake alice s2 g1 5 CHF external=6 -> refused amounts_disagree
         pay alice p1 - -5 CHF           -> refused amounts_disagree
         prize alice w1 g1 -5 CHF        -> refused amounts_disagree
         balance alice CHF               -> 700
         transaction s1                  -> open, real -300",
    ),
    (
        "VoidUnknown",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         stake alice s1 g1 300 CHF       -> 200 adjusted s1 700
         approve alice s1                -> refused void_unknown
         dismiss alice s1                -> refused void_unknown
         balance alice CHF               -> 700",
    ),
    (
        "VoidResolved: the other answer comes too late",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         stake alice s1 g1 300 CHF       -> 200 adjusted s1 700
         queue alice s1                  -> 200 void_queued
         dismiss alice s1                -> 200 void_dismissed
         approve alice s1                -> refused void_resolved
         queued s1                       -> dismissed
         balance alice CHF               -> 700",
    ),
    (
        "VipNotHigher",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         vip alice silver 300 CHF        -> 200 vip_bought 700
         vip alice silver 300 CHF        -> refused vip_not_higher
         vip alice bronze 300 CHF        -> refused vip_not_higher
         balance alice CHF               -> 700
         level alice                     -> silver",
    ),
    (
        "OfferUnknown",
        "open alice CHF                  -> 200 opened
         buy alice b1 card 1 30 CHF      -> refused offer_unknown",
    ),
    (
        "OfferCurrencyDiffers",
        "open alice CHF                  -> 200 opened
         stock card 30 CHF k1            -> 200 offers_stocked 1
         buy alice b1 card 1 30 EUR      -> refused offer_currency_differs",
    ),
    (
        "OfferPriceDiffers",
        "open alice CHF                  -> 200 opened
         stock card 30 CHF k1            -> 200 offers_stocked 1
         buy alice b1 card 1 29 CHF      -> refused offer_price_differs 30",
    ),
    (
        "OutOfStock",
        "open alice CHF                  -> 200 opened
         deposit alice 1000 CHF          -> 200 deposited 1000
         stock card 30 CHF k1            -> 200 offers_stocked 1
         buy alice b1 card 2 30 CHF      -> refused out_of_stock 1
         balance alice CHF               -> 1000
         offer card                      -> 1 at 30 CHF",
    ),
];

#[test]
fn every_done_is_reached() {
    check(DONE);
}

#[test]
fn every_refusal_is_reached() {
    check(REFUSED);
}

/// A new variant must be given a scenario, at its place.
#[test]
fn scenarios_follow_the_enums() {
    let areas = [
        ("Account", include_str!("../../../src/ledger/accounts/outcome.rs")),
        ("Order", include_str!("../../../src/ledger/orders/outcome.rs")),
        ("Transaction", include_str!("../../../src/ledger/transactions/outcome.rs")),
        ("Shop", include_str!("../../../src/ledger/shop/outcome.rs")),
    ];
    for (name, scenarios) in [("Done", DONE), ("Refusal", REFUSED)] {
        let mut facts: Vec<&str> = scenarios.iter().map(|(fact, _)| word(fact)).collect();
        facts.dedup();
        let of_area = |(area, source): (&str, &'static str)| variants(source, &format!("{area}{name}"));
        let variants: Vec<&str> = areas.into_iter().flat_map(of_area).collect();
        assert_eq!(facts, variants, "{name}");
        let all = scenarios.iter().all(|(fact, text)| tidied(text).contains(&snake(word(fact), name)));
        assert!(all, "each scenario of {name} shows the outcome that it is named for");
    }
}

fn word(fact: &str) -> &str {
    fact.split([' ', ':']).next().unwrap_or_default()
}

/// The variants' names, in order.
fn variants<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let (_, after) = source.split_once(&format!("pub enum {name} {{\n")).expect("the enum");
    let (body, _) = after.split_once("\n}").expect("its end");
    let named = body.lines().filter_map(|line| line.strip_prefix("    "));
    let named = named.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    named.map(|line| line.split([',', ' ', '{']).next().unwrap_or_default()).collect()
}

/// A variant's name as scenarios write it.
fn snake(variant: &str, of: &str) -> String {
    match (of, variant) {
        ("Done", "PlayerOpened") => "opened".to_owned(),
        ("Done", "BetPlaced") => "placed".to_owned(),
        ("Done", "OrderSettled") => "settled".to_owned(),
        ("Done", "OrderCancelled") => "cancelled".to_owned(),
        _ => {
            let split = variant
                .chars()
                .flat_map(|c| c.is_ascii_uppercase().then_some('_').into_iter().chain([c.to_ascii_lowercase()]));
            split.skip(1).collect()
        }
    }
}
