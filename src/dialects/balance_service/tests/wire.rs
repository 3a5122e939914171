//! What a request must be, and what is wrong with one.

use proptest::prelude::*;

use super::*;

#[test]
fn a_call_without_one_of_the_keys_is_unauthorized_before_anything_else() {
    type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], bool, u16);
    let cases: [Case; 9] = [
        (&[], &[], true, 200),
        (&[], &[], false, 401),
        (&["k1", "k2"], &[("x-api-key", "k1")], false, 200),
        (&["k1", "k2"], &[("x-api-key", "k2")], true, 200),
        (&["k1", "k2"], &[("authorization", "Bearer k2")], false, 200),
        (&["k1", "k2"], &[("authorization", "Basic k2")], false, 401),
        (&["k1", "k2"], &[("x-api-key", "k3")], false, 401),
        (&["k1", "k2"], &[("x-api-key", "k3"), ("authorization", "Bearer k1")], false, 401),
        (&["k1", "k2"], &[], true, 401),
    ];
    for (keys, headers, is_local, status) in cases {
        let request = Request { is_local, ..request("GET", "nothing", headers, b"") };
        let reply = answer(&handler_with(keys), &request);
        assert_eq!(reply.status, status, "{headers:?}");
        assert_eq!(refused(&reply).0, if status == 200 { 1 } else { 401 }, "{headers:?}");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told_in_the_order_of_the_codes() {
    let body = |text: &str| text.as_bytes().to_vec();
    let [content_type, accept] = HEADERS;
    let method = "GetUserBalance";
    let cases = [
        ("GET", method, vec![], body(""), 1),
        ("PUT", method, vec![content_type, accept], body("{}"), 1),
        ("HEAD", method, vec![content_type, accept], body("{}"), 1),
        ("POST", method, vec![accept], body(""), 2),
        ("POST", method, vec![("content-type", "text/plain")], body(""), 2),
        ("POST", method, vec![content_type], body(""), 3),
        ("POST", method, vec![content_type, ("accept", "text/html")], body(""), 3),
        ("POST", method, vec![("content-type", "application/json; charset=utf-8"), ("accept", "*/*")], body(""), 4),
        ("POST", method, HEADERS.to_vec(), body("{"), 4),
        ("POST", method, HEADERS.to_vec(), body("[]"), 4),
        ("POST", method, HEADERS.to_vec(), body("null"), 4),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"a\"}{}"), 4),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"a\",\"Method\":\"b\",\"params\":{}}"), 4),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"a\",\"params\":{\"a\":1,\"A\":1}}"), 4),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"\u{7f}"), 4),
        ("POST", method, HEADERS.to_vec(), vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}'], 4),
        ("POST", method, HEADERS.to_vec(), body("{}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"nonsense\"}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"params\":{}}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":null,\"params\":{}}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"x\",\"params\":null}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"x\",\"params\":[]}"), 5),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"nonsense\",\"params\":{}}"), 6),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":7,\"params\":{}}"), 6),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"AdjustBalance\",\"params\":{}}"), 6),
        ("POST", "nonsense", HEADERS.to_vec(), body("{\"method\":\"GetUserBalance\",\"params\":{}}"), 6),
        ("POST", "nonsense", HEADERS.to_vec(), body("{\"method\":\"nonsense\",\"params\":{}}"), 6),
        ("POST", method, HEADERS.to_vec(), body("{\"method\":\"GetUserBalance\",\"params\":{}}"), 7),
        (
            "POST",
            "getuserbalance",
            HEADERS.to_vec(),
            body(" {\"METHOD\":\"GETUSERBALANCE\",\"Params\":{},\"Id\":5}"),
            7,
        ),
    ];
    for (verb, address, headers, body, code) in cases {
        let (is, message) = code_of(answer(&handler(), &request(verb, address, &headers, &body)));
        assert_eq!(is, code, "{verb} {address} {} {message}", String::from_utf8_lossy(&body));
    }
}

