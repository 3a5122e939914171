//! What players allow partners (OAuth 2.0, RFC 6749): grants, and the codes and tokens that come of them.
//!
//! A grant is one player's word to one client. Its code and all of its tokens are one family: a code or a refresh token
//! that is used twice is in two hands, so the whole family ends. What is handed out is random; only digests are kept.
//!
//! This file decides; `storage/grants.rs` keeps, and makes sure that of two at once only one is first.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::pkce::Challenge;
use crate::config::Secret;
use crate::ledger::command::Timestamp;
use crate::ledger::ids::{Party, PlayerId};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// How long a code may be redeemed, in seconds.
pub(crate) const CODE_LIFE: i64 = 60;

/// How long an access token is good, in seconds.
pub(crate) const ACCESS_LIFE: i64 = 60 * 60;

/// How long a refresh token may be used, in seconds.
pub(crate) const REFRESH_LIFE: i64 = 30 * 24 * 60 * 60;

/// A new random text of 256 bits: a code, a token, or whatever else nobody may guess.
pub(crate) fn random_text() -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// What is kept of a code or token. A plain digest is enough: nobody can search through 256 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

/// What a text that was handed out is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantTokenKind {
    Code,
    Access,
    Refresh,
}

impl GrantTokenKind {
    pub const ALL: [Self; 3] = [Self::Code, Self::Access, Self::Refresh];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }

    /// When one that is made at `at` expires.
    pub fn expires(self, at: Timestamp) -> Timestamp {
        let life = match self {
            Self::Code => CODE_LIFE,
            Self::Access => ACCESS_LIFE,
            Self::Refresh => REFRESH_LIFE,
        };
        Timestamp(at.0.saturating_add(life.saturating_mul(MICROS_PER_SECOND)))
    }
}

/// A partner's program, as its party has configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub party: Party,
    pub id: Arc<str>,
}

/// What a player has allowed a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: Uuid,
    pub client: Client,
    pub player: PlayerId,
    /// Where the code was sent, as the request named it.
    pub redirect_uri: Arc<str>,
    pub challenge: Challenge,
}

/// A grant, and how much of it a code or token is good for: words with spaces between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    pub grant: Grant,
    pub scope: Arc<str>,
}

/// What is asked of the grants.
#[derive(Debug, Clone)]
pub enum GrantAct {
    /// Keep a new grant, with its code.
    Allow {
        granted: Granted,
        code: TokenHash,
        at: Timestamp,
    },
    Exchange(Exchange),
    /// End one access token, or a refresh token with its whole family.
    Revoke {
        token: TokenHash,
        client: Client,
    },
    /// Find out whose access token this is.
    Look {
        access: TokenHash,
        party: Party,
        at: Timestamp,
    },
}

/// A code or a refresh token for a new pair of tokens.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub given: TokenHash,
    pub proof: Proof,
    pub client: Client,
    pub access: TokenHash,
    pub refresh: TokenHash,
    pub at: Timestamp,
}

/// What comes with what is exchanged.
#[derive(Debug, Clone)]
pub enum Proof {
    /// With a code: the redirect URI again, and the challenge that the verifier makes (none where it is no verifier).
    Code { redirect_uri: String, challenge: Option<Challenge> },
    /// With a refresh token: what the access token shall be good for, where that is less than before.
    Refresh { scope: Option<String> },
}

/// `Ok`: it is so now. [`GrantAct::Revoke`] is refused where there was nothing to revoke.
pub type GrantAnswer = Result<Granted, GrantRefusal>;

/// Why nothing is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantRefusal {
    /// There is none such, or it is somebody else's.
    Unknown,
    /// It was used before; the whole family has ended.
    Spent,
    Revoked,
    Expired,
    RedirectDiffers,
    VerifierDiffers,
    /// More was asked than was granted.
    ScopeExceeded,
}

