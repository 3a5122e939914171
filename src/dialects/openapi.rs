//! The OpenAPI document: put together from what each route says of itself.

use serde_json::{Map, Value, json};

use super::http::Mount;

/// Describes mounts as an OpenAPI 3.1 document.
pub fn document(mounts: &[Mount]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for mount in mounts {
        for route in &mount.routes {
            let path = format!("{}{}", mount.path, route.path);
            let entry = paths.entry(path).or_insert_with(|| json!({}));
            let method = route.method.as_ref().map_or("post".to_owned(), |method| method.as_str().to_ascii_lowercase());
            let mut operation = (route.document)();
            if let (Some(party), Some(id)) = (&mount.party, operation["operationId"].as_str()) {
                // One dialect may be mounted for several parties, and the ids must differ.
                operation["operationId"] = Value::String(format!("{id}-{party}"));
            }
            entry[method] = operation;
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Purser",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An event-driven wallet: its HTTP dialects. Amounts say their unit where they are described.",
            "license": { "name": "see the repository", "identifier": "LicenseRef-Purser" },
        },
        "paths": paths,
        "components": { "securitySchemes": {
            "playerToken": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A player's token (JWT) from the party's identity provider." },
            "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key",
                "description": "The provider's own key." },
            "partnerToken": { "type": "http", "scheme": "bearer",
                "description": "A token that this dialect itself has given." },
            "clientSecret": { "type": "http", "scheme": "basic",
                "description": "An OAuth client's id and secret." },
            "signature": { "type": "apiKey", "in": "header", "name": "x-quickplay-signature",
                "description": "Base64 of an RSA signature over the body." },
        } },
    })
}
