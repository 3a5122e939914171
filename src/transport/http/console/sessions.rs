//! Who is signed in with a cookie. In memory alone: a restart signs everybody out, and each process knows its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::identity::operators::SignedIn;
use crate::ledger::command::Timestamp;

const COOKIE: &str = "purser_console";

/// Seconds that a session lasts, however much it is used: a working day.
const LIFE: i64 = 12 * 3600;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Sessions at once. Beyond them the one that ends first makes room: whoever has a token may sign in any number of times.
const MOST: usize = 1000;

/// Every open session, by the digest of its id: who reads our memory cannot sign in with what lies there.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<Key, Session>>);

type Key = [u8; 32];

struct Session {
    operator: SignedIn,
    expires: Timestamp,
    notice: Option<Notice>,
}

/// What is said once, on the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    /// The page that it is about: its path below the console's, and what the link says.
    pub link: Option<(String, String)>,
}

impl Notice {
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), link: None }
    }

    pub fn with_link(self, path: impl Into<String>, says: impl Into<String>) -> Self {
        Self { link: Some((path.into(), says.into())), ..self }
    }
}

/// What a browser holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(String);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…hidden…")
    }
}

impl Ticket {
    /// The one that a request brings.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| Self(value.to_owned()))
    }

    /// The header that hands it out. Without a path of its own the cookie is for the directory of the page that sets it,
    /// which is the console's wherever a proxy shows it.
    pub fn set_cookie(&self, is_https: bool) -> String {
        cookie(&self.0, LIFE, is_https)
    }

    /// The header that takes it back.
    pub fn end_cookie(is_https: bool) -> String {
        cookie("", 0, is_https)
    }

    fn key(&self) -> Key {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

fn cookie(value: &str, life: i64, is_https: bool) -> String {
    let secure = if is_https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Max-Age={life}; HttpOnly; SameSite=Strict{secure}")
}

impl Sessions {
    /// Begins one.
    pub fn open(&self, operator: SignedIn, at: Timestamp) -> Ticket {
        let id = Ticket(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.expires > at);
        if sessions.len() >= MOST
            && let Some(first) = sessions.iter().min_by_key(|(_, session)| session.expires.0).map(|(key, _)| *key)
        {
            sessions.remove(&first);
        }
        let expires = Timestamp(at.0.saturating_add(LIFE * MICROS_PER_SECOND));
        sessions.insert(id.key(), Session { operator, expires, notice: None });
        id
    }

    /// Whose it is, while it lasts.
    pub fn find(&self, id: &Ticket, at: Timestamp) -> Option<SignedIn> {
        let sessions = self.lock();
        sessions.get(&id.key()).filter(|session| session.expires > at).map(|session| session.operator.clone())
    }

    pub fn end(&self, id: &Ticket) {
        self.lock().remove(&id.key());
    }

    /// Keeps something to be said on the next page.
    pub fn say(&self, id: &Ticket, notice: Notice) {
        if let Some(session) = self.lock().get_mut(&id.key()) {
            session.notice = Some(notice);
        }
    }

    /// What is to be said now.
    pub fn take_notice(&self, id: &Ticket) -> Option<Notice> {
        self.lock().get_mut(&id.key()).and_then(|session| session.notice.take())
    }

    /// No panic can leave the sessions half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    fn operator(name: &str) -> SignedIn {
        SignedIn { name: name.into(), role: Role::Viewer }
    }

    const fn hours(hours: i64) -> Timestamp {
        Timestamp(hours * 3600 * MICROS_PER_SECOND)
    }

    #[test]
    fn a_session_lasts_twelve_hours_or_until_it_is_ended() {
        let sessions = Sessions::default();
        let (id, other) = (sessions.open(operator("a"), hours(0)), sessions.open(operator("b"), hours(6)));
        let name = |id: &Ticket, at| sessions.find(id, at).map(|found| found.name.to_string());
        assert_eq!(name(&id, Timestamp(hours(12).0 - 1)).as_deref(), Some("a"));
        assert_eq!((name(&id, hours(12)), name(&other, hours(12)).as_deref()), (None, Some("b")));
        sessions.end(&other);
        assert_eq!(name(&other, hours(7)), None);
        assert_eq!(name(&Ticket(String::new()), hours(0)), None);
        assert_eq!(format!("{id:?}"), "…hidden…");
    }

    #[test]
    fn a_notice_is_said_once() {
        let sessions = Sessions::default();
        let id = sessions.open(operator("a"), hours(0));
        sessions.say(&id, Notice::of("done"));
        assert_eq!((sessions.take_notice(&id), sessions.take_notice(&id)), (Some(Notice::of("done")), None));
    }

    #[test]
    fn a_newcomer_takes_the_place_of_whose_session_ends_first() {
        let sessions = Sessions::default();
        let ids: Vec<Ticket> = (0..MOST).map(|number| sessions.open(operator("a"), Timestamp(number as i64))).collect();
        let newest = sessions.open(operator("b"), Timestamp(MOST as i64));
        let at = Timestamp(MOST as i64);
        let is_open = |id: &Ticket| sessions.find(id, at).is_some();
        assert_eq!([&ids[0], &ids[1], &newest].map(is_open), [false, true, true]);
        assert_eq!(sessions.lock().len(), MOST);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers = |text: &str| HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())]);
        for (text, expected) in [
            ("purser_console=x", Some("x")),
            ("a=b; purser_console=x; c=d", Some("x")),
            ("purser_console", None),
            ("xpurser_console=x", None),
        ] {
            assert_eq!(Ticket::of(&headers(text)), expected.map(|id| Ticket(id.to_owned())), "{text}");
        }
        let cookie = Ticket("x".to_owned()).set_cookie(true);
        assert_eq!(cookie, "purser_console=x; Max-Age=43200; HttpOnly; SameSite=Strict; Secure");
    }
}
