use lapin::types::{AMQPValue, FieldTable};
use purser::config::Role;
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::short;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{get, open, post, problem, shown, token};
use crate::e2e::dead::{DEAD, park, park_with};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::e2e::wire::{Message, Wire};
use crate::http::client::{Call, Response};
use crate::patience::until;

const LETTERS: &str = "/parties/acme/dead-letters";

async fn plan(stage: &Stage, role: Role, act: &str, filter: Value) -> Response {
    post(role, "/parties/acme/dead-letters/plans", &json!({ "act": act, "filter": filter })).send(stage).await
}

/// Runs a plan where it says that it is run, until it is over.
async fn run(stage: &Stage, role: Role, plan: &Value) -> Value {
    let mut told = Value::Null;
    until("the plan is carried out", async || {
        let path = plan["run"].as_str().expect("a path");
        let ran = Call::new("POST", path).bearer(&token(role)).send(stage).await;
        told = ran.json();
        match ran.status {
            202 => false,
            200 => true,
            _ => panic!("{told}"),
        }
    })
    .await;
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_shown_as_they_lay_at_the_last_look() {
    on_both(async |base| {
        let stage = open(base).await;
        let mut wire = Wire::connect(&stage).await;
        wire.ask(Message::new(Operation::OrderBet, "bad", &json!({ "playerId": "eyJhbGciOi.eyJzdWIi.c2ln" }))).await;
        until("it is dead", async || wire.ready(DEAD).await == 1).await;
        for id in ["one", "two", "three"] {
            let mut secret = FieldTable::default();
            secret.insert(short("authorization"), AMQPValue::LongString("Bearer top-secret".into()));
            park_with(&wire, id, secret).await;
        }
        let many = [(); 4].map(|()| get(Role::Viewer, &format!("{LETTERS}?limit=3")).send(&stage));
        let looks = futures_util::future::join_all(many).await;
        let first = looks[0].json();
        assert!(looks.iter().all(|look| look.status == 200 && look.body == looks[0].body), "{}", looks[3].text());
        assert_eq!((&first["seen"], &first["waiting"], &first["next"]), (&json!(4), &json!(4), &json!("3")));
        let letter = &first["items"][1];
        let told = ["id", "reason", "error", "queue", "died_at", "redriven"].map(|name| letter[name].clone());
        let died_at = "2023-11-14T22:13:20.000000Z";
        assert_eq!(json!(told), json!(["one", "fault", "the disk was on fire", "v1.0.acme.order.bet", died_at, 0]));
        assert_eq!(letter["properties"]["authorization"], "(hidden)");
        let whole = shown(&stage, Role::Viewer, LETTERS).await.to_string();
        assert!(!whole.contains("top-secret") && !whole.contains("eyJ") && whole.contains("(token)"), "{whole}");

        // Kept as it was, however many come.
        park(&wire, "later").await;
        let again = shown(&stage, Role::Viewer, &format!("{LETTERS}?limit=3&after=3")).await;
        assert_eq!((&again["taken_at"], &again["seen"]), (&first["taken_at"], &json!(4)));
        assert_eq!((&again["items"][0]["id"], &again["next"]), (&json!("three"), &Value::Null));
        let groups = shown(&stage, Role::Viewer, &format!("{LETTERS}/groups")).await;
        let group = |place: usize| ["reason", "queue", "letters"].map(|name| groups["items"][place][name].clone());
        assert_eq!(json!(group(0)), json!(["fault", "v1.0.acme.order.bet", 3]));
        assert_eq!(json!(group(1)), json!(["malformed", "v1.0.acme.order.bet", 1]));
        assert_eq!((&groups["taken_at"], &groups["items"][0]["first_died_at"]), (&first["taken_at"], &json!(died_at)));
        let csv = get(Role::Viewer, &format!("{LETTERS}/groups")).header("accept", "text/csv").send(&stage).await;
        assert!(csv.text().starts_with("number,reason,error,queue,letters,"), "{}", csv.text());
        until("all are back", async || wire.ready(DEAD).await == 5).await;
        assert_eq!(shown(&stage, Role::Viewer, "/parties/zenith/dead-letters").await["waiting"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_touches_what_it_has_seen_once_and_nothing_newer() {
    on_both(async |base| {
        let stage = open(base).await;
        let wire = Wire::connect(&stage).await;
        for id in ["one", "two", "two"] {
            park(&wire, id).await;
        }
        let made = plan(&stage, Role::Operator, "redrive", json!({ "reason": "fault" })).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        assert_eq!((&made["state"], &made["touches"], &made["done"]), (&json!("ready"), &json!(3), &json!(0)));
        assert_eq!((&made["letters"][0]["id"], &made["is_whole"]), (&json!("one"), &json!(true)));
        let same = plan(&stage, Role::Operator, "redrive", json!({ "reason": "fault" })).await.json();
        assert_eq!((&same["digest"], same["digest"].as_str().map(str::len)), (&made["digest"], Some(64)));
        until("nothing was touched", async || wire.ready(DEAD).await == 3).await;

        // One that is new, and one that is just like one of the old.
        park(&wire, "three").await;
        park(&wire, "two").await;
        let done = run(&stage, Role::Operator, &made).await;
        assert_eq!((&done["state"], &done["done"], &done["gone"]), (&json!("done"), &json!(3), &json!(0)), "{done}");
        assert_eq!((&done["answered"], &done["unanswered"]), (&json!({ "201": 3 }), &json!(0)));
        until("the newer are left", async || wire.ready(DEAD).await == 2).await;
        let again = run(&stage, Role::Operator, &made).await;
        assert_eq!(again, done);
        let found =
            shown(&stage, Role::Viewer, &format!("{LETTERS}/plans/{}", made["id"].as_str().expect("an id"))).await;
        assert_eq!((found, wire.ready(DEAD).await), (done, 2));
        // Two of them were one bet.
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 9_998);
        // What the other plan has seen is there no more; of two that are alike either is as good.
        let late = run(&stage, Role::Operator, &same).await;
        assert_eq!((&late["done"], &late["gone"]), (&json!(1), &json!(2)), "{late}");
        until("the newest is left", async || wire.ready(DEAD).await == 1).await;

        let everything = json!({});
        let low = plan(&stage, Role::Operator, "drop", everything.clone()).await;
        assert_eq!((problem(&low).0, &low.json()["needed_role"]), (403, &json!("admin")));
        let drop = plan(&stage, Role::Admin, "drop", everything).await.json();
        assert_eq!(drop["touches"], 1);
        park(&wire, "four").await;
        let low = Call::new("POST", drop["run"].as_str().expect("a path")).bearer(&token(Role::Approver));
        assert_eq!(problem(&low.send(&stage).await).0, 403);
        let dropped = run(&stage, Role::Admin, &drop).await;
        assert_eq!((&dropped["done"], &dropped["answered"]), (&json!(1), &Value::Null));
        let left = shown(&stage, Role::Viewer, LETTERS).await;
        assert_eq!((&left["waiting"], &left["items"][0]["id"]), (&json!(1), &json!("four")));

        let trail = shown(&stage, Role::Admin, "/trail?limit=200").await;
        let entries = trail["items"].as_array().expect("a list").iter().rev();
        let told = entries.filter(|entry| entry["on"] == "dead letters of acme");
        let told: Vec<String> = told
            .map(|entry| {
                format!("{} {}", entry["role"].as_str().expect("a role"), entry["outcome"].as_str().expect("how"))
            })
            .collect();
        let low = |role: &str| format!("{role} refused: the role is {role}, and admin is needed");
        let expected = [
            "operator begun".to_owned(),
            "operator done: 3 put back, answered {\"201\": 3}".to_owned(),
            "operator begun".to_owned(),
            "operator done: 1 put back, answered {\"201\": 1}".to_owned(),
            low("operator"),
            low("approver"),
            "admin begun".to_owned(),
            "admin done: 1 dropped".to_owned(),
        ];
        assert_eq!(told, expected);
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_makes_no_sense_is_a_problem_that_says_why() {
    let stage = open(Base::Sqlite).await;
    let plans = format!("{LETTERS}/plans");
    for (call, status, says) in [
        (post(Role::Admin, &plans, &json!({ "act": "burn", "filter": {} })), 400, "burn"),
        (post(Role::Admin, &plans, &json!({ "act": "drop" })), 400, "filter"),
        (post(Role::Admin, &plans, &json!({ "act": "drop", "filter": { "colour": "red" } })), 400, "colour"),
        (post(Role::Admin, &plans, &json!({ "act": "drop", "filter": { "died_since": "2h" } })), 400, "died_since"),
        (post(Role::Admin, &format!("{plans}/{}/run", Uuid::new_v4()), &Value::Null), 404, "no such plan"),
        (post(Role::Admin, &format!("{plans}/seven/run"), &Value::Null), 400, "UUID"),
        (get(Role::Viewer, &format!("{plans}/{}", Uuid::new_v4())), 404, "no such plan"),
        (get(Role::Viewer, "/parties/nobody/dead-letters"), 404, "no such party"),
        (get(Role::Viewer, &format!("{LETTERS}?after=x")), 400, "after"),
    ] {
        let (found, detail) = problem(&call.send(&stage).await);
        assert_eq!((found, detail.contains(says)), (status, true), "{detail}, not {says}");
    }
    // Looks that wait to be acted on are not piled up.
    let mut statuses = Vec::new();
    for _ in 0..9 {
        statuses.push(plan(&stage, Role::Operator, "redrive", json!({})).await.status);
    }
    assert_eq!((statuses[7], statuses[8]), (201, 409), "{statuses:?}");
}
