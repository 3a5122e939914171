//! What a log must never hold, whatever is asked of it.

use serde_json::json;

use super::client::Call;
use super::codegames::{KEYS_SECRET, PASSWORD, call, import, offers, parties, pay, sign_in};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage, on_both};

const API_KEY: &str = "the provider's very own key";

/// A broker's password that is nothing else's: `guest` is a user, too.
const BROKER_PASSWORD: &str = "guest";

/// A secret as some library might write it: as it is, in hexadecimal, or as numbers.
fn spellings(secret: &str) -> Vec<String> {
    let join = |parts: Vec<String>, between: &str| parts.join(between);
    let decimal = || secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>();
    let hex = |upper: bool| {
        secret
            .bytes()
            .map(move |byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") })
            .collect::<Vec<_>>()
    };
    vec![
        secret.to_owned(),
        join(decimal(), ", "),
        join(decimal(), ","),
        join(decimal(), " "),
        join(hex(false), ""),
        join(hex(true), ""),
        join(hex(false), " "),
        join(hex(false).iter().map(|byte| format!("0x{byte}")).collect(), ", "),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loudest_log_tells_no_secret() {
    on_both(async |base| {
        let more = format!(
            "[parties.acme.rest]\napi_keys = [\"{API_KEY}\"]\n[parties.acme.jwt]\nhmac_secret = \"{KEYS_SECRET}\"\n"
        );
        let mut stage = Stage::prepare(base, &(parties() + &more), &Addresses::shared()).await;
        stage.starter = vec!["env".to_owned(), "RUST_LOG=trace,lapin=trace,lapin::frames=trace,hyper=trace".to_owned()];
        stage.serve();
        stage.until_ready().await;
        stage.add_player("acme", "cc_user").await;
        stage.deposit("acme", "cc_user", "10000", "KZT").await;
        import(&stage, &offers()).await;
        let session = sign_in(&stage, "cc_user").await;
        let order = call(&stage, &session, "pay", &pay("last-one", "one")).await.json();
        assert!(call(&stage, &session, "keys", &order).await.text().contains("ONLY-ONE"));
        let player = stage.done(&["token", "--party", "acme", "--player", "cc_user"]).await;
        let player = player.trim();
        let asked = Call::new("POST", "/v1/token").json(&json!({ "token": player })).header("x-api-key", API_KEY);
        assert_eq!(asked.send(&stage).await.status, 200);
        stage.stop().await;

        let log = stage.log();
        let is_loud = |level| log.lines().any(|line| line.contains(level));
        assert!(is_loud("INFO") && log.contains("answered"), "{log}");
        let mut secrets = vec![session.as_str(), player, PASSWORD, KEYS_SECRET, API_KEY, "ONLY-ONE"];
        // SASL's PLAIN: a zero byte before each of the two.
        let plain = format!("\0{BROKER_PASSWORD}\0{BROKER_PASSWORD}");
        secrets.push(&plain);
        for secret in secrets {
            for spelling in spellings(secret) {
                assert!(!log.contains(&spelling), "{} is in the log", spelling.escape_debug());
            }
        }
        if base == Base::Postgres {
            assert!(!log.contains(":purser@"), "the database's password is in the log");
        }
    })
    .await;
}
