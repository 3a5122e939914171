//! A sixth dialect is a folder and a line: this one's folder is `tab/`, and the line is the list below.

use std::net::SocketAddr;

use purser::app;
use purser::config::Config;
use purser::dialects::http::Dialect;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::tab;
use crate::e2e::process::purser;
use crate::e2e::services::free_port;
use crate::patience::{until, within_deadline};

/// The line.
const HTTP: &[&Dialect] = &[&purser::dialects::egpp::rest::DIALECT, &tab::DIALECT];

const CONFIG: &str = r#"
[amqp]
url = ""
[parties.bar]
currencies = ["CHF"]
games = []
player_tokens = "trusted"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_sixth_dialect_is_a_folder_and_a_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, database) = (directory.path().join("purser.toml"), directory.path().join("purser.db"));
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let places = format!("[database]\nurl = \"sqlite://{}\"\n[http]\nlisten = \"{address}\"\n", database.display());
    std::fs::write(&file, places + CONFIG).expect("a configuration");
    for arguments in [
        vec!["player", "add", "--party", "bar", "--player", "alice"],
        vec!["deposit", "--party", "bar", "--player", "alice", "--currency", "CHF", "--amount", "10.00"],
    ] {
        assert!(purser(&file, &arguments).output().expect("purser runs").status.success());
    }

    let config = Config::load(Some(&file)).expect("a configuration");
    let wiring = app::wire_with(&config, HTTP).expect("wired");
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let serving = tokio::spawn(app::serve(config, wiring, stopped));
    let ready = format!("http://{address}/readyz");
    until("it is ready", async || reqwest::get(&ready).await.is_ok_and(|answer| answer.status() == 200)).await;

    let drinks = [
        (json!({ "player": "alice", "receipt": 1, "price": 700 }), 200, "cheers; 300 left"),
        (json!({ "player": "alice", "receipt": 1, "price": 700 }), 200, "cheers; 300 left"),
        (json!({ "player": "alice", "receipt": 2, "price": 700 }), 402, "your tab is full"),
        (json!({ "player": "bob", "receipt": 3, "price": 1 }), 404, "who are you?"),
        (json!({ "player": "alice" }), 400, "that is no drink"),
    ];
    let client = reqwest::Client::new();
    for (drink, status, says) in drinks {
        let answer = client.post(format!("http://{address}/tab/bar/drinks")).body(drink.to_string()).send().await;
        let answer = answer.expect("an answer");
        let told = (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"));
        assert_eq!(told, (status, json!({ "says": says })), "{drink}");
    }
    let elsewhere = client.get(format!("http://{address}/tab/bar/food")).send().await.expect("an answer");
    assert_eq!(elsewhere.json::<Value>().await.expect("JSON"), json!({ "says": "the bar is closed" }));
    let document = reqwest::get(format!("http://{address}/openapi.json")).await.expect("an answer");
    let document: Value = document.json().await.expect("JSON");
    assert_eq!(document["paths"]["/tab/bar/drinks"]["post"]["operationId"], "drink-bar");

    stop.send(()).expect("it serves");
    within_deadline("it drains", serving).await.expect("no panic").expect("it ends well");
    let audited = purser(&file, &["audit"]).output().expect("purser runs");
    assert!(audited.status.success(), "{}", String::from_utf8_lossy(&audited.stdout));
}
