//! What is done.

use crate::scenarios::Scenario;

/// `Done`, variant by variant.
pub const DONE: &[Scenario] = &[
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
