//! What a call comes to in the ledger, and what it is answered with.

use super::*;

#[test]
fn amounts_of_the_wrong_sign_or_that_do_not_add_up_are_1006() {
    let external = |bonus: &str, ring_fenced: &str| json!({ "bonus_amount": bonus, "ring_fenced_amount": ring_fenced });
    let cases = [
        (2, vec![("total_amount", json!("0.01"))]),
        (2, vec![("total_amount", json!("-1")), ("external_balance_change", external("0.5", "0"))]),
        (2, vec![("total_amount", json!("-1")), ("external_balance_change", external("-1", "-0.01"))]),
        (
            2,
            vec![
                ("total_amount", json!("-1")),
                ("external_balance_change", external("-92233720368547758.07", "-92233720368547758.07")),
            ],
        ),
        (3, vec![("real_amount", json!("-1")), ("total_amount", json!("-1"))]),
        (3, vec![("real_amount", json!("-1")), ("bonus_amount", json!("1"))]),
        (3, vec![("real_amount", json!("1")), ("total_amount", json!("2"))]),
        (
            3,
            vec![
                ("real_amount", json!("1")),
                ("total_amount", json!("1")),
                ("external_balance_change", external("1", "0")),
            ],
        ),
        (3, vec![("real_amount", json!("92233720368547758.07")), ("bonus_amount", json!("92233720368547758.07"))]),
        (199, vec![("bonus_amount", json!("1"))]),
        (4, vec![("ring_fenced_amount", json!("1"))]),
    ];
    for (kind, changes) in cases {
        let params = with(adjustment(kind), &changes);
        assert_eq!(code_of(answer(&handler(), &call("AdjustBalance", &params))).0, 1006, "{kind} {changes:?}");
    }
}

/// A wallet whose one player has this home currency, and 100.00 of it.
fn wallet(home: &str) -> MemoryWallet {
    let wallet = MemoryWallet::with_numbers_from(1);
    let player = PlayerId::parse("1030979").unwrap();
    let profile = Profile { home_currency: currency(home), username: None, nickname: None, email: None, gender: None };
    // The calls' product, which has accounts of its own.
    let pocket = Pocket { product: 19, ..Pocket::real(currency(home)) };
    let cash = Cash { player: player.clone(), pocket, amount: Amount::new(10_000).unwrap(), key: "a".into() };
    for act in
        [Act::Account(AccountAct::OpenPlayer(OpenPlayer { player, profile })), Act::Account(AccountAct::Deposit(cash))]
    {
        let command = Command { party: Party::parse("acme").unwrap(), at: Timestamp(0), correlation: None, act };
        assert!(matches!(wallet.apply(command).unwrap().outcome, Outcome::Done(_)));
    }
    wallet
}

/// The command that an adjustment becomes, for a player with this home currency, and the reply to its outcome.
fn decided(params: &Value, home: &str, outcome: Outcome) -> (Command, Reply) {
    let wallet = wallet(home);
    wallet.answer_next(outcome);
    let reply = answer_with(&wallet, &handler(), &call("AdjustBalance", params));
    assert_eq!(wallet.take_asked(), ["player", "decide"]);
    (wallet.take_commands().remove(0), reply)
}

/// A result's transaction, and whether it is new.
fn inserted(reply: &Reply) -> (i64, bool) {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let result = &body["result"];
    let number = result["bet365_games_transaction_id"].as_i64().unwrap_or_else(|| panic!("no result: {body}"));
    (number, result["is_new"].as_bool().unwrap())
}

#[test]
fn an_adjustment_asks_one_question_beside_its_decision() {
    let (wallet, handler) = (wallet("GBP"), handler());
    let adjust = |params: &Value| inserted(&answer_with(&wallet, &handler, &call("AdjustBalance", params)));
    let stake = with(adjustment(2), &[("total_amount", json!("-3.5"))]);
    let (number, is_new) = adjust(&stake);
    assert!(is_new);
    assert_eq!(adjust(&stake), (number, false), "the same again");
    let void = |reference: &str| {
        let changes = [
            ("source_bet365_games_transaction_id", json!(number)),
            ("real_amount", json!("3.5")),
            ("total_amount", json!("3.5")),
            ("partner_transaction_id", json!(reference)),
        ];
        with(adjustment(4), &changes)
    };
    let (voided, is_new) = adjust(&void("first"));
    assert!(is_new && voided > number);
    assert_eq!(wallet.take_asked(), ["player", "decide"].repeat(3));
    assert_eq!(adjust(&void("second")), (voided, false), "given back before");
    assert_eq!(wallet.take_asked(), ["player", "decide", "transactions"], "by another command than this one");
}

