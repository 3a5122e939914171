//! The wallet over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Method, redirect};

/// Where the wallet answers HTTP.
pub struct HttpWallet {
    base: String,
    /// The provider's own key.
    pub api_key: Option<String>,
    client: Client,
}

/// A request, as it is sent and sent again.
#[derive(Debug, Clone)]
pub struct PreparedRequest {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case; what is no text is left out.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0} is no method of HTTP")]
    Method(String),
    #[error("{}", .0.to_string())]
    Client(#[from] reqwest::Error),
}

impl HttpWallet {
    pub fn new(base: &str, api_key: Option<String>, patience: Duration) -> Result<Self, HttpError> {
        let client = Client::builder().timeout(patience).redirect(redirect::Policy::none()).build()?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), api_key, client })
    }

    pub async fn send(&self, request: &PreparedRequest) -> Result<Response, HttpError> {
        let method = Method::from_bytes(request.method.as_bytes());
        let method = method.map_err(|_| HttpError::Method(request.method.clone()))?;
        let mut sending = self.client.request(method, format!("{}{}", self.base, request.path));
        for (name, value) in &request.headers {
            sending = sending.header(name, value);
        }
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        let response = sending.send().await?;
        let status = response.status().as_u16();
        let texts = response.headers().iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
        let headers = texts.map(|(name, value)| (name.as_str().to_owned(), value.to_owned())).collect();
        Ok(Response { status, headers, body: response.bytes().await?.to_vec() })
    }
}
