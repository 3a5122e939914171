use purser::config::Role;
use serde_json::{Value, json};

use super::{open, token};
use crate::e2e::stage::{Base, Stage};
use crate::e2e::wire::{Wire, bet, code};
use crate::patience::until;

/// A stream of events.
struct Events {
    response: reqwest::Response,
    read: String,
}

impl Events {
    async fn open(stage: &Stage) -> Self {
        let asked = reqwest::Client::new().get(stage.url("/admin/v1/live")).bearer_auth(token(Role::Viewer));
        let response = asked.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    /// The next moment; `None` where the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.strip_prefix("event: moment\ndata: ").unwrap_or_else(|| panic!("{event}"));
                let moment = serde_json::from_str(data).expect("JSON");
                self.read = rest.to_owned();
                return Some(moment);
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.read.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_tell_what_was_answered_and_end_with_the_program() {
    let mut stage = open(Base::Sqlite).await;
    let mut events = Events::open(&stage).await;
    let mut first = Value::Null;
    until("all is well", async || {
        first = events.next().await.expect("a moment");
        first["health"] == json!([])
    })
    .await;
    let connected = first["connections"].as_array().expect("connections");
    assert_eq!(connected.iter().filter(|party| party["is_connected"] == true).count(), 2, "{first}");

    let mut wire = Wire::connect(&stage).await;
    assert_eq!(code(&wire.ask(bet("one")).await), "201");
    until("the bet is told of", async || {
        let moment = events.next().await.expect("a moment");
        assert_ne!(moment["at"], first["at"], "one moment is told once");
        let operations = moment["operations"].as_array().expect("operations").clone();
        let is_bet = |shown: &&Value| shown["party"] == "acme" && shown["operation"] == "order.bet";
        operations.iter().find(is_bet).is_some_and(|shown| {
            let number = |name: &str| shown[name].as_f64();
            number("per_second").is_some_and(|rate| rate > 0.0)
                && number("p50_seconds").zip(number("p99_seconds")).is_some_and(|(p50, p99)| 0.0 < p50 && p50 <= p99)
        })
    })
    .await;
    stage.stop().await;
    until("the stream ends", async || events.next().await.is_none()).await;
}
