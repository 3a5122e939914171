use serde_json::json;

use super::*;
use crate::conformance::report::CaseOutcome;

/// Fives of which the first is withheld, the second late, the third doubled.
const SEED: u64 = 5;

fn terms() -> WatchTerms {
    let seconds = Duration::from_secs;
    let (retry_within, settle_within) = (seconds(10), seconds(20));
    WatchTerms { run_for: seconds(100), retry_within, settle_within, delay: seconds(3), seed: SEED }
}

/// One message of a script.
#[derive(Clone, Copy)]
struct Line {
    at_s: u64,
    operation: &'static str,
    id: &'static str,
    amount: i64,
    code: &'static str,
    correlation: &'static str,
}

/// `at operation externalId amount code correlation`, a line each; `-` is none.
fn script(text: &'static str) -> Vec<Line> {
    let line = |line: &'static str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [at_s, operation, id, amount, code, correlation] = words[..] else { panic!("{line}") };
        let (at_s, amount) = (at_s.parse().unwrap(), amount.parse().unwrap());
        Line { at_s, operation, id, amount, code, correlation }
    };
    text.lines().map(str::trim).filter(|text| !text.is_empty()).map(line).collect()
}

fn message(line: Line) -> ProviderMessage {
    let given = |text: &str| Some(text.to_owned()).filter(|text| text != "-");
    let body = json!({ "externalId": line.id, "game": "wallstroulette", "playerId": "alice", "amount": line.amount });
    ProviderMessage {
        operation: line.operation.to_owned(),
        correlation: given(line.correlation),
        is_persistent: true,
        is_redelivered: false,
        body: body.to_string().into_bytes(),
        code: given(line.code),
        parked: (line.code == "400").then(|| "malformed".to_owned()),
        exchange: ShownExchange { request: body, reply: None },
    }
}

/// What became of the replies, and the rules that are broken.
fn watched(text: &'static str) -> (Vec<Interference>, Vec<JudgedCase>) {
    let mut watch = ProviderWatch::new(terms());
    let mut done = Vec::new();
    for line in script(text) {
        done.push(watch.handle(Duration::from_secs(line.at_s), &message(line)));
    }
    watch.complete(SettledElsewhere::Known(HashMap::new()));
    (done, watch.close(Duration::from_secs(100), &Catalogue::load().unwrap(), "again"))
}

fn broken(judged: &[JudgedCase]) -> Vec<&str> {
    let failed = judged.iter().filter(|case| matches!(case.outcome, CaseOutcome::Failed(_)));
    failed.map(|case| case.id.trim_start_matches("provider_")).collect()
}

/// A bet that is not answered, asked again, and won; four more of each.
const RIGHT: &str = "
    1 order.bet        a 5 201 c1
    3 order.bet        a 5 201 c1
    4 order.bet.result a 9 200 c2
    6 order.bet.result a 9 200 c3
    7 order.bet        b 5 492 c4
    8 order.bet        c 5 201 c5
    9 order.bet.cancel c 0 200 c6
    11 order.bet.cancel c 0 200 c6
";

#[test]
fn a_provider_that_does_everything_right_conforms() {
    let (done, judged) = watched(RIGHT);
    let [withheld, none] = [Interference::Withheld, Interference::None];
    assert_eq!(
        done,
        [withheld, none, withheld, none, Interference::Late, Interference::Twice, withheld, none],
        "{judged:#?}"
    );
    assert!(judged.iter().all(|case| matches!(case.outcome, CaseOutcome::Passed)), "{judged:#?}");
}

#[test]
fn each_way_to_be_wrong_breaks_its_rule_alone() {
    for (text, rule) in [
        (
            "1 order.bet a 5 201 c1\n 30 order.bet a 5 201 c1\n 31 order.bet.cancel a 0 200 c2\n 32 order.bet.cancel a 0 200 c2",
            "retries",
        ),
        ("1 order.bet a 5 201 c1\n 2 order.bet.cancel a 0 200 c2\n 3 order.bet.cancel a 0 200 c2", "retries"),
        ("1 order.bet a 5 201 c1\n 2 order.bet a 5 201 c1", "settlement"),
        (
            "1 order.bet a 5 201 c1\n 2 order.bet a 5 201 c1\n 30 order.bet.result a 9 200 c2\n 31 order.bet.result a 9 200 c2",
            "settlement",
        ),
        ("1 order.bet a 5 492 c1\n 2 order.bet a 5 492 c1\n 9 order.bet a 5 492 c1", "new_ids"),
        ("1 order.bet a 5 492 c1\n 2 order.bet a 5 492 c1\n 9 order.bet a 6 400 c2", "new_ids"),
        ("1 order.bet a 5 492 c1\n 2 order.bet a 5 492 c1\n 9 order.bet b 5 492 -", "correlation_ids"),
        ("1 order.bet a 5 492 c1\n 2 order.bet a 5 492 c1\n 9 order.bet b 5 492 c1", "unique_ids"),
        ("1 order.bet a 5 492 c1\n 2 order.bet a 5 492 c1\n 9 order.bet b -5 400 c2", "well_formed"),
        (
            "1 order.bet a 5 201 c1\n 2 order.bet a 6 400 c2\n 3 order.bet a 5 201 c1\n 4 order.bet.result a 0 200 c3\n 5 order.bet.result a 0 200 c3",
            "same_body",
        ),
    ] {
        let (_, judged) = watched(text);
        assert_eq!(broken(&judged), [rule], "{text}: {judged:#?}");
    }
}

