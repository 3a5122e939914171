use std::time::Duration;

use purser::config::Role;
use serde_json::{Value, json};

use super::{config, execute, get, post, problem, shown, token};
use crate::e2e::dead::{DEAD, park, park_many};
use crate::e2e::proxy::{Proxy, Weather};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage, on_both};
use crate::e2e::wire::Wire;
use crate::http::client::{Call, Response};
use crate::http::console;
use crate::patience::until;

const LETTERS: &str = "/parties/acme/dead-letters";

/// Each piece of what is said takes so long either way, so that a look takes more than a call waits.
const SLOW: Weather = Weather::Slow(Duration::from_millis(400));

/// A stage whose broker is reached through a proxy.
async fn open(base: Base) -> (Stage, Proxy) {
    let mut stage = Stage::prepare(base, &config(), &Addresses::shared()).await;
    let proxy = Proxy::before(stage.amqp_port()).await;
    stage.go_through(proxy.address.port(), None);
    stage.serve();
    stage.until_ready().await;
    (stage, proxy)
}

async fn ask(stage: &Stage, path: &str) -> Response {
    get(Role::Viewer, path).send(stage).await
}

/// What is answered once the look is through.
async fn looked(stage: &Stage, path: &str) -> Response {
    let mut answer = ask(stage, path).await;
    until("the look is through", async || {
        answer = ask(stage, path).await;
        answer.status != 202
    })
    .await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_takes_long_goes_on_and_is_shown_then() {
    on_both(async |base| {
        let (stage, proxy) = open(base).await;
        let wire = Wire::connect(&stage).await;
        for id in ["one", "two"] {
            park(&wire, id).await;
        }
        let viewer = console::sign_in(&stage, Role::Viewer).await;
        proxy.set(SLOW);
        let groups = format!("{LETTERS}/groups");
        let page = "/dead-letters?party=acme";
        let (list, groups, page) =
            tokio::join!(ask(&stage, LETTERS), ask(&stage, &groups), console::get(&viewer, page).send(&stage));
        for answer in [&list, &groups] {
            assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("looking")), "{}", answer.text());
        }
        let text = page.text();
        assert!(page.status == 200 && text.contains("Still looking at the dead letters of acme"), "{text}");
        assert!(text.contains("href=\"?party=acme\"") && text.contains("id=\"live\"") && !text.contains("data-over"));

        let seen = looked(&stage, LETTERS).await;
        assert_eq!((seen.status, &seen.json()["seen"]), (200, &json!(2)), "{}", seen.text());
        let told = console::page(&stage, &viewer, "/dead-letters?party=acme").await;
        assert!(told.contains("2 of 2") && told.contains("the disk was on fire"), "{told}");
        // All have seen the one look, and it has taken nothing.
        let again = shown(&stage, Role::Viewer, LETTERS).await;
        assert_eq!(again["taken_at"], seen.json()["taken_at"]);
        until("both are back", async || wire.ready(DEAD).await == 2).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_fails_is_told_once_and_the_next_one_begins() {
    let (stage, proxy) = open(Base::Sqlite).await;
    let wire = Wire::connect(&stage).await;
    park(&wire, "one").await;
    proxy.set(Weather::BlackHole);
    assert_eq!(ask(&stage, LETTERS).await.status, 202, "nobody answers");
    proxy.set(Weather::Cut);
    let failed = looked(&stage, LETTERS).await;
    let (status, why) = problem(&failed);
    assert_eq!((status, why.contains("the broker is away")), (503, true), "{why}");
    let of_acme = async |says: &str| {
        let report = stage.readyz().await.expect("an answer").1;
        report["parties"]["acme"].as_str().is_some_and(|told| told.starts_with(says))
    };
    until("/readyz says so of the party", async || of_acme("away: ").await).await;
    proxy.set(Weather::Fair);
    until("the broker is back", async || stage.is_ready().await).await;
    until("/readyz says so of the party", async || of_acme("ready").await).await;
    assert_eq!(looked(&stage, LETTERS).await.json()["seen"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_process_is_killed_says_so_and_another_one_does_the_rest() {
    const MANY: usize = 1_200;
    // Letters go back by the 256, so of two such batches the first has left the dead letters.
    const SOME: u64 = 512;
    let (mut stage, proxy) = open(Base::Postgres).await;
    stage.done(&["player", "add", "--party", "acme", "--player", "alice"]).await;
    stage.deposit("acme", "alice", "100.00", "CHF").await;
    let wire = Wire::connect(&stage).await;
    park_many(&wire, MANY).await;
    let make = async |stage: &Stage| -> Value {
        let body = json!({ "act": "redrive", "filter": {} });
        let made = post(Role::Operator, &format!("{LETTERS}/plans"), &body).send(stage).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()
    };
    let run = async |stage: &Stage, plan: &Value| -> Response {
        let path = plan["run"].as_str().expect("a path").to_owned();
        Call::new("POST", path).bearer(&token(Role::Operator)).send(stage).await
    };
    let plan = make(&stage).await;
    assert_eq!(plan["touches"], MANY);
    let path = format!("{LETTERS}/plans/{}", plan["id"].as_str().expect("an id"));
    proxy.set(Weather::Slow(Duration::from_millis(100)));
    let asking =
        Call::new("POST", plan["run"].as_str().expect("a path")).bearer(&token(Role::Operator)).try_send(&stage);
    let killing = async {
        until("some are put back", async || {
            let told = shown(&stage, Role::Viewer, &path).await;
            assert_ne!(told["state"], "done", "it was too fast to be killed: {told}");
            told["state"] == "running" && told["done"].as_u64().is_some_and(|done| done > SOME)
        })
        .await;
        stage.serving.as_ref().expect("it serves").signal("KILL");
    };
    // It may have been told that it goes on, or nothing any more.
    let (_, ()) = tokio::join!(asking, killing);
    stage.serving.take().expect("it served").kill();
    proxy.set(Weather::Fair);
    stage.serve();
    stage.until_ready().await;

    // For a while it may be one that another process has in hand, which writes it every few seconds.
    assert!(execute(&stage, "UPDATE letter_plans SET written_at = written_at - 31000000").await);
    let told = shown(&stage, Role::Viewer, &path).await;
    assert_eq!((&told["state"], &told["error"]), (&json!("failed"), &json!("the process that worked on it has ended")));
    let viewer = console::sign_in(&stage, Role::Viewer).await;
    let page = console::page(&stage, &viewer, &path).await;
    for says in ["<strong>failed</strong>", "the process that worked on it has ended", "make a new plan"] {
        assert!(page.contains(says), "{says}: {page}");
    }
    let again = run(&stage, &plan).await;
    assert_eq!((again.status, &again.json()["state"]), (200, &json!("failed")), "it runs once: {}", again.text());
    let trail = shown(&stage, Role::Admin, "/trail?limit=200").await;
    let entries = trail["items"].as_array().expect("a list").iter().filter(|entry| entry["act"] == "dead redrive");
    let entries: Vec<_> = entries.map(|entry| (&entry["who"], &entry["outcome"])).collect();
    assert_eq!(entries, [(&json!("the-operator"), &json!("begun"))], "nothing concludes it");

    let rest = make(&stage).await;
    let left = rest["touches"].as_u64().expect("a number");
    assert!(left > 0 && left < MANY as u64, "killed when some were put back, not all: {left}");
    until("the rest is put back", async || run(&stage, &rest).await.json()["state"] == "done").await;
    until("each was decided once", async || stage.balance("acme", "alice", "CHF").await == 8_800).await;
    until("none is left", async || wire.ready(DEAD).await == 0).await;
    stage.audit().await;
}
