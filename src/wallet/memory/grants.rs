//! Grants in memory: what [`crate::identity::grants`] decides, kept in a table.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::identity::grants::{
    Client, Exchange, GrantAct, GrantAnswer, GrantRefusal, GrantTokenKind, Granted, KeptToken, TokenHash,
};
use crate::ledger::command::Timestamp;

/// Every code and token that was handed out.
#[derive(Clone, Default)]
pub struct GrantsInMemory {
    held: HashMap<[u8; 32], KeptToken>,
    ended: HashSet<Uuid>,
}

impl GrantsInMemory {
    /// Does what is asked.
    pub fn carry_out(&mut self, act: &GrantAct) -> GrantAnswer {
        match act {
            GrantAct::Allow { granted, code, at } => {
                self.keep(*code, GrantTokenKind::Code, granted, *at);
                Ok(granted.clone())
            }
            GrantAct::Exchange(exchange) => self.exchange(exchange),
            GrantAct::Revoke { token, client } => self.revoke(*token, client),
            GrantAct::Look { access, party, at } => self.find(*access)?.look(party, *at),
        }
    }

    fn exchange(&mut self, exchange: &Exchange) -> GrantAnswer {
        if let Ok(made) = self.find(exchange.access) {
            return Ok(made.granted);
        }
        let held = self.find(exchange.given)?;
        let exchanged = held.exchange(exchange);
        match &exchanged {
            Ok(granted) => {
                self.spend(exchange.given);
                self.keep(exchange.access, GrantTokenKind::Access, granted, exchange.at);
                // A refresh token stays good for all that was granted.
                self.keep(exchange.refresh, GrantTokenKind::Refresh, &held.granted, exchange.at);
            }
            Err(GrantRefusal::Spent) => drop(self.ended.insert(held.granted.grant.id)),
            Err(_) => {}
        }
        exchanged
    }

    fn revoke(&mut self, token: TokenHash, client: &Client) -> GrantAnswer {
        let held = self.find(token)?;
        if held.granted.grant.client != *client {
            return Err(GrantRefusal::Unknown);
        }
        match held.kind {
            GrantTokenKind::Code => return Err(GrantRefusal::Unknown),
            GrantTokenKind::Access => self.spend(token),
            GrantTokenKind::Refresh => drop(self.ended.insert(held.granted.grant.id)),
        }
        Ok(held.granted)
    }

    fn find(&self, hash: TokenHash) -> Result<KeptToken, GrantRefusal> {
        let held = self.held.get(&hash.0).cloned().ok_or(GrantRefusal::Unknown)?;
        Ok(KeptToken { is_revoked: self.ended.contains(&held.granted.grant.id), ..held })
    }

    fn keep(&mut self, hash: TokenHash, kind: GrantTokenKind, granted: &Granted, at: Timestamp) {
        let (granted, expires) = (granted.clone(), kind.expires(at));
        self.held.insert(hash.0, KeptToken { granted, kind, expires, is_spent: false, is_revoked: false });
    }

    fn spend(&mut self, hash: TokenHash) {
        if let Some(held) = self.held.get_mut(&hash.0) {
            held.is_spent = true;
        }
    }
}
