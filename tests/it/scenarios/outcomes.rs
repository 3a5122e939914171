//! Every outcome there is, in the order of its enum.

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
         order o1                            -> refused, paid 0
         order o2                            -> unknown
         order o3                            -> unknown",
    ),
    (
        "PlayerUnknown",
        "deposit ghost 1 CHF             -> 495 player_unknown
         withdraw ghost 1 CHF            -> 495 player_unknown
         bet ghost o1 r1 300 CHF         -> 495 player_unknown
         win ghost o2 r1 1 CHF           -> 495 player_unknown
         cancel ghost o3                 -> 495 player_unknown
         balance ghost CHF               -> nobody
         order o1                        -> refused, paid 0
         order o3                        -> unknown",
    ),
    (
        "OrderUnknown: a result leaves nothing, a cancel leaves a tombstone",
        "open alice CHF                  -> 200 opened
         win alice o1 r1 1 CHF           -> 493 order_unknown
         cancel alice o2                 -> 493 order_unknown
         balance alice CHF               -> 0
         order o1                        -> unknown
         order o2                        -> tombstone, paid 0",
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
         order o2                        -> tombstone, paid 0",
    ),
    (
        "OrderRefused: a result or cancel of a bet that was refused",
        "open alice CHF                  -> 200 opened
         bet alice o1 r1 300 CHF         -> 492 insufficient_funds 0
         win alice o1 r1 250 CHF         -> 493 order_refused
         lose alice o1 r1                -> 493 order_refused
         cancel alice o1                 -> 493 order_refused
         balance alice CHF               -> 0
         order o1                        -> refused, paid 0",
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
         order o1                          -> refused, paid 0",
    ),
    (
        "MaxStakePerDay",
        "open alice CHF                      -> 200 opened
         deposit alice 1000 CHF              -> 200 deposited 1000
         bet alice o1 r1 200 CHF daymax=300  -> 201 placed
         bet alice o2 r1 101 CHF daymax=300  -> 491 max_stake_per_day 300 200
         bet alice o3 r1 100 CHF daymax=300  -> 201 placed
         balance alice CHF                   -> 700
         order o2                            -> refused, paid 0",
    ),
    (
        "InsufficientFunds",
        "open alice CHF                  -> 200 opened
         deposit alice 299 CHF           -> 200 deposited 299
         bet alice o1 r1 300 CHF         -> 492 insufficient_funds 299
         withdraw alice 300 CHF          -> 492 insufficient_funds 299
         bet alice o2 r1 1 EUR           -> 492 insufficient_funds 0
         balance alice CHF               -> 299
         order o1                        -> refused, paid 0",
    ),
    (
        "BalanceOverflow",
        "open alice CHF                  -> 200 opened
         deposit alice MAX CHF           -> 200 deposited 9223372036854775807
         deposit alice 1 CHF             -> 400 balance_overflow
         balance alice CHF               -> 9223372036854775807",
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
    let source = include_str!("../../../src/ledger/outcome.rs");
    for (name, scenarios) in [("Done", DONE), ("Refusal", REFUSED)] {
        let mut facts: Vec<&str> = scenarios.iter().map(|(fact, _)| word(fact)).collect();
        facts.dedup();
        assert_eq!(facts, variants(source, name), "{name}");
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
