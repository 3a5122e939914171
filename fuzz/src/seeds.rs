//! Writes the seeds: every example of `schemas/`, in the form that its target reads.
//!
//!     seeds FOLDER TARGET

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use purser::dialects::egpp::Operation;
use purser_fuzz::message;
use purser_fuzz::party::{NOW, SETTING};
use purser_fuzz::request::AUTHORIZE;
use serde_json::Value;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, target] = arguments.as_slice() else { bail!("usage: seeds FOLDER TARGET") };
    let seeds = seeds(target)?;
    if seeds.is_empty() {
        bail!("{target} has no seeds");
    }
    fs::create_dir_all(folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(Path::new(folder).join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}

fn seeds(target: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    Ok(match target {
        "rest" | "balance_service" | "quickplay" | "codegames" => requests(target)?,
        "goplay" => [requests(target)?, vec![AUTHORIZE.as_bytes().to_vec()]].concat(),
        "amqp" => messages()?,
        "dead_letter" => vec![dead_letter()?],
        "journal_line" => lines(&schemas().join("journal/examples/story.ndjson"))?,
        "config" => {
            let files = ["deploy/purser.example.toml", "src/config/sample.toml"].map(|file| root().join(file));
            let read = files.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
            [read, texts(&["PURSER__AMQP__PREFETCH=7\n[http]\nlisten = \"\"\n"])].concat()
        }
        "token" => tokens(),
        "jwks" => texts(&[
            r#"{"keys":[{"kty":"oct","kid":"1","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#,
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
            r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","alg":"ES256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#,
            r#"{"keys":[{"kty":"RSA","kid":"1","n":"AQAB","e":"AQAB"}]}"#,
        ]),
        "decimal" => {
            texts(&["12.34", "-0.001", "1e-7", "\"956.30\"", "92233720368547758.07", "2021-08-04T10:42:44.393Z"])
        }
        "moment" => texts(&["2026-11-20T08:00:00Z", "2026-11-20", "24h", "1970-01-01T01:00:01+01:00"]),
        "offers" => texts(&[
            r#"[{"id": 562, "name": "Card", "price": "956.30", "currency": "KZT", "keys": ["SECRET-1", "SECRET-2"]}]"#,
            r#"[{"id": "a", "name": "n", "price": 9563e-1, "currency": "KZT", "keys": []}]"#,
        ]),
        "address" => texts(&[
            "postgres://u:H1DD3N@one:1,two:2/purser?sslmode=verify-full&sslrootcert=ca.pem",
            "host=db user=u password=H1DD3N",
            "amqps://u:H1DD3N@broker:5671/%2f?heartbeat=10&frame_max=131072",
            "sqlite://purser.db",
        ]),
        other => bail!("there is no target {other}"),
    })
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn schemas() -> PathBuf {
    root().join("schemas")
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn lines(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    Ok(fs::read_to_string(path)?.lines().map(|line| line.as_bytes().to_vec()).collect())
}

/// A dialect's examples as requests.
fn requests(dialect: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut requests = Vec::new();
    for path in files(&schemas().join(dialect).join("examples"))? {
        let example: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        requests.push(request(&example["request"]).into_bytes());
    }
    Ok(requests)
}

fn request(request: &Value) -> String {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let pairs = |name: &str| {
        let pairs = request[name].as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        pairs.map(|(name, value)| (name.clone(), text(value))).collect::<Vec<_>>()
    };
    let encoded = |name: &str| url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs(name)).finish();
    let mut head = format!("{} {}", text("method"), text("path"));
    if !request["query"].is_null() {
        head += &format!("?{}", encoded("query"));
    }
    for (name, value) in pairs("headers") {
        head += &format!("\n{name}: {value}");
    }
    let body = match (&request["body"], &request["form"]) {
        (Value::Null, Value::Null) => String::new(),
        (Value::Null, _) => encoded("form").replace("%7B", "{").replace("%7D", "}"),
        (Value::String(text), _) => text.clone(),
        (body, _) => body.to_string(),
    };
    // A partner's session is made for the fuzzer; numbers that the ledger gives are such as it has.
    let whole =
        format!("{head}\n\n{body}").replace("{token}", if head.contains("/api/v1") { "{session}" } else { "{token}" });
    let numbers = ["stake", "return", "void", "usd", "gbt", "award", "orderId"];
    numbers.iter().fold(whole, |whole, name| whole.replace(&format!("\"{{{name}}}\""), "1"))
}

/// The queues' examples, each with other properties.
fn messages() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut messages = Vec::new();
    for (number, path) in files(&schemas().join("v1.0/examples"))?.into_iter().enumerate() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of = |operation: &Operation| name.starts_with(&format!("egpp-{}-req-queuing.", operation.name()));
        let Some(operation) = Operation::ALL.into_iter().find(of) else { continue };
        messages.push(message::write(operation, &properties(number), &fs::read(&path)?)?);
    }
    Ok(messages)
}

fn properties(number: usize) -> BasicProperties {
    let properties = BasicProperties::default().with_correlation_id("c-1".into()).with_delivery_mode(2);
    match number % 4 {
        0 => properties.with_reply_to("replies".into()).with_message_id("m-1".into()),
        1 => properties.with_reply_to("amq.rabbitmq.reply-to.g2dkAA5yZXBseUAxMjcuMC4wLjEAAAAAAAAAAAAAAAA=.x".into()),
        2 => properties.with_timestamp(u64::try_from(NOW).unwrap_or(0)).with_headers(authorized()),
        _ => properties.with_user_id("guest".into()).with_expiration("1000".into()).with_headers(authorized()),
    }
}

fn authorized() -> FieldTable {
    let mut headers = FieldTable::default();
    let bearer = format!("Bearer {}", SETTING.token("alice"));
    headers.insert("authorization".into(), AMQPValue::LongString(bearer.into()));
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
    headers.insert("x-purser-copy-to".into(), AMQPValue::LongString("copies".into()));
    headers
}

fn dead_letter() -> anyhow::Result<Vec<u8>> {
    let mut headers = authorized();
    for (name, value) in [
        ("x-purser-reason", "malformed"),
        ("x-purser-error", "amount must be an integer"),
        ("x-purser-queue", "v1.0.acme.order.bet"),
        ("x-purser-dead-at", "1795132800"),
        ("x-first-death-reason", "delivery_limit"),
        ("x-first-death-queue", "v1.0.acme.order.bet"),
    ] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers.insert("x-purser-redriven".into(), AMQPValue::LongUInt(1));
    let mut death = FieldTable::default();
    death.insert("time".into(), AMQPValue::Timestamp(1_795_132_800));
    death.insert("queue".into(), AMQPValue::LongString("v1.0.acme.order.bet".into()));
    let deaths = FieldArray::from(vec![AMQPValue::FieldTable(death)]);
    headers.insert("x-death".into(), AMQPValue::FieldArray(deaths));
    let properties = BasicProperties::default().with_correlation_id("c-1".into()).with_headers(headers);
    message::write(Operation::OrderBet, &properties, b"{}")
}

fn tokens() -> Vec<Vec<u8>> {
    let header = r#"{"alg":"HS256","typ":"JWT","kid":"1"}"#;
    let claims = [
        r#"{"sub":"alice","exp":1795136400,"nbf":1795132800.5,"iss":"x","aud":["purser","y"],"party":"acme"}"#,
        r#"{"sub":"alice","exp":1e400}"#,
        r#"{"sub":7}"#,
    ];
    let signed = claims.map(|claims| format!("{header}\n\n{claims}").into_bytes());
    [signed.to_vec(), vec![SETTING.token("alice").into_bytes()]].concat()
}
