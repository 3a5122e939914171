//! Gift cards and VIP levels: what is stocked, what it costs, and who may have it.

use super::{Scenario, check};

const SCENARIOS: &[Scenario] = &[
    (
        "keys that are known are not stocked again, in whatever offer",
        "stock card 30 CHF k1,k2,k1            -> 200 offers_stocked 2
         stock card 30 CHF k2,k3               -> 200 offers_stocked 1
         stock game 50 CHF k3,k4               -> 200 offers_stocked 1
         stock card 30 CHF k5 and game 50 CHF k5,k6 -> 200 offers_stocked 2
         stock card 30 CHF -                   -> 200 offers_stocked 0
         offer card                            -> 4 at 30 CHF
         offer game                            -> 2 at 50 CHF",
    ),
    (
        "an offer that is named twice in one command is as it was named last",
        "stock card 30 CHF k1 and card 31 CHF k2 -> 200 offers_stocked 2
         offer card                            -> 2 at 31 CHF",
    ),
    (
        "the same stocking again adds nothing; with other keys or prices it is another's name",
        "stock card 30 CHF k1 key=a            -> 200 offers_stocked 1
         stock card 31 CHF k2 key=b            -> 200 offers_stocked 1
         stock card 30 CHF k1 key=a            -> 200 offers_stocked 1
         stock card 30 CHF k2 key=a            -> 400 key_reused
         stock card 29 CHF k1 key=a            -> 400 key_reused
         offer card                            -> 2 at 31 CHF",
    ),
    (
        "a key that was sold is not stocked again",
        "open alice CHF                        -> 200 opened
         deposit alice 100 CHF                 -> 200 deposited 100
         stock card 30 CHF k1                  -> 200 offers_stocked 1
         buy alice b1 card 1 30 CHF            -> 200 keys_bought b1 70
         stock card 30 CHF k1,k2               -> 200 offers_stocked 1
         buy alice b2 card 1 30 CHF            -> 200 keys_bought b2 40
         buy alice b3 card 1 30 CHF            -> refused out_of_stock 0",
    ),
    (
        "the last key is sold once",
        "open alice CHF                        -> 200 opened
         open bob CHF                          -> 200 opened
         deposit alice 100 CHF                 -> 200 deposited 100
         deposit bob 100 CHF                   -> 200 deposited 100
         stock card 30 CHF k1,k2,k3            -> 200 offers_stocked 3
         buy alice b1 card 2 30 CHF            -> 200 keys_bought b1 40
         buy bob b2 card 2 30 CHF              -> refused out_of_stock 1
         buy bob b3 card 1 30 CHF              -> 200 keys_bought b3 70
         buy alice b4 card 1 30 CHF            -> refused out_of_stock 0
         buy alice b5 card 0 30 CHF            -> refused out_of_stock 0
         stock card 30 CHF k4                  -> 200 offers_stocked 1
         buy alice b4 card 1 30 CHF            -> 200 keys_bought b4 10
         offer card                            -> 0 at 30 CHF",
    ),
    (
        "keys that come between two purchases of one batch are sold after those that were there",
        "open alice CHF                        -> 200 opened
         deposit alice 100 CHF                 -> 200 deposited 100
         stock card 10 CHF k1,k2               -> 200 offers_stocked 2
         buy alice b1 card 1 10 CHF            -> 200 keys_bought b1 90
         stock card 10 CHF k3                  -> 200 offers_stocked 1
         buy alice b2 card 2 10 CHF            -> 200 keys_bought b2 70
         buy alice b3 card 1 10 CHF            -> refused out_of_stock 0",
    ),
    (
        "a purchase is its buyer's: the same again is answered the same, with other data it is refused",
        "open alice CHF                        -> 200 opened
         deposit alice 100 CHF                 -> 200 deposited 100
         stock card 30 CHF k1,k2,k3            -> 200 offers_stocked 3
         buy alice b1 card 1 30 CHF            -> 200 keys_bought b1 70
         stock card 40 CHF k4                  -> 200 offers_stocked 1
         buy alice b1 card 1 30 CHF            -> 200 keys_bought b1 70
         buy alice b1 card 2 30 CHF            -> 400 key_reused
         buy alice b1 card 1 40 CHF            -> 400 key_reused
         buy bob b1 card 1 30 CHF              -> 400 key_reused
         buy alice b2 card 1 30 CHF            -> refused offer_price_differs 40
         buy alice b2 card 1 40 CHF            -> 200 keys_bought b2 30
         offer card                            -> 2 at 40 CHF",
    ),
    (
        "player, offer, currency, price, stock and funds are looked at in this order",
        "buy ghost b1 nocard 9 1 EUR           -> 495 player_unknown
         open alice CHF                        -> 200 opened
         buy alice b1 nocard 9 1 EUR           -> refused offer_unknown
         stock card 30 CHF k1                  -> 200 offers_stocked 1
         buy alice b1 card 9 1 EUR             -> refused offer_currency_differs
         buy alice b1 card 9 1 CHF             -> refused offer_price_differs 30
         buy alice b1 card 9 30 CHF            -> refused out_of_stock 1
         buy alice b1 card 1 30 CHF            -> 492 insufficient_funds 0
         deposit alice 30 CHF                  -> 200 deposited 30
         buy alice b1 card 1 30 CHF            -> 200 keys_bought b1 0",
    ),
    (
        "a price that cannot be paid is refused, never wrapped",
        "open alice CHF                        -> 200 opened
         deposit alice 100 CHF                 -> 200 deposited 100
         stock card MAX CHF k1,k2              -> 200 offers_stocked 2
         buy alice b1 card 2 MAX CHF           -> 400 balance_overflow
         buy alice b2 card 1 MAX CHF           -> 492 insufficient_funds 100
         offer card                            -> 2 at 9223372036854775807 CHF",
    ),
    (
        "VIP levels are climbed, at the price of each",
        "open alice CHF                        -> 200 opened
         deposit alice 100 CHF                 -> 200 deposited 100
         vip alice bronze 10 CHF               -> 200 vip_bought 90
         vip alice gold 91 CHF                 -> 492 insufficient_funds 90
         level alice                           -> bronze
         vip alice gold 40 CHF                 -> 200 vip_bought 50
         vip alice silver 20 CHF               -> refused vip_not_higher
         level alice                           -> gold",
    ),
    (
        "a level that is no longer offered is below all that are, and cannot be bought",
        "open alice CHF                        -> 200 opened
         deposit alice 100 CHF                 -> 200 deposited 100
         vip alice gold 10 CHF                 -> 200 vip_bought 90
         vip alice bronze 10 CHF ladder=bronze,silver -> 200 vip_bought 80
         vip alice gold 10 CHF ladder=bronze,silver -> refused vip_not_higher
         vip alice silver 10 CHF ladder=bronze,silver -> 200 vip_bought 70
         level alice                           -> silver",
    ),
    (
        "the same purchase of a level again is answered the same, whatever the price and ladder are now",
        "open alice CHF                        -> 200 opened
         deposit alice 100 CHF                 -> 200 deposited 100
         vip alice gold 10 CHF key=a           -> 200 vip_bought 90
         vip alice gold 11 CHF ladder=gold key=a -> 200 vip_bought 90
         vip alice silver 10 CHF key=a         -> 400 key_reused
         vip bob gold 10 CHF key=a             -> 400 key_reused
         vip ghost gold 10 CHF                 -> 495 player_unknown
         balance alice CHF                     -> 90",
    ),
];

#[test]
fn keys_and_levels_are_sold_once() {
    check(SCENARIOS);
}
