use serde_json::json;

use super::{
    OTHER, PARTIES, USER, adjustment, call, code, fund, fund_of, held, held_with, number, open, payment, stake, with,
};
use crate::e2e::stage::{Base, on_both};

#[tokio::test(flavor = "multi_thread")]
async fn a_stake_is_spent_in_the_partys_order_and_where_it_is_allowed() {
    on_both(async |base| {
        let stage = open(base).await;
        for (bucket, amount) in [("real", "5"), ("bonus", "3"), ("ring_fenced", "2"), ("gbt_bonus", "4")] {
            fund(&stage, bucket, amount).await;
        }
        let cases = [
            (json!({ "total_amount": "-1.5" }), "0 0 -1.5", "5 3 0.5"),
            (json!({ "total_amount": -1.50, "allow_ring_fenced": false }), "-1.5 0 0", "3.5 3 0.5"),
            (json!({ "total_amount": "-5", "allow_ring_fenced": false }), "-3.5 -1.5 0", "0 1.5 0.5"),
            (json!({ "total_amount": "-2", "user_bonus_id": 1234 }), "0 -1.5 -0.5", "0 1.5 0"),
            (
                json!({ "total_amount": "-1", "external_balance_change": { "bonus_amount": "-0.25" } }),
                "0 -0.75 0",
                "0 0.75 0",
            ),
            (json!({ "total_amount": 0 }), "0 0 0", "0 0.75 0"),
        ];
        for (index, (changes, moved, left)) in cases.into_iter().enumerate() {
            let params = with(adjustment(2, &format!("stake {index}")), changes);
            let made = call(&stage, "AdjustBalance", &params).await;
            let amount = |name: &str| made[name].as_str().expect("text").to_owned();
            let told = format!("{} {} {}", amount("real_amount"), amount("bonus_amount"), amount("ring_fenced_amount"));
            assert_eq!((told.as_str(), held(&stage).await.as_str()), (moved, left), "{params}");
            assert_eq!(made["is_new"], true);
        }
        let refused = with(stake("no bonus", "-0.5"), json!({ "allow_bonus": false }));
        assert_eq!(code(&stage, "AdjustBalance", &refused).await, 1005);
        assert_eq!(held_with(&stage, true).await, "0 2.5 0");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_moves_what_its_family_moves() {
    let stakes = [2, 47, 82, 133, 137, 141, 149, 161, 165, 169, 207, 227];
    let payments = [3, 44, 84, 134, 138, 142, 151, 163, 167, 171, 229, 199, 243, 245];
    let voids = [4, 83, 135, 162, 166, 208];
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "12").await;
        let mut staked = Vec::new();
        for kind in stakes {
            let params = with(stake(&format!("{kind}"), "-1"), json!({ "transaction_type_id": kind }));
            staked.push(number(&call(&stage, "AdjustBalance", &params).await));
        }
        assert_eq!(held(&stage).await, "0 0 0");
        for kind in payments {
            let changes = json!({ "transaction_type_id": kind });
            let made =
                call(&stage, "AdjustBalance", &with(payment(&format!("{kind}"), "2", &staked[0]), changes)).await;
            assert_eq!((&made["transaction_type_id"], &made["real_amount"]), (&json!(kind), &json!("2")));
        }
        assert_eq!(held(&stage).await, "28 0 0");
        // The first was paid for, and is not given back as well.
        for (kind, source) in voids.into_iter().zip(&staked[1..]) {
            let changes = json!({ "transaction_type_id": kind });
            call(&stage, "AdjustBalance", &with(payment(&format!("{kind}"), "1", source), changes)).await;
        }
        assert_eq!(held(&stage).await, "34 0 0");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_the_stored_transaction_even_after_a_restart_with_an_empty_purse() {
    on_both(async |base| {
        let mut stage = open(base).await;
        fund(&stage, "real", "3.50").await;
        let made = call(&stage, "AdjustBalance", &stake("04/08/2021 Jason 1", "-3.50")).await;
        let mut expected = json!({
            "bet365_games_transaction_id": number(&made), "transaction_type_id": 2, "action_type_id": 1,
            "partner_transaction_id": "04/08/2021 Jason 1", "real_amount": "-3.5", "ring_fenced_amount": "0",
            "bonus_amount": "0", "total_amount": "-3.5", "total_amount_gbp": "-3.5", "currency_code": "GBP",
            "partner_timestamp_utc": "2021-08-04T10:42:44.393Z", "game_round_id": 1,
            "bet365_transaction_id": 5_000_390_220_i64, "provider_region_id": 20, "is_new": true,
        });
        assert_eq!(made, expected);
        stage.stop().await;
        stage.serve();
        stage.until_ready().await;
        expected["is_new"] = false.into();
        // Another way of writing the same amount, another token, other cases: the same.
        let again = with(stake("04/08/2021 Jason 1", "-3.5"), json!({ "token": "another", "real_amount": null }));
        assert_eq!(call(&stage, "AdjustBalance", &again).await, expected);
        assert_eq!(held(&stage).await, "0 0 0");
        // Another user, region, type or reference makes another transaction.
        for changes in [json!({ "provider_region_id": 21 }), json!({ "transaction_type_id": 133 })] {
            let other = with(stake("04/08/2021 Jason 1", "-3.5"), changes);
            assert_eq!(code(&stage, "AdjustBalance", &other).await, 1005);
        }
        assert!(!stage.log().contains("99faa686-3189"), "a token is in the log");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stake_is_paid_for_or_given_back_and_not_both() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "10").await;
        let mut staked = Vec::new();
        for name in ["returned", "voided"] {
            staked.push(number(&call(&stage, "AdjustBalance", &stake(name, "-1")).await));
        }
        let void = |name: &str, source| with(payment(name, "1", source), json!({ "transaction_type_id": 4 }));
        call(&stage, "AdjustBalance", &payment("return", "2", &staked[0])).await;
        call(&stage, "AdjustBalance", &payment("return again", "2", &staked[0])).await;
        assert_eq!(code(&stage, "AdjustBalance", &void("void", &staked[0])).await, 1010);
        call(&stage, "AdjustBalance", &void("void", &staked[1])).await;
        assert_eq!(code(&stage, "AdjustBalance", &payment("late return", "2", &staked[1])).await, 1010);
        assert_eq!(held(&stage).await, "13 0 0");
        stage.audit().await;
    })
    .await;
}

/// Whatever product the void names: the one of the call would be another account.
#[tokio::test(flavor = "multi_thread")]
async fn a_stake_is_given_back_to_the_product_that_it_came_from() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "10").await;
        let staked = number(&call(&stage, "AdjustBalance", &stake("stake", "-4")).await);
        let elsewhere = json!({ "transaction_type_id": 4, "product_id": 77 });
        let void = with(payment("void", "4", &staked), elsewhere);
        let first = call(&stage, "AdjustBalance", &void).await;
        let again = call(&stage, "AdjustBalance", &void).await;
        assert_eq!((&first["is_new"], &again["is_new"]), (&json!(true), &json!(false)));
        assert_eq!(first["bet365_games_transaction_id"], again["bet365_games_transaction_id"]);
        assert_eq!(held(&stage).await, "10 0 0");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stake_is_given_back_once_into_the_buckets_that_it_came_from() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "1").await;
        fund(&stage, "gbt_bonus", "2").await;
        let external = json!({ "bonus_amount": "-0.5", "ring_fenced_amount": 0 });
        let changes = json!({ "user_bonus_id": 5, "external_balance_change": external });
        let staked = call(&stage, "AdjustBalance", &with(stake("stake", "-3"), changes)).await;
        assert_eq!(
            (&staked["real_amount"], &staked["bonus_amount"], &staked["total_amount"]),
            (&json!("-1"), &json!("-1.5"), &json!("-3"))
        );
        assert_eq!(held_with(&stage, true).await, "0 0.5 0");
        let void = |reference: &str| {
            with(
                adjustment(4, reference),
                json!({
                    "real_amount": "1", "bonus_amount": "1.5", "total_amount": "3", "user_bonus_id": 5,
                    "external_balance_change": { "bonus_amount": "0.5" },
                    "source_bet365_games_transaction_id": number(&staked),
                }),
            )
        };
        let into_bonus = with(void("void"), json!({ "user_bonus_id": null }));
        assert_eq!(code(&stage, "AdjustBalance", &into_bonus).await, 1006, "it was not bonus that was staked");
        let first = call(&stage, "AdjustBalance", &void("void")).await;
        assert_eq!((&first["is_new"], held_with(&stage, true).await.as_str()), (&json!(true), "1 2 0"));
        // The same void again, and another void of the same stake: the first void.
        for reference in ["void", "another", "another"] {
            let again = call(&stage, "AdjustBalance", &void(reference)).await;
            assert_eq!(again, with(first.clone(), json!({ "is_new": false })), "{reference}");
        }
        assert_eq!(held_with(&stage, true).await, "1 2 0");
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_and_awards_are_paid_into_the_buckets_that_they_name() {
    on_both(async |base| {
        let stage = open(base).await;
        let staked = call(&stage, "AdjustBalance", &stake("nothing", "0")).await;
        let amounts = json!({
            "real_amount": 1.00, "bonus_amount": "2.00", "ring_fenced_amount": 3e0, "total_amount": "11",
            "external_balance_change": { "Bonus_Amount": 2, "ring_fenced_amount": "3" },
            "source_bet365_games_transaction_id": number(&staked),
        });
        let made = call(&stage, "AdjustBalance", &with(adjustment(3, "return"), amounts.clone())).await;
        assert_eq!((&made["bonus_amount"], &made["total_amount"]), (&json!("2"), &json!("11")));
        assert_eq!(held(&stage).await, "1 2 3");
        let gbt = with(adjustment(3, "gbt"), with(amounts.clone(), json!({ "user_bonus_id": 9 })));
        call(&stage, "AdjustBalance", &gbt).await;
        assert_eq!((held(&stage).await.as_str(), held_with(&stage, true).await.as_str()), ("2 2 6", "2 2 6"));
        // An award need not be for anything.
        let award = with(adjustment(245, "award"), json!({ "real_amount": "0.01", "total_amount": "0.01" }));
        call(&stage, "AdjustBalance", &award).await;
        assert_eq!(held(&stage).await, "2.01 2 6");
        let elsewhere = json!({ "user_id": USER, "product_id": 4 });
        let other_product = call(&stage, "GetUserBalance", &elsewhere).await;
        assert_eq!(other_product, json!({ "user_id": USER, "balance": "0", "bonus": "0", "ring_fenced": "0" }));
        stage.audit().await;
    })
    .await;
}

