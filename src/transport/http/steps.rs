//! From a handler's first step to its reply: the one place where a request waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::operating::Readiness;
use crate::config::Secret;
use crate::dialects::http::{Decided, Failure, Next, PasswordHash, Reply};
use crate::identity::password;
use crate::ledger::Party;
use crate::ledger::command::Command;
use crate::sequencer::{Answer, Sequencer, Source, Submission};
use crate::storage::queries::{self, AnyConnection};
use crate::storage::{Reader, StoreError, grants, passwords, voids};

/// Where requests come from, for the waiting rooms: the bound on requests under way is one on those that wait, too.
const SOURCE: Source = Source(u32::MAX);

/// How long a command that is under way when the database goes away may still be answered. After that the caller is
/// told to ask again; whether the command went through, the repeat will tell.
const OUTAGE_PATIENCE: Duration = Duration::from_secs(1);

/// Commands that are under way side by side: as many as there may be requests. A client who goes away leaves one behind,
/// and may be back with the next before it is decided.
const COMMANDS_AT_ONCE: usize = super::places::WORKING;

/// Requests that a sandbox keeps waiting side by side; more are told to come again, so that they take no places from
/// parties that are in earnest.
const WAITS_AT_ONCE: usize = 32;

/// Passwords that are compared side by side: each takes 19 MiB and tens of milliseconds.
const PASSWORDS_AT_ONCE: usize = 2;

/// Takes the steps of requests.
#[derive(Clone)]
pub struct Steps {
    sequencer: Sequencer,
    reader: Reader,
    readiness: Readiness,
    commands: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    passwords: Arc<Semaphore>,
}

impl Steps {
    pub fn new(sequencer: Sequencer, reader: Reader, readiness: Readiness) -> Self {
        let (commands, passwords) = (Semaphore::new(COMMANDS_AT_ONCE), Semaphore::new(PASSWORDS_AT_ONCE));
        let waits = Semaphore::new(WAITS_AT_ONCE);
        Self {
            sequencer,
            reader,
            readiness,
            commands: Arc::new(commands),
            waits: Arc::new(waits),
            passwords: Arc::new(passwords),
        }
    }

    /// Goes from step to step until there is a reply. Notes the `party` on the way.
    pub async fn take(&self, mut next: Next, party: &mut Option<Party>) -> Result<Reply, Failure> {
        loop {
            next = match next {
                Next::Reply(reply) => return Ok(reply),
                Next::Of(whose, next) => {
                    *party = Some(whose);
                    *next
                }
                Next::Wait(pause, then) => {
                    // Whoever waits holds a place that others could use.
                    let _permit = self.waits.try_acquire().map_err(|_| Failure::Unavailable)?;
                    tokio::time::sleep(pause).await;
                    then(())
                }
                Next::Decide(command, then) => then(self.decide(*command).await?),
                Next::Player(key, then) => then(self.ask(move |conn| queries::player(conn, key)).await?),
                Next::Order(id, then) => then(self.ask(move |conn| queries::order(conn, id)).await?),
                Next::Transactions(finding, then) => {
                    then(self.ask(move |conn| queries::transactions(conn, &finding)).await?)
                }
                Next::Void(party, source, then) => {
                    let known = self.ask(move |conn| voids::find(conn, &party, source)).await?;
                    then(known.map(|queued| queued.void))
                }
                Next::Offer(id, then) => then(self.ask(move |conn| queries::offer(conn, id)).await?),
                Next::SoldKeys { party, buyer, order, then } => {
                    then(self.ask(move |conn| queries::sold_keys(conn, &party, &buyer, order)).await?)
                }
                Next::RefreshKeys(verifier, then) => {
                    verifier.refresh().await;
                    if !verifier.has_keys() {
                        // Nobody can tell whether a token is good: that is no fault of the caller's.
                        return Err(Failure::Unavailable);
                    }
                    then(())
                }
                Next::CheckPassword { password, against, then } => then(self.check(password, against).await?),
                Next::PlayerOfLogin { party, login, then } => {
                    then(self.ask(move |conn| queries::player_of_login(conn, &party, &login)).await?)
                }
                Next::Grants(act, then) => then(self.ask(move |conn| grants::carry_out(conn, &act)).await?),
            };
        }
    }

    pub(super) async fn decide(&self, command: Command) -> Result<Decided, Failure> {
        if !self.readiness.is_database_there() {
            return Err(Failure::Unavailable);
        }
        let deciding = async {
            let room = Arc::clone(&self.commands).acquire_owned().await.map_err(|_| Failure::Unavailable)?;
            let (answer, answered) = oneshot::channel();
            let answering = Box::new(move |outcome| {
                // Nobody may be listening any more: the request ran out of time.
                let _ = answer.send(outcome);
                drop(room);
            });
            let submission = Submission { keyed: command.keyed(), source: SOURCE, answering };
            self.sequencer.submit(submission).map_err(|_| Failure::Unavailable)?;
            answered.await.map_err(|_| Failure::Unavailable)
        };
        tokio::select! {
            answer = deciding => match answer? {
                Answer::Decided { outcome, repeated } => Ok(Decided { outcome, repeated }),
                Answer::Failed => Err(Failure::Fault),
            },
            () = self.outage() => Err(Failure::Unavailable),
        }
    }

    /// Ends when the database has been away for a while.
    async fn outage(&self) {
        loop {
            let mut lanes = self.readiness.database[0].clone();
            let is_away = |health: &crate::sequencer::Health| *health != crate::sequencer::Health::Ready;
            if lanes.wait_for(is_away).await.is_err() {
                return std::future::pending().await;
            }
            tokio::time::sleep(OUTAGE_PATIENCE).await;
            if !self.readiness.is_database_there() {
                return;
            }
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, Failure> {
        self.reader.ask(question).await.map_err(|error| {
            tracing::warn!(%error, "the database did not answer a question");
            Failure::Unavailable
        })
    }

    async fn check(&self, password: Secret, against: PasswordHash) -> Result<bool, Failure> {
        let hash = match against {
            PasswordHash::Known(hash) => Some(hash),
            PasswordHash::OfPlayer(key) => self.ask(move |conn| passwords::hash_of(conn, key)).await?.map(Secret::new),
            PasswordHash::Nobody => None,
        };
        let _permit = self.passwords.acquire().await.map_err(|_| Failure::Unavailable)?;
        let checking = tokio::task::spawn_blocking(move || {
            let known = hash.as_ref().map(Secret::expose);
            password::verify_if_known(password.expose(), known).map_err(|_| Failure::Fault)
        });
        checking.await.map_err(|_| Failure::Fault)?
    }
}
