//! What is undone, and given back.

use super::{Scenario, check};

const ROLLBACKS: &[Scenario] = &[
    (
        "what is rolled back is undone once",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         rollback alice b1 s1 CHF                     -> 200 adjusted b1 100
         rollback alice b1 s1 CHF                     -> 200 adjusted b1 100
         rollback alice b2 s1 CHF                     -> 200 nothing_undone 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         void alice v1 s1 60 CHF                      -> refused transaction_ended
         refund alice f1 g1 60 CHF                    -> refused transaction_ended
         prize alice w1 g1 60 CHF                     -> refused transaction_ended
         balance alice CHF                            -> 100",
    ),
    (
        "a win that is rolled back opens its stake again",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         prize alice w1 g1 5 CHF                      -> 200 adjusted w1 45
         rollback alice b1 w1 CHF                     -> 200 adjusted b1 40
         transaction s1                               -> open, real -60
         prize alice w2 g1 7 CHF                      -> 200 adjusted w2 47
         transaction s1                               -> settled by w2, real -60
         transaction w1                               -> payment_rolled_back by b1 of s1, real 5",
    ),
    (
        "a refund or void that is rolled back opens its stake again",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         refund alice f1 g1 60 CHF                    -> 200 adjusted f1 100
         rollback alice b1 s1 CHF                     -> refused transaction_ended
         rollback alice b2 f1 CHF                     -> 200 adjusted b2 40
         void alice v1 s1 60 CHF                      -> 200 adjusted v1 100
         rollback alice b3 v1 CHF                     -> 200 adjusted b3 40
         transaction s1                               -> open, real -60
         rollback alice b4 s1 CHF                     -> 200 adjusted b4 100
         balance alice CHF                            -> 100",
    ),
    (
        "a stake that a win has settled is rolled back only after the win",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         prize alice w1 g1 5 CHF                      -> 200 adjusted w1 45
         rollback alice b1 s1 CHF                     -> refused transaction_ended
         rollback alice b2 w1 CHF                     -> 200 adjusted b2 40
         rollback alice b1 s1 CHF                     -> 200 adjusted b1 100
         transaction s1                               -> rolled_back by b1, real -60
         transaction w1                               -> payment_rolled_back by b2 of s1, real 5",
    ),
    (
        "a rollback is nobody's to undo",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         rollback alice b1 s1 CHF                     -> 200 adjusted b1 100
         rollback alice b2 b1 CHF                     -> refused transaction_ended
         transaction b1                               -> reversal of s1, real 60
         rollback alice b3 b3 CHF                     -> 200 nothing_undone 100
         rollback alice b3 b3 CHF                     -> 200 nothing_undone 100
         transaction b3                               -> tombstone",
    ),
    (
        "a payment that was spent cannot be rolled back, until there is money",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 60 CHF                        -> 200 adjusted p1 60
         stake alice s1 g1 50 CHF                     -> 200 adjusted s1 10
         rollback alice b1 p1 CHF                     -> 492 insufficient_funds 10
         transaction p1                               -> done, real 60
         void alice v1 s1 50 CHF                      -> 200 adjusted v1 60
         rollback alice b1 p1 CHF                     -> 200 adjusted b1 0
         transaction p1                               -> payment_rolled_back by b1, real 60",
    ),
    (
        "a tombstone is its player's, and stays",
        "open alice CHF                               -> 200 opened
         open bob CHF                                 -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         rollback alice b1 s1 CHF                     -> 200 nothing_undone 100
         rollback alice b1 s1 CHF                     -> 200 nothing_undone 100
         rollback alice b1 s2 CHF                     -> 400 key_reused
         rollback alice b2 s1 CHF                     -> 200 nothing_undone 100
         rollback bob b3 s1 CHF                       -> refused transaction_unknown
         stake bob s1 g1 5 CHF                        -> refused transaction_undone
         stake ghost s1 g1 5 CHF                      -> refused transaction_undone
         rollback alice s1 s9 CHF                     -> refused transaction_undone
         prize alice w1 g1 5 CHF                      -> 200 adjusted w1 105
         transaction s1                               -> tombstone",
    ),
    (
        "another player's transaction is not rolled back, another scope's is: names are the party's",
        "open alice CHF                               -> 200 opened
         open bob CHF                                 -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         rollback bob b1 s1 CHF                       -> refused transaction_unknown
         rollback alice b2 s1 CHF scope=other         -> 200 adjusted b2 100
         transaction s1                               -> rolled_back by b2, real -60",
    ),
    (
        "a payment of nothing that was rolled back is no stake of its round",
        "open alice CHF                               -> 200 opened
         prize alice w1 g1 0 CHF                      -> 200 adjusted w1 0
         rollback alice b1 w1 CHF                     -> 200 adjusted b1 0
         transaction w1                               -> payment_rolled_back by b1
         prize alice w2 g1 6 CHF                      -> 200 adjusted w2 6
         stake alice s1 g2 0 CHF                      -> 200 adjusted s1 6
         rollback alice b2 s1 CHF                     -> 200 adjusted b2 6
         transaction s1                               -> rolled_back by b2
         prize alice w3 g2 6 CHF                      -> refused transaction_ended",
    ),
    (
        "a payment that was rolled back is no stake of its round",
        "open alice CHF                               -> 200 opened
         prize alice w1 g1 5 CHF                      -> 200 adjusted w1 5
         rollback alice b1 w1 CHF                     -> 200 adjusted b1 0
         prize alice w2 g1 6 CHF                      -> 200 adjusted w2 6
         refund alice f1 g1 5 CHF                     -> refused transaction_unknown",
    ),
];

#[test]
fn a_rollback_undoes_once() {
    check(ROLLBACKS);
}
