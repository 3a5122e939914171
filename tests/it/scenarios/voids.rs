//! Voids that an operator decides on.

use super::{Scenario, check};

const MANUAL_VOIDS: &[Scenario] = &[
    (
        "a void is queued once and approved once",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 50,bonus:30 CHF               -> 200 adjusted p1 50
         stake alice s1 g1 60 CHF from=real,bonus     -> 200 adjusted s1 0
         queue alice s1 kind=7                        -> 200 void_queued
         queue alice s1 kind=7                        -> 200 void_queued
         queue alice s1 kind=8                        -> 400 key_reused
         approve alice s1                             -> 200 void_approved approved:s1
         approve alice s1                             -> 200 void_approved approved:s1
         dismiss alice s1                             -> refused void_resolved
         queue alice s1 kind=7                        -> 200 void_queued
         queued s1                                    -> approved
         balance alice CHF                            -> 50
         balance alice CHF bucket=bonus               -> 30
         transaction s1                               -> voided by approved:s1, real -50, bonus -10",
    ),
    (
        "a void that was dismissed stays dismissed, and its stake open",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         queue alice s1                               -> 200 void_queued
         dismiss alice s1                             -> 200 void_dismissed
         dismiss alice s1                             -> 200 void_dismissed
         approve alice s1                             -> refused void_resolved
         void alice v1 s1 60 CHF                      -> 200 adjusted v1 100
         queued s1                                    -> dismissed",
    ),
    (
        "a void that was dismissed is asked for again, and then decided on again",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         queue alice s1 attempt=1                     -> refused void_unknown
         queue alice s1                               -> 200 void_queued
         queue alice s1 attempt=1                     -> refused void_unknown
         dismiss alice s1                             -> 200 void_dismissed
         queue alice s1                               -> 200 void_queued
         queued s1                                    -> dismissed
         queue alice s1 attempt=2                     -> refused void_unknown
         queue alice s1 attempt=1                     -> 200 void_queued
         queue alice s1 attempt=1                     -> 200 void_queued
         queued s1                                    -> pending
         dismiss alice s1                             -> 200 void_dismissed
         approve alice s1                             -> refused void_resolved
         queued s1                                    -> pending
         dismiss alice s1 attempt=1                   -> 200 void_dismissed
         queue alice s1 attempt=2                     -> 200 void_queued
         approve alice s1 attempt=1                   -> refused void_resolved
         approve alice s1 attempt=2                   -> 200 void_approved approved:s1
         queue alice s1 attempt=3                     -> refused void_unknown
         queued s1                                    -> approved
         balance alice CHF                            -> 100",
    ),
    (
        "a payment that an operator takes back must be there; later it may be",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 60 CHF                        -> 200 adjusted p1 60
         queue alice p1                               -> 200 void_queued
         withdraw alice 50 CHF                        -> 200 withdrawn 10
         approve alice p1                             -> 492 insufficient_funds 10
         queued p1                                    -> pending
         deposit alice 50 CHF                         -> 200 deposited 60
         approve alice p1                             -> 200 void_approved approved:p1
         transaction p1                               -> payment_voided by approved:p1, real 60
         rollback alice b1 p1 CHF                     -> refused transaction_ended
         void alice v1 p1 60 CHF                      -> refused transaction_unknown
         balance alice CHF                            -> 0",
    ),
    (
        "what was given back meanwhile is not given back again",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 10 CHF                     -> 200 adjusted s1 90
         stake alice s2 g2 20 CHF                     -> 200 adjusted s2 70
         queue alice s1                               -> 200 void_queued
         queue alice s2                               -> 200 void_queued
         void alice v1 s1 10 CHF                      -> 200 adjusted v1 80
         rollback alice b2 s2 CHF                     -> 200 adjusted b2 100
         approve alice s1                             -> refused transaction_ended
         approve alice s2                             -> refused transaction_ended
         balance alice CHF                            -> 100
         rollback alice b1 v1 CHF                     -> 200 adjusted b1 90
         approve alice s1                             -> 200 void_approved approved:s1
         dismiss alice s2                             -> 200 void_dismissed
         balance alice CHF                            -> 100
         transaction s2                               -> rolled_back by b2, real -20",
    ),
    (
        "what undid another is not undone by an operator",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 10 CHF                     -> 200 adjusted s1 90
         rollback alice b1 s1 CHF                     -> 200 adjusted b1 100
         queue alice b1                               -> 200 void_queued
         approve alice b1                             -> refused transaction_ended
         balance alice CHF                            -> 100
         transaction b1                               -> reversal of s1, real 10",
    ),
    (
        "a stake that an operator voided is voided, and settles nothing",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 10 CHF                     -> 200 adjusted s1 90
         queue alice s1                               -> 200 void_queued
         approve alice s1                             -> 200 void_approved approved:s1
         void alice v1 s1 10 CHF                      -> 200 already_voided approved:s1
         prize alice w1 g1 5 CHF                      -> refused transaction_ended
         rollback alice b1 s1 CHF                     -> refused transaction_ended
         balance alice CHF                            -> 100",
    ),
    (
        "a win that an operator took back is no stake of its round",
        "open alice CHF                               -> 200 opened
         prize alice w1 g1 5 CHF                      -> 200 adjusted w1 5
         queue alice w1                               -> 200 void_queued
         approve alice w1                             -> 200 void_approved approved:w1
         prize alice w2 g1 6 CHF                      -> 200 adjusted w2 6
         void alice v1 w1 5 CHF                       -> refused transaction_unknown
         balance alice CHF                            -> 6",
    ),
];

#[test]
fn an_operator_decides_once() {
    check(MANUAL_VOIDS);
}
