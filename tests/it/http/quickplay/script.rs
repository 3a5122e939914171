//! Transactions as text, one a line, and what each is answered:
//!
//! ```text
//! enter ID AMOUNT CONTEST = BALANCE     type 0
//! win ID AMOUNT CONTEST = BALANCE       type 1
//! cancel ID AMOUNT CONTEST ! CODE       type 2
//! rollback ID REFERENCE = BALANCE       type 3
//! other … ! CODE                        whatever follows, by another player
//! again … = BALANCE                     whatever follows, a repeat: its balance is the one of then
//! ```

use serde_json::{Value, json};

use super::{QuickPlay, code, token};

/// Plays a script; `name` keeps its players and ids apart from other scripts'.
pub async fn play(quickplay: &QuickPlay, name: &str, script: &str) {
    let stage = &quickplay.stage;
    let players = [format!("{name}-a"), format!("{name}-b")];
    for player in &players {
        stage.add_player("acme", player).await;
        stage.deposit("acme", player, "100", "EUR").await;
    }
    let mut last = [10_000, 10_000];
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.split('#').next().expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let (by, words) = if words[0] == "other" { (1, &words[1..]) } else { (0, &words[..]) };
        let is_repeat = words[0] == "again";
        let words = if is_repeat { &words[1..] } else { words };
        let (said, [sign, expected]) = words.split_last_chunk::<2>().expect("what is expected");
        let response = quickplay.call("transaction", &data(name, &players[by], said)).await;
        let said = format!("{name}: {line}: {}", response.text());
        match *sign {
            "=" => {
                assert_eq!(code(&response), 0, "{said}");
                let balance = format!("\"balance\":{expected},");
                assert!(response.text().contains(&balance), "{said}");
                last[by] = if is_repeat { last[by] } else { minor(expected) };
            }
            "!" => assert_eq!(code(&response).to_string(), *expected, "{said}"),
            _ => panic!("{said}"),
        }
    }
    for (player, expected) in players.iter().zip(last) {
        assert_eq!(stage.balance("acme", player, "EUR").await, expected, "{name}: {player} in the end");
    }
}

fn data(name: &str, player: &str, words: &[&str]) -> Value {
    let id = |word: &str| format!("{name}-{word}");
    match words {
        [verb @ ("enter" | "win" | "cancel"), transaction, amount, contest] => json!({
            "partner": "acme-partner",
            "token": if *verb == "enter" { Value::String(token(player, 3600)) } else { Value::Null },
            "user_id": player,
            "type": match *verb { "enter" => 0, "win" => 1, _ => 2 },
            "amount": amount,
            "contest_id": contest,
            "transaction_id": id(transaction),
            "reference": Value::Null,
        }),
        ["rollback", transaction, reference] => json!({
            "partner": "acme-partner", "user": player, "type": 3,
            "transaction_id": id(transaction), "reference": id(reference),
        }),
        _ => panic!("{words:?}"),
    }
}

fn minor(text: &str) -> i64 {
    purser::ledger::money::parse_decimal(text, 2).expect("an amount")
}
