//! The largest amounts: a refusal, never a wrap.

use super::{Scenario, check};

const SCENARIOS: &[Scenario] = &[
    (
        "a balance holds the largest amount, and not one unit more",
        "open alice CHF                  -> 200 opened
         deposit alice MAX CHF           -> 200 deposited 9223372036854775807
         deposit alice MAX CHF           -> 400 balance_overflow
         withdraw alice 1 CHF            -> 200 withdrawn 9223372036854775806
         deposit alice 2 CHF             -> 400 balance_overflow
         deposit alice 1 CHF             -> 200 deposited 9223372036854775807
         balance alice CHF               -> 9223372036854775807",
    ),
    (
        "the largest stake can be placed, refunded, tied and won back",
        "open alice CHF                  -> 200 opened
         deposit alice MAX CHF           -> 200 deposited 9223372036854775807
         bet alice o1 r1 MAX CHF         -> 201 placed
         cancel alice o1                 -> 200 cancelled 9223372036854775807
         bet alice o2 r1 MAX CHF at=1    -> 201 placed
         tie alice o2 r1 stake           -> 200 settled 9223372036854775807
         bet alice o3 r1 MAX CHF at=2    -> 201 placed
         win alice o3 r1 MAX CHF         -> 200 settled 9223372036854775807
         balance alice CHF               -> 9223372036854775807",
    ),
    (
        "a result that would overflow is refused and leaves the order open",
        "open alice CHF                  -> 200 opened
         deposit alice 100 CHF           -> 200 deposited 100
         bet alice o1 r1 100 CHF         -> 201 placed
         deposit alice 1 CHF             -> 200 deposited 1
         win alice o1 r1 MAX CHF         -> 400 balance_overflow
         tie alice o1 r1 MAX CHF         -> 400 balance_overflow
         order o1                        -> open, paid 0
         lose alice o1 r1                -> 200 settled 0
         balance alice CHF               -> 1",
    ),
    (
        "a refund that would overflow is refused and leaves the order open",
        "open alice CHF                  -> 200 opened
         deposit alice 100 CHF           -> 200 deposited 100
         bet alice o1 r1 100 CHF         -> 201 placed
         deposit alice MAX CHF           -> 200 deposited 9223372036854775807
         cancel alice o1                 -> 400 balance_overflow
         order o1                        -> open, paid 0
         withdraw alice 100 CHF          -> 200 withdrawn 9223372036854775707
         cancel alice o1                 -> 200 cancelled 100",
    ),
    (
        "a day's stake that would overflow is refused",
        "open alice CHF                  -> 200 opened
         deposit alice MAX CHF           -> 200 deposited 9223372036854775807
         bet alice o1 r1 MAX CHF         -> 201 placed
         tie alice o1 r1 stake           -> 200 settled 9223372036854775807
         bet alice o2 r1 1 CHF           -> 400 balance_overflow
         bet alice o2 r1 1 CHF at=1      -> 201 placed
         order o2                        -> open, paid 0",
    ),
    (
        "the house may owe more than one balance can hold",
        "open alice CHF                  -> 200 opened
         open bob CHF                    -> 200 opened
         deposit alice 1 CHF             -> 200 deposited 1
         deposit bob 1 CHF               -> 200 deposited 1
         bet alice o1 r1 1 CHF           -> 201 placed
         bet bob o2 r1 1 CHF             -> 201 placed
         win alice o1 r1 MAX             -> 200 settled 9223372036854775807
         win bob o2 r1 MAX               -> 200 settled 9223372036854775807
         balance alice CHF               -> 9223372036854775807
         balance bob CHF                 -> 9223372036854775807",
    ),
    (
        "more than can be counted is above any limit, and money is looked for before counting",
        "open alice CHF                                                                           -> 200 opened
         deposit alice MAX CHF                                                                    -> 200 deposited 9223372036854775807
         bet alice o1 r1 MAX CHF max=9223372036854775807 daymax=9223372036854775807               -> 201 placed
         bet alice o2 r9223372036854775807 1 CHF daymax=9223372036854775807                       -> 491 max_stake_per_day 9223372036854775807 9223372036854775807
         bet alice o3 r1 1 CHF                                                                    -> 492 insufficient_funds 0",
    ),
];

#[test]
fn nothing_wraps() {
    check(SCENARIOS);
}
