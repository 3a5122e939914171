//! Every example in `schemas/codegames/examples`, executed in the order of their names, and against the schemas.

use super::{call, open, sign_in};
use crate::e2e::stage::{Base, on_both};
use crate::http::client::Call;
use crate::http::example::{self, Example};

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_answered_as_they_say() {
    on_both(async |base| {
        let stage = open(base).await;
        let token = sign_in(&stage, "cc_user").await;
        let mut order = String::new();
        for example in Example::all("codegames") {
            let body = serde_json::from_str(&example.body().replace("\"{orderId}\"", &order)).expect("JSON");
            let response = match example.path().strip_prefix("/api/v1/partner/product-offers/") {
                Some(operation) if example.header("authorization") == Some("Bearer {token}") => {
                    call(&stage, &token, operation, &body).await
                }
                _ => Call::new("POST", example.path()).json(&body).send(&stage).await,
            };
            example.compare(&response);
            if let Some(number) = response.json()["orderId"].as_i64() {
                order = number.to_string();
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schemas_are_those_of_the_openapi_document() {
    let stage = open(Base::Sqlite).await;
    example::check_schemas(&stage, "codegames", "/api/v1").await;
}
