//! A plain HTTP client, which knows nothing of any dialect.

use std::net::IpAddr;

use purser::ledger::command::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::Value;

use crate::e2e::stage::Stage;

/// A request, to be added to and sent.
pub struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    from: Option<IpAddr>,
}

/// What was answered.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Call {
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        let method = method.parse().expect("a method");
        Self { method, path: path.into(), headers: Vec::new(), body: None, from: None }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it from this address of the machine's.
    pub fn from(mut self, address: impl Into<IpAddr>) -> Self {
        self.from = Some(address.into());
        self
    }

    pub async fn send(self, stage: &Stage) -> Response {
        self.try_send(stage).await.expect("an answer")
    }

    pub async fn try_send(self, stage: &Stage) -> reqwest::Result<Response> {
        let client = Client::builder().local_address(self.from).redirect(reqwest::redirect::Policy::none()).build()?;
        let mut request = client.request(self.method, stage.url(&self.path));
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Response { status, headers, body: response.bytes().await?.to_vec() })
    }
}

impl Response {
    /// The body as JSON; null where there is none.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let Timestamp(micros) = purser::clock::now();
    micros / 1_000_000
}
