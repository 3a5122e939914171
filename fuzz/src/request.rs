//! A request as text that a fuzzer can change: `METHOD /path?query`, headers, an empty line, the body. `{token}` stands
//! for a good player token, `{session}` for a partner's session, `{signature}` for QuickPlay's signature of the body.

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use purser::dialects::http::{Mount, PartyNote, Request, Route};
use purser::dialects::{codegames, goplay};
use purser::ledger::OrderId;
use purser::ledger::command::Timestamp;

use crate::party::{NOW, PASSWORD, PLAYERS, SETTING};
use crate::visitor;

/// What stands for what no file can hold.
static PLACEHOLDERS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let mut placeholders = vec![("{token}".to_owned(), SETTING.token(PLAYERS[0]))];
    placeholders.extend(PLAYERS.map(|player| (format!("{{token of {player}}}"), SETTING.token(player))));
    let open = OrderId::of(&SETTING.party, &visitor::order("open")).uuid().to_string();
    placeholders.push(("{betId}".to_owned(), open));
    placeholders
});

static SESSION: LazyLock<(String, String)> = LazyLock::new(|| {
    let mounts = SETTING.mounts(&codegames::DIALECT);
    let body = format!("{{\"login\":\"cc_user\",\"password\":\"{PASSWORD}\"}}");
    let request = format!("POST /api/v1/auth/sign-in\n\n{body}");
    let (route, request) = read(&mounts, request.as_bytes()).expect("a sign-in");
    let reply = visitor::play(route, request, 0).expect("a session");
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let token = body.as_object().and_then(|body| body.values().find_map(|value| value.as_str())).expect("a token");
    ("{session}".to_owned(), token.to_owned())
});

/// The sign-in page's ticket, and the cookie that came with it.
static PAGE: LazyLock<[(String, String); 2]> = LazyLock::new(|| {
    let mounts = SETTING.mounts(&goplay::DIALECT);
    let (route, request) = read(&mounts, AUTHORIZE.as_bytes()).expect("an authorization request");
    let reply = visitor::play(route, request, 0).expect("a page");
    let page = String::from_utf8(reply.body).expect("a page");
    let after = |text: &str, start: &str, end: char| {
        let rest = text.split_once(start).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split_once(end)).map(|(value, _)| value.to_owned())
    };
    let ticket = after(&page, "name=\"ticket\" value=\"", '"').expect("a ticket");
    let cookie = reply.headers.iter().find(|(name, _)| *name == "set-cookie").expect("a cookie");
    let cookie = cookie.1.split(';').next().unwrap_or_default();
    [("{ticket}".to_owned(), ticket), ("{cookie}".to_owned(), cookie.to_owned())]
});

pub const AUTHORIZE: &str = "GET /oauth/authorize?response_type=code&client_id=vip-shop\
    &redirect_uri=https%3A%2F%2Fshop.example%2Fback%3Fkeep%3D1&scope=profile+vip&state=x\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256\n\n";

/// Whom the text is for, and the request; `None` where it is for nobody, or longer than is read.
pub fn read<'a>(mounts: &'a [Mount], text: &[u8]) -> Option<(&'a Route, Request)> {
    let split = text.windows(2).position(|two| two == b"\n\n");
    let (head, body) = split.map_or((text, &[][..]), |at| (&text[..at], &text[at + 2..]));
    let head = filled(std::str::from_utf8(head).ok()?);
    let body = std::str::from_utf8(body).map_or_else(|_| body.to_vec(), |body| filled(body).into_bytes());
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        let value = if value == "{signature}" { SETTING.signature(&body) } else { value.to_owned() };
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(&value).ok()?);
    }
    let routes = mounts.iter().flat_map(|mount| mount.routes.iter().map(move |route| (mount, route)));
    let fits = |route: &Route| route.method.as_ref().is_none_or(|expected| *expected == method);
    let mut found = routes.filter(|(_, route)| fits(route));
    let (route, parameters) =
        found.find_map(|(mount, route)| Some((route, parameters(&mount.path, route.path, path)?)))?;
    if body.len() > route.max_body {
        return None;
    }
    let request = Request {
        method,
        path: path.to_owned(),
        parameters,
        query: query.to_owned(),
        headers,
        body,
        at: Timestamp(NOW * 1_000_000),
        correlation: Arc::from("fuzz"),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        is_local: true,
        whose: PartyNote::default(),
    };
    Some((route, request))
}

fn filled(text: &str) -> String {
    let mut text = text.to_owned();
    for (placeholder, value) in PLACEHOLDERS.iter().filter(|_| text.contains('{')).collect::<Vec<_>>() {
        text = text.replace(placeholder, value);
    }
    if text.contains("{session}") {
        text = text.replace(&SESSION.0, &SESSION.1);
    }
    if text.contains("{ticket}") || text.contains("{cookie}") {
        for (placeholder, value) in PAGE.iter() {
            text = text.replace(placeholder, value);
        }
    }
    text
}

/// The values of a route's `{name}` segments, where the path is the route's.
fn parameters(mount: &str, route: &str, path: &str) -> Option<Vec<(String, String)>> {
    let mut segments = path.strip_prefix(mount)?.split('/');
    let mut parameters = Vec::new();
    for expected in route.split('/') {
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                let mut decoded = url::form_urlencoded::parse(segment.as_bytes());
                let value = decoded.next().map(|(name, _)| name.into_owned()).filter(|value| !value.is_empty())?;
                parameters.push((name.to_owned(), value));
            }
            None if expected == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(parameters)
}
