//! Guessed passwords: whoever guesses waits, and nobody else.

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;

use super::{PASSWORD, open, sign_in};
use crate::e2e::stage::{Base, Stage};
use crate::http::client::{Call, Response};

const GUESSER: [u8; 4] = [127, 0, 0, 2];
const PROXY: [u8; 4] = [127, 0, 0, 3];
const PARTNER: [u8; 4] = [127, 0, 0, 1];

/// Sign-ins under way side by side.
const SIDE_BY_SIDE: usize = 8;

fn sign_in_as(login: &str, password: &str) -> Call {
    Call::new("POST", "/api/v1/auth/sign-in").json(&json!({ "login": login, "password": password }))
}

/// Sends these; answers with the status of each.
async fn all(stage: &Stage, calls: impl Iterator<Item = Call>) -> Vec<u16> {
    let sent = calls.map(|call| call.send(stage));
    let answers: Vec<Response> = stream::iter(sent).buffer_unordered(SIDE_BY_SIDE).collect().await;
    answers.iter().map(|answer| answer.status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_locks_out_nobody_else() {
    let stage = open(Base::Sqlite).await;
    let token = sign_in(&stage, "cc_user").await;
    let guessed = all(&stage, (0..210).map(|_| sign_in_as("cc_user", "wrong").from(GUESSER))).await;
    assert!(guessed.contains(&429), "{guessed:?}");
    let made_up =
        all(&stage, (0..150).map(|number| sign_in_as(&format!("nobody {number}"), "wrong").from(GUESSER))).await;
    assert!(made_up.contains(&429), "{made_up:?}");

    let (right, rival) = (sign_in_as("cc_user", PASSWORD), sign_in_as("rival", PASSWORD));
    assert_eq!(right.from(PARTNER).send(&stage).await.status, 200, "from where the partner is");
    assert_eq!(rival.from([127, 0, 0, 9]).send(&stage).await.status, 200, "from anywhere else");
    let there = sign_in_as("cc_user", PASSWORD).from(GUESSER).send(&stage).await;
    assert_eq!(there.status, 429);
    assert!(there.header("retry-after").parse::<u32>().is_ok_and(|wait| wait > 0));
    let renewed = sign_in_as("cc_user", PASSWORD).bearer(&token).from(GUESSER).send(&stage).await;
    assert_eq!(renewed.status, 200, "who is signed in renews even from there");
    let guessed = sign_in_as("cc_user", "wrong").bearer(&token).from(GUESSER).send(&stage).await;
    assert_eq!(guessed.status, 401, "with the password, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_trusted_says_who_guesses() {
    let mut stage = open(Base::Sqlite).await;
    stage.stop().await;
    stage.starter = vec!["env".to_owned(), "PURSER__HTTP__TRUSTED_PROXIES=[\"127.0.0.3/32\"]".to_owned()];
    stage.serve();
    stage.until_ready().await;
    let through =
        |proxy: [u8; 4], list: String| sign_in_as("cc_user", "wrong").header("x-forwarded-for", list).from(proxy);
    // Whatever the guesser writes into the list, the proxy adds where it came from.
    let guesses = (0..210).map(|number| through(PROXY, format!("203.0.113.{}, 198.51.100.7", number % 256)));
    assert!(all(&stage, guesses).await.contains(&429));
    let right = |list: &str, from| sign_in_as("cc_user", PASSWORD).header("x-forwarded-for", list).from(from);
    assert_eq!(right("198.51.100.7", PROXY).send(&stage).await.status, 429);
    assert_eq!(right("198.51.100.8", PROXY).send(&stage).await.status, 200);
    // Nobody else is heard about it.
    assert_eq!(right("198.51.100.7", PARTNER).send(&stage).await.status, 200);
}