#[test]
fn a_stake_is_spent_from_the_allowed_buckets_in_the_partys_order() {
    use Bucket::{Bonus, GbtBonus, Real, RingFenced};
    let cases = [
        (true, true, None, vec![RingFenced, Real, Bonus]),
        (true, false, None, vec![Real, Bonus]),
        (false, true, None, vec![RingFenced, Real]),
        (false, false, None, vec![Real]),
        (true, true, Some(5), vec![RingFenced, Real, GbtBonus]),
        (false, false, Some(5), vec![Real]),
    ];
    for (allow_bonus, allow_ring_fenced, user_bonus_id, expected) in cases {
        let changes = [
            ("allow_bonus", json!(allow_bonus)),
            ("allow_ring_fenced", json!(allow_ring_fenced)),
            ("user_bonus_id", json!(user_bonus_id)),
            ("total_amount", json!(-3.5)),
        ];
        let params = with(adjustment(2), &changes);
        let (command, _) = decided(&params, "GBP", Outcome::Refused(Refusal::Account(AccountRefusal::BalanceOverflow)));
        let Act::Transaction(TransactionAct::Adjust(adjust)) = command.act else { panic!("another act") };
        assert_eq!(adjust.change, Change::Stake { total: 350, external: 0, from: expected });
        assert_eq!(&*adjust.name, "balance_service/1030979/20/2/04/08/2021 Jason 1");
        assert_eq!((adjust.worth.as_deref(), adjust.token.as_deref()), (Some("-3.5"), Some("99faa686")));
    }
}

#[test]
fn an_amount_is_worth_its_rate_in_gbp_rounded_half_to_even() {
    let cases = [
        (1, "GBP", "-3.50", "-3.5"),
        (2, "EUR", "-1.5", "-1.2856"),
        (3, "USD", "-1.2", "-0.9382"),
        (3, "USD", "0", "0"),
        (2, "EUR", "-92233720368547758.07", "-79053521727882283.4418"),
    ];
    for (id, home, total, worth) in cases {
        let params = with(adjustment(2), &[("currency_id", json!(id)), ("total_amount", json!(total))]);
        let (command, _) = decided(&params, home, Outcome::Refused(Refusal::Account(AccountRefusal::BalanceOverflow)));
        let Act::Transaction(TransactionAct::Adjust(adjust)) = command.act else { panic!("another act") };
        assert_eq!(adjust.worth.as_deref(), Some(worth), "{total} {home}");
    }
    let params = with(adjustment(2), &[("currency_id", json!(4))]);
    assert_eq!(code_of(answer(&handler(), &call("AdjustBalance", &params))).0, 1007, "there is no rate for JPY");
}

#[test]
fn every_refusal_of_the_ledger_has_its_code() {
    let cases = [
        (Refusal::Account(AccountRefusal::PlayerUnknown), 1001),
        (Refusal::Account(AccountRefusal::KeyReused), 1004),
        (Refusal::Account(AccountRefusal::InsufficientFunds { balance: 1 }), 1005),
        (Refusal::Transaction(TransactionRefusal::AmountsDisagree), 1006),
        (Refusal::Account(AccountRefusal::BalanceOverflow), 1007),
        (Refusal::Order(OrderRefusal::OrderUnknown), 1008),
        (Refusal::Transaction(TransactionRefusal::TransactionUndone), 1008),
        (Refusal::Transaction(TransactionRefusal::VoidResolved), 1008),
        (Refusal::Transaction(TransactionRefusal::TransactionUnknown), 1010),
        (Refusal::Transaction(TransactionRefusal::TransactionEnded), 1010),
    ];
    for (refusal, code) in cases {
        assert_eq!(i64::from(of_refusal(refusal).code.told().0), code, "{refusal:?}");
        let (_, reply) = decided(&adjustment(2), "GBP", Outcome::Refused(refusal));
        assert_eq!(code_of(reply).0, code, "{refusal:?}");
    }
    let (_, reply) = decided(&adjustment(2), "GBP", Outcome::Done(Done::Order(OrderDone::BetPlaced)));
    assert_eq!(code_of(reply).0, 1008);
}

