//! The steps that go over HTTP.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CasePlay, CaseStopped, Sent};
use crate::conformance::catalogue::{HttpCall, SpokenDialect, TokenKind};
use crate::conformance::expect::{self, Difference};
use crate::conformance::http::{HttpWallet, PreparedRequest, Response};
use crate::conformance::report::{ShownExchange, shown};

/// How the names of saved values begin that no report may show.
const SECRET: &str = "secret_";

impl CasePlay<'_> {
    pub(super) async fn call(&mut self, call: &HttpCall) -> Result<(), CaseStopped> {
        let mut request = self.prepared(call)?;
        self.sign(call, &mut request).await?;
        let response = self.fetch(&request).await?;
        let body = self.values.object(&call.expect.body)?;
        let mut at = Vec::new();
        for (place, value) in &call.expect.at {
            at.push((place.clone(), self.values.json(value)?));
        }
        let judged = expect::response(&call.expect, &body, &response)
            .and_then(|()| if self.is_trading() { expect::refusal(&response) } else { Ok(()) })
            .and_then(|()| expect::places(&at, &response))
            .and_then(|()| expect::location(&call.expect.location, &response));
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
    pub(super) async fn call_again(&mut self, request: &PreparedRequest, first: &Response) -> Result<(), CaseStopped> {
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
        self.case.dialect.is_none_or(|dialect| SpokenDialect::TRADING.contains(&dialect))
    }

    fn http(&self) -> Result<&HttpWallet, CaseStopped> {
        self.wallet.http.as_ref().ok_or_else(|| CaseStopped::NotJudged("there is no address for HTTP".to_owned()))
    }

    async fn fetch(&mut self, request: &PreparedRequest) -> Result<Response, CaseStopped> {
        let response = self.http()?.send(request).await;
        let (told, reply) = (told_call(request), response.as_ref().ok().map(told_response));
        self.exchanges.push(ShownExchange { request: told, reply });
        let response = response?;
        Ok(response)
    }

    async fn sign(&self, call: &HttpCall, request: &mut PreparedRequest) -> Result<(), CaseStopped> {
        let signer = self.wallet.partners.signer.as_ref().filter(|_| call.sign);
        if let (Some(signer), Some(SpokenDialect::Quickplay)) = (signer, self.case.dialect) {
            let body = request.body.as_deref().unwrap_or_default();
            let signature = signer.sign(if call.sign_data { data_of(body) } else { body }).await?;
            request.headers.insert("x-quickplay-signature".to_owned(), signature);
        }
        Ok(())
    }

    fn prepared(&self, call: &HttpCall) -> Result<PreparedRequest, CaseStopped> {
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
        Ok(PreparedRequest { method: call.method.clone(), path: self.values.text(&call.path)?, headers, body })
    }
}

/// The text of a body's `data`, byte for byte.
fn data_of(body: &[u8]) -> &[u8] {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    serde_json::from_slice::<Body<'_>>(body).map_or(b"", |body| body.data.get().as_bytes())
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

fn told_call(request: &PreparedRequest) -> Value {
    json!({
        "method": request.method, "path": request.path, "headers": request.headers,
        "body": request.body.as_deref().map(shown),
    })
}

fn told_response(response: &Response) -> Value {
    json!({ "status": response.status, "headers": response.headers, "body": shown(&response.body) })
}
