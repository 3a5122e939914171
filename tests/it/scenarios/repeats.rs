//! The same again: the same answer and no second effect, whatever happened in between.

use super::{Scenario, check};

const SCENARIOS: &[Scenario] = &[
    (
        "a refused bet binds its player and nobody else",
        "open poor CHF                   -> 200 opened
         open rich CHF                   -> 200 opened
         deposit rich 500 CHF            -> 200 deposited 500
         bet poor o1 r1 100 CHF          -> 492 insufficient_funds 0
         bet rich o1 r1 100 CHF          -> 201 placed
         deposit poor 500 CHF            -> 200 deposited 500
         bet poor o1 r1 100 CHF          -> 492 insufficient_funds 0
         bet poor o1 r1 99 CHF           -> 400 key_reused
         win poor o1 r1 50 CHF           -> 493 order_refused
         cancel poor o1                  -> 493 order_refused
         win rich o1 r1 50 CHF           -> 200 settled 50
         win poor o1 r1 50 CHF           -> 493 order_refused
         bet poor o1 r1 100 CHF          -> 492 insufficient_funds 0
         bet rich o1 r1 100 CHF          -> 201 placed
         balance poor CHF                -> 500
         balance rich CHF                -> 450
         order o1                        -> won, paid 50
         order o1 of=poor                -> refused, paid 0
         order o1 of=rich                -> unknown",
    ),
    (
        "whoever is nobody uses up nobody's ids",
        "open rich CHF                   -> 200 opened
         deposit rich 500 CHF            -> 200 deposited 500
         bet ghost o1 r1 100 CHF         -> 495 player_unknown
         cancel ghost o2                 -> 495 player_unknown
         bet rich o1 r1 100 CHF          -> 201 placed
         bet rich o2 r1 100 CHF          -> 201 placed
         bet ghost o1 r1 100 CHF         -> 495 player_unknown
         open ghost CHF                  -> 200 opened
         bet ghost o1 r1 100 CHF         -> 495 player_unknown
         balance rich CHF                -> 300",
    ),
    (
        "a tombstone binds its player and nobody else",
        "open mean CHF                   -> 200 opened
         open rich CHF                   -> 200 opened
         deposit mean 500 CHF            -> 200 deposited 500
         deposit rich 500 CHF            -> 200 deposited 500
         cancel mean o1                  -> 493 order_unknown
         bet rich o1 r1 100 CHF          -> 201 placed
         cancel mean o1                  -> 493 order_unknown
         bet mean o1 r1 100 CHF          -> 493 order_cancelled
         win mean o1 r1 9 CHF            -> 493 order_cancelled
         cancel rich o1                  -> 200 cancelled 100
         cancel mean o1                  -> 493 order_unknown
         bet mean o1 r1 100 CHF          -> 493 order_cancelled
         cancel rich o1                  -> 200 cancelled 100
         balance mean CHF                -> 500
         balance rich CHF                -> 500
         order o1                        -> cancelled, paid 100
         order o1 of=mean                -> tombstone, paid 0",
    ),
    (
        "an accepted bet is still the key's only one",
        "open alice CHF                  -> 200 opened
         open bob CHF                    -> 200 opened
         deposit alice 500 CHF           -> 200 deposited 500
         deposit bob 500 CHF             -> 200 deposited 500
         bet alice o1 r1 100 CHF         -> 201 placed
         bet bob o1 r1 100 CHF           -> 400 key_reused
         win bob o1 r1 9 CHF             -> 493 order_not_theirs
         cancel bob o1                   -> 493 order_not_theirs
         bet bob o1 r1 100 CHF           -> 400 key_reused
         order o1 of=bob                 -> unknown
         balance bob CHF                 -> 500",
    ),
    (
        "an accepted bet stays accepted when the wallet is empty",
        "open alice CHF                  -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         bet alice o1 r1 300 CHF         -> 201 placed
         bet alice o1 r1 300 CHF         -> 201 placed
         bet alice o1 r1 300 CHF at=1    -> 201 placed
         balance alice CHF               -> 0",
    ),
    (
        "an accepted bet stays accepted when it is settled or cancelled",
        "open alice CHF                  -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         bet alice o1 r1 100 CHF         -> 201 placed
         win alice o1 r1 50 CHF          -> 200 settled 50
         bet alice o1 r1 100 CHF         -> 201 placed
         bet alice o2 r1 100 CHF         -> 201 placed
         cancel alice o2                 -> 200 cancelled 100
         bet alice o2 r1 100 CHF         -> 201 placed
         balance alice CHF               -> 250
         order o1                        -> won, paid 50
         order o2                        -> cancelled, paid 100",
    ),
    (
        "a result pays once",
        "open alice CHF                  -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         bet alice o1 r1 100 CHF         -> 201 placed
         win alice o1 r1 50 CHF          -> 200 settled 50
         win alice o1 r1 50 CHF          -> 200 settled 50
         win alice o1 r1 50              -> 200 settled 50
         bet alice o2 r1 100 CHF         -> 201 placed
         lose alice o2 r1 9 CHF          -> 200 settled 0
         lose alice o2 r1 9 CHF          -> 200 settled 0
         lose alice o2 r1                -> 200 settled 0
         lose alice o2 r1 8 CHF          -> 400 key_reused
         balance alice CHF               -> 150",
    ),
    (
        "a tie without an amount is the same as a tie of the stake",
        "open alice CHF                  -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         bet alice o1 r1 100 CHF         -> 201 placed
         tie alice o1 r1 stake           -> 200 settled 100
         tie alice o1 r1 100 CHF         -> 200 settled 100
         tie alice o1 r1 99 CHF          -> 400 key_reused
         win alice o1 r1 100 CHF         -> 400 key_reused
         balance alice CHF               -> 300",
    ),
    (
        "a cancel refunds once",
        "open alice CHF                  -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         bet alice o1 r1 100 CHF         -> 201 placed
         cancel alice o1                 -> 200 cancelled 100
         cancel alice o1                 -> 200 cancelled 100
         balance alice CHF               -> 300",
    ),
    (
        "what each field of a bet is part of its data",
        "open alice CHF                  -> 200 opened
         open bob CHF                    -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         bet alice o1 r1 100 CHF         -> 201 placed
         bet bob o1 r1 100 CHF           -> 400 key_reused
         bet alice o1 r2 100 CHF         -> 400 key_reused
         bet alice o1 r1 101 CHF         -> 400 key_reused
         bet alice o1 r1 100 EUR         -> 400 key_reused
         bet alice o1 r1 100 CHF wallet=w -> 400 key_reused
         bet alice o1 r1 100 CHF         -> 201 placed",
    ),
    (
        "another game is another key",
        "open alice CHF                              -> 200 opened
         deposit alice 300 CHF                       -> 200 deposited 300
         bet alice o1 r1 100 CHF                     -> 201 placed
         bet alice o1 r1 100 CHF game=weekendforex   -> 201 placed
         win alice o1 r1 7 CHF game=weekendforex     -> 200 settled 7
         balance alice CHF                           -> 107
         order o1                                    -> open, paid 0
         order o1 game=weekendforex                  -> won, paid 7",
    ),
    (
        "a refused bet is kept: for want of money, though there is money now",
        "open alice CHF                  -> 200 opened
         bet alice o1 r1 100 CHF         -> 492 insufficient_funds 0
         deposit alice 300 CHF           -> 200 deposited 300
         bet alice o1 r1 100 CHF         -> 492 insufficient_funds 0
         bet alice o1 r1 99 CHF          -> 400 key_reused
         balance alice CHF               -> 300",
    ),
    (
        "a refused bet is kept: over a limit that is higher now",
        "open alice CHF                      -> 200 opened
         deposit alice 300 CHF               -> 200 deposited 300
         bet alice o1 r1 100 CHF max=99      -> 491 max_bet 99
         bet alice o1 r1 100 CHF             -> 491 max_bet 99
         bet alice o2 r1 100 CHF daymax=99   -> 491 max_stake_per_day 99 0
         bet alice o2 r1 100 CHF at=1        -> 491 max_stake_per_day 99 0
         balance alice CHF                   -> 300",
    ),
    (
        "a refused bet is kept: of a player who is known now, of a game that is offered now",
        "bet alice o1 r1 100 CHF             -> 495 player_unknown
         bet alice o2 r1 100 CHF offered=no  -> 496 game_unknown
         open alice CHF                      -> 200 opened
         deposit alice 300 CHF               -> 200 deposited 300
         bet alice o1 r1 100 CHF             -> 495 player_unknown
         bet alice o2 r1 100 CHF             -> 496 game_unknown
         cancel alice o1                     -> 493 order_refused
         balance alice CHF                   -> 300",
    ),
    (
        "a refused bet is kept: against a tombstone",
        "open alice CHF                  -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         cancel alice o1                 -> 493 order_unknown
         bet alice o1 r1 100 CHF         -> 493 order_cancelled
         bet alice o1 r1 100 CHF         -> 493 order_cancelled
         cancel alice o1                 -> 493 order_unknown
         balance alice CHF               -> 300
         order o1 of=alice               -> tombstone, paid 0",
    ),
    (
        "a refused result is not kept: asked again when the bet is there, it pays",
        "open alice CHF                  -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         win alice o1 r1 50 CHF          -> 493 order_unknown
         bet alice o1 r1 100 CHF         -> 201 placed
         win alice o1 r1 50 CHF          -> 200 settled 50
         balance alice CHF               -> 250",
    ),
    (
        "a refused result is not kept: asked rightly, it pays",
        "open alice CHF                      -> 200 opened
         open bob CHF                        -> 200 opened
         deposit alice 300 CHF               -> 200 deposited 300
         bet alice o1 r1 100 CHF             -> 201 placed
         win bob o1 r1 50 CHF                -> 493 order_not_theirs
         win alice o1 r1 50 CHF offered=no   -> 496 game_unknown
         win alice o1 r1 50 EUR              -> 400 differs_from_bet
         win alice o1 r9 50 CHF              -> 494 round_differs
         win alice o1 r1 50 CHF              -> 200 settled 50
         balance alice CHF                   -> 250",
    ),
    (
        "a refused cancel is not kept, unless it left a tombstone",
        "open alice CHF                      -> 200 opened
         open bob CHF                        -> 200 opened
         deposit alice 300 CHF               -> 200 deposited 300
         bet alice o1 r1 100 CHF             -> 201 placed
         cancel bob o1                       -> 493 order_not_theirs
         cancel alice o1 offered=no          -> 496 game_unknown
         cancel alice o1 wallet=w            -> 400 differs_from_bet
         cancel alice o1                     -> 200 cancelled 100
         balance alice CHF                   -> 300",
    ),
    (
        "another's cancel of what a tombstone is under leaves one of their own",
        "open alice CHF                      -> 200 opened
         open bob CHF                        -> 200 opened
         cancel alice o1                     -> 493 order_unknown
         cancel bob o1                       -> 493 order_unknown
         win bob o1 r1 1 CHF                 -> 493 order_cancelled
         bet bob o1 r1 1 CHF                 -> 493 order_cancelled",
    ),
    (
        "an overflow is not kept: with room, the same result pays",
        "open alice CHF                  -> 200 opened
         deposit alice 1 CHF             -> 200 deposited 1
         bet alice o1 r1 1 CHF           -> 201 placed
         deposit alice MAX CHF           -> 200 deposited 9223372036854775807
         win alice o1 r1 5 CHF           -> 400 balance_overflow
         withdraw alice 5 CHF            -> 200 withdrawn 9223372036854775802
         win alice o1 r1 5 CHF           -> 200 settled 5
         balance alice CHF               -> 9223372036854775807",
    ),
    (
        "cash has keys of its own",
        "open alice CHF                         -> 200 opened
         deposit alice 300 CHF key=k            -> 200 deposited 300
         deposit alice 300 CHF key=k            -> 200 deposited 300
         deposit alice 301 CHF key=k            -> 400 key_reused
         deposit alice 300 EUR key=k            -> 400 key_reused
         deposit bob 300 CHF key=k              -> 400 key_reused
         withdraw alice 100 CHF key=k           -> 200 withdrawn 200
         withdraw alice 100 CHF key=k           -> 200 withdrawn 200
         deposit alice 1 CHF key=l              -> 200 deposited 201
         withdraw alice 900 CHF key=l           -> 492 insufficient_funds 201
         deposit alice 999 CHF key=m            -> 200 deposited 1200
         withdraw alice 900 CHF key=l           -> 200 withdrawn 300
         balance alice CHF                      -> 300",
    ),
    (
        "a player is opened once",
        "open alice CHF                  -> 200 opened
         deposit alice 300 CHF           -> 200 deposited 300
         open alice CHF                  -> 200 opened
         open alice EUR                  -> 400 key_reused
         open alice CHF nickname=al      -> 400 key_reused
         balance alice CHF               -> 300",
    ),
];

#[test]
fn the_same_again_is_answered_the_same() {
    check(SCENARIOS);
}
