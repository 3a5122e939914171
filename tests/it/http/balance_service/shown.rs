use serde_json::{Value, json};

use super::{OTHER, USER, call, code, fund, fund_of, number, open, payment, stake, with};
use crate::e2e::stage::on_both;

/// A transaction as the methods that look at it show it.
fn selected(made: &Value, source: &Value, token: &str) -> Value {
    with(
        made.clone(),
        json!({
            "source_transaction_id": source, "regulated_game_id": 6403, "user_token": token,
            "flake_id": 9_148_077_483_121_591_870_i64, "is_new": false,
        }),
    )
}

const TOKEN: &str = "99faa686-3189-4eea-b789-bf828ed78a34";

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_found_by_round_number_reference_and_type() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "10").await;
        fund_of(&stage, OTHER, "USD", "real", "10").await;
        let first = call(&stage, "AdjustBalance", &stake("one", "-1")).await;
        let theirs = json!({ "user_id": OTHER, "currency_id": 3, "total_amount": "-1.2", "token": "theirs" });
        let theirs = call(&stage, "AdjustBalance", &with(stake("one", "-1"), theirs)).await;
        let paid = call(&stage, "AdjustBalance", &payment("one", "2", &number(&first))).await;
        let last = call(&stage, "AdjustBalance", &with(stake("two", "-1"), json!({ "game_round_id": 2 }))).await;
        assert_eq!((&theirs["currency_code"], &theirs["total_amount_gbp"]), (&json!("USD"), &json!("-0.9382")));
        let all = [&first, &theirs, &paid, &last].map(|made| number(made).as_i64());
        assert!(all.is_sorted(), "{all:?}");

        let shown = |made: &Value| selected(made, &json!(0), TOKEN);
        let shown_paid = selected(&paid, &number(&first), TOKEN);
        let shown_theirs = selected(&theirs, &json!(0), "theirs");
        let round = |round: i64| json!({ "game_round_id": round });
        let reference = |user: i32, region: i32, reference: &str| {
            json!({ "user_id": user, "provider_region_id": region, "partner_transaction_id": reference })
        };
        let cases = [
            ("GetTransactionsByGameRound", round(1), json!([shown(&first), shown_theirs, shown_paid])),
            ("GetTransactionsByGameround", round(2), json!([shown(&last)])),
            ("GetTransactionsByGameRound", round(3), json!([])),
            ("GetTransactionsByGameRound", round(i64::MIN), json!([])),
            ("GetTransactionsByPartnerTransactionID", reference(USER, 20, "one"), json!([shown(&first), shown_paid])),
            ("GetTransactionsByPartnerTransactionId", reference(OTHER, 20, "one"), json!([shown_theirs])),
            ("GetTransactionsByPartnerTransactionID", reference(USER, 21, "one"), json!([])),
            ("GetTransactionsByPartnerTransactionID", reference(7, 20, "one"), json!([])),
            ("GetTransactionById", json!({ "id": number(&paid) }), shown_paid.clone()),
            ("GetTransactionByID", json!({ "ID": number(&theirs) }), shown_theirs.clone()),
        ];
        for (method, params, expected) in cases {
            assert_eq!(call(&stage, method, &params).await, expected, "{method} {params}");
        }
        let latest = |user: i32, region: i32, partner: i32, kind: i32| {
            json!({ "user_id": user, "provider_region_id": region, "partner_id": partner, "transaction_type_id": kind })
        };
        let method = "GetLatestTransactionByTransactionTypeId";
        assert_eq!(call(&stage, method, &latest(USER, 20, 100, 2)).await, shown(&last));
        assert_eq!(call(&stage, method, &latest(USER, 20, 100, 3)).await, shown_paid);
        assert_eq!(call(&stage, method, &latest(OTHER, 20, 100, 2)).await, shown_theirs);
        let nowhere = [latest(USER, 21, 100, 2), latest(USER, 20, 99, 2), latest(USER, 20, 100, 4), latest(7, 20, 100, 2)];
        for params in nowhere {
            assert_eq!(code(&stage, method, &params).await, 1010, "{params}");
        }
        for id in [0, -1, i64::MAX] {
            assert_eq!(code(&stage, "GetTransactionById", &json!({ "id": id })).await, 1010, "{id}");
        }
    })
    .await;
}

/// A refused transaction is none.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_not_found() {
    on_both(async |base| {
        let stage = open(base).await;
        assert_eq!(code(&stage, "AdjustBalance", &stake("poor", "-1")).await, 1005);
        assert_eq!(call(&stage, "GetTransactionsByGameRound", &json!({ "game_round_id": 1 })).await, json!([]));
    })
    .await;
}
