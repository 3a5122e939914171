//! A partner as its programs behave: it sends players to the sign-in page, fills the page in for them, and exchanges
//! what comes back.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use purser::storage::StoreError;
use purser::storage::queries::AnyConnection;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::e2e::stage::{Base, Stage};
use crate::http::client::{Call, Response};

pub const PARTIES: &str = r#"
[currencies.GPT]
exponent = 2
[parties.acme]
currencies = ["GPT"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.acme.goplay]
path = ""
currency = "GPT"
vip = { standard = "10.00", gold = "25.00" }
[[parties.acme.goplay.clients]]
id = "vip-shop"
secret = "s+cr%et: 1&2=3"
redirect_uris = ["https://shop.example/back?keep=1", "http://127.0.0.1:9000/callback"]
[[parties.acme.goplay.clients]]
id = "other-shop"
secret = "another secret"
redirect_uris = ["https://other.example/back"]
[parties.emca]
currencies = ["GPT"]
games = ["wallstroulette"]
player_tokens = "trusted"
[parties.emca.goplay]
path = "/emca"
currency = "GPT"
[[parties.emca.goplay.clients]]
id = "vip-shop"
secret = "s+cr%et: 1&2=3"
redirect_uris = ["https://shop.example/back?keep=1"]
"#;

pub const SECRET: &str = "s+cr%et: 1&2=3";
pub const REDIRECT: &str = "https://shop.example/back?keep=1";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const PASSWORD: &str = "correct horse battery staple";

