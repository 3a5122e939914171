//! What is refused.

use crate::scenarios::Scenario;

/// `Refusal`, variant by variant.
pub const REFUSED: &[Scenario] = &[
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
