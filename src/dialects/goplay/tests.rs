//! The operations without a server, on a wallet in memory, for any bytes that may come.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use url::form_urlencoded;
use uuid::Uuid;

use super::*;
use crate::config::goplay::VipLevel;
use crate::config::{GoPlay, OauthClient, Secret};
use crate::dialects::http::{PartyNote, Request};
use crate::identity::grants::{Client, Exchange, Grant, GrantAct, Granted, Proof, TokenHash};
use crate::identity::password::{PasswordChecker, cheap_hash};
use crate::identity::pkce::Challenge;
use crate::ledger::accounts::{Cash, OpenPlayer};
use crate::ledger::command::{Act, Command, Timestamp};
use crate::ledger::outcome::Outcome;
use crate::ledger::player::Profile;
use crate::ledger::{AccountAct, Amount, Currency, Party, PlayerId, PlayerKey, Pocket, ShopAct};
use crate::wallet::WalletPort;
use crate::wallet::memory::MemoryWallet;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "https://shop.example/back?keep=1";
const NOW: Timestamp = Timestamp(1_000_000);
/// Of the level `gold`, in minor units: all that alice has.
const PRICE: i64 = 2500;

fn acme() -> Party {
    Party::parse("acme").unwrap()
}

fn alice() -> PlayerId {
    PlayerId::parse("alice").unwrap()
}

fn handler() -> Arc<GoPlayHandler> {
    let client = |id: &str| OauthClient {
        id: id.to_owned(),
        secret: Secret::new("a secret: +1%20"),
        redirect_uris: vec![REDIRECT.to_owned(), "com.shop.app:/back".to_owned(), "http://[::1]:9/".to_owned()],
    };
    let settings = GoPlay {
        path: String::new(),
        currency: Currency::parse("GPT").unwrap(),
        vip: vec![VipLevel { name: "gold".to_owned(), price_minor: PRICE }],
        clients: vec![client("vip-shop"), client("<other>")],
    };
    Arc::new(GoPlayHandler::new(acme(), settings, 2, None, PasswordChecker::default()))
}

