//! Classic queues: everything that is played on quorum queues, with what they do not have left out.

use purser::dialects::egpp::Operation;
use serde_json::json;

use super::play::{Plan, Play, invite, rng, seed};
use super::stage::{ACME, Stage, on_both};
use super::wire::{Message, Wire, code};
use crate::patience::until;

const ORDERS: u32 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn on_classic_queues_everything_is_answered_once_through_kills_and_lost_connections() {
    let seed = seed();
    on_both(async |base| {
        let mut rng = rng(seed);
        let mut stage = Stage::open(base, &format!("queue_type = \"classic\"\n{ACME}")).await;
        invite(&stage).await;
        let play = Play::begin(&stage, Plan::new(ORDERS, &mut rng)).await;
        play.until_answered(play.len() / 4).await;
        stage.serving.take().expect("it serves").kill();
        stage.serve();
        play.until_answered(play.len() / 2).await;
        stage.vhost.close_connections_of_purser().await;
        play.finish(&stage).await;

        let mut wire = Wire::connect(&stage).await;
        assert_eq!(code(&wire.ask(Message::new(Operation::OrderBet, "bad", &json!([]))).await), "400");
        let listed = stage.done(&["dead", "list", "--party", "acme"]).await;
        assert!(listed.lines().count() == 2 && listed.contains("must be a JSON object"), "{listed}");
        until("it is back", async || wire.ready("v1.0.acme.dead").await == 1).await;
        let told = stage.done(&["dead", "drop", "--all", "--party", "acme"]).await;
        assert_eq!(told, "1 of 1 dead letters of acme dropped\n");
        let told = stage.done(&["check"]).await;
        assert!(!told.contains("FAIL"), "{told}");
        // The same queues cannot be taken for quorum queues: that is said by name, and nothing is served wrongly.
        stage.stop().await;
        stage.reconfigure(ACME);
        let refused = stage.run(&["check"]).await;
        let told = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("v1.0.acme.order.bet") && told.contains("x-queue-type"), "{told}");
    })
    .await;
}
