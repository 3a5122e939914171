//! Transactions that partners name: stakes over several buckets, what ends them, and what undoes what.

use super::{Scenario, check};

const STAKES: &[Scenario] = &[
    (
        "a stake spends the buckets in the order that it names, and only those",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 50,bonus:30,ring_fenced:20 CHF -> 200 adjusted p1 50
         stake alice s1 g1 40 CHF from=bonus,real     -> 200 adjusted s1 40
         transaction s1                               -> open, real -10, bonus -30
         stake alice s2 g1 41 CHF from=real,bonus     -> 492 insufficient_funds 40
         stake alice s3 g1 41 CHF from=real,ring_fenced -> 200 adjusted s3 0
         transaction s3                               -> open, real -40, ring_fenced -1
         balance alice CHF bucket=ring_fenced         -> 19",
    ),
    (
        "a bucket that is named twice is spent once",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 50,bonus:30 CHF               -> 200 adjusted p1 50
         stake alice s1 g1 60 CHF from=real,real      -> 492 insufficient_funds 50
         stake alice s2 g1 60 CHF from=real,real,bonus -> 200 adjusted s2 0
         transaction s2                               -> open, real -50, bonus -10
         balance alice CHF bucket=bonus               -> 20",
    ),
    (
        "a stake of nothing needs no money, and is settled like any other",
        "open alice CHF                               -> 200 opened
         stake alice s1 g1 0 CHF                      -> 200 adjusted s1 0
         transaction s1                               -> open
         prize alice w1 g1 0 CHF                      -> 200 adjusted w1 0
         transaction s1                               -> settled by w1
         prize alice w2 g1 1 CHF                      -> refused transaction_ended
         pay alice p1 - 0 CHF                         -> 200 adjusted p1 0
         balance alice CHF                            -> 0",
    ),
    (
        "the external part of a stake counts and moves nothing",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 150 CHF external=60        -> 200 adjusted s1 10
         transaction s1                               -> open, real -90, external -60
         void alice v1 s1 90 CHF                      -> refused amounts_disagree
         void alice v2 s1 150 CHF                     -> refused amounts_disagree
         void alice v3 s1 90 CHF external=60          -> 200 adjusted v3 100
         transaction v3                               -> done of s1, real 90, external 60
         stake alice s2 g1 5 CHF external=5           -> 200 adjusted s2 100
         stake alice s3 g1 5 CHF external=-5          -> refused amounts_disagree
         stake alice s4 g1 -5 CHF                     -> refused amounts_disagree
         pay alice p1 - 5 CHF external=-1             -> refused amounts_disagree
         balance alice CHF                            -> 100",
    ),
    (
        "a stake that was refused for want of money stays refused, and leaves no transaction",
        "open alice CHF                               -> 200 opened
         stake alice s1 g1 5 CHF                      -> 492 insufficient_funds 0
         deposit alice 5 CHF                          -> 200 deposited 5
         stake alice s1 g1 5 CHF                      -> 492 insufficient_funds 0
         stake alice s1 g1 4 CHF                      -> 400 key_reused
         rollback alice b1 s1 CHF                     -> 200 nothing_undone 5
         stake alice s1 g1 5 CHF                      -> 492 insufficient_funds 0
         balance alice CHF                            -> 5",
    ),
    (
        "products keep their money apart",
        "open alice CHF                               -> 200 opened
         deposit alice 5 CHF                          -> 200 deposited 5
         pay alice p1 - 7 CHF product=2               -> 200 adjusted p1 7
         stake alice s1 g1 6 CHF                      -> 492 insufficient_funds 5
         stake alice s2 g1 6 CHF product=2            -> 200 adjusted s2 1
         rollback alice b1 s2 CHF                     -> 200 adjusted b1 5
         balance alice CHF product=2                  -> 7",
    ),
    (
        "the same again is answered the same: rates, tokens and the order of buckets may have changed",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 50,bonus:30 CHF               -> 200 adjusted p1 50
         stake alice s1 g1 60 CHF from=real,bonus worth=1.5 token=t -> 200 adjusted s1 0
         stake alice s1 g1 60 CHF from=bonus,real worth=1.6 token=u -> 200 adjusted s1 0
         stake alice s1 g1 60 CHF from=real           -> 400 key_reused
         stake alice s1 g1 60 CHF from=real,bonus memo=m -> 400 key_reused
         stake alice s1 g2 60 CHF from=real,bonus     -> 400 key_reused
         stake alice s1 g1 60 EUR from=real,bonus     -> 400 key_reused
         stake alice s1 g1 60 CHF from=real,bonus kind=2 -> 400 key_reused
         stake bob s1 g1 60 CHF from=real,bonus       -> 400 key_reused
         pay alice s1 g1 60 CHF                       -> 400 key_reused
         balance alice CHF bucket=bonus               -> 20",
    ),
    (
        "where both say what they were made of, that is compared and not what it was made into",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 50,bonus:30 CHF               -> 200 adjusted p1 50
         stake alice s1 g1 60 CHF from=real,bonus said=x -> 200 adjusted s1 0
         stake alice s1 g1 60 CHF from=real said=x    -> 200 adjusted s1 0
         stake alice s1 g1 60 CHF from=real,bonus said=y -> 400 key_reused
         stake alice s1 g1 60 CHF from=real           -> 400 key_reused
         stake alice s1 g1 60 CHF from=bonus,real     -> 200 adjusted s1 0
         stake alice s1 g1 61 CHF from=real,bonus said=x -> 400 key_reused
         pay alice p2 - 5 CHF source=s1 said=x        -> 200 adjusted p2 5
         pay alice p2 - 5 CHF source=s1 said=y        -> 400 key_reused
         balance alice CHF bucket=bonus               -> 20",
    ),
    (
        "the largest amounts are refused, never wrapped",
        "open alice CHF                               -> 200 opened
         pay alice p1 - MAX CHF                       -> 200 adjusted p1 9223372036854775807
         pay alice p2 - 1 CHF                         -> 400 balance_overflow
         stake alice s1 g1 MAX CHF                    -> 200 adjusted s1 0
         pay alice p2 - 1 CHF                         -> 200 adjusted p2 1
         void alice v1 s1 MAX CHF                     -> 400 balance_overflow
         rollback alice b1 s1 CHF                     -> 400 balance_overflow
         stake alice s2 g2 1 CHF                      -> 200 adjusted s2 0
         void alice v1 s1 MAX CHF                     -> 200 adjusted v1 9223372036854775807
         stake alice s3 g3 MAX CHF external=MAX       -> 200 adjusted s3 9223372036854775807
         pay alice p3 - 0 CHF external=MAX            -> 200 adjusted p3 9223372036854775807",
    ),
    (
        "nobody's transactions",
        "stake ghost s1 g1 5 CHF                      -> 495 player_unknown
         pay ghost p1 - 5 CHF                         -> 495 player_unknown
         prize ghost w1 g1 5 CHF                      -> 495 player_unknown
         rollback ghost b1 s1 CHF                     -> 495 player_unknown
         approve ghost s1                             -> 495 player_unknown
         queue ghost s1                               -> refused transaction_unknown
         transaction s1                               -> unknown",
    ),
];