/// An authorization request that is right in every way.
pub const ASKING: [(&str, &str); 7] = [
    ("response_type", "code"),
    ("client_id", "vip-shop"),
    ("redirect_uri", REDIRECT),
    ("scope", "profile vip"),
    ("state", "s t&a=t%e"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// Purser with alice, who has 30.00 tokens and 5.00 free ones, and bob, who has nothing.
pub async fn open(base: Base) -> Stage {
    let stage = Stage::open(base, PARTIES).await;
    let profile = ["--username", "ali", "--nickname", "Ali", "--email", "ali@example.com", "--gender", "female"];
    for (party, player, profile) in
        [("acme", "alice", profile.as_slice()), ("acme", "bob", &[]), ("emca", "alice", &[])]
    {
        let add = ["player", "add", "--party", party, "--player", player, "--password-stdin"];
        stage.done_with(&[&add, profile].concat(), PASSWORD).await;
    }
    stage.deposit("acme", "alice", "30.00", "GPT").await;
    let free = ["deposit", "--party", "acme", "--player", "alice", "--amount", "5.00", "--currency", "GPT"];
    stage.done(&[&free, ["--bucket", "bonus"].as_slice()].concat()).await;
    stage
}

/// These pairs, with some of them changed; an empty value takes one away.
pub fn with(pairs: &[(&str, &str)], changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut changed: Vec<(String, String)> = pairs.iter().map(owned).collect();
    changed.retain(|(name, _)| changes.iter().all(|(known, _)| known != name));
    changed.extend(changes.iter().filter(|(_, value)| !value.is_empty()).map(owned));
    changed
}

pub fn encode(pairs: &[(String, String)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub fn form(path: &str, pairs: &[(String, String)]) -> Call {
    Call::new("POST", path).header("content-type", "application/x-www-form-urlencoded").body(encode(pairs))
}

pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The sign-in page as a browser holds it.
pub struct Page {
    path: String,
    pub cookie: String,
    pub fields: Vec<(String, String)>,
    pub html: String,
}

impl Page {
    pub fn read(path: &str, response: &Response) -> Self {
        let html = response.text();
        let fields = html.split("<input type=\"hidden\" name=\"").skip(1).map(|rest| {
            let (name, rest) = rest.split_once("\" value=\"").expect("a value");
            (name.to_owned(), unescape(rest.split('"').next().expect("an end")))
        });
        let fields = fields.collect();
        let cookie = response.header("set-cookie").split(';').next().expect("a cookie").to_owned();
        Self { path: path.to_owned(), cookie, fields, html }
    }

    pub async fn open(stage: &Stage, prefix: &str, asking: &[(String, String)]) -> Self {
        let path = format!("{prefix}/oauth/authorize");
        let response = Call::new("GET", format!("{path}?{}", encode(asking))).send(stage).await;
        assert_eq!(response.status, 200, "{}", response.text());
        Self::read(&path, &response)
    }

    /// Sends the form with what was typed, with the page's cookie or another.
    pub async fn submit_with(&self, stage: &Stage, cookie: &str, typed: &[(&str, &str)]) -> Response {
        let owned = typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let pairs: Vec<(String, String)> = self.fields.iter().cloned().chain(owned).collect();
        form(&self.path, &pairs).header("cookie", cookie).send(stage).await
    }

    pub async fn submit(&self, stage: &Stage, typed: &[(&str, &str)]) -> Response {
        self.submit_with(stage, &self.cookie, typed).await
    }

    pub async fn sign_in(&self, stage: &Stage, username: &str, password: &str) -> Response {
        self.submit(stage, &[("username", username), ("password", password), ("decision", "allow")]).await
    }
}

fn unescape(text: &str) -> String {
    let entities = [("&#34;", "\""), ("&#60;", "<"), ("&#62;", ">"), ("&#39;", "'"), ("&#13;", "\r"), ("&#38;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

/// The address that a response sends the browser to, without its query; and the query.
pub fn landing(response: &Response) -> (String, Vec<(String, String)>) {
    assert!(matches!(response.status, 302 | 303), "{} {}", response.status, response.text());
    let mut url = Url::parse(response.header("location")).expect("an address");
    let pairs = url.query_pairs().into_owned().collect();
    url.set_query(None);
    (url.into(), pairs)
}

pub fn value(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// A code that a player has given.
pub async fn code_of(stage: &Stage, player: &str, changes: &[(&str, &str)]) -> String {
    let page = Page::open(stage, "", &with(&ASKING, changes)).await;
    let (_, query) = landing(&page.sign_in(stage, player, PASSWORD).await);
    value(&query, "code").expect("a code")
}

/// What goes to the token endpoint with a code.
pub fn redeeming(code: &str) -> Vec<(String, String)> {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", "vip-shop"),
        ("client_secret", SECRET),
    ];
    with(&pairs, &[])
}

pub fn refreshing(token: &str) -> Vec<(String, String)> {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "vip-shop"),
        ("client_secret", SECRET),
    ];
    with(&pairs, &[])
}

pub fn change(pairs: &[(String, String)], changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let borrowed: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    with(&borrowed, changes)
}

pub async fn ask_token(stage: &Stage, pairs: &[(String, String)]) -> Response {
    form("/oauth/token", pairs).send(stage).await
}

/// Access and refresh token of a new grant.
pub async fn tokens_of(stage: &Stage, player: &str, changes: &[(&str, &str)]) -> (String, String) {
    pair(&ask_token(stage, &redeeming(&code_of(stage, player, changes).await)).await)
}

pub fn pair(response: &Response) -> (String, String) {
    assert_eq!(response.status, 200, "{}", response.text());
    let body: Value = response.json();
    let text = |name: &str| body[name].as_str().expect("a token").to_owned();
    (text("access_token"), text("refresh_token"))
}

pub async fn revoke(stage: &Stage, token: &str) -> Response {
    let pairs = [("token", token), ("client_id", "vip-shop"), ("client_secret", SECRET)];
    form("/oauth/revoke", &with(&pairs, &[])).send(stage).await
}

pub async fn profile(stage: &Stage, token: &str) -> Response {
    Call::new("GET", "/partner/1/profile").bearer(token).send(stage).await
}

/// `error` of an OAuth refusal, which must look as it ought to.
pub fn error(response: &Response) -> (u16, String) {
    let body = response.json();
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.status == 401, response.header("www-authenticate").starts_with("Basic "), "{body}");
    assert!(body["error_description"].is_string(), "{body}");
    (response.status, body["error"].as_str().unwrap_or_default().to_owned())
}

/// A digest as PKCE writes it.
pub fn challenge_of(verifier: &str) -> String {
    use sha2::{Digest as _, Sha256};
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Runs a statement that the program itself never would.
pub async fn execute(stage: &Stage, sql: &str) {
    let sql = sql.to_owned();
    let executing = stage.database.query(move |conn| {
        use diesel::connection::SimpleConnection as _;
        let executed = match conn {
            AnyConnection::Sqlite(conn) => conn.batch_execute(&sql),
            AnyConnection::Postgres(conn) => conn.batch_execute(&sql),
        };
        executed.map_err(|error| StoreError::Rejected(error.to_string()))
    });
    executing.await.expect("executed");
}
