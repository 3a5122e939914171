//! Judging wallets with `purser conform wallet`: ours conforms, wallets that are wrong on purpose do not, and what is not
//! there cannot be judged.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::Value;

use super::crooked::{Crooked, Fault};
use super::services::{Addresses, Vhost};
use super::stage::{Base, Stage, on_both};

/// With everything that a case may need.
const PARTIES: &str = r#"
[ledger]
ordering_grace = "2s"
[parties.acme]
currencies = ["CHF", "EUR"]
games = ["wallstroulette"]
sandbox = true
jwt = { hmac_secret = "a secret of well over thirty-two bytes, shared with nobody" }
limits = { EUR = { max_bet = 1000 } }
rest = { api_keys = ["the provider's own key, to be hidden"] }
"#;

/// Judges with a report; answers with what ran, and with the report where there is one.
async fn judged(stage: &Stage, arguments: &[&str]) -> (Output, Value) {
    let report = stage.file("report.json");
    let file = ["--json", report.to_str().expect("a path")];
    let ran = stage.run(&[&["conform", "wallet", "--party", "acme"], arguments, &file].concat()).await;
    let report = std::fs::read(report).map_or(Value::Null, |json| serde_json::from_slice(&json).expect("JSON"));
    (ran, report)
}

fn told(ran: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_wallet_conforms() {
    on_both(async |base| {
        let stage = Stage::open(base, PARTIES).await;
        let (ran, report) = judged(&stage, &["--http", &stage.url("/"), "--fund"]).await;
        assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
        assert_eq!(report["verdict"], "conforms");
        let counts = &report["counts"];
        assert!(counts["passed"].as_u64() > Some(70) && counts["skipped"] == 0, "{counts}");
        stage.audit().await;
    })
    .await;
}

/// A wallet's face in a virtual host of its own, and what it does wrong.
async fn crooked(stage: &Stage, fault: Fault) -> (Vhost, Crooked) {
    let front = Addresses::shared().vhost().await;
    let wallet = Crooked::start(&front.amqp_url(), &stage.vhost.amqp_url(), fault).await;
    (front, wallet)
}

/// The sentences that a report says are not kept.
fn broken(report: &Value) -> BTreeSet<String> {
    let cases = report["cases"].as_array().into_iter().flatten();
    let sentences = cases.filter_map(|case| case["outcome"]["clause"]["sentence"].as_str());
    sentences.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_behind_an_honest_go_between_conforms() {
    let stage = Stage::open(Base::Sqlite, PARTIES).await;
    let (front, _wallet) = crooked(&stage, Fault::None).await;
    let (ran, _) = judged(&stage, &["--amqp", &front.amqp_url(), "--fund"]).await;
    assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn wallets_that_are_wrong_on_purpose_are_caught_and_the_clause_is_named() {
    let repeat = "gets the same reply, byte for byte, and moves nothing";
    let correlation = "comes back in the reply";
    let stage = Stage::open(Base::Sqlite, PARTIES).await;
    for (fault, clause) in [
        (Fault::DoublesDebits, "the bet is stored, and its stake is taken"),
        (Fault::ForgetsRepeats, repeat),
        (Fault::ChangesStoredByte, repeat),
        (Fault::SwapsCorrelations, "A balance is `{\"balance\":1234"),
        (Fault::InventsCorrelations, correlation),
        (Fault::LosesOneInAHundred, "a confirmed request is answered"),
        (Fault::ForgetsPersistence, "it is persistent where the request was"),
    ] {
        let (front, _wallet) = crooked(&stage, fault).await;
        let (ran, report) = judged(&stage, &["--amqp", &front.amqp_url(), "--fund", "--timeout", "8s"]).await;
        assert_eq!(ran.status.code(), Some(1), "{fault:?}: {}", told(&ran));
        let broken = broken(&report);
        assert!(broken.iter().any(|sentence| sentence.contains(clause)), "{fault:?}: {broken:#?}");
        let named = told(&ran);
        assert!(named.contains(clause) && named.contains("again: purser conform wallet --party acme"), "{named}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_can_be_sent_it_is_escaped_has_no_token_and_proves_itself() {
    let stage = Stage::open(Base::Sqlite, PARTIES).await;
    let (front, _wallet) = crooked(&stage, Fault::Gossips).await;
    let (html, junit) = (stage.file("report.html"), stage.file("report.xml"));
    let files = ["--html", html.to_str().expect("a path"), "--junit", junit.to_str().expect("a path")];
    let only = ["--amqp", &front.amqp_url(), "--fund", "--seed", "7", "--only", "bet-stored,win-paid"];
    let (ran, report) = judged(&stage, &[only.as_slice(), &files].concat()).await;
    assert_eq!(ran.status.code(), Some(1), "{}", told(&ran));
    assert_eq!(report["cases"].as_array().map(Vec::len), Some(2));
    let read = |path| std::fs::read_to_string(path).expect("a report");
    let (html, junit) = (read(&html), read(&junit));
    for text in [&told(&ran), &html, &junit, &report.to_string()] {
        assert!(text.contains("(hidden)") && !text.contains("eyJ"), "a token is shown: {text}");
        assert!(text.contains("--only bet-stored --seed 7"), "{text}");
    }
    assert!(html.contains("&#60;script&#62;") && !html.contains("<script"), "{html}");
    // Others can check both: XML by its rules, and the digest by the words of the documentation.
    let check = "import hashlib, json, sys, xml.dom.minidom\n\
                 suite = xml.dom.minidom.parse(sys.argv[1]).getElementsByTagName('testsuite')[0]\n\
                 assert suite.getAttribute('failures') == '2', suite.toxml()\n\
                 report = json.load(open(sys.argv[2]))\n\
                 digest = report.pop('digest')\n\
                 text = json.dumps(report, separators=(',', ':'), sort_keys=True, ensure_ascii=False)\n\
                 assert hashlib.sha256(text.encode()).hexdigest() == digest";
    let files = [stage.file("report.xml"), stage.file("report.json")];
    let checked = Command::new("python3").args(["-c", check]).args(files).output().expect("python3 runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_is_not_there_cannot_be_judged() {
    let stage = Stage::prepare(Base::Sqlite, PARTIES, &Addresses::shared()).await;
    let nobody = "amqp://guest:guest@127.0.0.1:1/%2f";
    let (ran, _) = judged(&stage, &["--amqp", nobody, "--players", "alice"]).await;
    assert_eq!(ran.status.code(), Some(2), "{}", told(&ran));
    // A broker without the wallet's queues.
    let (ran, _) = judged(&stage, &["--players", "alice"]).await;
    assert_eq!(ran.status.code(), Some(2), "{}", told(&ran));
    assert!(told(&ran).contains("no exchange 'v1.0'"), "{}", told(&ran));
    // Queues of a wallet that is away.
    let (front, _wallet) = crooked(&stage, Fault::Silent).await;
    let (ran, _) = judged(&stage, &["--amqp", &front.amqp_url(), "--players", "alice", "--timeout", "1s"]).await;
    assert_eq!(ran.status.code(), Some(2), "{}", told(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn players_come_from_wherever_the_wallet_keeps_them() {
    let stage = Stage::open(Base::Sqlite, PARTIES).await;
    stage.add_player("acme", "alice").await;
    let only = ["--only", "bet-stored,400-anothers-bet"];
    // Without money nobody is judged.
    let (ran, _) = judged(&stage, &[&["--players", "alice"], only.as_slice()].concat()).await;
    assert_eq!(ran.status.code(), Some(2), "{}", told(&ran));
    assert!(told(&ran).contains("alice cannot be played: has 0 in CHF"), "{}", told(&ran));
    stage.deposit("acme", "alice", "100.00", "CHF").await;
    // One is too few for what takes two.
    let (ran, report) = judged(&stage, &[&["--players", "alice"], only.as_slice()].concat()).await;
    assert_eq!((ran.status.code(), &report["counts"]["skipped"]), (Some(0), &1.into()), "{}", told(&ran));
    // A command adds them, as it would to somebody else's wallet.
    let program = env!("CARGO_BIN_EXE_purser");
    let config = stage.config();
    let purser = format!("{program} --config {}", config.display());
    let command = format!(
        "{purser} player add --party {{party}} --player {{player}} && \
         {purser} deposit --party {{party}} --player {{player}} --currency {{currency}} --amount 100.00"
    );
    let (ran, report) = judged(&stage, &[&["--fund-with", &command, "--at-once", "2"], only.as_slice()].concat()).await;
    assert_eq!((ran.status.code(), &report["counts"]["passed"]), (Some(0), &2.into()), "{}", told(&ran));
    for wrong in [&["--players", "alice", "--only", "no-such-case"], &["--players", "alice", "--limit", "much"]] {
        let (ran, _) = judged(&stage, wrong).await;
        assert_eq!(ran.status.code(), Some(2), "{}", told(&ran));
    }
}
