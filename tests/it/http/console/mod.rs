//! `/console` from outside, over real HTTP.
//!
//! Reading order: the set-up below, [`access`] (who may what, and what keeps pages safe), [`sessions`] (their ends, and other
//! tabs), [`forms`] (what they do, once), [`pages`] (what is shown, and where links lead), [`dead`] (dead letters and plans),
//! [`approvals`], [`audit`], [`processes`] (several behind one address).

mod access;
mod sessions;
mod forms;
mod pages;
mod dead;
mod approvals;
mod audit;
mod processes;

use purser::config::Role;

use super::admin::token;
use super::client::{Call, Response};
use crate::e2e::stage::Stage;

/// Signs in; answers with the cookie.
pub async fn sign_in(stage: &Stage, role: Role) -> String {
    let response = form("/sign-in", &[("token", &token(role))]).send(stage).await;
    assert_eq!((response.status, response.header("location")), (303, "./"), "{}", response.text());
    cookie(&response)
}

/// The cookie that a response sets, as a browser sends it back.
pub fn cookie(response: &Response) -> String {
    response.header("set-cookie").split(';').next().expect("a cookie").to_owned()
}

pub fn get(cookie: &str, path: &str) -> Call {
    Call::new("GET", format!("/console{path}")).header("cookie", cookie)
}

/// A form, as a script would send it.
pub fn form(path: &str, pairs: &[(&str, &str)]) -> Call {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let call = Call::new("POST", format!("/console{path}"));
    call.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// A form, as one of our own pages sends it.
pub fn post(cookie: &str, path: &str, pairs: &[(&str, &str)]) -> Call {
    form(path, pairs).header("cookie", cookie).header("sec-fetch-site", "same-origin")
}

/// A page that must be there.
pub async fn page(stage: &Stage, cookie: &str, path: &str) -> String {
    let response = get(cookie, path).send(stage).await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    response.text()
}

/// The values of an attribute, in their order.
pub fn attributes(html: &str, name: &str) -> Vec<String> {
    let begin = format!(" {name}=\"");
    let values = html.split(&begin).skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
    values.map(|value| value.replace("&amp;", "&").replace("&#38;", "&")).collect()
}

/// The value of the first input of this name.
pub fn input(html: &str, name: &str) -> String {
    let named = format!("name=\"{name}\"");
    let tags = html.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let tag = tags.into_iter().find(|tag| tag.contains(&named)).unwrap_or_else(|| panic!("no input {name}: {html}"));
    attributes(tag, "value").pop().unwrap_or_default()
}
