//! Several ledgers: each party's players and money are in the one that its section names, and what befalls one of them
//! is nothing to the parties of another.

use std::process::Stdio;
use std::time::Duration;

use purser::storage::Database;
use serde_json::Value;

use super::process::purser;
use super::services::{Addresses, execute, number};
use super::stage::{Base, Stage, on_both};
use super::wire::{Message, Wire, bet, code};
use crate::patience::{delay, until};

/// Two parties, of which the second is in a ledger of its own at this address.
pub fn parties(second: &str) -> String {
    format!(
        r#"
[ledger]
ordering_grace = "600ms"
[ledgers.second]
url = "{second}"
[parties.acme]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.beta]
currencies = ["CHF"]
games = ["wallstroulette"]
player_tokens = "trusted"
ledger = "second"
"#
    )
}

/// A bet of one of the parties' alice.
pub fn bet_of(party: &'static str, order: &str) -> Message {
    Message { party, ..bet(order) }
}

/// The second ledger is another file, or another schema of the same database.
pub async fn two_ledgers(base: Base) -> (Stage, Database) {
    two_ledgers_and(base, "").await
}

/// The same, with more in the configuration.
pub async fn two_ledgers_and(base: Base, more: &str) -> (Stage, Database) {
    let mut stage = Stage::prepare(base, "", &Addresses::shared()).await;
    let (url, second) = match &stage.database {
        Database::Sqlite(_) => {
            let path = stage.file("second.db");
            (format!("sqlite://{}", path.display()), Database::Sqlite(path))
        }
        Database::Postgres(url) => {
            execute(&stage.database, "CREATE SCHEMA second").await;
            let between = if url.contains('?') { '&' } else { '?' };
            let url = format!("{url}{between}options=-c%20search_path%3Dsecond");
            (url.clone(), Database::Postgres(url))
        }
    };
    stage.reconfigure(&(parties(&url) + more));
    (stage, second)
}

/// A message that is turned away while its party is about to move must not stay unanswered where the move is given up
/// before anybody but the writer has heard of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_move_of_a_moment_turns_away_is_answered_after_it() {
    on_both(async |base| {
        let (mut stage, _) = two_ledgers(base).await;
        stage.serve();
        until_all_are_served(&mut stage).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "10", "CHF").await;
        let mut wire = Wire::connect(&stage).await;
        execute(&stage.database, "INSERT INTO party_moves VALUES ('acme', 'leaving', 'second', 0)").await;
        let over_soon = async {
            delay(Duration::from_millis(200)).await;
            execute(&stage.database, "DELETE FROM party_moves").await;
        };
        let (answered, ()) = tokio::join!(wire.ask(bet_of("acme", "one")), over_soon);
        assert_eq!(code(&answered), "201");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 900);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_in_two_ledgers_are_served_side_by_side() {
    on_both(async |base| {
        let (mut stage, _) = two_ledgers(base).await;
        assert!(stage.done(&["migrate"]).await.contains("ledger second: applied"));
        stage.serve();
        until_all_are_served(&mut stage).await;
        for party in ["acme", "beta"] {
            stage.add_player(party, "alice").await;
            stage.deposit(party, "alice", "10", "CHF").await;
        }
        let mut wire = Wire::connect(&stage).await;
        for (party, order, expected) in [("acme", "one", "201"), ("beta", "one", "201"), ("beta", "two", "201")] {
            assert_eq!(code(&wire.ask(bet_of(party, order)).await), expected, "{party} {order}");
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 900);
        assert_eq!(stage.balance("beta", "alice", "CHF").await, 800);

        let both = stage.done(&["audit"]).await;
        for said in ["ledger default\n", "ledger second\n", "3 commands, 2 transfers", "4 commands, 3 transfers"] {
            assert!(both.contains(said), "{said}: {both}");
        }
        let second: Value =
            serde_json::from_str(&stage.done(&["audit", "--ledger", "second", "--json"]).await).expect("JSON");
        assert_eq!(second["commands"], 4);
        let parties = second["books"].as_array().expect("books").iter().map(|book| book["party"].as_str());
        assert_eq!(parties.collect::<Vec<_>>(), [Some("beta")]);

        let unsaid = stage.run(&["journal", "show", "--number", "1"]).await;
        assert_eq!(unsaid.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&unsaid.stderr).contains("say --ledger default, second"));
        stage.done(&["journal", "show", "--number", "4", "--ledger", "second"]).await;
        let metrics = reqwest::get(stage.url("/metrics")).await.expect("answered").text().await.expect("text");
        assert!(metrics.contains("purser_approvals_pending{ledger=\"second\"} 0"), "{metrics}");
        stage.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_ledger_is_away_the_parties_of_the_others_are_served() {
    let mut stage = Stage::prepare(Base::Sqlite, "", &Addresses::shared()).await;
    stage.reconfigure(&parties(&format!("sqlite://{}", stage.file("second.db").display())));
    // Where a party is new, every other ledger must say that it does not have its players.
    stage.add_player("acme", "alice").await;
    stage.reconfigure(&parties("postgres://nobody@127.0.0.1:1/nothing"));
    stage.serve();
    until("the first ledger is ready", async || {
        let report = stage.readyz().await;
        report.is_some_and(|(status, report)| {
            let database = report["database"].as_str().unwrap_or_default().to_owned();
            status == 200 && database.starts_with("ready, but away for ledger second")
        })
    })
    .await;
    stage.deposit("acme", "alice", "10", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet_of("acme", "one")).await), "201");
    let audited = stage.run(&["audit"]).await;
    assert_eq!(audited.status.code(), Some(1), "a ledger that is away is not sound");
    stage.done(&["audit", "--ledger", "default"]).await;
    // The end does not wait for the one that is away.
    stage.stop().await;
}