#[test]
fn every_required_parameter_is_missed_by_name_before_any_value_is_judged() {
    for family in Family::ALL {
        let (kind, _) = family.kinds().next().unwrap();
        for missing in family.required() {
            let mut params = with(adjustment(kind), &[("flake_id", json!("wrong"))]);
            params[missing] = Value::Null;
            let (code, message) = code_of(answer(&handler(), &call("AdjustBalance", &params)));
            assert_eq!((code, message.ends_with(&format!(": {missing}"))), (7, true), "{kind}: {message}");
            params.as_object_mut().unwrap().remove(missing);
            assert_eq!(code_of(answer(&handler(), &call("AdjustBalance", &params))).0, 7, "{kind}: {missing}");
        }
    }
    let others: [(&str, &[&str]); 6] = [
        ("GetUserBalance", UserBalance::REQUIRED),
        ("QueueManualVoidReturn", QueueVoidParams::REQUIRED),
        ("GetTransactionsByGameRound", ByRound::REQUIRED),
        ("GetTransactionById", ById::REQUIRED),
        ("GetTransactionsByPartnerTransactionID", ByReference::REQUIRED),
        ("GetLatestTransactionByTransactionTypeId", Latest::REQUIRED),
    ];
    for (method, required) in others {
        for missing in required {
            let present = required.iter().filter(|name| *name != missing);
            let params: BTreeMap<&str, &str> = present.map(|name| (*name, "wrong")).collect();
            let (code, message) = code_of(answer(&handler(), &call(method, &json!(params))));
            assert_eq!((code, message.ends_with(&format!(": {missing}"))), (7, true), "{method}: {message}");
        }
    }
}

#[test]
fn a_value_of_the_wrong_type_or_out_of_range_is_1011_and_named() {
    let cases = [
        ("flake_id", json!("1")),
        ("flake_id", json!(9_223_372_036_854_775_808_u64)),
        ("flake_id", json!(1.5)),
        ("user_id", json!(2_147_483_648_i64)),
        ("user_id", json!(-2_147_483_649_i64)),
        ("user_id", json!(true)),
        ("user_id", json!("1030979")),
        ("game_round_id", json!([1])),
        ("allow_bonus", json!("true")),
        ("allow_bonus", json!(1)),
        ("token", json!(7)),
        ("token", json!("t".repeat(256))),
        ("partner_transaction_id", json!("")),
        ("partner_transaction_id", json!("x".repeat(101))),
        ("partner_transaction_id", json!("a\u{0}b")),
        ("bonus_game_type", json!({})),
        ("partner_timestamp_utc", json!("yesterday")),
        ("partner_timestamp_utc", json!(1_628_073_764)),
        ("total_amount", json!("1.001")),
        ("total_amount", json!("1,00")),
        ("total_amount", json!("")),
        ("total_amount", json!("1e2")),
        ("total_amount", json!(true)),
        ("total_amount", json!("92233720368547758.08")),
        ("total_amount", json!("-92233720368547758.08")),
        ("real_amount", json!("0.0000000000000000000000000000000000000001")),
        ("currency_id", json!(9)),
        ("external_balance_change", json!(5)),
        ("external_balance_change", json!({ "bonus_amount": true })),
        ("external_balance_change", json!({ "bonus_amount": "0.001" })),
        ("user_bonus_id", json!("x")),
    ];
    for (name, value) in cases {
        let params = with(adjustment(2), &[(name, value.clone())]);
        let (code, message) = code_of(answer(&handler(), &call("AdjustBalance", &params)));
        assert_eq!((code, message.contains(name)), (1011, true), "{name} {value}: {message}");
    }
}