type Reconfigured = fn(&mut BalanceService);

/// What a party's configuration may come to say after a call was decided.
const RECONFIGURED: [(&str, Reconfigured); 7] = [
    ("another order", |settings| settings.spend_order.reverse()),
    ("less is spent", |settings| settings.spend_order = vec![Bucket::Real]),
    ("another rate", |settings| settings.gbp_rates = BTreeMap::from([(currency("EUR"), Decimal::new(9, 1))])),
    ("no rate", |settings| settings.gbp_rates.clear()),
    ("no id", |settings| settings.currency_ids.clear()),
    ("another id", |settings| settings.currency_ids = BTreeMap::from([(9, currency("EUR"))])),
    ("another's id", |settings| settings.currency_ids = BTreeMap::from([(2, currency("USD")), (3, currency("EUR"))])),
];

#[test]
fn a_repeat_is_answered_as_the_first_time_whatever_is_configured_by_now() {
    let wallet = wallet("EUR");
    let call_of = |kind: i32, reference: &str, total: &str| {
        let changes = [
            ("currency_id", json!(2)),
            ("partner_transaction_id", json!(reference)),
            ("total_amount", json!(total)),
            ("real_amount", json!(total)),
        ];
        with(adjustment(kind), &changes)
    };
    let adjust = |handler: &BalanceServiceHandler, params: &Value| {
        let reply = answer_with(&wallet, handler, &call("AdjustBalance", params));
        serde_json::from_slice::<Value>(&reply.body).unwrap()
    };
    let stake = call_of(2, "done", "-3.5");
    let mut first = adjust(&handler(), &stake);
    let number = first["result"]["bet365_games_transaction_id"].clone();
    let payment = with(call_of(3, "paid", "2"), &[("source_bet365_games_transaction_id", number)]);
    let mut paid = adjust(&handler(), &payment);
    for result in [&mut first, &mut paid] {
        assert_eq!(result["result"]["is_new"], true, "{result}");
        result["result"]["is_new"] = false.into();
    }
    let too_much = call_of(2, "refused", "-1000");
    let refused = adjust(&handler(), &too_much);
    assert_eq!(refused["error"]["code"], 1005);
    for (name, reconfigure) in RECONFIGURED {
        let mut handler = Arc::into_inner(handler()).unwrap();
        reconfigure(&mut handler.settings);
        for (params, expected) in [(&stake, &first), (&payment, &paid), (&too_much, &refused)] {
            assert_eq!(adjust(&handler, params), *expected, "{name}: {params}");
        }
        for (member, other) in [("allow_bonus", json!(false)), ("flake_id", json!(1)), ("currency_id", json!(7))] {
            for params in [&stake, &payment, &too_much] {
                let told = adjust(&handler, &with(params.clone(), &[(member, other.clone())]));
                let code = told["error"]["code"].as_i64().unwrap_or_default();
                assert!([1004, 1007, 1011].contains(&code), "{name}, other {member}: {told}");
            }
        }
    }
}

#[test]
fn a_user_who_is_unknown_is_1001_and_another_currency_than_the_users_1011() {
    let balance = json!({ "user_id": 1030979, "product_id": 4, "currency_id": 1 });
    for (method, params) in [("GetUserBalance", balance), ("AdjustBalance", adjustment(2))] {
        for (wallet, code) in [(MemoryWallet::default(), 1001), (wallet("EUR"), 1011)] {
            wallet.take_asked();
            let reply = answer_with(&wallet, &handler(), &call(method, &params));
            let asked = wallet.take_asked();
            assert_eq!((code_of(reply).0, asked[0], asked.contains(&"decide")), (code, "player", false), "{method}");
        }
    }
}
