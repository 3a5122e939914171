//! Decoders and handlers driven by hand.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;

use super::desk::Desk;
use super::users::Users;
use super::wire::{self, Check, Keys, MAX_COUNT, Pay, SignIn};
use crate::config::{CodeGames, CodeGamesUser, Secret};
use crate::dialects::http::{Next, PasswordHash, Reply, Request};
use crate::identity::sealing::Vault;
use crate::identity::throttle::{Limits, PROGRAMS, Throttle};
use crate::ledger::command::Timestamp;
use crate::ledger::{Currency, Party, PlayerId};

const HOUR: i64 = 3_600_000_000;
const FREE_TRIES: u32 = 10;

fn desk() -> Arc<Desk> {
    let party = Party::parse("acme").unwrap();
    let currency = Currency::parse("KZT").unwrap();
    let keys_secret = Secret::new("secret");
    let user = CodeGamesUser {
        login: "cc_user".to_owned(),
        password_hash: Secret::new("$argon2id$"),
        player: PlayerId::parse("cc_user").unwrap(),
    };
    let vault = Arc::new(Vault::open(&keys_secret, &party).unwrap());
    let settings = CodeGames { path: String::new(), currency, keys_secret, users: vec![user] };
    let users = Users::new(&party, &settings).unwrap();
    let throttle = Mutex::new(Throttle::new(Limits { free_tries: FREE_TRIES, ..PROGRAMS }));
    Arc::new(Desk { party, currency, exponent: 2, users, vault, throttle })
}

fn request(token: &str, body: &serde_json::Value, at: i64) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("bearer {token}").parse().unwrap());
    Request {
        method: Method::POST,
        path: String::new(),
        parameters: Vec::new(),
        query: String::new(),
        headers,
        body: body.to_string().into_bytes(),
        at: Timestamp(at),
        correlation: "test".into(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        is_local: true,
    }
}

fn replied(next: Next) -> Reply {
    let Next::Reply(reply) = next else { panic!("no reply") };
    reply
}

/// Signs in; answers with what the password is compared with, and with the reply to the answer.
fn sign_in(desk: &Arc<Desk>, login: &str, is_right: bool) -> (bool, Reply) {
    let body = json!({"login": login, "password": "p"});
    let Next::CheckPassword { against, then, .. } = desk.sign_in(&request("", &body, 0)) else { panic!("no check") };
    (matches!(against, PasswordHash::Known(_)), replied(then(is_right)))
}

#[test]
fn a_password_is_compared_whoever_is_named() {
    let desk = desk();
    let codes =
        [("cc_user", true), ("cc_user", false), ("nobody", false), ("nobody", true)].map(|(login, is_right)| {
            let (is_known, reply) = sign_in(&desk, login, is_right);
            (is_known, reply.status)
        });
    assert_eq!(codes, [(true, 200), (true, 401), (false, 404), (false, 404)]);
}

#[test]
fn who_guesses_too_often_waits() {
    let desk = desk();
    for _ in 0..FREE_TRIES {
        assert_eq!(sign_in(&desk, "cc_user", false).1.status, 401);
    }
    let body = json!({"login": "cc_user", "password": "p"});
    let reply = replied(desk.sign_in(&request("", &body, 0)));
    assert_eq!((reply.status, &*reply.code), (429, "TOO_MANY_REQUESTS"));
    assert_eq!(reply.headers, [("retry-after", "10".to_owned())]);
    assert_eq!(sign_in(&desk, "other", false).1.status, 404, "each login for itself");
}

#[test]
fn who_is_signed_in_renews_whatever_others_have_tried() {
    let desk = desk();
    let token = desk.users.named("cc_user").unwrap().token(Timestamp(0));
    for _ in 0..FREE_TRIES {
        assert_eq!(sign_in(&desk, "cc_user", false).1.status, 401);
    }
    let body = json!({"login": "cc_user", "password": "p"});
    let statuses = ["", "forged", &token].map(|token| match desk.sign_in(&request(token, &body, 0)) {
        Next::CheckPassword { then, .. } => replied(then(true)).status,
        next => replied(next).status,
    });
    assert_eq!(statuses, [429, 429, 200]);
    let other = json!({"login": "other", "password": "p"});
    for _ in 0..FREE_TRIES {
        assert!(matches!(desk.sign_in(&request("", &other, 0)), Next::CheckPassword { .. }));
    }
    assert_eq!(replied(desk.sign_in(&request(&token, &other, 0))).status, 429, "a token speaks for its own login");
}

#[test]
fn a_session_ends_after_an_hour() {
    let desk = desk();
    let reply: serde_json::Value = serde_json::from_slice(&sign_in(&desk, "cc_user", true).1.body).unwrap();
    let token = reply["token"].as_str().unwrap();
    let body = json!({"id": "1", "currency": "KZT"});
    assert!(matches!(desk.check(&request(token, &body, HOUR - 1)), Next::Offer(..)));
    assert_eq!(replied(desk.check(&request(token, &body, HOUR))).status, 401);
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoders_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = wire::read::<SignIn>(&body).and_then(SignIn::check);
        let _ = wire::read::<Check>(&body).and_then(Check::parse);
        let _ = wire::read::<Pay>(&body).and_then(|pay| pay.parse(2));
        let _ = wire::read::<Keys>(&body).and_then(Keys::parse);
    }

    #[test]
    fn what_is_bought_is_within_bounds(
        id in "\\PC{0,150}",
        price in "(-?[0-9]{1,25}(\\.[0-9]{1,5})?|[a-z]{0,3})",
        txn in any::<i64>(),
        count in any::<Option<i64>>(),
    ) {
        let body = json!({"id": id, "price": price, "currency": "KZT", "txnId": txn, "count": count});
        let Ok(pay) = wire::read::<Pay>(body.to_string().as_bytes()) else { return Ok(()) };
        match pay.parse(2) {
            Ok(purchase) => {
                prop_assert!((1..=MAX_COUNT).contains(&purchase.count));
                prop_assert!(!purchase.offer.is_empty());
                prop_assert!(purchase.price.is_none_or(|price| price.minor() > 0));
                prop_assert_eq!(purchase.reference, txn.to_string());
            }
            Err(refusal) => prop_assert!(refusal.code.status() == 400),
        }
    }
}
