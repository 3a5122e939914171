//! Handlers on a wallet in memory, and decoders on any bytes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;

use super::handler::CodeGamesHandler;
use super::users::Users;
use super::wire::{self, Check, Keys, MAX_COUNT, Pay, SignIn};
use crate::config::{CodeGames, CodeGamesUser, Secret};
use crate::dialects::http::{HandlerError, PartyNote, Reply, Request};
use crate::identity::password::{PasswordChecker, cheap_hash};
use crate::identity::sealing::Vault;
use crate::identity::throttle::{PROGRAMS, Throttle, ThrottleLimits};
use crate::ledger::command::Timestamp;
use crate::ledger::{Currency, Party, PlayerId};
use crate::wallet::memory::MemoryWallet;

const HOUR: i64 = 3_600_000_000;
const FREE_TRIES: u32 = 10;

fn handler() -> Arc<CodeGamesHandler> {
    let party = Party::parse("acme").unwrap();
    let currency = Currency::parse("KZT").unwrap();
    let keys_secret = Secret::new("secret");
    let user = CodeGamesUser {
        login: "cc_user".to_owned(),
        password_hash: Secret::new(cheap_hash(RIGHT)),
        player: PlayerId::parse("cc_user").unwrap(),
    };
    let vault = Vault::open(&keys_secret, &party).unwrap();
    let settings = CodeGames { path: String::new(), currency, keys_secret, users: vec![user] };
    let users = Users::new(&party, &settings).unwrap();
    let throttle = Mutex::new(Throttle::new(ThrottleLimits { free_tries: FREE_TRIES, ..PROGRAMS }));
    let passwords = PasswordChecker::default();
    Arc::new(CodeGamesHandler { party, currency, exponent: 2, users, vault, passwords, throttle })
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
        whose: PartyNote::default(),
    }
}

/// What a handler answers, on a wallet that knows nobody.
async fn sign_in_with(handler: &Arc<CodeGamesHandler>, request: Request) -> Reply {
    replied(Arc::clone(handler).sign_in(Arc::new(MemoryWallet::default()), request).await)
}

fn replied(answer: Result<Reply, HandlerError>) -> Reply {
    match answer {
        Ok(reply) => reply,
        Err(HandlerError::Refused(reply)) => *reply,
        Err(HandlerError::Failed(failure)) => panic!("{failure:?}"),
    }
}

const RIGHT: &str = "p";
const WRONG: &str = "wrong";

async fn sign_in(handler: &Arc<CodeGamesHandler>, login: &str, password: &str) -> Reply {
    sign_in_with(handler, request("", &json!({"login": login, "password": password}), 0)).await
}

#[tokio::test]
async fn a_password_is_compared_whoever_is_named() {
    let handler = handler();
    let cases = [("cc_user", RIGHT, 200), ("cc_user", WRONG, 401), ("nobody", WRONG, 404), ("nobody", RIGHT, 404)];
    for (compared, (login, password, status)) in (1..).zip(cases) {
        assert_eq!(sign_in(&handler, login, password).await.status, status, "{login} {password}");
        assert_eq!(handler.passwords.compared.load(Ordering::Relaxed), compared, "{login} {password}");
    }
}

#[tokio::test]
async fn who_guesses_too_often_waits() {
    let handler = handler();
    for _ in 0..FREE_TRIES {
        assert_eq!(sign_in(&handler, "cc_user", WRONG).await.status, 401);
    }
    let reply = sign_in(&handler, "cc_user", RIGHT).await;
    assert_eq!((reply.status, &*reply.code), (429, "TOO_MANY_REQUESTS"));
    assert_eq!(reply.headers, [("retry-after", "10".to_owned())]);
    assert_eq!(sign_in(&handler, "other", WRONG).await.status, 404, "each login for itself");
}

#[tokio::test]
async fn who_is_signed_in_renews_whatever_others_have_tried() {
    let handler = handler();
    let token = handler.users.named("cc_user").unwrap().token(Timestamp(0));
    for _ in 0..FREE_TRIES {
        assert_eq!(sign_in(&handler, "cc_user", WRONG).await.status, 401);
    }
    let body = json!({"login": "cc_user", "password": RIGHT});
    for (token, status) in [("", 429), ("forged", 429), (&token, 200)] {
        assert_eq!(sign_in_with(&handler, request(token, &body, 0)).await.status, status, "{token}");
    }
    let other = json!({"login": "other", "password": RIGHT});
    for _ in 0..FREE_TRIES {
        assert_eq!(sign_in_with(&handler, request("", &other, 0)).await.status, 404);
    }
    let status = sign_in_with(&handler, request(&token, &other, 0)).await.status;
    assert_eq!(status, 429, "a token speaks for its own login");
}

#[tokio::test]
async fn a_session_ends_after_an_hour() {
    let handler = handler();
    let reply: serde_json::Value = serde_json::from_slice(&sign_in(&handler, "cc_user", RIGHT).await.body).unwrap();
    let token = reply["token"].as_str().unwrap();
    let body = json!({"id": "1", "currency": "KZT"});
    for (at, status, asked) in [(HOUR - 1, 404, &["offer"][..]), (HOUR, 401, &[])] {
        let wallet = Arc::new(MemoryWallet::default());
        let reply = replied(Arc::clone(&handler).check(wallet.clone(), request(token, &body, at)).await);
        assert_eq!((reply.status, &*wallet.take_asked()), (status, asked), "{at}");
    }
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