#[test]
fn what_the_documentation_allows_breaks_nothing() {
    for text in [
        // A bet that crossed its refusal.
        "1 order.bet a 5 492 c1\n 2 order.bet a 5 492 c1\n 3 order.bet a 5 492 c1",
        // What was malformed, asked rightly under the same id.
        "1 order.bet a 5 400 c1\n 2 order.bet a 6 492 c2\n 3 order.bet a 6 492 c2",
        // A result that was refused and told so, asked rightly: the second of its kind is late, and not withheld.
        "1 order.bet.result z 5 493 c1\n 2 order.bet.result z 5 493 c1\n 3 order.bet.result a 5 494 c2\n 4 order.bet.result a 6 200 c3",
    ] {
        let (_, judged) = watched(text);
        let broken = broken(&judged);
        assert!(broken.iter().all(|rule| *rule == "well_formed" && text.contains("400")), "{text}: {judged:#?}");
    }
}

#[test]
fn a_message_that_the_broker_delivers_again_is_no_retry() {
    let mut watch = ProviderWatch::new(terms());
    let line = script("1 order.bet a 5 201 c1")[0];
    assert_eq!(watch.handle(Duration::from_secs(1), &message(line)), Interference::Withheld);
    let again = ProviderMessage { is_redelivered: true, ..message(line) };
    assert_eq!(watch.handle(Duration::from_secs(2), &again), Interference::None);
    watch.complete(SettledElsewhere::Known(HashMap::new()));
    let judged = watch.close(Duration::from_secs(100), &Catalogue::load().unwrap(), "again");
    assert_eq!(broken(&judged), ["retries", "settlement"], "{judged:#?}");
}

#[test]
fn a_bet_that_nothing_settled_over_the_queues_is_what_the_ledger_says() {
    let end = Duration::from_secs(100);
    let settled_after = |seconds| Some(Some(Duration::from_secs(seconds)));
    for (told, expected) in [
        // Its provider was told a second after it was placed.
        (settled_after(21), "passed"),
        (settled_after(22), "failed"),
        (Some(None), "failed"),
        // Nobody could look.
        (None, "not judged"),
    ] {
        let mut watch = ProviderWatch::new(terms());
        for line in script("1 order.bet a 5 201 c1\n 2 order.bet a 5 201 c1\n 90 order.bet b 5 201 c2") {
            watch.handle(Duration::from_secs(line.at_s), &message(line));
        }
        // The second has not had its time yet.
        let unsettled = watch.unsettled(end);
        let [bet] = &unsettled[..] else { panic!("{unsettled:?}") };
        let known = |took: Option<Duration>| took.map(|took| (bet.clone(), took)).into_iter().collect();
        watch.complete(match told {
            Some(took) => SettledElsewhere::Known(known(took)),
            None => SettledElsewhere::Unknown("the disk was on fire".to_owned()),
        });
        let judged = watch.close(end, &Catalogue::load().unwrap(), "again");
        let case = judged.iter().find(|case| case.id == "provider_settlement").unwrap();
        let found = match &case.outcome {
            CaseOutcome::Passed => "passed",
            CaseOutcome::Failed(_) => "failed",
            CaseOutcome::NotJudged { why } if why.contains("the disk was on fire") => "not judged",
            CaseOutcome::NotJudged { .. } | CaseOutcome::Skipped { .. } => "something else",
        };
        assert_eq!(found, expected, "{told:?}: {case:?}");
    }
}

#[test]
fn nothing_that_came_judges_nobody() {
    let (_, judged) = watched("");
    let open = judged.iter().filter(|case| matches!(case.outcome, CaseOutcome::NotJudged { .. })).count();
    assert_eq!((open, judged.len()), (6, 8), "{judged:#?}");
}

#[test]
fn a_token_is_read_for_its_player_and_shown_to_nobody() {
    let line = script("1 order.bet a 5 201 c1")[0];
    // {"sub":"alice"}, and the same player by another token.
    let [first, second] =
        ["eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.one", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.two"];
    let of = |token: &str| {
        let body = json!({ "externalId": "a", "game": "g", "playerId": token }).to_string();
        ProviderMessage { body: body.into_bytes(), ..message(line) }.content()
    };
    assert_eq!(of(first).order, of(second).order);
    assert_eq!(of(first).value["playerId"], "alice");
    let told = message::without_tokens(&format!("{{\"playerId\":\"{first}\",\"a\":\"Bearer {second}\"}} and eyJ"));
    assert_eq!(told, "{\"playerId\":\"(hidden)\",\"a\":\"Bearer (hidden)\"} and (hidden)");
}
