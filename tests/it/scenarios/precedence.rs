//! Two reasons at once: the earlier one wins. Each refusal is set against those that come after it.

use super::{Scenario, check};

const SCENARIOS: &[Scenario] = &[
    (
        "a stored outcome goes before everything, even a game no longer offered, a limit and an empty wallet",
        "open alice CHF                                    -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 300 CHF                           -> 201 placed
         bet alice o1 r1 300 CHF offered=no max=1 daymax=1 -> 201 placed
         win alice o1 r1 5 CHF                             -> 200 settled 5
         win alice o1 r1 5 CHF offered=no                  -> 200 settled 5
         bet alice o2 r1 5 CHF                             -> 201 placed
         cancel alice o2                                   -> 200 cancelled 5
         cancel alice o2 offered=no                        -> 200 cancelled 5
         balance alice CHF                                 -> 5",
    ),
    (
        "KeyReused before GameUnknown, PlayerUnknown, limits and funds",
        "open alice CHF                                    -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 300 CHF                           -> 201 placed
         bet alice o1 r2 300 CHF offered=no                -> 400 key_reused
         bet ghost o1 r1 300 CHF                           -> 400 key_reused
         bet alice o1 r1 900 CHF max=1 daymax=1            -> 400 key_reused
         balance alice CHF                                 -> 0",
    ),
    (
        "KeyReused before DiffersFromBet, OrderSettled, OrderCancelled and RoundDiffers",
        "open alice CHF                                    -> 200 opened
         open bob CHF                                      -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 100 CHF                           -> 201 placed
         win alice o1 r1 100 CHF                           -> 200 settled 100
         win alice o1 r1 100 EUR                           -> 400 key_reused
         win alice o1 r1 101 CHF                           -> 400 key_reused
         lose alice o1 r1 9 CHF                            -> 400 key_reused
         win alice o1 r2 100 CHF                           -> 400 key_reused
         win bob o1 r1 100 CHF                             -> 400 key_reused
         bet alice o2 r1 100 CHF                           -> 201 placed
         cancel alice o2                                   -> 200 cancelled 100
         cancel alice o2 wallet=w                          -> 400 key_reused
         cancel bob o2                                     -> 400 key_reused
         balance alice CHF                                 -> 300",
    ),
    (
        "DiffersFromBet before GameUnknown",
        "open alice CHF                                    -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 100 CHF                           -> 201 placed
         win alice o1 r1 1 EUR offered=no                  -> 400 differs_from_bet
         cancel alice o1 wallet=w offered=no               -> 400 differs_from_bet",
    ),
    (
        "DiffersFromBet before OrderSettled, OrderCancelled, OrderRefused and RoundDiffers",
        "open alice CHF                                    -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 100 CHF                           -> 201 placed
         win alice o1 r1 1 CHF                             -> 200 settled 1
         cancel alice o1 wallet=w                          -> 400 differs_from_bet
         bet alice o2 r1 100 CHF                           -> 201 placed
         cancel alice o2                                   -> 200 cancelled 100
         win alice o2 r1 1 EUR                             -> 400 differs_from_bet
         bet alice o3 r1 900 CHF                           -> 492 insufficient_funds 201
         win alice o3 r1 1 EUR                             -> 400 differs_from_bet
         bet alice o4 r1 100 CHF                           -> 201 placed
         win alice o4 r2 1 EUR                             -> 400 differs_from_bet",
    ),
    (
        "OrderNotTheirs before DiffersFromBet: nobody learns what another's bet was",
        "open alice CHF                                    -> 200 opened
         open bob CHF                                      -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 100 CHF                           -> 201 placed
         win bob o1 r1 1 EUR                               -> 493 order_not_theirs
         cancel bob o1 wallet=w                            -> 493 order_not_theirs",
    ),
    (
        "GameUnknown before PlayerUnknown",
        "bet ghost o1 r1 100 CHF offered=no                -> 496 game_unknown
         win ghost o2 r1 100 CHF offered=no                -> 496 game_unknown
         cancel ghost o3 offered=no                        -> 496 game_unknown",
    ),
    (
        "GameUnknown before OrderUnknown, OrderNotTheirs, OrderSettled, OrderCancelled, OrderRefused and RoundDiffers",
        "open alice CHF                                    -> 200 opened
         open bob CHF                                      -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         win alice o1 r1 1 CHF offered=no                  -> 496 game_unknown
         bet alice o2 r1 100 CHF                           -> 201 placed
         win bob o2 r1 1 CHF offered=no                    -> 496 game_unknown
         win alice o2 r2 1 CHF offered=no                  -> 496 game_unknown
         lose alice o2 r1                                  -> 200 settled 0
         cancel alice o2 offered=no                        -> 496 game_unknown
         bet alice o3 r1 100 CHF                           -> 201 placed
         cancel alice o3                                   -> 200 cancelled 100
         win alice o3 r1 1 CHF offered=no                  -> 496 game_unknown
         bet alice o4 r1 900 CHF                           -> 492 insufficient_funds 200
         win alice o4 r1 1 CHF offered=no                  -> 496 game_unknown",
    ),
    (
        "GameUnknown before the limits and funds of a bet",
        "open alice CHF                                    -> 200 opened
         bet alice o1 r1 9 CHF offered=no max=1 daymax=1   -> 496 game_unknown",
    ),
    (
        "PlayerUnknown before OrderUnknown and OrderNotTheirs",
        "open alice CHF                                    -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         win ghost o1 r1 1 CHF                             -> 495 player_unknown
         bet alice o1 r1 100 CHF                           -> 201 placed
         win ghost o1 r1 1 CHF                             -> 495 player_unknown
         cancel ghost o1                                   -> 495 player_unknown",
    ),
    (
        "PlayerUnknown before a tombstone, limits and funds",
        "open alice CHF                                    -> 200 opened
         cancel alice o1                                   -> 493 order_unknown
         bet ghost o1 r1 9 CHF max=1 daymax=1              -> 495 player_unknown
         order o1 of=alice                                 -> tombstone, paid 0",
    ),
    (
        "GameUnknown before a tombstone, which stays",
        "open alice CHF                                    -> 200 opened
         cancel alice o1                                   -> 493 order_unknown
         bet alice o1 r1 9 CHF offered=no                  -> 496 game_unknown
         order o1 of=alice                                 -> tombstone, paid 0",
    ),
    (
        "OrderNotTheirs before OrderSettled, OrderCancelled and RoundDiffers",
        "open alice CHF                                    -> 200 opened
         open bob CHF                                      -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 100 CHF                           -> 201 placed
         win bob o1 r2 1 CHF                               -> 493 order_not_theirs
         lose alice o1 r1                                  -> 200 settled 0
         cancel bob o1                                     -> 493 order_not_theirs
         bet alice o2 r1 100 CHF                           -> 201 placed
         cancel alice o2                                   -> 200 cancelled 100
         win bob o2 r1 1 CHF                               -> 493 order_not_theirs",
    ),
    (
        "OrderCancelled and OrderRefused before RoundDiffers",
        "open alice CHF                                    -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 100 CHF                           -> 201 placed
         cancel alice o1                                   -> 200 cancelled 100
         win alice o1 r2 1 CHF                             -> 493 order_cancelled
         bet alice o2 r1 900 CHF                           -> 492 insufficient_funds 300
         win alice o2 r2 1 CHF                             -> 493 order_refused",
    ),
    (
        "a tombstone before the limits and funds",
        "open alice CHF                                    -> 200 opened
         cancel alice o1                                   -> 493 order_unknown
         bet alice o1 r1 9 CHF max=1 daymax=1              -> 493 order_cancelled",
    ),
    (
        "RoundDiffers before BalanceOverflow",
        "open alice CHF                                    -> 200 opened
         deposit alice 1 CHF                               -> 200 deposited 1
         bet alice o1 r1 1 CHF                             -> 201 placed
         deposit alice MAX CHF                             -> 200 deposited 9223372036854775807
         win alice o1 r2 1 CHF                             -> 494 round_differs
         win alice o1 r1 1 CHF                             -> 400 balance_overflow",
    ),
    (
        "MaxBet before MaxStakePerDay",
        "open alice CHF                                    -> 200 opened
         deposit alice 300 CHF                             -> 200 deposited 300
         bet alice o1 r1 101 CHF max=100 daymax=100        -> 491 max_bet 100",
    ),
    (
        "MaxBet and MaxStakePerDay before InsufficientFunds",
        "open alice CHF                                    -> 200 opened
         bet alice o1 r1 101 CHF max=100                   -> 491 max_bet 100
         bet alice o2 r1 101 CHF daymax=100                -> 491 max_stake_per_day 100 0
         bet alice o3 r1 100 CHF max=100 daymax=100        -> 492 insufficient_funds 0",
    ),
];

#[test]
fn the_earlier_of_two_reasons_wins() {
    check(SCENARIOS);
}
