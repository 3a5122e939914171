//! An export: its lines, its digest, and the example in the schemas.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_tells_two_ledgers_apart() {
    for fresh in Fresh::both().await {
        told(&fresh, &commands("acme", STORY)).await;
        let first = digest(&fresh).await;
        let changes = [
            "UPDATE accounts SET balance = balance + 1 WHERE side = 'player'",
            "UPDATE accounts SET staked = staked + 1 WHERE side = 'player'",
            "UPDATE players SET vip = 'silver'",
            "UPDATE players SET nickname = NULL",
            "UPDATE orders SET paid = paid + 1",
            "UPDATE transactions SET state = 'open'",
            "UPDATE transactions SET memo = 'x'",
            "UPDATE voids SET state = 'pending'",
            "UPDATE offers SET price = price + 1",
            "UPDATE offers SET stock = stock + 1",
            "UPDATE gift_keys SET purchase = NULL",
            "UPDATE gift_keys SET sealed = 'x'",
            "UPDATE purchases SET buyer = 'x'",
            "UPDATE journal SET outcome = 'x' WHERE seq = 3",
        ];
        let digest_now = async || fresh.audit().await.digest;
        let mut seen = vec![first];
        for sql in changes {
            fresh.execute(sql).await;
            let now = digest_now().await;
            assert!(!seen.contains(&now), "{}: {sql}", fresh.kind());
            seen.push(now);
        }
        let last = digest_now().await;
        for sql in ["UPDATE transactions SET token = NULL", "UPDATE journal SET at = at + 1", "DELETE FROM writers"] {
            fresh.execute(sql).await;
            assert_eq!(digest_now().await, last, "{}: {sql}", fresh.kind());
        }
    }
}

#[test]
fn a_line_that_contradicts_itself_is_none() {
    let recorded = Recorded {
        seq: 7,
        kept: true,
        keyed: commands("acme", "open alice CHF")[0].clone(),
        outcome: Outcome::Done(Done::Account(AccountDone::PlayerOpened)),
    };
    let mut written = Vec::new();
    line::write(&mut written, &recorded).expect("written");
    assert_eq!(line::read(&written), Ok(recorded));
    let good: Value = serde_json::from_slice(&written).expect("JSON");
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        line::read(changed.to_string().as_bytes()).expect_err(field).to_string()
    };
    assert_eq!(line::read(b"{}"), Err(LineError::Shape("missing field `format` at line 1 column 2".to_owned())));
    assert!(with("format", json!(2)).starts_with("is of format 2, and this program reads format 1"));
    assert!(with("party", json!("other")).starts_with("says party other, and its command acme"));
    assert!(with("at", json!("2026-11-20T00:00:00.000000Z")).starts_with("says at 2026"));
    assert!(with("key", json!("00000000-0000-0000-0000-000000000000")).starts_with("says key 00000000"));
    assert!(with("seq", json!(0)).starts_with("has a number that is none: 0"));
    assert!(with("surplus", json!(0)).contains("unknown field `surplus`"));
}

fn schemas(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/journal").join(name)
}

/// The example is the export of the story; `PURSER_WRITE_SCHEMAS` writes it anew.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_an_export_keeps_to_the_schema_and_replays() {
    let original = Fresh::sqlite().await;
    told(&original, &commands("acme", STORY)).await;
    let exported = export(&original, "acme").await;
    let file = schemas("examples/story.ndjson");
    if std::env::var_os("PURSER_WRITE_SCHEMAS").is_some() {
        std::fs::write(&file, &exported).expect("written");
    }
    let example = std::fs::read(&file).expect("an example");
    assert_eq!(String::from_utf8_lossy(&example), String::from_utf8_lossy(&exported));
    let schema: Value = serde_json::from_slice(&std::fs::read(schemas("line.json")).expect("a schema")).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a schema");
    let schema = jsonschema::draft202012::new(&schema).expect("a schema");
    let mut acts = std::collections::BTreeSet::new();
    for text in example.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
        let line: Value = serde_json::from_slice(text).expect("JSON");
        let wrong: Vec<String> = schema.iter_errors(&line).map(|error| format!("{error}")).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{line}");
        acts.insert(line["command"]["act"].to_string());
        for (field, value) in [("format", json!(2)), ("seq", json!("1")), ("kept", Value::Null), ("at", json!("now"))] {
            let mut bad = line.clone();
            bad[field] = value;
            assert!(!schema.is_valid(&bad), "{bad}");
        }
        let mut bad = line.clone();
        bad["command"]["act"] = json!("wish");
        assert!(!schema.is_valid(&bad), "{bad}");
    }
    assert_eq!(acts.len(), 12, "every act: {acts:?}");
    let rebuilt = Fresh::sqlite().await;
    replay(Replay::new(rebuilt.writer()), &example).await.expect("applied");
    assert_eq!(digest(&rebuilt).await, digest(&original).await);
}
