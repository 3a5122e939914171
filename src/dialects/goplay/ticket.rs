//! The page's ticket: proves that a form comes from the page that this browser was shown, with the request that was on
//! it. Nothing is kept: the cookie holds a random text, the form its HMAC together with the request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest, Sha256};

use super::request::AuthorizationRequest;
use super::scope;
use crate::config::Secret;
use crate::dialects::http::Request;

/// The cookie that holds the random text.
const COOKIE: &str = "goplay_sign_in";

/// How long a page may lie about before it is sent, in seconds.
const COOKIE_LIFE: u32 = 15 * 60;

/// Signs tickets. The same in every process, and after a restart: it comes from what the clients have for secrets.
pub struct TicketKey([u8; 32]);

impl TicketKey {
    pub fn of_secrets<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"goplay sign-in page");
        for secret in secrets {
            hasher.update(Sha256::digest(secret.expose()));
        }
        Self(hasher.finalize().into())
    }

    /// The form's side of a cookie.
    pub fn sign(&self, cookie: &str, asked: &AuthorizationRequest) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(cookie, asked).map(|mac| mac.finalize().into_bytes()).unwrap_or_default())
    }

    /// Whether the form's side fits the cookie and the request. Takes as long for every wrong one.
    pub fn fits(&self, cookie: &str, asked: &AuthorizationRequest, ticket: &str) -> bool {
        let Ok(ticket) = URL_SAFE_NO_PAD.decode(ticket) else { return false };
        self.mac(cookie, asked).is_some_and(|mac| mac.verify_slice(&ticket).is_ok())
    }

    fn mac(&self, cookie: &str, asked: &AuthorizationRequest) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        let state = asked.back.state.as_deref().unwrap_or_default();
        let scopes = scope::text(&asked.scopes);
        for part in [cookie, &asked.client.id, &asked.back.redirect_uri, state, &scopes, asked.challenge.as_str()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac)
    }
}

/// The random text that the browser sends back.
pub fn cookie_of(request: &Request) -> Option<&str> {
    let cookies = request.headers.get_all("cookie").iter().filter_map(|header| header.to_str().ok());
    let mut pairs = cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Whether the browser's side is encrypted, as the proxy in front says.
pub fn is_forwarded_https(request: &Request) -> bool {
    request.header("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

/// The header that hands it out. Without a path of its own the cookie goes to the directory of the page, also behind a
/// proxy that puts the dialect elsewhere; `Secure` wherever the browser's side is encrypted.
pub fn set_cookie(cookie: &Secret, is_https: bool) -> String {
    let secure = if is_https { "; Secure" } else { "" };
    format!("{COOKIE}={}; Max-Age={COOKIE_LIFE}; HttpOnly; SameSite=Strict{secure}", cookie.expose())
}