/// A code or token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptToken {
    pub granted: Granted,
    pub kind: GrantTokenKind,
    pub expires: Timestamp,
    pub is_spent: bool,
    pub is_revoked: bool,
}

impl KeptToken {
    /// What an exchange gives, if this is the first. [`GrantRefusal::Spent`] ends the family.
    pub fn exchange(&self, exchange: &Exchange) -> GrantAnswer {
        let expected = match exchange.proof {
            Proof::Code { .. } => GrantTokenKind::Code,
            Proof::Refresh { .. } => GrantTokenKind::Refresh,
        };
        if self.kind != expected || self.granted.grant.client != exchange.client {
            return Err(GrantRefusal::Unknown);
        }
        // Before its expiry: whoever uses it twice is told on, however late.
        if self.is_spent {
            return Err(GrantRefusal::Spent);
        }
        self.alive_at(exchange.at)?;
        match &exchange.proof {
            Proof::Code { redirect_uri, challenge } => self.prove_code(redirect_uri, challenge.as_ref()),
            Proof::Refresh { scope } => self.narrow(scope.as_deref()),
        }
    }

    /// What an access token is good for.
    pub fn look(&self, party: &Party, at: Timestamp) -> GrantAnswer {
        if self.kind != GrantTokenKind::Access || self.granted.grant.client.party != *party {
            return Err(GrantRefusal::Unknown);
        }
        if self.is_spent {
            return Err(GrantRefusal::Revoked);
        }
        self.alive_at(at)?;
        Ok(self.granted.clone())
    }

    fn alive_at(&self, at: Timestamp) -> Result<(), GrantRefusal> {
        match (self.is_revoked, self.expires <= at) {
            (true, _) => Err(GrantRefusal::Revoked),
            (false, true) => Err(GrantRefusal::Expired),
            (false, false) => Ok(()),
        }
    }

    fn prove_code(&self, redirect_uri: &str, challenge: Option<&Challenge>) -> GrantAnswer {
        let grant = &self.granted.grant;
        if *grant.redirect_uri != *redirect_uri {
            return Err(GrantRefusal::RedirectDiffers);
        }
        if challenge != Some(&grant.challenge) {
            return Err(GrantRefusal::VerifierDiffers);
        }
        Ok(self.granted.clone())
    }