const ENDS: &[Scenario] = &[
    (
        "a void gives back what came from each bucket, once",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 50,bonus:30 CHF               -> 200 adjusted p1 50
         stake alice s1 g1 60 CHF from=real,bonus     -> 200 adjusted s1 0
         void alice v1 s1 60 CHF                      -> refused amounts_disagree
         void alice v2 s1 10,bonus:50 CHF             -> refused amounts_disagree
         void alice v3 s1 50,bonus:10 CHF             -> 200 adjusted v3 50
         void alice v3 s1 50,bonus:10 CHF             -> 200 adjusted v3 50
         void alice v4 s1 50,bonus:10 CHF             -> 200 already_voided v3
         void alice v5 s1 1 CHF                       -> 200 already_voided v3
         balance alice CHF bucket=bonus               -> 30",
    ),
    (
        "only an own stake of the same partner's can be voided",
        "open alice CHF                               -> 200 opened
         open bob CHF                                 -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 60 CHF                     -> 200 adjusted s1 40
         void bob v1 s1 60 CHF                        -> refused transaction_unknown
         void alice v2 s1 60 CHF scope=other          -> refused transaction_unknown
         pay bob p1 - 1 CHF source=s1                 -> refused transaction_unknown
         pay alice p2 - 1 CHF source=s1 scope=other   -> refused transaction_unknown
         pay alice p3 - 1 CHF source=s1               -> 200 adjusted p3 41
         void alice v3 p3 1 CHF                       -> refused transaction_unknown
         queue bob s1                                 -> refused transaction_unknown
         transaction s1                               -> settled by p3, real -60
         transaction p3                               -> done of s1, real 1",
    ),
    (
        "a win settles the oldest open stake of its round",
        "open alice CHF                               -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 10 CHF                     -> 200 adjusted s1 90
         stake alice s2 g1 20 CHF                     -> 200 adjusted s2 70
         stake alice s3 g2 30 CHF                     -> 200 adjusted s3 40
         prize alice w1 g1 5 CHF                      -> 200 adjusted w1 45
         transaction s1                               -> settled by w1, real -10
         transaction s2                               -> open, real -20
         prize alice w2 g1 6 CHF                      -> 200 adjusted w2 51
         prize alice w3 g1 7 CHF                      -> refused transaction_ended
         transaction s2                               -> settled by w2, real -20
         transaction s3                               -> open, real -30",
    ),
    (
        "a win of a round without stakes is paid; another's, or another partner's, are none",
        "open alice CHF                               -> 200 opened
         open bob CHF                                 -> 200 opened
         deposit alice 100 CHF                        -> 200 deposited 100
         stake alice s1 g1 10 CHF                     -> 200 adjusted s1 90
         prize bob w1 g1 5 CHF                        -> 200 adjusted w1 5
         prize alice w2 g1 5 CHF scope=other          -> 200 adjusted w2 95
         prize alice w3 g9 5 CHF                      -> 200 adjusted w3 100
         prize alice w4 g9 5 CHF                      -> 200 adjusted w4 105
         prize alice w5 - 5 CHF                       -> 200 adjusted w5 110
         transaction s1                               -> open, real -10
         transaction w3                               -> done, real 5",
    ),
    (
        "a refund gives back the open stake of exactly its amount",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 100,bonus:5 CHF               -> 200 adjusted p1 100
         stake alice s1 g1 10 CHF                     -> 200 adjusted s1 90
         stake alice s2 g1 20 CHF                     -> 200 adjusted s2 70
         stake alice s3 g1 20 CHF                     -> 200 adjusted s3 50
         stake alice s4 g1 5 CHF from=bonus           -> 200 adjusted s4 50
         refund alice f1 g1 20 CHF                    -> 200 adjusted f1 70
         refund alice f2 g1 30 CHF                    -> refused amounts_disagree
         refund alice f3 g1 5 CHF                     -> refused amounts_disagree
         refund alice f4 g2 10 CHF                    -> refused transaction_unknown
         refund alice f5 - 10 CHF                     -> refused transaction_unknown
         refund alice f6 g1 20 CHF                    -> 200 adjusted f6 90
         refund alice f7 g1 20 CHF                    -> refused amounts_disagree
         transaction s1                               -> open, real -10
         transaction s2                               -> voided by f1, real -20
         transaction s3                               -> voided by f6, real -20",
    ),
];

