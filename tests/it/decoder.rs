//! Bodies that are no requests: refused with a reason that repeats no value, whatever the bytes.

use proptest::prelude::*;
use purser::dialects::egpp::Operation;
use purser::dialects::egpp::rest::wire as rest;
use purser::dialects::egpp::wire::{self, MAX_BODY};

use crate::schemas::currencies;

/// Stands in every text value below; no reason may contain it.
const SECRET: &str = "S3CR3T";

/// A bet that would be accepted.
const BET: &str = r#"{"amount":1234,"currency":"CHF","game":"S3CR3T-game","round":7,"externalId":"S3CR3T-id","playerId":"S3CR3T-player"}"#;

/// The bet with one part replaced.
fn bet(part: &str, by: &str) -> Vec<u8> {
    assert!(BET.contains(part), "{part} is not in the bet");
    BET.replacen(part, by, 1).into_bytes()
}

fn around(before: &[u8], after: &[u8]) -> Vec<u8> {
    [before, BET.as_bytes(), after].concat()
}

fn bytes_in_place(part: &str, by: &[u8]) -> Vec<u8> {
    let at = BET.find(part).expect("a part of the bet");
    [&BET.as_bytes()[..at], by, &BET.as_bytes()[at + part.len()..]].concat()
}

fn nested(depth: usize, open: &str, close: &str) -> Vec<u8> {
    bet(r#""amount":1234"#, &format!(r#""amount":{}1{}"#, open.repeat(depth), close.repeat(depth)))
}

/// What is wrong, the body, and what is said about it.
type Case = (&'static str, Vec<u8>, &'static str);

fn not_json() -> Vec<Case> {
    vec![
        ("nothing", vec![], "the body must be a JSON object"),
        ("blanks", b" \n ".to_vec(), "the body must be a JSON object"),
        ("text", b"S3CR3T".to_vec(), "the body must be a JSON object"),
        ("an array", around(b"[", b"]"), "the body must be a JSON object"),
        (
            "the fields as an array",
            br#"[1234,"CHF","S3CR3T-game",7,"id","S3CR3T"]"#.to_vec(),
            "the body must be a JSON object",
        ),
        ("a string", br#""S3CR3T""#.to_vec(), "the body must be a JSON object"),
        ("null", b"null".to_vec(), "the body must be a JSON object"),
        ("a byte order mark", around(b"\xEF\xBB\xBF", b""), "the body must be a JSON object"),
        ("UTF-16", BET.encode_utf16().flat_map(u16::to_le_bytes).collect(), "not valid JSON at line 1, column 2"),
        ("an end too early", bet("\"}", "\""), "not valid JSON at line 1, column 114"),
        ("more after the end", around(b"", b"S3CR3T"), "not valid JSON at line 1, column 116"),
        ("a second object", around(b"", b"{}"), "not valid JSON at line 1, column 116"),
        ("a comment", around(b"{/*S3CR3T*/", b""), "not valid JSON at line 1, column 2"),
        ("a comma too many", bet("\"}", "\",}"), "not valid JSON at line 1, column 116"),
        ("single quotes", bet(r#""amount""#, "'amount'"), "not valid JSON at line 1, column 2"),
        ("invalid UTF-8", bytes_in_place("S3CR3T-id", b"S3CR3T\xFF\xFE"), "not valid JSON at line 1, column 84"),
        ("overlong UTF-8", bytes_in_place("S3CR3T-id", b"\xC0\x80"), "not valid JSON at line 1, column 78"),
        ("a lone high surrogate", bet("S3CR3T-id", r"S3CR3T\ud800"), "not valid JSON at line 1, column 90"),
        ("a lone low surrogate", bet("S3CR3T-id", r"S3CR3T\udc00"), "not valid JSON at line 1, column 89"),
        ("a raw control character", bet("S3CR3T-id", "S3CR3T\u{1}"), "not valid JSON at line 1, column 84"),
        ("an unknown escape", bet("S3CR3T-id", r"S3CR3T\x41"), "not valid JSON at line 1, column 85"),
        ("10,000 objects deep", nested(10_000, r#"{"a":"#, "}"), "amount has the wrong type or is out of range"),
        ("20,000 arrays deep", nested(20_000, "[", "]"), "amount has the wrong type or is out of range"),
        ("200 KiB", around(b"", &vec![b' '; 200 * 1024]), "the body is longer than 65536 bytes"),
        (
            "one byte too long",
            around(b"", &vec![b' '; MAX_BODY + 1 - BET.len()]),
            "the body is longer than 65536 bytes",
        ),
    ]
}

fn wrong_fields() -> Vec<Case> {
    vec![
        ("a name twice", bet("{", r#"{"amount":1,"#), "duplicate field amount"),
        ("a name twice, escaped", bet("{", r#"{"\u0061mount":1,"#), "duplicate field amount"),
        ("an unknown field", bet("{", r#"{"bonus":"S3CR3T","#), "unknown field bonus"),
        ("a field of another operation", bet("{", r#"{"result":"win","#), "unknown field result"),
        ("a name in snake case", bet("externalId", "external_id"), "unknown field external_id"),
        ("a name in another case", bet("playerId", "PlayerId"), "unknown field PlayerId"),
        ("an empty name", bet("{", r#"{"":1,"#), "unknown field "),
        ("a name with line breaks", bet("{", r#"{"a\nb\u2028c\u0000d":1,"#), "unknown field abcd"),
        ("a name with a backtick", bet("{", r#"{"a`b":1,"#), "unknown field a"),
        ("no amount", bet(r#""amount":1234,"#, ""), "missing field amount"),
        ("no player", bet(r#","playerId":"S3CR3T-player""#, ""), "missing field playerId"),
        ("no fields", b"{}".to_vec(), "missing field amount"),
        ("null for a text", bet(r#""S3CR3T-player""#, "null"), "playerId has the wrong type or is out of range"),
        ("null for a number", bet("1234", "null"), "amount has the wrong type or is out of range"),
        (
            "null for what may be left out",
            bet("{", r#"{"walletId":null,"#),
            "walletId has the wrong type or is out of range",
        ),
        ("a number for a text", bet(r#""S3CR3T-id""#, "5"), "externalId has the wrong type or is out of range"),
        ("a text for a number", bet("1234", r#""S3CR3T""#), "amount has the wrong type or is out of range"),
        ("a digit text for a number", bet("1234", r#""1234""#), "amount has the wrong type or is out of range"),
        ("a boolean", bet("1234", "true"), "amount has the wrong type or is out of range"),
        (
            "an object",
            bet(r#""S3CR3T-player""#, r#"{"id":"S3CR3T"}"#),
            "playerId has the wrong type or is out of range",
        ),
        ("a list", bet(r#""S3CR3T-player""#, r#"["S3CR3T"]"#), "playerId has the wrong type or is out of range"),
    ]
}

fn wrong_values() -> Vec<Case> {
    let long = "S3CR3T".repeat(10);
    vec![
        ("2^63", bet("1234", "9223372036854775808"), "amount has the wrong type or is out of range"),
        ("2^64", bet("1234", "18446744073709551616"), "amount has the wrong type or is out of range"),
        ("10^40", bet("1234", &format!("1{}", "0".repeat(40))), "amount has the wrong type or is out of range"),
        ("-2^63", bet("1234", "-9223372036854775808"), "amount must be an integer of at least 1"),
        ("-1", bet("1234", "-1"), "amount must be an integer of at least 1"),
        ("0", bet("1234", "0"), "amount must be an integer of at least 1"),
        ("-0", bet("1234", "-0"), "amount has the wrong type or is out of range"),
        ("1.0", bet("1234", "1.0"), "amount has the wrong type or is out of range"),
        ("1e2", bet("1234", "1e2"), "amount has the wrong type or is out of range"),
        ("1e400", bet("1234", "1e400"), "not valid JSON at line 1, column 15"),
        ("a leading zero", bet("1234", "01234"), "not valid JSON at line 1, column 12"),
        ("a plus sign", bet("1234", "+1234"), "not valid JSON at line 1, column 11"),
        ("NaN", bet("1234", "NaN"), "not valid JSON at line 1, column 11"),
        ("round 0", bet(r#""round":7"#, r#""round":0"#), "round must be an integer of at least 1"),
        ("round 7.0", bet(r#""round":7"#, r#""round":7.0"#), "round has the wrong type or is out of range"),
        ("a currency in lower case", bet("CHF", "chf"), "currency must be three or four upper-case letters"),
        ("a currency in other letters", bet("CHF", "СНF"), "currency must be three or four upper-case letters"),
        ("a currency that is not the party's", bet("CHF", "USD"), "currency USD is not one of this party's"),
        ("a game too short", bet("S3CR3T-game", "S3CR3T7"), "game must be 8 to 20 characters long"),
        ("a game too long", bet("S3CR3T-game", &long), "game must be 8 to 20 characters long"),
        ("no externalId", bet("S3CR3T-id", ""), "externalId must be 1 to 36 characters long"),
        ("an externalId too long", bet("S3CR3T-id", &long), "externalId must be 1 to 36 characters long"),
        (
            "an externalId with NUL",
            bet("S3CR3T-id", r"S3CR3T\u0000"),
            "externalId must not contain control, zero-width or direction characters",
        ),
        ("a player too long", bet("S3CR3T-player", &long), "playerId must be 1 to 20 characters long"),
        (
            "a player with NUL",
            bet("S3CR3T-player", r"S3CR3T\u0000"),
            "playerId must not contain control, zero-width or direction characters",
        ),
        (
            "a token with padding",
            bet("S3CR3T-player", "S3CR3TS3CR3T==.S3CR3T.S3CR3T"),
            "playerId must be 1 to 20 characters long",
        ),
        ("an empty wallet", bet("{", r#"{"walletId":"","#), "walletId must be 1 to 30 characters long"),
        (
            "a wallet too long",
            bet("{", &format!(r#"{{"walletId":"{long}","#)),
            "walletId must be 1 to 30 characters long",
        ),
    ]
}

#[test]
fn what_is_no_request_is_refused_with_a_reason_that_repeats_no_value() {
    assert!(wire::parse(Operation::OrderBet, BET.as_bytes(), &currencies()).is_ok());
    let mut wrong = Vec::new();
    for (what, body, reason) in [not_json(), wrong_fields(), wrong_values()].concat() {
        let said = match wire::parse(Operation::OrderBet, &body, &currencies()) {
            Ok(request) => format!("accepted as {request:?}"),
            Err(malformed) => malformed.to_string(),
        };
        assert!(!said.contains(SECRET), "{what}: {said}");
        if said != reason {
            wrong.push(format!("{what}: {said}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_result_is_one_of_three() {
    let body = BET.replacen('{', r#"{"result":"RESULT","#, 1);
    for (result, is_one) in [("win", true), ("tie", true), ("lose", true), ("Win", false), ("", false), ("won", false)]
    {
        let parsed = wire::parse(Operation::OrderBetResult, body.replace("RESULT", result).as_bytes(), &currencies());
        assert_eq!(parsed.is_ok(), is_one, "{result}");
    }
}

#[test]
fn the_longest_body_is_read() {
    let body = around(b"", &vec![b' '; MAX_BODY - BET.len()]);
    assert!(wire::parse(Operation::OrderBet, &body, &currencies()).is_ok());
}

/// Bytes that are nearly a request: a good body with some of it replaced.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(vec![
            "\"", "\\", "{", "}", "[", ",", ":", "null", "1e9", "-", "\\u0000", "\\ud800", "\u{2028}"
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..8_usize, piece), 1..4);
    edits.prop_map(|edits| {
        let mut body = BET.as_bytes().to_vec();
        for (at, length, piece) in edits {
            let from = at.index(body.len() + 1);
            let to = body.len().min(from + length);
            body.splice(from..to, piece);
        }
        body
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop_oneof![prop::collection::vec(any::<u8>(), 0..512), nearly()]) {
        for operation in Operation::ALL {
            if let Err(malformed) = wire::parse(operation, &body, &currencies()) {
                prop_assert!(malformed.to_string().len() <= 200, "{malformed}");
            }
        }
        let over_rest = [
            rest::order_bet(&body, &currencies()).err(),
            rest::order_bet_result(&body, &currencies()).err(),
            rest::order_bet_cancel(&body).err(),
            rest::token(&body).err(),
        ];
        for malformed in over_rest.into_iter().flatten() {
            prop_assert!(malformed.to_string().len() <= 200, "{malformed}");
        }
    }
}
