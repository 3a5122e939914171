//! Who is signed in with a cookie. The ledger keeps it, so that any process knows, and a restart signs nobody out.
//!
//! Each process remembers what it has seen: while the ledger's database is away, whoever was signed in sees the pages that
//! need no database, and whoever signs in then is written down once it is back.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::identity::operators::{OperatorMark, Operators, SignedIn};
use crate::ledger::command::Timestamp;
use crate::storage::queries::AnyConnection;
use crate::storage::sessions::{self, KeptSession};
use crate::storage::{Reader, StoreError};

const COOKIE: &str = "purser_console";

/// Bytes of a ticket, which nobody guesses.
const BYTES: usize = 32;

/// Seconds that a session lasts, however much it is used: a working day.
const LIFE: i64 = 12 * 3600;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Sessions at once. Beyond them the one that ends first makes room: whoever has a token may sign in any number of times.
const MOST: usize = 1000;

/// How long a page waits to hear from the ledger whose session it is, before it believes what the process has seen itself.
const LOOK_PATIENCE: Duration = Duration::from_secs(1);

/// How long whoever signs in or out waits: on SQLite writers take turns with the lane's.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// Every open session, by the digest of its cookie: who reads our memory or the table cannot sign in with what lies there.
pub struct Sessions {
    reader: Reader,
    operators: Arc<Operators>,
    seen: Mutex<HashMap<Key, SeenSession>>,
}

type Key = [u8; 32];

/// A session that this process has seen.
#[derive(Clone)]
struct SeenSession {
    operator: Arc<str>,
    mark: OperatorMark,
    expires: Timestamp,
    /// Whether the ledger has it. It has none that began while it was away.
    is_kept: bool,
}

/// Whose a session is, and what is to be said.
pub struct FoundSession {
    pub operator: SignedIn,
    pub notice: Option<Notice>,
}

