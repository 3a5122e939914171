//! The OAuth operations as OpenAPI Operation objects, from the types that go over the wire, and what the documents of the
//! partner API have in common.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::wire::{FailedReply, OauthError, Said, TokensReply};
use super::{SCOPES, scope};
use crate::dialects::http::exact::schema_of;

/// `GET /oauth/authorize`.
pub fn show() -> Value {
    let mut parameters: Vec<Value> = vec![
        query("response_type", true, json!({ "const": "code" }), "Always `code`."),
        query("client_id", true, filled(), "As configured for the partner."),
        query("redirect_uri", true, filled(), "One of the client's, exactly as configured."),
        query("code_challenge", true, challenge(), "PKCE (RFC 7636): base64url of the verifier's SHA-256 digest."),
        query("code_challenge_method", true, json!({ "const": "S256" }), "Always `S256`."),
    ];
    parameters.push(query("scope", false, scopes(), "What is asked for; all of it where it is left out."));
    parameters.push(query("state", false, json!({ "type": "string", "maxLength": 2048 }), "Comes back unchanged."));
    json!({
        "operationId": "goplay-authorize-page",
        "tags": ["GoPlay"],
        "summary": "The page on which a player signs in and allows or denies",
        "description": "To be opened in the player's browser (RFC 6749, 4.1.1).",
        "parameters": parameters,
        "responses": {
            "200": page("The sign-in page."),
            "302": redirect("The request is not right: `error` and `state` are in the query of the redirect URI."),
            "400": page("It is not known for whom or where to: client_id or redirect_uri is not right."),
            "408": failed("The request did not come whole in time."),
            "413": failed("The body is too long; none is needed."),
        },
    })
}

/// `POST /oauth/authorize`.
pub fn submit() -> Value {
    json!({
        "operationId": "goplay-authorize",
        "tags": ["GoPlay"],
        "summary": "The sign-in page, filled in",
        "description": "Sent by the page, with its hidden fields and its cookie. Not for partners to call.",
        "requestBody": form(&json!({
            "type": "object",
            "required": ["ticket", "client_id", "redirect_uri"],
            "properties": {
                "ticket": text("Binds the form to the browser that was shown the page."),
                "username": text("The player's id or username."),
                "password": text("The player's password."),
                "decision": { "enum": ["allow", "deny"] },
                "client_id": text("As on the page, like all that follow."),
                "redirect_uri": text(""), "response_type": text(""), "state": text(""), "scope": text(""),
                "code_challenge": text(""), "code_challenge_method": text(""),
            },
        })),
        "responses": {
            "303": redirect("To the redirect URI: with `code` and `state`, or with `error` and `state`."),
            "400": page("Something is missing, or it is not known for whom or where to."),
            "403": page("The password is wrong, or the page was out of date: the page again."),
            "408": failed("The request did not come whole in time."),
            "413": failed("The body is too long."),
            "429": page("Too many tries: see `Retry-After`, in seconds."),
            "500": failed("A fault of ours."),
            "503": failed("Temporarily unavailable: ask again, see `Retry-After`."),
        },
    })
}

/// `POST /oauth/token`.
pub fn exchange() -> Value {
    json!({
        "operationId": "goplay-token",
        "tags": ["GoPlay"],
        "summary": "A code or a refresh token for new tokens",
        "description": "RFC 6749, 4.1.3 and 6. The client authenticates by HTTP Basic, or with client_id and \
                        client_secret in the body. Codes and refresh tokens work once.",
        "security": client_security(),
        "requestBody": form(&json!({
            "type": "object",
            "required": ["grant_type"],
            "properties": {
                "grant_type": { "enum": ["authorization_code", "refresh_token"] },
                "code": text("The code, with authorization_code."),
                "redirect_uri": text("As in the authorization request, with authorization_code."),
                "code_verifier": text("PKCE, with authorization_code."),
                "refresh_token": text("The latest refresh token, with refresh_token."),
                "scope": text("With refresh_token: less than was granted."),
                "client_id": text("Where the client authenticates in the body."),
                "client_secret": text("Where the client authenticates in the body."),
            },
        })),
        "responses": oauth_responses(body::<TokensReply<'_>>("The new tokens.")),
    })
}

/// `POST /oauth/revoke`.
pub fn revoke() -> Value {
    json!({
        "operationId": "goplay-revoke",
        "tags": ["GoPlay"],
        "summary": "End a token",
        "description": "RFC 7009. A refresh token ends with all tokens of its grant, an access token alone.",
        "security": client_security(),
        "requestBody": form(&json!({
            "type": "object",
            "required": ["token"],
            "properties": {
                "token": text("A refresh token or an access token."),
                "token_type_hint": text("Not needed."),
                "client_id": text("Where the client authenticates in the body."),
                "client_secret": text("Where the client authenticates in the body."),
            },
        })),
        "responses": oauth_responses(json!({ "description": "It is good for nothing any more, if it ever was." })),
    })
}

fn oauth_responses(done: Value) -> Value {
    json!({
        "200": done,
        "400": body::<OauthError>("invalid_request, invalid_grant, invalid_scope or unsupported_grant_type."),
        "401": body::<OauthError>("invalid_client."),
        "408": failed("The request did not come whole in time."),
        "413": failed("The body is too long."),
        "500": failed("A fault of ours."),
        "503": failed("Temporarily unavailable: ask again, see `Retry-After`."),
    })
}

pub fn partner_responses(done: Value) -> Value {
    json!({
        "200": done,
        "400": body::<Said>("The request is not as it should be."),
        "401": body::<Said>("There is no access token, or it is not valid."),
        "403": body::<Said>("The access token is not good for this."),
        "408": failed("The request did not come whole in time."),
        "413": failed("The body is too long."),
        "500": failed("A fault of ours."),
        "503": failed("Temporarily unavailable: ask again, see `Retry-After`."),
    })
}

fn client_security() -> Value {
    json!([{ "clientSecret": [] }, {}])
}

pub fn token_security() -> Value {
    json!([{ "partnerToken": [] }, {}])
}

pub fn access_token() -> Value {
    query("access_token", false, json!({ "type": "string" }), "Unless it is in the authorization header.")
}

fn query(name: &str, required: bool, schema: Value, description: &str) -> Value {
    json!({ "name": name, "in": "query", "required": required, "description": description, "schema": schema })
}

pub fn text(description: &str) -> Value {
    if description.is_empty() {
        return json!({ "type": "string" });
    }
    json!({ "type": "string", "description": description })
}

fn filled() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

fn challenge() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" })
}

fn scopes() -> Value {
    json!({ "type": "string", "default": scope::text(&SCOPES) })
}

pub fn form(schema: &Value) -> Value {
    json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": schema } } })
}

fn page(description: &str) -> Value {
    json!({ "description": description, "content": { "text/html": { "schema": { "type": "string" } } } })
}

fn redirect(description: &str) -> Value {
    let location = json!({ "required": true, "schema": { "type": "string" } });
    json!({ "description": description, "headers": { "location": location } })
}

fn failed(description: &str) -> Value {
    body::<FailedReply>(description)
}

pub fn body<T: JsonSchema>(description: &str) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema_of::<T>() } } })
}