/// What is given back goes to where it came from, and a stake is paid for or given back.
const PAID_OR_GIVEN_BACK: &[Scenario] = &[
    (
        "a void gives back to the stake's own account, whatever product it names",
        "open alice CHF                               -> 200 opened
         pay alice p1 - 60 CHF product=2              -> 200 adjusted p1 60
         stake alice s1 g1 50 CHF product=2           -> 200 adjusted s1 10
         void alice v1 s1 50 CHF product=9            -> 200 adjusted v1 0
         void alice v1 s1 50 CHF product=9            -> 200 adjusted v1 0
         void alice v1 s1 50 CHF product=2            -> 400 key_reused
         balance alice CHF product=2                  -> 60
         balance alice CHF product=9                  -> 0
         transaction s1                               -> voided by v1, real -50",
    ),
    (
        "a void gives back in the stake's own currency",
        "open alice CHF                               -> 200 opened
         deposit alice 60 CHF                         -> 200 deposited 60
         stake alice s1 g1 50 CHF                     -> 200 adjusted s1 10
         void alice v1 s1 50 EUR                      -> 200 adjusted v1 0
         balance alice CHF                            -> 60
         balance alice EUR                            -> 0",
    ),
    (
        "a refund is of a stake in the currency that it names",
        "open alice CHF                               -> 200 opened
         deposit alice 60 CHF                         -> 200 deposited 60
         stake alice s1 g1 50 CHF                     -> 200 adjusted s1 10
         refund alice f1 g1 50 EUR                    -> refused amounts_disagree
         refund alice f1 g1 50 EUR in=CHF             -> 200 adjusted f1 0
         refund alice f1 g1 50 CHF                    -> 200 adjusted f1 0
         refund alice f1 g1 50 CHF in=EUR             -> 400 key_reused
         balance alice CHF                            -> 60
         balance alice EUR                            -> 0
         transaction s1                               -> voided by f1, real -50",
    ),
    (
        "a stake that was paid for is not given back, and may be paid for again",
        "open alice CHF                               -> 200 opened
         deposit alice 60 CHF                         -> 200 deposited 60
         stake alice s1 g1 50 CHF                     -> 200 adjusted s1 10
         pay alice p1 g1 20 CHF source=s1             -> 200 adjusted p1 30
         transaction s1                               -> settled by p1, real -50
         pay alice p2 g1 20 CHF source=s1             -> 200 adjusted p2 50
         transaction s1                               -> settled by p1, real -50
         void alice v1 s1 50 CHF                      -> refused transaction_ended
         balance alice CHF                            -> 50",
    ),
    (
        "what was recorded by the first rules is decided by them",
        "open alice CHF                                  -> 200 opened
         deposit alice 60 CHF                            -> 200 deposited 60
         stake alice s1 g1 50 CHF rules=first            -> 200 adjusted s1 10
         pay alice p1 g1 20 CHF source=s1 rules=first    -> 200 adjusted p1 30
         void alice v1 s1 50 CHF product=9 rules=first   -> 200 adjusted v1 50
         pay alice p2 g1 20 CHF source=s1 rules=first    -> 200 adjusted p2 50
         transaction s1                                  -> voided by v1, real -50
         balance alice CHF product=9                     -> 50
         balance alice CHF                               -> 50",
    ),
    (
        "a stake that was given back is not paid for",
        "open alice CHF                               -> 200 opened
         deposit alice 60 CHF                         -> 200 deposited 60
         stake alice s1 g1 50 CHF                     -> 200 adjusted s1 10
         void alice v1 s1 50 CHF                      -> 200 adjusted v1 60
         pay alice p1 g1 20 CHF source=s1             -> refused transaction_ended
         pay alice p1 g1 20 CHF source=v1             -> 200 adjusted p1 80
         balance alice CHF                            -> 80",
    ),
];

#[test]
fn stakes_spend_what_they_name() {
    check(STAKES);
}

#[test]
fn a_stake_ends_once() {
    check(ENDS);
}

#[test]
fn a_stake_is_paid_for_or_given_back_to_its_own_account() {
    check(PAID_OR_GIVEN_BACK);
}
