//! One party's handler: what it sells, to whose players, through which clients.

use std::sync::{Mutex, MutexGuard, PoisonError};

use url::Url;

use super::ticket::TicketKey;
use crate::config::{GoPlay, OauthClient};
use crate::identity::grants::Client;
use crate::identity::password::PasswordChecker;
use crate::identity::throttle::{PEOPLE, Throttle};
use crate::ledger::Party;

pub struct GoPlayHandler {
    pub party: Party,
    pub settings: GoPlay,
    /// Decimal places of the GoPlay token.
    pub exponent: u32,
    pub tickets: TicketKey,
    pub passwords: PasswordChecker,
    /// Whether the configuration says that browsers come by https.
    pub is_https: bool,
    throttle: Mutex<Throttle>,
}

impl GoPlayHandler {
    pub fn new(
        party: Party,
        settings: GoPlay,
        exponent: u32,
        public_url: Option<&Url>,
        passwords: PasswordChecker,
    ) -> Self {
        let tickets = TicketKey::of_secrets(settings.clients.iter().map(|client| &client.secret));
        let is_https = public_url.is_some_and(|url| url.scheme() == "https");
        Self { party, settings, exponent, tickets, passwords, is_https, throttle: Mutex::new(Throttle::new(PEOPLE)) }
    }

    pub fn configured(&self, id: &str) -> Option<&OauthClient> {
        self.settings.clients.iter().find(|client| client.id == id)
    }

    pub fn client(&self, configured: &OauthClient) -> Client {
        Client { party: self.party.clone(), id: configured.id.as_str().into() }
    }

    /// No panic can leave the counts half changed, so a poisoned lock is as good as any.
    pub fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
