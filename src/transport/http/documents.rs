//! The interface documents, for machines and for people.

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use serde_json::Value;

use crate::dialects::reference;

/// Serves both documents, and the page that is made of them. All three are made once: the configuration does not change.
pub fn router(openapi: &Value, asyncapi: &Value) -> askama::Result<Router> {
    let json = |document: &Value| {
        let document = Bytes::from(document.to_string());
        get(async move || ([(header::CONTENT_TYPE, "application/json")], document))
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, reference::policy()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let page = Bytes::from(reference::page(openapi, asyncapi)?);
    let router = Router::new()
        .route("/openapi.json", json(openapi))
        .route("/asyncapi.json", json(asyncapi))
        .route("/docs", get(async move || (headers, page)));
    Ok(router)
}