/// What is said once, on the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The one that a request brings. Of two, one may be what a neighbour below the same domain has set, in whose session
    /// nobody is to work: neither counts.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = values(headers);
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        // Anything else was never handed out, and is not asked for.
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let value = std::str::from_utf8(value).ok()?;
        (bytes.len() == BYTES).then(|| Self(value.to_owned()))
    }

    /// How many a request brings, whatever they are.
    pub fn count(headers: &HeaderMap) -> usize {
        values(headers).count()
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

/// The values of our cookie. They are bytes: what others have set beside it need not be text.
fn values(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let pairs = headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="))
}

fn cookie(value: &str, life: i64, is_https: bool) -> String {
    let secure = if is_https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Max-Age={life}; HttpOnly; SameSite=Strict{secure}")
}

impl SeenSession {
    /// `None` where what is kept is none of ours.
    fn of(kept: &KeptSession) -> Option<Self> {
        let mark = OperatorMark(kept.token.as_slice().try_into().ok()?);
        Some(Self { operator: kept.operator.as_str().into(), mark, expires: Timestamp(kept.expires_at), is_kept: true })
    }

    fn kept(&self, key: &Key) -> KeptSession {
        KeptSession {
            id: key.to_vec(),
            operator: self.operator.to_string(),
            token: self.mark.0.to_vec(),
            expires_at: self.expires.0,
            notice: String::new(),
        }
    }
}

impl Sessions {
    pub fn new(reader: Reader, operators: Arc<Operators>) -> Self {
        Self { reader, operators, seen: Mutex::default() }
    }

    /// Begins one; `None` where the operator is configured no more.
    pub async fn open(&self, operator: &SignedIn, at: Timestamp) -> Option<Ticket> {
        let ticket = Ticket(URL_SAFE_NO_PAD.encode(rand::random::<[u8; BYTES]>()));
        let session = SeenSession {
            operator: Arc::clone(&operator.name),
            mark: self.operators.mark(&operator.name)?,
            expires: Timestamp(at.0.saturating_add(LIFE * MICROS_PER_SECOND)),
            is_kept: false,
        };
        self.keep(ticket.key(), session, at).await;
        Some(ticket)
    }

    /// Whose it is, while it lasts, and the operator has the role and the token still.
    pub async fn find(&self, ticket: &Ticket, at: Timestamp) -> Option<FoundSession> {
        let key = ticket.key();
        let kept = self.ask(LOOK_PATIENCE, move |conn| sessions::find(conn, &key, at)).await;
        let seen = self.lock().get(&key).filter(|session| session.expires > at).cloned();
        let (session, notice) = match kept {
            Ok(Some(kept)) => {
                let session = SeenSession::of(&kept)?;
                self.remember(key, session.clone(), at);
                (session, serde_json::from_str(&kept.notice).ok())
            }
            // It was ended by another process, unless the ledger was never told of it.
            Ok(None) => match seen.filter(|session| !session.is_kept) {
                Some(session) => {
                    self.keep(key, session.clone(), at).await;
                    (session, None)
                }
                None => {
                    self.lock().remove(&key);
                    return None;
                }
            },
            Err(_) => (seen?, None),
        };
        let operator = self.operators.still(&session.operator, &session.mark)?;
        Some(FoundSession { operator, notice })
    }

    /// Ends it, for every process. An error where the ledger could not be told: then it is not over.
    pub async fn end(&self, ticket: &Ticket) -> Result<(), StoreError> {
        let key = ticket.key();
        self.ask(WRITE_PATIENCE, move |conn| sessions::end(conn, &key)).await?;
        self.lock().remove(&key);
        Ok(())
    }

    /// Keeps something to be said on the next page. That is no reason for what was done to fail.
    pub async fn say(&self, ticket: &Ticket, notice: &Notice) {
        let (key, notice) = (ticket.key(), serde_json::to_string(notice).unwrap_or_default());
        if let Err(error) = self.ask(WRITE_PATIENCE, move |conn| sessions::say(conn, &key, &notice)).await {
            tracing::warn!(%error, "what a form did is not said on the next page");
        }
    }

    /// It was said. Something else that was kept meanwhile was not.
    pub async fn said(&self, ticket: &Ticket, notice: &Notice) {
        let (key, notice) = (ticket.key(), serde_json::to_string(notice).unwrap_or_default());
        if let Err(error) = self.ask(WRITE_PATIENCE, move |conn| sessions::said(conn, &key, &notice)).await {
            tracing::warn!(%error, "what a form did is said again on the next page");
        }
    }

    /// In the ledger, where that is there, and in memory.
    async fn keep(&self, key: Key, session: SeenSession, at: Timestamp) {
        let (kept, most) = (session.kept(&key), i64::try_from(MOST).unwrap_or(i64::MAX));
        let writing = self.reader.ask(move |conn| sessions::open(conn, &kept, at, most));
        // One that comes too late may still be written. It is not written again: it may have been ended meanwhile.
        let is_refused = tokio::time::timeout(WRITE_PATIENCE, writing).await.is_ok_and(|written| written.is_err());
        self.remember(key, SeenSession { is_kept: !is_refused, ..session }, at);
    }

    fn remember(&self, key: Key, session: SeenSession, at: Timestamp) {
        let mut seen = self.lock();
        if !seen.contains_key(&key) && seen.len() >= MOST {
            seen.retain(|_, session| session.expires > at);
            let first = seen.iter().min_by_key(|(_, session)| session.expires.0).map(|(key, _)| *key);
            if let Some(first) = first.filter(|_| seen.len() >= MOST) {
                seen.remove(&first);
            }
        }
        seen.insert(key, session);
    }

    async fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let late = |_| Err(StoreError::Outage("it did not answer in time".to_owned()));
        tokio::time::timeout(patience, self.reader.ask(question)).await.unwrap_or_else(late)
    }

    /// No panic can leave the sessions half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, SeenSession>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers = |text: &str| HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())]);
        for (text, expected) in [
            ("purser_console=x", Some("x")),
            ("a=b; purser_console=x; c=d", Some("x")),
            ("a=b;purser_console=x;c=d", Some("x")),
            ("purser_console=x; purser_console=x", None),
            ("purser_console=junk; purser_console=x", None),
            ("purser_console=x; purser_console=", None),
            ("purser_console", None),
            ("xpurser_console=x", None),
        ] {
            let whole = |text: &str| text.replace("=x", &format!("={}", "x".repeat(42) + "A"));
            assert_eq!(Ticket::of(&headers(&whole(text))), expected.map(|_| Ticket("x".repeat(42) + "A")), "{text}");
            assert_eq!(Ticket::of(&headers(text)), None, "none that was ever handed out");
        }
        let mut two_lines = headers(&format!("purser_console={}A", "x".repeat(42)));
        assert_eq!(Ticket::of(&two_lines).is_some(), Ticket::count(&two_lines) == 1);
        two_lines.append(header::COOKIE, "purser_console=y".parse().unwrap());
        assert_eq!((Ticket::of(&two_lines), Ticket::count(&two_lines)), (None, 2));
        let neighbour = [&b"name=Zo\xeb; purser_console="[..], &[b'x'; 42], b"A"].concat();
        let neighbour = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(&neighbour).unwrap())]);
        assert!(Ticket::of(&neighbour).is_some(), "what is no text beside it is not ours");
        let cookie = Ticket("x".to_owned()).set_cookie(true);
        assert_eq!(cookie, "purser_console=x; Max-Age=43200; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(format!("{:?}", Ticket("x".to_owned())), "…hidden…");
    }
}
