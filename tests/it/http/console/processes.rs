use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::connection::SimpleConnection as _;
use purser::config::{OperatorTokenHash, Role};
use purser::storage::StoreError;
use purser::storage::queries::AnyConnection;
use serde_json::{Value, json};

use super::{attributes, cookie, form, get, page, post, sign_in};
use crate::e2e::dead::{DEAD, park};
use crate::e2e::process::Serving;
use crate::e2e::proxy::{Proxy, Weather};
use crate::e2e::services::Addresses;
use crate::e2e::stage::{Base, Stage, on_both};
use crate::e2e::wire::Wire;
use crate::http::admin::{self, open, problem, shown, token};
use crate::http::client::{Call, Response};
use crate::patience::until;

/// A stage with a second process beside its own.
struct Pair {
    stage: Stage,
    second: Serving,
    /// Where the one that is not asked now answers.
    other: SocketAddr,
}

impl Pair {
    async fn beside(mut stage: Stage) -> Self {
        let (second, other) = stage.another_process_at("second");
        let first = stage.ask_at(other);
        until("the second is ready", async || stage.is_ready().await).await;
        stage.ask_at(first);
        Self { stage, second, other }
    }

    /// From now on the other one is asked.
    fn swap(&mut self) -> &Stage {
        self.other = self.stage.ask_at(self.other);
        &self.stage
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_at_one_process_is_so_at_every_other() {
    on_both(async |base| {
        let mut pair = Pair::beside(open(base).await).await;
        let signed_in = sign_in(&pair.stage, Role::Operator).await;
        let pairs = [("amount", "1.00"), ("currency", "CHF"), ("key", "one"), ("reason", "a test")];
        let moved = post(&signed_in, "/parties/acme/players/alice/deposits", &pairs).send(pair.swap()).await;
        assert_eq!(moved.status, 303, "{}", moved.text());
        // What the form did is said once, wherever the next page comes from.
        let said = [(); 3].map(|()| "/parties/acme/players/alice");
        let mut pages = Vec::new();
        for path in said {
            pages.push(page(pair.swap(), &signed_in, path).await.contains("Deposited 1.00 CHF"));
        }
        assert_eq!(pages, [true, false, false]);
        let out = post(&signed_in, "/sign-out", &[]).send(pair.swap()).await;
        assert_eq!(out.status, 303, "{}", out.text());
        for _ in 0..2 {
            assert_eq!(get(&signed_in, "/health").send(pair.swap()).await.status, 401, "signed out at one of them");
        }
        pair.second.terminate().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_signs_nobody_out_but_who_has_another_token_or_role() {
    let mut stage = open(Base::Sqlite).await;
    let (viewer, operator, admin) = (
        sign_in(&stage, Role::Viewer).await,
        sign_in(&stage, Role::Operator).await,
        sign_in(&stage, Role::Admin).await,
    );
    stage.stop().await;
    let hash = |role| OperatorTokenHash::of(&token(role)).text();
    stage.replace_in_config(&hash(Role::Operator), &OperatorTokenHash::of("another token, and as long as that").text());
    stage.replace_in_config("name = \"the-admin\"\nrole = \"admin\"", "name = \"the-admin\"\nrole = \"viewer\"");
    stage.serve();
    stage.until_ready().await;
    page(&stage, &viewer, "/health").await;
    assert_eq!(get(&operator, "/health").send(&stage).await.status, 401);
    let trail = get(&admin, "/trail").send(&stage).await;
    assert!(trail.status == 403 && trail.text().contains("yours is viewer"), "{}", trail.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ledger_is_away_one_stays_signed_in_and_signing_out_is_not_promised() {
    let mut stage = Stage::prepare(Base::Postgres, &admin::config(), &Addresses::shared()).await;
    let proxy = Proxy::before(stage.postgres_port().expect("a port")).await;
    stage.go_through(stage.amqp_port(), Some(proxy.address.port()));
    stage.serve();
    stage.until_ready().await;
    let before = sign_in(&stage, Role::Viewer).await;
    page(&stage, &before, "/health").await;
    proxy.set(Weather::Cut);
    until("the database is away", async || {
        page(&stage, &before, "/health").await.contains("<strong class=\"bad\">away</strong>")
    })
    .await;
    let meanwhile = sign_in(&stage, Role::Viewer).await;
    page(&stage, &meanwhile, "/").await;
    let out = post(&before, "/sign-out", &[]).send(&stage).await;
    assert_eq!((out.status, out.header("set-cookie")), (503, ""), "{}", out.text());
    assert!(out.text().contains("you are still signed in"), "{}", out.text());
    page(&stage, &before, "/health").await;

    proxy.set(Weather::Fair);
    until("the database is back", async || stage.is_ready().await).await;
    until("what was begun meanwhile is written down", async || {
        page(&stage, &meanwhile, "/health").await;
        stage.database.query(|conn| Ok(sessions(conn))).await.is_ok_and(|sessions| sessions == 2)
    })
    .await;
    for cookie in [&before, &meanwhile] {
        assert_eq!(post(cookie, "/sign-out", &[]).send(&stage).await.status, 303);
        assert_eq!(get(cookie, "/health").send(&stage).await.status, 401);
    }
}

/// How many the table has.
fn sessions(conn: &mut AnyConnection) -> i64 {
    use diesel::prelude::*;
    use purser::storage::schema::console_sessions::dsl::console_sessions;
    let counted = match conn {
        AnyConnection::Sqlite(conn) => console_sessions.count().get_result(conn),
        AnyConnection::Postgres(conn) => console_sessions.count().get_result(conn),
    };
    counted.expect("a count")
}

fn hex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two digits");
    (0..text.len()).step_by(2).map(digits).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_cookie_nor_token_lies_in_the_ledger() {
    let stage = open(Base::Sqlite).await;
    let response = form("/sign-in", &[("token", &token(Role::Admin))]).send(&stage).await;
    let secret = cookie(&response).split_once('=').expect("a value").1.to_owned();
    assert_eq!(stage.database.query(|conn| Ok(sessions(conn))).await.expect("a count"), 1);
    let hash = OperatorTokenHash::of(&token(Role::Admin)).text();
    let hash = hash.trim_start_matches("sha256:").to_owned();
    for file in ["purser.db", "purser.db-wal"] {
        let bytes = std::fs::read(stage.file(file)).expect("a file");
        let raw = [hex(&hash), URL_SAFE_NO_PAD.decode(&secret).expect("a cookie")];
        let texts = [&*secret, &token(Role::Admin), &hash].map(|text| text.as_bytes().to_vec());
        for secret in texts.iter().chain(&raw) {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{file} has {secret:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_one_process_made_another_runs_once() {
    on_both(async |base| {
        let mut pair = Pair::beside(open(base).await).await;
        let wire = Wire::connect(&pair.stage).await;
        for id in ["one", "two"] {
            park(&wire, id).await;
        }
        let operator = sign_in(&pair.stage, Role::Operator).await;
        let letters = page(&pair.stage, &operator, "/dead-letters?party=acme").await;
        let link = attributes(&letters, "href").into_iter().find(|link| link.contains("/letters/")).expect("a letter");
        // Another process has a look of its own, in which it is the same letter.
        let letter = page(pair.swap(), &operator, link.trim_start_matches('.')).await;
        assert!(letter.contains("the disk was on fire"), "{letter}");

        let plans = "/parties/acme/dead-letters/plans";
        let made = post(&operator, plans, &[("act", "redrive")]).send(pair.swap()).await;
        let made = format!("{plans}/{}", made.header("location").trim_start_matches("plans/"));
        assert!(page(pair.swap(), &operator, &made).await.contains("Put 2 back"));
        park(&wire, "newer").await;
        // Both are asked to run it, one after the other.
        for _ in 0..2 {
            let ran = post(&operator, &format!("{made}/run"), &[]).send(pair.swap()).await;
            assert_eq!(ran.status, 303, "{}", ran.text());
        }
        for _ in 0..2 {
            let stage = pair.swap();
            until("it is told that it is done", async || {
                let told = page(stage, &operator, &made).await;
                told.contains("2 of 2 put back") && told.contains("<th scope=\"row\">201</th>")
            })
            .await;
        }
        until("the newer is left", async || wire.ready(DEAD).await == 1).await;
        let trail = shown(&pair.stage, Role::Admin, "/trail?limit=200").await;
        let runs = trail["items"].as_array().expect("a list").iter().filter(|entry| entry["act"] == "dead redrive");
        assert_eq!(runs.count(), 2, "begun and done: {trail}");
        assert_eq!(pair.stage.balance("acme", "alice", "CHF").await, 9_998);
        pair.second.terminate().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_audit_runs_at_a_time_whichever_process_is_asked() {
    let mut pair = Pair::beside(open(Base::Postgres).await).await;
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    // What it comes to late cannot be read.
    let database = pair.stage.database.clone();
    let holding = database.query(move |conn| {
        let AnyConnection::Postgres(conn) = conn else { panic!("not Postgres") };
        let refused = |error: diesel::result::Error| StoreError::Rejected(error.to_string());
        conn.batch_execute("BEGIN; LOCK TABLE approvals IN ACCESS EXCLUSIVE MODE").map_err(refused)?;
        locked.send(()).expect("somebody waits");
        released.recv().expect("released");
        conn.batch_execute("ROLLBACK").map_err(refused)
    });
    let start =
        async |stage: &Stage| -> Response { admin::post(Role::Operator, "/audit", &Value::Null).send(stage).await };
    let trying = async {
        is_locked.await.expect("locked");
        assert_eq!(start(&pair.stage).await.status, 202);
        let (status, why) = problem(&start(pair.swap()).await);
        assert_eq!((status, why.contains("runs in another process")), (409, true), "{why}");
        release.send(()).expect("it waits");
    };
    let (held, ()) = tokio::join!(holding, trying);
    held.expect("held");
    // The second is asked by now, and may begin as soon as the first is through.
    until("the second may audit", async || start(&pair.stage).await.status == 202).await;
    until("it has found nothing", async || {
        let told = shown(&pair.stage, Role::Operator, "/audit").await;
        told["running"].is_null() && told["last"]["is_sound"] == json!(true)
    })
    .await;
    let form = Call::new("POST", "/console/audit").bearer(&token(Role::Viewer)).send(pair.swap()).await;
    assert_eq!(form.status, 403, "a role that is too low is told so, whoever audits");
    pair.second.terminate().await;
}
