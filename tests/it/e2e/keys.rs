//! A key set that is fetched while messages come.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::services::Addresses;
use super::stage::{Base, Stage};
use super::wire::{Message, Wire, bet, code};
use crate::http::client::now;
use crate::patience::until;

const SECRET: &[u8] = b"a secret of thirty-two characters";
const SET: &str =
    r#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBjaGFyYWN0ZXJz"}]}"#;

/// So many that tasks which run side by side would not keep to their order.
const BETS: usize = 400;

/// An identity provider that is away until it is told to answer; its address.
fn key_server(is_there: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/keys", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let status = if is_there.load(Ordering::Relaxed) { "200 OK" } else { "503 Away" };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", SET.len());
            // Whoever asked may have gone away.
            let _ = stream.write_all(format!("{head}{SET}").as_bytes());
        }
    });
    address
}

fn signed(kid: &str) -> FieldTable {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
    let claims = json!({ "sub": "alice", "exp": now() + 3600 });
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(SECRET)).expect("a token");
    let mut headers = FieldTable::default();
    headers.insert("authorization".into(), AMQPValue::LongString(format!("Bearer {token}").into()));
    headers
}

fn bets(names: std::ops::Range<usize>) -> Vec<Message> {
    let headers = signed("a");
    let one = |number| {
        let bet = bet(&format!("bet-{number}"));
        Message { properties: bet.properties.with_headers(headers.clone()), ..bet }
    };
    names.map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_keys_is_served_in_his_order_and_before_those_who_come_later() {
    let is_there = Arc::new(AtomicBool::new(false));
    let party = "[parties.acme]\ncurrencies = [\"CHF\"]\ngames = [\"wallstroulette\"]\n[parties.acme.jwt]\n";
    let party = format!("{party}jwks_url = \"{}\"\n", key_server(Arc::clone(&is_there)));
    let mut stage = Stage::prepare(Base::Sqlite, &party, &Addresses::shared()).await;
    stage.serve();
    stage.until_ready().await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10000.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    wire.send_all(bets(0..BETS)).await;
    is_there.store(true, Ordering::Relaxed);
    let mut sent = BETS;
    // Keys are asked for every ten seconds: others come meanwhile, and at the very moment.
    until("the keys are there", async || {
        if sent < 4 * BETS {
            wire.send_all(bets(sent..sent + 10)).await;
            sent += 10;
        }
        stage.log().contains("key set read")
    })
    .await;
    wire.send_all(bets(sent..sent + BETS)).await;
    sent += BETS;
    for _ in 0..sent {
        assert_eq!(code(&wire.next_reply().await), "201");
    }
    let journal = stage.done(&["journal", "export", "--party", "acme"]).await;
    let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let placed = lines.filter_map(|line| line["command"]["correlation"].as_str().map(str::to_owned));
    let ought: Vec<String> = (0..sent).map(|number| format!("bet-{number}")).collect();
    assert_eq!(placed.filter(|id| id.starts_with("bet-")).collect::<Vec<_>>(), ought);
    // A key that the set does not have is refused as ever.
    let stranger = Message { properties: bet("x").properties.with_headers(signed("b")), ..bet("x") };
    assert_eq!(code(&wire.ask(stranger).await), "401");
}
