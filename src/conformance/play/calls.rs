//! The steps that go over HTTP.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Play, Sent, Stopped};
use crate::conformance::catalogue::{Call, Dialect, TokenKind};
use crate::conformance::expect::{self, Difference};
use crate::conformance::http::{Http, Prepared, Response};
use crate::conformance::report::{Exchange, shown};

/// How the names of saved values begin that no report may show.
const SECRET: &str = "secret_";

impl Play<'_> {
    pub(super) async fn call(&mut self, call: &Call) -> Result<(), Stopped> {
        let request = self.prepared(call)?;
        let response = self.fetch(&request).await?;
        let body = self.values.object(&call.expect.body)?;
        let mut at = Vec::new();
        for (place, value) in &call.expect.at {
            at.push((place.clone(), self.values.json(value)?));
        }
        let judged = expect::response(&call.expect, &body, &response)
            .and_then(|()| if self.is_trading() { expect::refusal(&response) } else { Ok(()) })
            .and_then(|()| expect::places(&at, &response));
        judged.map_err(|difference| self.failed(difference))?;
        for (name, place) in &call.save {
            match saved(&response, place) {
                Some(value) => {
                    if name.starts_with(SECRET) {
                        self.wallet.tokens.note_secret(value.clone());
                    }
                    if let Ok(number) = value.parse() {
                        self.values.set_number(name, number);
                    }
                    self.values.set(name, value);
                }
                None => {
                    let (expected, got) = (place.clone(), shown(&response.body));
                    return Err(self.failed(Difference { rule: None, what: "what the response names", expected, got }));
                }
            }
        }
        self.sent.insert(call.name.clone(), Sent::Call(request, response));
        Ok(())
    }

    /// The same call must be answered as the first time.
    pub(super) async fn call_again(&mut self, request: &Prepared, first: &Response) -> Result<(), Stopped> {
        let again = self.fetch(request).await?;
        let told = |response: &Response| {
            let location = response.headers.get("location").map_or("", String::as_str);
            let head = format!("{} {location} ", response.status);
            [head.as_bytes(), &response.body].concat()
        };
        expect::repeat(&told(first), &told(&again)).map_err(|difference| self.failed(difference))
    }

    /// Whether it is the trading API, with its tokens, keys and refusals, and no partner's.
    fn is_trading(&self) -> bool {
        self.case.dialect.is_none_or(|dialect| Dialect::TRADING.contains(&dialect))
    }

    fn http(&self) -> Result<&Http, Stopped> {
        self.wallet.http.as_ref().ok_or_else(|| Stopped::NotJudged("there is no address for HTTP".to_owned()))
    }

    async fn fetch(&mut self, request: &Prepared) -> Result<Response, Stopped> {
        let response = self.http()?.send(request).await;
        let (told, reply) = (told_call(request), response.as_ref().ok().map(told_response));
        self.exchanges.push(Exchange { request: told, reply });
        let response = response?;
        Ok(response)
    }

    fn prepared(&self, call: &Call) -> Result<Prepared, Stopped> {
        let player = self.values.text(&call.player)?;
        let mut headers = BTreeMap::new();
        for (name, value) in &call.headers {
            headers.insert(name.clone(), self.values.text(value)?);
        }
        if self.is_trading() {
            if let Some(token) = self.token(call.token, &player)?.filter(|_| call.token != TokenKind::Body) {
                headers.insert("authorization".to_owned(), format!("Bearer {token}"));
            }
            if let Some(key) = self.http()?.api_key.as_ref().filter(|_| call.key) {
                headers.insert("x-api-key".to_owned(), key.clone());
            }
        }
        let mut body = match (&call.raw, &call.body) {
            (Some(raw), _) => Some(self.values.text(raw)?.into_bytes()),
            (None, Some(body)) => Some(Value::Object(self.values.object(body)?).to_string().into_bytes()),
            (None, None) => None,
        };
        if let Some(body) = &mut body {
            body.resize(call.pad_to.unwrap_or_default().max(body.len()), b' ');
            headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
        }
        let signer = self.wallet.partners.signer.as_ref().filter(|_| call.sign);
        if let (Some(signer), Some(Dialect::Quickplay)) = (signer, self.case.dialect) {
            let signature = signer.rsa_sha256(body.as_deref().unwrap_or_default())?;
            headers.insert("x-quickplay-signature".to_owned(), signature);
        }
        Ok(Prepared { method: call.method.clone(), path: self.values.text(&call.path)?, headers, body })
    }
}

/// A header, or where it begins with `/` a member of the body.
fn saved(response: &Response, place: &str) -> Option<String> {
    if !place.starts_with('/') {
        let header = response.headers.get(place)?;
        // A Location may be a whole address; what follows goes to the same wallet.
        let address = url::Url::parse(header).ok().map(|address| address.path().to_owned());
        return Some(address.unwrap_or_else(|| header.clone()));
    }
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    match body.pointer(place)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn told_call(request: &Prepared) -> Value {
    json!({
        "method": request.method, "path": request.path, "headers": request.headers,
        "body": request.body.as_deref().map(shown),
    })
}

fn told_response(response: &Response) -> Value {
    json!({ "status": response.status, "headers": response.headers, "body": shown(&response.body) })
}