/// Amounts have more digits than a float keeps.
#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_exact_to_the_last_digit() {
    let stage = open(Base::Sqlite).await;
    fund(&stage, "real", "90071992547409.93").await;
    let body = json!({ "method": "AdjustBalance", "params": stake("exact", "AMOUNT") }).to_string();
    let body = body.replace("\"AMOUNT\"", "-90071992547409.920000000000000000000000000000000000");
    let call = super::post("/api/AdjustBalance", &json!(null)).body(body);
    let made = super::body(&call.send(&stage).await);
    assert_eq!(made["result"]["total_amount_gbp"], "-90071992547409.92", "{made}");
    assert_eq!(held(&stage).await, "0.01 0 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_answered_alike_when_its_currency_is_configured_no_more() {
    on_both(async |base| {
        let mut stage = open(base).await;
        fund_of(&stage, OTHER, "USD", "real", "5").await;
        let in_usd = |params| with(params, json!({ "user_id": OTHER, "currency_id": 3 }));
        let (paid, refused) = (in_usd(stake("paid", "-2")), in_usd(stake("refused", "-100")));
        let made = call(&stage, "AdjustBalance", &paid).await;
        assert_eq!(code(&stage, "AdjustBalance", &refused).await, 1005);
        stage.stop().await;
        let gone = PARTIES.replace(", 3 = \"USD\"", "").replace(", USD = \"0.78183\"", "");
        stage.reconfigure(&gone.replace(r#"["ring_fenced", "real", "bonus"]"#, r#"["real"]"#));
        stage.serve();
        stage.until_ready().await;
        assert_eq!(call(&stage, "AdjustBalance", &paid).await, with(made, json!({ "is_new": false })));
        assert_eq!(code(&stage, "AdjustBalance", &refused).await, 1005);
        assert_eq!(code(&stage, "AdjustBalance", &in_usd(stake("new", "-1"))).await, 1011);
        stage.audit().await;
    })
    .await;
}
