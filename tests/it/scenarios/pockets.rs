//! Accounts apart: a wallet, product, bucket, currency or player never pays for another.

use super::{Scenario, check};

const SCENARIOS: &[Scenario] = &[
    (
        "wallets are apart",
        "open alice CHF                              -> 200 opened
         deposit alice 100 CHF wallet=w              -> 200 deposited 100
         bet alice o1 r1 1 CHF                       -> 492 insufficient_funds 0
         bet alice o2 r1 60 CHF wallet=w             -> 201 placed
         win alice o2 r1 5 CHF                       -> 200 settled 5
         balance alice CHF                           -> 0
         balance alice CHF wallet=w                  -> 45
         balance alice CHF wallet=W                  -> 0",
    ),
    (
        "buckets are apart",
        "open alice CHF                              -> 200 opened
         deposit alice 1 CHF bucket=real             -> 200 deposited 1
         deposit alice 2 CHF bucket=bonus            -> 200 deposited 2
         deposit alice 3 CHF bucket=ring_fenced      -> 200 deposited 3
         deposit alice 4 CHF bucket=gbt_bonus        -> 200 deposited 4
         bet alice o1 r1 2 CHF                       -> 492 insufficient_funds 1
         withdraw alice 3 CHF bucket=bonus           -> 492 insufficient_funds 2
         balance alice CHF                           -> 1
         balance alice CHF bucket=bonus              -> 2
         balance alice CHF bucket=ring_fenced        -> 3
         balance alice CHF bucket=gbt_bonus          -> 4",
    ),
    (
        "products are apart",
        "open alice CHF                              -> 200 opened
         deposit alice 100 CHF product=7             -> 200 deposited 100
         withdraw alice 1 CHF                        -> 492 insufficient_funds 0
         withdraw alice 1 CHF product=7              -> 200 withdrawn 99",
    ),
    (
        "currencies are apart",
        "open alice CHF                              -> 200 opened
         deposit alice 100 CHF                       -> 200 deposited 100
         deposit alice 100 BTC                       -> 200 deposited 100
         bet alice o1 r1 40 BTC                      -> 201 placed
         cancel alice o1                             -> 200 cancelled 40
         bet alice o2 r1 40 BTC                      -> 201 placed
         win alice o2 r1 90                          -> 200 settled 90
         balance alice CHF                           -> 100
         balance alice BTC                           -> 150",
    ),
    (
        "a refund goes to the wallet of the stake",
        "open alice CHF                              -> 200 opened
         deposit alice 100 CHF wallet=w              -> 200 deposited 100
         bet alice o1 r1 60 CHF wallet=w             -> 201 placed
         cancel alice o1 wallet=w                    -> 200 cancelled 60
         bet alice o2 r1 60 CHF wallet=w             -> 201 placed
         cancel alice o2                             -> 200 cancelled 60
         balance alice CHF wallet=w                  -> 100
         balance alice CHF                           -> 0",
    ),
    (
        "players are apart",
        "open alice CHF                              -> 200 opened
         open Alice CHF                              -> 200 opened
         deposit alice 100 CHF                       -> 200 deposited 100
         bet Alice o1 r1 1 CHF                       -> 492 insufficient_funds 0
         balance alice CHF                           -> 100",
    ),
];

#[test]
fn accounts_are_apart() {
    check(SCENARIOS);
}
