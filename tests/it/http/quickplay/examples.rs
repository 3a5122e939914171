//! Every example in `schemas/quickplay/examples`, executed in the order of their names, and against the schemas.

use super::{open, token};
use crate::e2e::stage::on_both;
use crate::http::example::{self, Example};

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_answered_as_they_say() {
    on_both(async |base| {
        let quickplay = open(base).await;
        for example in Example::all("quickplay") {
            let body = example.body();
            let body = body.replace("{token of 555}", &token("555", 3600));
            let body = body.replace("{expired token of 555}", &token("555", -1));
            let operation = example.path().strip_prefix("/quickplay/").expect("its path").to_owned();
            let mut call = quickplay.signed(&operation, body.clone());
            if example.header("x-quickplay-signature") != Some("{signature}") {
                call = crate::http::client::Call::new("POST", example.path())
                    .header("x-quickplay-signature", "Zm9yZ2Vk")
                    .body(body);
            }
            example.compare(&call.send(&quickplay.stage).await);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schemas_are_those_of_the_openapi_document() {
    let quickplay = open(crate::e2e::stage::Base::Sqlite).await;
    example::check_schemas(&quickplay.stage, "quickplay", "/quickplay").await;
}
