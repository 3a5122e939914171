//! The partners of a party's hub: their passwords, their sessions, and the accounts that pay.

use std::sync::Arc;

use crate::config::{CodeGames, Secret};
use crate::identity::session::{Claim, SessionKey};
use crate::ledger::command::Timestamp;
use crate::ledger::{Party, PlayerId};

/// Who may sign in.
pub struct Users(Vec<Arc<User>>);

pub struct User {
    pub login: Arc<str>,
    pub password_hash: Secret,
    /// The account that pays.
    pub player: PlayerId,
    session: SessionKey,
}

impl Users {
    /// `None` where the system cannot derive keys.
    pub fn new(party: &Party, settings: &CodeGames) -> Option<Self> {
        let user = |user: &crate::config::CodeGamesUser| {
            let session = SessionKey::new(&settings.keys_secret, party, &user.login, &user.password_hash)?;
            let (login, player) = (user.login.as_str().into(), user.player.clone());
            Some(Arc::new(User { login, password_hash: user.password_hash.clone(), player, session }))
        };
        settings.users.iter().map(user).collect::<Option<_>>().map(Self)
    }

    pub fn named(&self, login: &str) -> Option<&Arc<User>> {
        self.0.iter().find(|user| *user.login == *login)
    }

    /// Whose session a bearer token is. One that has been taken out of the configuration has none.
    pub fn signed_in(&self, token: &str, at: Timestamp) -> Option<&Arc<User>> {
        let claim = Claim::read(token)?;
        self.named(&claim.login).filter(|user| user.session.holds(&claim, at.second()))
    }
}

impl User {
    pub fn token(&self, at: Timestamp) -> String {
        self.session.issue(at.second())
    }
}