fn request(method: Method, query: &str, body: &[u8], headers: &[(&str, &str)]) -> Request {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let Ok(value) = value {
            map.append(name.parse::<HeaderName>().unwrap(), value);
        }
    }
    Request {
        method,
        path: String::new(),
        parameters: Vec::new(),
        query: query.to_owned(),
        headers: map,
        body: body.to_vec(),
        at: NOW,
        correlation: "c".into(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        is_local: true,
        whose: PartyNote::default(),
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

/// A world where alice's password is `right`, the only code is `code`, the only access token `good`, and the only refresh
/// token `refresh_token`.
static WALLET: LazyLock<MemoryWallet> = LazyLock::new(|| {
    let wallet = MemoryWallet::with_numbers_from(1);
    let profile = Profile {
        home_currency: Currency::parse("GPT").unwrap(),
        username: None,
        nickname: Some("Ali \"the\" Cooper".to_owned()),
        email: None,
        gender: None,
    };
    let pocket = Pocket::real(Currency::parse("GPT").unwrap());
    let cash = Cash { player: alice(), pocket, amount: Amount::new(PRICE).unwrap(), key: "a".into() };
    for act in [
        Act::Account(AccountAct::OpenPlayer(OpenPlayer { player: alice(), profile })),
        Act::Account(AccountAct::Deposit(cash)),
    ] {
        let decided = wallet.apply(Command { party: acme(), at: Timestamp(0), correlation: None, act }).unwrap();
        assert!(matches!(decided.outcome, Outcome::Done(_)), "{decided:?}");
    }
    wallet.set_password_hash(PlayerKey::of(&acme(), &alice()), &cheap_hash("right"));
    let allow = |code: &str| GrantAct::Allow { granted: granted(), code: TokenHash::of(code), at: NOW };
    let exchange = GrantAct::Exchange(Exchange {
        given: TokenHash::of("spent"),
        proof: Proof::Code { redirect_uri: REDIRECT.to_owned(), challenge: Challenge::parse(CHALLENGE) },
        client: granted().grant.client,
        access: TokenHash::of("good"),
        refresh: TokenHash::of("refresh_token"),
        at: NOW,
    });
    for act in [allow("spent"), exchange, allow("code")] {
        assert!(RUNTIME.block_on(wallet.grants(acme(), act)).unwrap().is_ok());
    }
    wallet.take_asked();
    wallet
});

fn granted() -> Granted {
    let grant = Grant {
        id: Uuid::new_v4(),
        client: Client { party: acme(), id: "vip-shop".into() },
        player: alice(),
        redirect_uri: REDIRECT.into(),
        challenge: Challenge::parse(CHALLENGE).unwrap(),
    };
    Granted { grant, scope: "profile vip".into() }
}

/// What a handler answers, and the wallet that it asked.
fn finish(handle: &Handler, request: Request) -> (Reply, Arc<MemoryWallet>) {
    let wallet = Arc::new(WALLET.clone());
    let reply = RUNTIME.block_on(handle(wallet.clone(), request)).unwrap_or_else(failure);
    for command in wallet.take_commands() {
        let Act::Shop(ShopAct::BuyVip(buy)) = &command.act else { panic!("{:?}", command.act) };
        assert_eq!((&*buy.level, buy.price.minor()), ("gold", PRICE));
    }
    (reply, wallet)
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

const ASKING: [(&str, &str); 6] = [
    ("client_id", "vip-shop"),
    ("redirect_uri", REDIRECT),
    ("response_type", "code"),
    ("state", "s\"<&>'é\r\n"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

fn shown(handler: &Arc<GoPlayHandler>, pairs: &[(&str, &str)]) -> Reply {
    finish(&handled_by(handler, authorize::show), request(Method::GET, &form(pairs), b"", &[])).0
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

/// The ticket on a page, and the cookie that came with it.
fn ticket(reply: &Reply) -> (String, String) {
    let html = String::from_utf8(reply.body.clone()).unwrap();
    let ticket = html.split("name=\"ticket\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (ticket, header(reply, "set-cookie").split(';').next().unwrap().to_owned())
}

fn submitted(handler: &Arc<GoPlayHandler>, cookie: &str, pairs: &[(&str, &str)]) -> Reply {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie)];
    finish(&handled_by(handler, authorize::submit), request(Method::POST, "", form(pairs).as_bytes(), &headers)).0
}

#[test]
fn a_ticket_is_good_with_its_cookie_and_its_request_alone() {
    let handler = handler();
    let (ticket_text, cookie) = ticket(&shown(&handler, &ASKING));
    let (_, other_cookie) = ticket(&shown(&handler, &ASKING));
    let filled = |ticket: &str, change: Option<(&'static str, &'static str)>| {
        let mut pairs: Vec<(String, String)> =
            ASKING.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for pair in &mut pairs {
            if let Some((_, value)) = change.filter(|(name, _)| *name == pair.0) {
                pair.1 = value.to_owned();
            }
        }
        let typed = [("username", "alice"), ("password", "right"), ("decision", "allow"), ("ticket", ticket)];
        pairs.extend(typed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        pairs
    };
    let status = |cookie: &str, pairs: Vec<(String, String)>| {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        submitted(&handler, cookie, &pairs).status
    };
    let good = filled(&ticket_text, None);
    assert_eq!(status(&cookie, good.clone()), 303);
    assert_eq!(status(&format!("a=b; {cookie}; c=d"), good.clone()), 303);
    for (name, cookie, pairs) in [
        ("no cookie", "", good.clone()),
        ("another cookie", other_cookie.as_str(), good),
        ("no ticket", cookie.as_str(), filled("", None)),
        ("another ticket", cookie.as_str(), filled(&"A".repeat(43), None)),
        ("another state", cookie.as_str(), filled(&ticket_text, Some(("state", "x")))),
        ("another client", cookie.as_str(), filled(&ticket_text, Some(("client_id", "<other>")))),
        ("another place", cookie.as_str(), filled(&ticket_text, Some(("redirect_uri", "com.shop.app:/back")))),
    ] {
        assert_eq!(status(cookie, pairs), 403, "{name}");
    }
}

/// What a sign-in with a wrong password asks the wallet, how many passwords it compares, and its reply.
fn wrong_sign_in(username: &str) -> (Vec<&'static str>, u32, Reply) {
    let handler = handler();
    let (ticket, cookie) = ticket(&shown(&handler, &ASKING));
    let typed = [("username", username), ("password", "wrong"), ("decision", "allow"), ("ticket", &ticket)];
    let body = form(&[ASKING.as_slice(), &typed].concat());
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie.as_str())];
    let request = request(Method::POST, "", body.as_bytes(), &headers);
    let (reply, wallet) = finish(&handled_by(&handler, authorize::submit), request);
    (wallet.take_asked(), handler.passwords.compared.load(Ordering::Relaxed), reply)
}

#[test]
fn a_name_that_nobody_has_takes_the_same_way_as_a_wrong_password() {
    let (of_alice, of_nobody) = (wrong_sign_in("alice"), wrong_sign_in("nobody"));
    assert_eq!((&of_alice.0[..], of_alice.1), (&["player_of_login", "password_hash"][..], 1));
    assert_eq!((&of_nobody.0, of_nobody.1), (&of_alice.0, of_alice.1));
    assert_eq!((of_nobody.2.status, of_nobody.2.code), (of_alice.2.status, of_alice.2.code));
}

#[test]
fn a_page_says_where_its_form_may_lead_and_holds_no_markup_of_others() {
    let handler = handler();
    for (redirect, source) in [
        (REDIRECT, "https://shop.example"),
        ("com.shop.app:/back", "com.shop.app:"),
        // A policy cannot name this address.
        ("http://[::1]:9/", "http:"),
    ] {
        let mut asking = ASKING;
        asking[0].1 = "<other>";
        asking[1].1 = redirect;
        let page = shown(&handler, &asking);
        assert_eq!(page.status, 200, "{redirect}");
        let policy = header(&page, "content-security-policy");
        assert!(policy.contains(&format!("form-action 'self' {source};")), "{policy}");
        let html = String::from_utf8(page.body.clone()).unwrap();
        assert!(html.contains("<strong>&#60;other&#62;</strong>"), "{html}");
        assert!(html.contains("name=\"state\" value=\"s&#34;&#60;&#38;&#62;&#39;é&#13;\n\""), "{html}");
    }
}

#[test]
fn every_answer_of_the_transport_is_in_the_words_of_both_apis() {
    for failure in [
        Failure::NotFound,
        Failure::MethodNotAllowed,
        Failure::TooLarge,
        Failure::Unreadable,
        Failure::Unavailable,
        Failure::Fault,
    ] {
        let reply = (DIALECT.failure)(failure);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &body["success"]), (failure.status(), &false.into()));
        assert_eq!(body["message"], body["error_description"]);
        assert!(body["error"].is_string());
    }
}

/// What a client that means it, or does not, may send.
fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let names = prop::sample::select(vec![
        "client_id",
        "redirect_uri",
        "response_type",
        "state",
        "code_challenge",
        "code_challenge_method",
        "scope",
        "ticket",
        "username",
        "password",
        "decision",
        "grant_type",
        "code",
        "code_verifier",
        "refresh_token",
        "client_secret",
        "token",
        "access_token",
        "level",
        "else",
    ]);
    let values = prop_oneof![
        3 => prop::sample::select(vec![
            "vip-shop", REDIRECT, "code", "S256", CHALLENGE, VERIFIER, "profile", "vip profile", "alice", "right",
            "deny", "authorization_code", "refresh_token", "good", "spent", "a secret: +1%20", "gold", "", "\0", "é",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let named = names.prop_map(str::to_owned);
    let free = prop::collection::vec((named, values), 0..12);
    (any::<bool>(), free).prop_map(|(is_good, free)| {
        let good = ASKING.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        good.filter(|_| is_good).chain(free).collect()
    })
}

fn encoded(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A reply that its operation's document knows, in the dialect's own words.
fn check(operation: &Value, reply: &Reply) {
    let known = &operation["responses"][reply.status.to_string()];
    assert!(known.is_object(), "{} is not documented: {}", reply.status, String::from_utf8_lossy(&reply.body));
    let content_type = reply.content_type.split(';').next().unwrap_or_default();
    assert_eq!(known["content"].is_object(), !reply.body.is_empty(), "{}", reply.status);
    if content_type == "application/json" {
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let schema = &known["content"][content_type]["schema"];
        assert!(jsonschema::is_valid(schema, &body), "{body} is not {schema}");
    } else if !reply.body.is_empty() {
        assert!(known["content"][content_type].is_object(), "{content_type}");
    }
    for (_, value) in &reply.headers {
        assert!(HeaderValue::try_from(value).is_ok(), "{value:?}");
    }
    if (300..400).contains(&reply.status) {
        let location = header(reply, "location");
        assert!(location.starts_with("https://shop.example/back?keep=1&"), "{location}");
    }
}

proptest! {
    #[test]
    fn any_request_gets_a_documented_answer(
        query in prop_oneof![pairs().prop_map(|pairs| encoded(&pairs)), "[ -~]{0,80}"],
        body in prop_oneof![
            pairs().prop_map(|pairs| encoded(&pairs).into_bytes()),
            prop::collection::vec(any::<u8>(), 0..120),
        ],
        authorization in prop_oneof![
            Just(None),
            prop::sample::select(vec![
                "Bearer good", "bearer bad", "Basic dmlwLXNob3A6YSBzZWNyZXQ6ICsxJTIw",
                "Basic dmlwLXNob3A6YSUyMHNlY3JldCUzQSslMkIxJTI1MjA=", "Basic !", "Basic", "Digest x",
            ]).prop_map(|text| Some(text.to_owned())),
            any::<String>().prop_map(Some),
        ],
        key in prop_oneof![Just(None), "\\PC{0,300}".prop_map(Some)],
        is_form in prop::bool::weighted(0.9),
    ) {
        let mut headers = vec![("cookie", "goplay_sign_in=x")];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(key.as_deref().map(|value| ("idempotency-key", value)));
        headers.extend(is_form.then_some(("content-type", "application/x-www-form-urlencoded; charset=utf-8")));
        for route in routes(&handler()) {
            let method = route.method.clone().unwrap();
            let (reply, _) = finish(&route.handle, request(method, &query, &body, &headers));
            check(&(route.document)(), &reply);
        }
    }
}