/// Players of acme, and what each has bet when all is over.
const PLAYERS: [&str; 3] = ["alice", "bob", "carol"];
const BETS_EACH: usize = 400;

/// Acme's bets, player by player in turns; the correlation id is the order's.
fn bets_of_all(first: usize, bets: usize) -> impl Iterator<Item = Message> {
    (first..first + bets).flat_map(|round| {
        PLAYERS.map(|player| {
            let order = format!("{player}-{round}");
            let body = bet(&order).body;
            let body = String::from_utf8(body).expect("UTF-8").replace("\"alice\"", &format!("\"{player}\""));
            Message { body: body.into_bytes(), ..bet(&order) }
        })
    })
}

async fn with_money(stage: &Stage) {
    for player in PLAYERS {
        stage.add_player("acme", player).await;
        stage.deposit("acme", player, "1000", "CHF").await;
    }
}

/// One party that is served is enough to be ready.
pub async fn until_all_are_served(stage: &mut Stage) {
    stage.until_ready().await;
    until("every party is served", async || {
        stage.readyz().await.is_some_and(|(status, report)| status == 200 && report["broker"] == "ready")
    })
    .await;
}

/// Acme's configuration once it is in the second ledger.
pub fn moved(stage: &Stage) -> String {
    let text = std::fs::read_to_string(stage.config()).expect("a configuration file");
    let parties = &text[text.find("\n[ledger]").expect("a section")..];
    parties.replacen("player_tokens = \"trusted\"", "player_tokens = \"trusted\"\nledger = \"second\"", 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_moves_to_another_ledger_under_load_and_nothing_is_lost() {
    on_both(async |base| {
        let (mut stage, _) = two_ledgers(base).await;
        stage.serve();
        until_all_are_served(&mut stage).await;
        with_money(&stage).await;
        stage.done_with(&["player", "password", "--party", "acme", "--player", "alice"], "correct horse").await;
        let mut wire = Wire::connect(&stage).await;
        wire.send_all(bets_of_all(0, BETS_EACH / 2)).await;
        // Half of the replies, so that the move begins in the middle of it.
        let mut codes = Vec::new();
        for _ in 0..PLAYERS.len() * BETS_EACH / 4 {
            codes.push(code(&wire.next_reply().await));
        }
        let moving = stage.run(&["party", "move", "--party", "acme", "--to", "second", "--json"]);
        let (moved_out, ()) = tokio::join!(moving, wire.send_all(bets_of_all(BETS_EACH / 2, BETS_EACH / 2)));
        let told = String::from_utf8_lossy(&moved_out.stderr).into_owned();
        assert!(moved_out.status.success(), "{told}");
        let report: Value = serde_json::from_slice(&moved_out.stdout).expect("JSON");
        assert_eq!((&report["accounts"], &report["beside"]), (&Value::from(3), &Value::from(1)), "{report}");
        // Whoever is still configured for the old ledger says so, and answers nobody of acme.
        until("the party is not served", async || {
            let report =
                stage.readyz().await.map(|(_, report)| report["broker"].as_str().unwrap_or_default().to_owned());
            report.is_some_and(|broker| broker.contains("has moved to ledger second: set parties.acme.ledger"))
        })
        .await;

        let configuration = moved(&stage);
        stage.stop().await;
        stage.reconfigure(&configuration);
        stage.serve();
        until_all_are_served(&mut stage).await;
        while codes.len() < PLAYERS.len() * BETS_EACH {
            codes.push(code(&wire.next_reply().await));
        }
        assert!(codes.iter().all(|code| code == "201"), "{codes:?}");
        for player in PLAYERS {
            assert_eq!(stage.balance("acme", player, "CHF").await, 100_000 - 100 * i64::try_from(BETS_EACH).unwrap());
        }
        // What was answered before is answered again.
        assert_eq!(code(&wire.ask(bets_of_all(0, 1).next().expect("a bet")).await), "201");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 100 * i64::try_from(BETS_EACH).unwrap());
        stage.audit().await;
        let again = stage.run(&["party", "move", "--party", "acme", "--to", "second", "--from", "default"]).await;
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        stage.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_killed_is_carried_on_or_given_up() {
    on_both(async |base| {
        let (mut stage, second) = two_ledgers(base).await;
        stage.serve();
        until_all_are_served(&mut stage).await;
        with_money(&stage).await;
        let mut wire = Wire::connect(&stage).await;
        wire.send_all(bets_of_all(0, BETS_EACH)).await;
        for _ in 0..PLAYERS.len() * BETS_EACH {
            assert_eq!(code(&wire.next_reply().await), "201");
        }
        let mover = ["party", "move", "--party", "acme", "--to", "second"];
        let mut command = purser(&stage.config(), &mover);
        let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("purser starts");
        stage.done(&["migrate", "--ledger", "second"]).await;
        until("some of it has arrived", async || number(&second, "SELECT count(*) FROM journal").await > 0).await;
        killed.kill().expect("killed");
        killed.wait().expect("ended");
        // It may have come far: what is left behind is one of the states that can be carried on.
        let refused =
            stage.run(&["deposit", "--party", "acme", "--player", "alice", "--currency", "CHF", "--amount", "1"]).await;
        let given_up = stage.done(&[mover.as_slice(), &["--abandon"]].concat()).await;
        assert!(given_up.contains("is served from ledger default again"));
        let abandoned = "SELECT count(*) FROM trail WHERE act = 'party move abandon' AND outcome = 'done'";
        assert_eq!((number(&stage.database, abandoned).await, number(&second, abandoned).await), (1, 1));
        stage.deposit("acme", "alice", "1", "CHF").await;
        let deposited = if refused.status.success() { 2 } else { 1 };
        stage.done(&mover).await;
        let refused =
            stage.run(&["deposit", "--party", "acme", "--player", "alice", "--currency", "CHF", "--amount", "1"]).await;
        assert_eq!(refused.status.code(), Some(1));
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(why.contains("party acme is not served from this ledger"), "{why}");
        let configuration = moved(&stage);
        stage.stop().await;
        stage.reconfigure(&configuration);
        let left = 100_000 - 100 * i64::try_from(BETS_EACH).unwrap() + 100 * deposited;
        assert_eq!(stage.balance("acme", "alice", "CHF").await, left);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_that_moves_on_is_not_let_in_where_it_has_left() {
    let (mut stage, second) = two_ledgers(Base::Sqlite).await;
    let third = format!("[ledgers.third]\nurl = \"sqlite://{}\"\n[parties.acme]", stage.file("third.db").display());
    let text = std::fs::read_to_string(stage.config()).expect("a configuration file");
    let parties = text[text.find("\n[ledger]").expect("a section")..].replacen("[parties.acme]", &third, 1);
    stage.reconfigure(&parties);
    stage.add_player("acme", "alice").await;
    let mover =
        async |from: &str, to: &str| stage.run(&["party", "move", "--party", "acme", "--from", from, "--to", to]).await;
    for (from, to) in [("default", "second"), ("second", "third")] {
        let moved = mover(from, to).await;
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    }
    let again = mover("default", "second").await;
    let why = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && why.contains("it is left in second, by way of third"), "{why}");
    assert_eq!(number(&second, "SELECT count(*) FROM party_moves WHERE state = 'left'").await, 1);
    // Each is in the trail of where the party was and of where it went, however it ended.
    let begun = "SELECT count(*) FROM trail WHERE act = 'party move' AND outcome = 'begun'";
    let done = "SELECT count(*) FROM trail WHERE act = 'party move' AND outcome LIKE 'done: % commands'";
    let failed = "SELECT count(*) FROM trail WHERE act = 'party move' AND outcome LIKE 'not done: %by way of third%'";
    for (database, expected) in [(&stage.database, [2, 1, 1]), (&second, [3, 2, 1])] {
        let counted = [number(database, begun).await, number(database, done).await, number(database, failed).await];
        assert_eq!(counted, expected, "{database:?}");
    }

    // And back again, to where it began.
    let back = mover("third", "default").await;
    assert!(back.status.success(), "{}", String::from_utf8_lossy(&back.stderr));
    stage.deposit("acme", "alice", "1", "CHF").await;
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_movers_at_once_the_party_ends_in_one_ledger() {
    on_both(async |base| {
        let (stage, second) = two_ledgers(base).await;
        with_money(&stage).await;
        let mover = ["party", "move", "--party", "acme", "--to", "second"];
        let (one, other) = tokio::join!(stage.run(&mover), stage.run(&mover));
        assert!(one.status.success() || other.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
        let left = "SELECT count(*) FROM party_moves WHERE party = 'acme' AND state = 'left'";
        assert_eq!(number(&stage.database, left).await, 1);
        assert_eq!(number(&second, "SELECT count(*) FROM party_moves").await, 0);
        stage.audit().await;
    })
    .await;
}

/// What a mover left whose clock was ahead keeps nobody out until that moment has come.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_a_clock_ahead_began_is_carried_on() {
    on_both(async |base| {
        let (stage, second) = two_ledgers(base).await;
        with_money(&stage).await;
        stage.done(&["migrate", "--ledger", "second"]).await;
        let tomorrow = purser::clock::now().0 + 86_400_000_000;
        for (database, state, other) in [(&stage.database, "leaving", "second"), (&second, "arriving", "default")] {
            execute(database, format!("INSERT INTO party_moves VALUES ('acme', '{state}', '{other}', {tomorrow})"))
                .await;
        }
        stage.done(&["party", "move", "--party", "acme", "--to", "second"]).await;
        assert_eq!(number(&stage.database, "SELECT count(*) FROM party_moves WHERE state = 'left'").await, 1);
        assert_eq!(number(&second, "SELECT count(*) FROM party_moves").await, 0);
        stage.audit().await;
    })
    .await;
}
