//! What transactions do to money, and to one another.

use serde_json::{Value, json};

use super::script::play;
use super::{code, open};
use crate::e2e::stage::on_both;

/// Each is a name and a script, from 100.00 on.
const SCRIPTS: &[(&str, &str)] = &[
    (
        "round",
        "enter e 10 c = 90
         win w 25.50 c = 115.5
         again enter e 10 c = 90
         again win w 25.50 c = 115.5
         again win w 25.5 c = 115.5",
    ),
    (
        "cents",
        "enter e1 0.01 c = 99.99
         enter e2 9.99 c = 90
         enter e3 90 c = 0
         enter e4 0.01 c ! 4
         again enter e4 0.01 c ! 4
         win w 1000000000000.10 c = 1000000000000.1
         again enter e4 0.01 c ! 4          # refused it stays
         enter e5 0.001 c ! 7
         enter e6 -1 c ! 7
         enter e7 ten c ! 7
         win big 92233720368547758.07 c ! 7 # more than a balance holds",
    ),
    (
        "cancel",
        "enter e 10 c = 90
         cancel x 9 c ! 7                   # another amount
         cancel x 10 d ! 7                  # another contest
         other cancel x 10 c ! 7            # another player
         cancel x 10 c = 100                # a refused id is as good as new
         again cancel x 10 c = 100
         cancel y 10 c ! 7                  # a second fate
         win w 25 c ! 7",
    ),
    (
        "settled",
        "enter e 10 c = 90
         win w 25 c = 115
         cancel x 10 c ! 7
         win w2 5 c ! 7",
    ),
    (
        "no-entry",
        "win w 5 c = 105
         cancel x 5 c ! 7
         rollback r w = 100",
    ),
    (
        "several",
        "enter e1 10 c = 90
         enter e2 20 c = 70
         enter e3 10 c = 60
         cancel x 20 c = 80
         cancel y 20 c ! 7
         win w1 1 c = 81
         win w2 2 c = 83
         win w3 3 c ! 7
         cancel z 10 c ! 7
         rollback r w2 = 81                 # opens e3 again
         cancel z 10 c = 91
         win w4 3 c ! 7",
    ),
    (
        "reused",
        "enter e 10 c = 90
         enter e 11 c ! 7
         enter e 10 d ! 7
         win e 10 c ! 7
         other enter e 10 c ! 7
         rollback e e ! 7
         again enter e 10 c = 90",
    ),
    (
        "undone",
        "enter e 10 c = 90
         rollback r e = 100
         again rollback r e = 100
         rollback r2 e = 100                # nothing left to undo
         rollback r other ! 7               # the id is taken
         win w 5 c ! 7
         cancel x 10 c ! 7
         again enter e 10 c = 90            # the stored answer: nothing moves
         rollback r3 r ! 7                  # a rollback is nobody's to undo",
    ),
    (
        "unknown",
        "rollback r e = 100
         again rollback r e = 100
         enter e 10 c ! 7                   # undone before it came
         win e 10 c ! 7
         other enter e 10 c ! 7
         rollback r2 e = 100
         other rollback r3 e ! 7
         rollback self self = 100
         again rollback self self = 100",
    ),
    (
        "spent",
        "enter e 10 c = 90
         win w 50 c = 140
         enter all 140 d = 0
         rollback r w ! 4                   # the win is spent
         again rollback r w ! 4
         cancel x 140 d = 140
         rollback r w = 90                  # not kept: asked again, it is judged again
         cancel y 10 c = 100                # and the entry is open again",
    ),
    (
        "reopened",
        "enter e 10 c = 90
         cancel x 10 c = 100
         rollback r1 x = 90                 # the cancel is undone
         win w 30 c = 120
         rollback r2 e ! 7                  # the entry has met its fate
         rollback r3 w = 90                 # which can be undone,
         rollback r4 e = 100                # and then the entry
         win w2 5 c ! 7",
    ),
    (
        "voided",
        "enter e 10 c = 90
         cancel x 10 c = 100
         rollback r e ! 7                   # it has come back already
         enter all 100 d = 0
         rollback r x ! 4",
    ),
    (
        "strangers",
        "enter e 10 c = 90
         other rollback r e ! 7
         other cancel x 10 c ! 7
         other win w 10 c = 110
         rollback r e = 100",
    ),
    (
        "free",
        "enter e 0 c = 100
         win w 0 c = 100
         win w2 0 c ! 7
         enter f 0 d = 100
         cancel x 0 d = 100
         enter g 0 f = 100
         rollback r g = 100
         win w3 5 f ! 7",
    ),
    (
        "nothing-won",
        "win w 0 c = 100
         rollback r w = 100
         win w2 5 c = 105                   # what was rolled back was no entry",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_where_the_scripts_say() {
    on_both(async |base| {
        let quickplay = open(base).await;
        for (name, script) in SCRIPTS {
            play(&quickplay, name, script).await;
        }
        quickplay.stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_nothing() {
    on_both(async |base| {
        let mut quickplay = open(base).await;
        let entry = super::QuickPlay::transaction(0, "kept");
        let first = quickplay.call("transaction", &entry).await;
        quickplay.stage.stop().await;
        quickplay.stage.serve();
        quickplay.stage.until_ready().await;
        let second = quickplay.call("transaction", &entry).await;
        assert_eq!((first.status, first.text()), (200, second.text()));
        assert_eq!(quickplay.stage.balance("acme", "555", "EUR").await, 9000);
        quickplay.stage.audit().await;
    })
    .await;
}

/// A partner may be given another currency. What was entered in the old one goes back to it, in its own decimal places.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_goes_back_in_the_currency_that_it_was_made_in() {
    on_both(async |base| {
        let mut quickplay = open(base).await;
        let cancel = |id: &str, amount: Value| {
            let mut call = super::QuickPlay::transaction(2, id);
            call["amount"] = amount;
            call
        };
        assert_eq!(code(&quickplay.call("transaction", &super::QuickPlay::transaction(0, "e1")).await), 0);
        assert_eq!(code(&quickplay.call("transaction", &super::QuickPlay::transaction(0, "e2")).await), 0);
        assert_eq!(code(&quickplay.call("transaction", &cancel("c1", json!(10))).await), 0);
        let wei = super::parties(&quickplay.signer).replace("currency = \"EUR\"", "currency = \"ETH\"");
        let wei = wei.replace("[\"EUR\", \"CHF\"]", "[\"EUR\", \"CHF\", \"ETH\"]");
        quickplay.stage.stop().await;
        quickplay.stage.reconfigure(&wei);
        quickplay.stage.serve();
        quickplay.stage.until_ready().await;
        assert_eq!(code(&quickplay.call("transaction", &cancel("c2", json!("0.000001"))).await), 7);
        assert_eq!(code(&quickplay.call("transaction", &cancel("c1", json!(10))).await), 0, "the same as before");
        assert_eq!(code(&quickplay.call("transaction", &cancel("c2", json!(10))).await), 0);
        assert_eq!(code(&quickplay.call("transaction", &cancel("c2", json!("10.00"))).await), 0);
        assert_eq!(quickplay.stage.balance("acme", "555", "EUR").await, 10_000);
        assert_eq!(quickplay.stage.balance("acme", "555", "ETH").await, 0);
        quickplay.stage.audit().await;
    })
    .await;
}