    fn narrow(&self, scope: Option<&str>) -> GrantAnswer {
        let Some(asked) = scope else { return Ok(self.granted.clone()) };
        let has = |word: &str| self.granted.scope.split(' ').any(|granted| granted == word);
        if !asked.split(' ').all(has) {
            return Err(GrantRefusal::ScopeExceeded);
        }
        Ok(Granted { grant: self.granted.grant.clone(), scope: asked.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn client(party: &str, id: &str) -> Client {
        Client { party: Party::parse(party).unwrap(), id: id.into() }
    }

    fn held(kind: GrantTokenKind) -> KeptToken {
        let grant = Grant {
            id: Uuid::nil(),
            client: client("acme", "shop"),
            player: PlayerId::parse("alice").unwrap(),
            redirect_uri: "https://shop.example/cb".into(),
            challenge: Challenge::of_verifier(VERIFIER).unwrap(),
        };
        let granted = Granted { grant, scope: "profile orders".into() };
        KeptToken { granted, kind, expires: kind.expires(NOW), is_spent: false, is_revoked: false }
    }

    fn exchange(proof: Proof) -> Exchange {
        let hash = TokenHash::of;
        let (given, access, refresh) = (hash("given"), hash("access"), hash("refresh"));
        Exchange { given, proof, client: client("acme", "shop"), access, refresh, at: NOW }
    }

    fn code(redirect_uri: &str, verifier: &str) -> Exchange {
        exchange(Proof::Code { redirect_uri: redirect_uri.to_owned(), challenge: Challenge::of_verifier(verifier) })
    }

    fn refresh(scope: Option<&str>) -> Exchange {
        exchange(Proof::Refresh { scope: scope.map(str::to_owned) })
    }

    fn scope(answer: GrantAnswer) -> Result<String, GrantRefusal> {
        answer.map(|granted| granted.scope.to_string())
    }

    #[test]
    fn a_code_is_exchanged_by_its_client_with_its_redirect_uri_and_verifier() {
        use GrantRefusal::{Expired, RedirectDiffers, Revoked, Spent, Unknown, VerifierDiffers};
        let good = || code("https://shop.example/cb", VERIFIER);
        let late = Exchange { at: Timestamp(NOW.0 + CODE_LIFE * MICROS_PER_SECOND), ..good() };
        let (fresh, spent) = (held(GrantTokenKind::Code), KeptToken { is_spent: true, ..held(GrantTokenKind::Code) });
        let revoked = KeptToken { is_revoked: true, ..held(GrantTokenKind::Code) };
        let both = || Ok("profile orders".to_owned());
        for (name, held, exchange, expected) in [
            ("good", &fresh, good(), both()),
            ("another client", &fresh, Exchange { client: client("acme", "other"), ..good() }, Err(Unknown)),
            ("another party", &fresh, Exchange { client: client("emca", "shop"), ..good() }, Err(Unknown)),
            ("a refresh token", &held(GrantTokenKind::Refresh), good(), Err(Unknown)),
            ("used", &spent, good(), Err(Spent)),
            ("used, of another client", &spent, Exchange { client: client("acme", "other"), ..good() }, Err(Unknown)),
            ("used and late", &spent, late.clone(), Err(Spent)),
            ("revoked", &revoked, good(), Err(Revoked)),
            ("late", &fresh, late, Err(Expired)),
            ("redirect", &fresh, code("https://shop.example/cb/", VERIFIER), Err(RedirectDiffers)),
            ("verifier", &fresh, code("https://shop.example/cb", &"x".repeat(43)), Err(VerifierDiffers)),
            ("no verifier", &fresh, code("https://shop.example/cb", "x"), Err(VerifierDiffers)),
        ] {
            assert_eq!(scope(held.exchange(&exchange)), expected, "{name}");
        }
    }

    #[test]
    fn a_refresh_token_gives_as_much_as_before_or_less() {
        let held = held(GrantTokenKind::Refresh);
        for (asked, expected) in [
            (None, Ok("profile orders".to_owned())),
            (Some("orders"), Ok("orders".to_owned())),
            (Some("orders profile"), Ok("orders profile".to_owned())),
            (Some("orders admin"), Err(GrantRefusal::ScopeExceeded)),
            (Some(""), Err(GrantRefusal::ScopeExceeded)),
        ] {
            assert_eq!(scope(held.exchange(&refresh(asked))), expected, "{asked:?}");
        }
    }

    #[test]
    fn an_access_token_is_good_for_an_hour_with_its_party_alone() {
        let (acme, emca) = (Party::parse("acme").unwrap(), Party::parse("emca").unwrap());
        let late = Timestamp(NOW.0 + ACCESS_LIFE * MICROS_PER_SECOND);
        let fresh = held(GrantTokenKind::Access);
        let spent = KeptToken { is_spent: true, ..fresh.clone() };
        for (held, party, at, expected) in [
            (&fresh, &acme, NOW, Ok("profile orders".to_owned())),
            (&fresh, &acme, Timestamp(late.0 - 1), Ok("profile orders".to_owned())),
            (&fresh, &acme, late, Err(GrantRefusal::Expired)),
            (&fresh, &emca, NOW, Err(GrantRefusal::Unknown)),
            (&spent, &acme, NOW, Err(GrantRefusal::Revoked)),
            (&held(GrantTokenKind::Refresh), &acme, NOW, Err(GrantRefusal::Unknown)),
        ] {
            assert_eq!(scope(held.look(party, at)), expected);
        }
    }

    #[test]
    fn random_texts_are_long_and_differ() {
        let (one, other) = (random_text(), random_text());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one, other);
    }
}
