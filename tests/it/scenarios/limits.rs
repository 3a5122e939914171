//! Limits: on one bet, and on what a player stakes on one UTC day.

use super::{Scenario, check};

const SCENARIOS: &[Scenario] = &[
    (
        "a day ends at midnight UTC, to the microsecond",
        "open alice CHF                                       -> 200 opened
         deposit alice 1000 CHF                               -> 200 deposited 1000
         bet alice o1 r1 100 CHF daymax=100 at=7              -> 201 placed
         bet alice o2 r1 1 CHF daymax=100 at=7+86399999999    -> 491 max_stake_per_day 100 100
         bet alice o3 r1 100 CHF daymax=100 at=8              -> 201 placed
         bet alice o4 r1 1 CHF daymax=100 at=8+1              -> 491 max_stake_per_day 100 100
         balance alice CHF                                    -> 800",
    ),
    (
        "a stake that is cancelled on its day frees the limit",
        "open alice CHF                                       -> 200 opened
         deposit alice 1000 CHF                               -> 200 deposited 1000
         bet alice o1 r1 100 CHF daymax=100                   -> 201 placed
         cancel alice o1                                      -> 200 cancelled 100
         bet alice o2 r1 60 CHF daymax=100                    -> 201 placed
         bet alice o3 r1 41 CHF daymax=100                    -> 491 max_stake_per_day 100 60",
    ),
    (
        "a stake that is cancelled on a later day frees nothing of that day's limit",
        "open alice CHF                                       -> 200 opened
         deposit alice 1000 CHF                               -> 200 deposited 1000
         bet alice o1 r1 100 CHF daymax=100 at=7              -> 201 placed
         bet alice o2 r1 100 CHF daymax=100 at=8              -> 201 placed
         cancel alice o1 at=8                                 -> 200 cancelled 100
         bet alice o3 r1 1 CHF daymax=100 at=8                -> 491 max_stake_per_day 100 100",
    ),
    (
        "a cancel after a clock that went back frees no more than was staked",
        "open alice CHF                                       -> 200 opened
         deposit alice 1000 CHF                               -> 200 deposited 1000
         bet alice o1 r1 100 CHF at=8                         -> 201 placed
         bet alice o2 r1 50 CHF at=7                          -> 201 placed
         bet alice o3 r1 10 CHF at=8                          -> 201 placed
         cancel alice o1 at=8                                 -> 200 cancelled 100
         bet alice o4 r1 101 CHF daymax=100 at=8              -> 491 max_stake_per_day 100 0",
    ),
    (
        "what was won, lost or tied still counts",
        "open alice CHF                                       -> 200 opened
         deposit alice 1000 CHF                               -> 200 deposited 1000
         bet alice o1 r1 30 CHF                               -> 201 placed
         win alice o1 r1 90                                   -> 200 settled 90
         bet alice o2 r1 30 CHF                               -> 201 placed
         tie alice o2 r1 stake                                -> 200 settled 30
         bet alice o3 r1 30 CHF                               -> 201 placed
         lose alice o3 r1                                     -> 200 settled 0
         bet alice o4 r1 11 CHF daymax=100                    -> 491 max_stake_per_day 100 90
         bet alice o5 r1 10 CHF daymax=100                    -> 201 placed",
    ),
    (
        "a refused bet counts for nothing",
        "open alice CHF                                       -> 200 opened
         deposit alice 100 CHF                                -> 200 deposited 100
         bet alice o1 r1 101 CHF                              -> 492 insufficient_funds 100
         bet alice o2 r1 100 CHF daymax=100                   -> 201 placed",
    ),
    (
        "the day's stake is summed over the wallets of a currency",
        "open alice CHF                                       -> 200 opened
         deposit alice 1000 CHF                               -> 200 deposited 1000
         deposit alice 1000 CHF wallet=w                      -> 200 deposited 1000
         deposit alice 1000 EUR                               -> 200 deposited 1000
         bet alice o1 r1 60 CHF daymax=100                    -> 201 placed
         bet alice o2 r1 41 CHF wallet=w daymax=100           -> 491 max_stake_per_day 100 60
         bet alice o3 r1 40 CHF wallet=w daymax=100           -> 201 placed
         bet alice o4 r1 1 CHF daymax=100                     -> 491 max_stake_per_day 100 100
         bet alice o5 r1 100 EUR daymax=100                   -> 201 placed",
    ),
    (
        "a limit is each player's own",
        "open alice CHF                                       -> 200 opened
         open bob CHF                                         -> 200 opened
         deposit alice 1000 CHF                               -> 200 deposited 1000
         deposit bob 1000 CHF                                 -> 200 deposited 1000
         bet alice o1 r1 100 CHF daymax=100                   -> 201 placed
         bet bob o2 r1 100 CHF daymax=100                     -> 201 placed",
    ),
];

#[test]
fn limits_hold() {
    check(SCENARIOS);
}