#[test]
fn other_types_are_1009_and_named_before_what_else_is_missing() {
    for kind in [6, 0, 1, 5, -2, 48, 129, i32::MAX] {
        let params = json!({ "transaction_type_id": kind });
        assert_eq!(code_of(answer(&handler(), &call("AdjustBalance", &params))).0, 1009, "{kind}");
        let params = json!({ "transaction_type_id": kind, "source_bet365_games_transaction_id": 1 });
        let wallet = MemoryWallet::default();
        let reply = answer_with(&wallet, &handler(), &call("QueueManualVoidReturn", &params));
        let (code, asked) = if kind == 6 { (1010, &["transactions"][..]) } else { (1009, &[][..]) };
        assert_eq!((code_of(reply).0, &*wallet.take_asked()), (code, asked), "{kind}");
    }
}

#[test]
fn a_failure_is_told_in_the_same_shape() {
    let cases = [
        (Failure::NotFound, 404, 6),
        (Failure::MethodNotAllowed, 200, 1),
        (Failure::TooLarge, 200, 4),
        (Failure::Unreadable, 200, 4),
        (Failure::Unavailable, 503, 1002),
        (Failure::Fault, 200, 1002),
    ];
    for (failed, status, code) in cases {
        let reply = failure(failed);
        assert_eq!((reply.status, refused(&reply).0), (status, code), "{failed:?}");
    }
    assert_eq!(DIALECT.name, "balance_service");
}

#[test]
fn codes_differ_and_say_what_they_mean() {
    let told: BTreeMap<i32, &str> = BalanceServiceCode::ALL.iter().map(|code| code.told()).collect();
    assert_eq!(told.len(), BalanceServiceCode::ALL.len());
    assert!(told.values().all(|description| !description.is_empty()));
}

/// What is decoded by one table and documented by another must be the same.
#[test]
fn the_documented_parameters_are_the_required_ones() {
    let schemas: BTreeMap<String, Value> = document::schemas().into_iter().collect();
    let documented = |name: &str| {
        let required = &schemas[&format!("{name}-req")]["properties"]["params"]["required"];
        required.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(documented("GetUserBalance"), UserBalance::REQUIRED);
    assert_eq!(documented("QueueManualVoidReturn"), QueueVoidParams::REQUIRED);
    assert_eq!(documented("GetTransactionsByGameRound"), ByRound::REQUIRED);
    assert_eq!(documented("GetTransactionById"), ById::REQUIRED);
    assert_eq!(documented("GetTransactionsByPartnerTransactionID"), ByReference::REQUIRED);
    assert_eq!(documented("GetLatestTransactionByTransactionTypeId"), Latest::REQUIRED);
    let always = documented("AdjustBalance");
    for family in Family::ALL {
        assert!(always.iter().all(|name| family.required().contains(&name.as_str())), "{family:?}");
    }
}

/// Bytes that are nearly a call: a good one with some of it replaced.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let good = json!({ "method": "AdjustBalance", "params": adjustment(3) }).to_string().into_bytes();
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(vec![
            "\"",
            "\\",
            "{",
            "}",
            "[",
            ",",
            ":",
            "null",
            "1e9",
            "-",
            "\\u0000",
            "\\ud800",
            "9999999999"
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..8_usize, piece), 1..4);
    edits.prop_map(move |edits| {
        let mut body = good.clone();
        for (at, length, piece) in edits {
            let from = at.index(body.len() + 1);
            let to = body.len().min(from + length);
            body.splice(from..to, piece);
        }
        body
    })
}

proptest! {
    /// Every request is either understood or answered with an error of the dialect's.
    #[test]
    fn no_bytes_make_it_panic(body in prop_oneof![prop::collection::vec(any::<u8>(), 0..256), nearly()]) {
        let reply = answer(&handler(), &request("POST", "AdjustBalance", &HEADERS, &body));
        let (code, message) = refused(&reply);
        // What is understood is of a user who is unknown here.
        prop_assert!([4, 5, 6, 7, 1001, 1006, 1009, 1011].contains(&code), "{code} {message}");
    }
}
