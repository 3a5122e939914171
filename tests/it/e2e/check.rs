//! `purser check` tells what `purser serve` would meet, and changes nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;
use tempfile::TempDir;

use super::process::purser;
use super::services::{Addresses, number};
use super::stage::{ACME, Base, Stage, on_both};
use super::wire::Wire;

const QUEUES: [&str; 5] = [
    "v1.0.acme.dead",
    "v1.0.acme.balance.get",
    "v1.0.acme.order.bet",
    "v1.0.acme.order.bet.cancel",
    "v1.0.acme.order.bet.result",
];

/// What a check says, and whether it says that all is fit.
async fn check(stage: &Stage) -> (bool, String) {
    let ran = stage.run(&["check"]).await;
    (ran.status.code() == Some(0), said(&ran))
}

fn said(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// The only line that begins like this.
fn line<'a>(said: &'a str, start: &str) -> &'a str {
    let mut lines = said.lines().filter(|line| line.starts_with(start));
    let (first, second) = (lines.next(), lines.next());
    assert_eq!(second, None, "{start}: {said}");
    first.unwrap_or_else(|| panic!("no line {start}: {said}"))
}

fn files(directory: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut files: Vec<_> = std::fs::read_dir(directory).expect("a directory").map(name).collect();
    files.sort();
    files.into_iter().map(|name| name.into_string().expect("UTF-8")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_what_serve_would_make_and_makes_nothing() {
    on_both(async |base| {
        let mut stage = Stage::prepare(base, ACME, &Addresses::shared()).await;
        // Whatever the first had made, the second would find.
        for _ in 0..2 {
            let (fit, said) = check(&stage).await;
            assert!(fit, "{said}");
            let topology =
                line(&said, "ok    topology: `purser serve` will declare v1.0, v1.0.status, v1.0.dead, v1.0.peers,");
            assert!(QUEUES.iter().all(|queue| topology.contains(queue)), "{said}");
            match base {
                Base::Sqlite => {
                    assert!(line(&said, "ok    database: ").contains("is not there yet"), "{said}");
                    assert_eq!(files(stage.config().parent().expect("a directory")), ["purser.toml"]);
                }
                Base::Postgres => {
                    assert!(line(&said, "ok    database: ").contains("`purser migrate` will apply"), "{said}");
                    let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
                    assert_eq!(number(&stage.database, tables).await, 0);
                }
            }
        }
        let wire = Wire::connect(&stage).await;
        for queue in QUEUES {
            assert_eq!(wire.consumers(queue).await, None, "{queue}");
        }
        stage.serve();
        stage.until_ready().await;
        stage.stop().await;
        let (fit, said) = check(&stage).await;
        assert!(fit && said.contains("ok    topology: as expected for 1 parties"), "{said}");
        assert!(line(&said, "ok    database: ").contains("is reachable"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_with_other_arguments_is_named_with_what_differs() {
    let stage = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    let wire = Wire::connect(&stage).await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for (queue, kind) in [("v1.0.acme.order.bet", "quorum"), ("v1.0.acme.dead", "classic")] {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        wire.channel.queue_declare(queue.into(), durable, arguments).await.expect("declared");
    }
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let kind = lapin::ExchangeKind::Direct;
    wire.channel.exchange_declare("v1.0.status".into(), kind, options, FieldTable::default()).await.expect("declared");
    for _ in 0..2 {
        let (fit, said) = check(&stage).await;
        assert!(!fit, "{said}");
        for (name, differs) in [
            ("v1.0.acme.order.bet", "inequivalent arg 'x-dead-letter-exchange'"),
            ("v1.0.acme.dead", "inequivalent arg 'x-queue-type'"),
            ("v1.0.status", "inequivalent arg 'type'"),
        ] {
            let line = line(&said, &format!("FAIL  topology {name}: "));
            assert!(line.contains(differs) && line.contains(" but current is "), "{line}");
        }
        let missing = line(&said, "ok    topology: ");
        assert!(missing.contains("v1.0.acme.order.bet.result") && !missing.contains("v1.0.acme.order.bet,"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_secrets_that_others_may_read_are_warned_of() {
    let mut stage = Stage::prepare(Base::Sqlite, ACME, &Addresses::shared()).await;
    let secret = stage.file("hmac");
    std::fs::write(&secret, "a secret of well over thirty-two bytes, shared with nobody").expect("written");
    let signed = format!("{ACME}[parties.acme.jwt]\nhmac_secret_file = \"{}\"\n", secret.display());
    stage.reconfigure(&signed);
    stage.done(&["migrate"]).await;
    let names = ["the configuration file, ", "parties.acme.jwt.hmac_secret_file, ", "the database, "];
    let paths = [stage.config(), secret, stage.file("purser.db")];
    for (mode, others) in [(0o644, Some("everybody")), (0o640, Some("its group")), (0o600, None)] {
        for path in &paths {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
        }
        let (fit, said) = check(&stage).await;
        assert!(fit, "a warning is no failure: {said}");
        for name in names {
            let warning = said.lines().find(|line| line.starts_with(&format!("warn  {name}")));
            let expected = others.map(|others| format!("is open to {others} (mode {mode:04o})"));
            assert_eq!(warning.is_some(), expected.is_some(), "{name}: {said}");
            assert!(warning.unwrap_or_default().contains(&expected.unwrap_or_default()), "{name}: {said}");
        }
        let json: Value = serde_json::from_str(&stage.done(&["check", "--json"]).await).expect("JSON");
        let lines = json.as_array().expect("lines");
        let warned = lines.iter().filter(|line| line["level"] == "warn" && line["fit"] == true).count();
        assert!(warned >= names.len() || others.is_none(), "{json}");
    }
}

#[test]
fn a_first_look_makes_no_secret() {
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("purser.toml");
    let database = directory.path().join("purser.db");
    std::fs::write(&config, format!("database.url = \"sqlite://{}\"\namqp.url = \"\"\n", database.display()))
        .expect("written");
    let check = || purser(&config, &["check"]).output().expect("purser runs");
    let ran = check();
    let told = said(&ran);
    assert!(ran.status.success(), "{told}");
    assert!(line(&told, "ok    demo party: ").contains("`purser serve` will make its secret"), "{told}");
    assert_eq!(files(directory.path()), ["purser.toml"]);
    let token = purser(&config, &["token", "--party", "demo", "--player", "alice"]).output().expect("purser runs");
    assert!(token.status.success());
    let told = said(&check());
    assert!(line(&told, "ok    demo party: ").contains("its secret is in"), "{told}");
    assert!(told.contains("1 of 1 parties verify player tokens"), "{told}");
    assert_eq!(files(directory.path()), ["purser-demo.secret", "purser.toml"]);
}

/// Answers every request with this key set.
fn key_server(set: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/keys", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // Whoever asks may have gone away.
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", set.len());
            let _ = stream.write_all(format!("{head}{set}").as_bytes());
        }
    });
    address
}

#[test]
fn a_key_set_behind_an_address_is_fetched_and_its_usable_keys_counted() {
    const GOOD: &str = r#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBjaGFyYWN0ZXJz"},{"kty":"AKP","kid":"b"}]}"#;
    const BAD: &str = r#"{"keys":[{"kty":"AKP","kid":"b"}]}"#;
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("purser.toml");
    for (url, is_fit, says) in [
        (key_server(GOOD), true, "ok    keys of acme: jwks_url has 1 keys that check tokens; passed over: key b "),
        (key_server(BAD), false, "FAIL  keys of acme: jwks_url has 0 keys that check tokens; passed over: key b "),
        (key_server("no set"), false, "FAIL  keys of acme: jwks_url: "),
        ("http://127.0.0.1:1/keys".to_owned(), false, "FAIL  keys of acme: jwks_url: "),
    ] {
        let database = directory.path().join("purser.db");
        let text = format!(
            "database.url = \"sqlite://{}\"\namqp.url = \"\"\n[parties.acme]\ncurrencies = [\"CHF\"]\n\
             [parties.acme.jwt]\njwks_url = \"{url}\"\n",
            database.display()
        );
        std::fs::write(&config, text).expect("written");
        let ran = purser(&config, &["check"]).output().expect("purser runs");
        let told = said(&ran);
        assert_eq!(ran.status.code(), Some(if is_fit { 0 } else { 1 }), "{told}");
        line(&told, says);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_trace_can_be_sent_with_is_said_before_serve_says_it() {
    let telemetry = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318/a b\"\n";
    let stage = Stage::prepare(Base::Sqlite, &format!("{ACME}{telemetry}"), &Addresses::shared()).await;
    let (fit, said) = check(&stage).await;
    assert!(!fit && line(&said, "FAIL  traces: ").contains("is none that traces can be sent with"), "{said}");
}
