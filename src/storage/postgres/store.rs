//! A lane's writer on Postgres: who has its session, and what becomes of that when something goes wrong.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::writer::Session;
use crate::ledger::{Batch, OrderId, Party, ReadSet};
use crate::storage::party_moves::PartyAdmission;
use crate::storage::{Loaded, Store, StoreError, StoreTransaction};

/// How long one round trip may take before the connection is given up. Longer than the server's own lock timeout.
pub const ROUND_TRIP_TIMEOUT: Duration = Duration::from_secs(20);

/// Writes one lane's batches. Reconnects by itself at the next question after an outage.
pub struct PostgresStore {
    url: String,
    admission: PartyAdmission,
    session: Held,
}

/// Where the session is. Whoever works with it has it: a future that is dropped half way takes it along, and the server
/// rolls back what it did.
enum Held {
    Nowhere,
    Idle(Box<Session>),
    /// With a task that rolls back; it does not come back where that fails.
    RollingBack(oneshot::Receiver<Box<Session>>),
}

/// A transaction that is open. Dropped, it is rolled back by a task, so that nobody's locks wait for the next question.
pub struct PostgresTransaction<'store> {
    store: &'store mut PostgresStore,
    /// Until it ends.
    session: Option<Box<Session>>,
}

impl PostgresStore {
    pub fn new(url: String) -> Self {
        Self { url, admission: PartyAdmission::default(), session: Held::Nowhere }
    }

    /// One that may write what a party brings that arrives.
    pub fn for_arrival(url: String, party: Party) -> Self {
        Self { admission: PartyAdmission::of_arriving(party), ..Self::new(url) }
    }

    async fn take_session(&mut self) -> Result<Box<Session>, StoreError> {
        match std::mem::replace(&mut self.session, Held::Nowhere) {
            Held::Idle(session) => return Ok(session),
            Held::RollingBack(rolled_back) => {
                if let Ok(session) = rolled_back.await {
                    return Ok(session);
                }
            }
            Held::Nowhere => {}
        }
        in_time(Session::begin(&self.url, self.admission.clone())).await.map(Box::new)
    }

    fn put_back(&mut self, session: Box<Session>) {
        self.session = Held::Idle(session);
    }

    /// Leaves no transaction open behind an error, and no session behind an outage. A refusal by a database that can
    /// no longer write is an outage, too.
    async fn put_back_after(&mut self, mut session: Box<Session>, error: StoreError) -> StoreError {
        match error {
            StoreError::Outage(_) => return error,
            StoreError::Rejected(_) => {
                if let Err(outage) = in_time(session.probe()).await {
                    return outage;
                }
            }
            StoreError::Conflict(_) | StoreError::Contention(_) | StoreError::PartyMoved(_) => {
                if in_time(session.execute("ROLLBACK")).await.is_err() {
                    return error;
                }
            }
        }
        self.put_back(session);
        error
    }

    async fn settle<T>(&mut self, session: Box<Session>, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match result {
            Ok(done) => {
                self.put_back(session);
                Ok(done)
            }
            Err(error) => Err(self.put_back_after(session, error).await),
        }
    }
}

impl Store for PostgresStore {
    type Transaction<'store> = PostgresTransaction<'store>;

    async fn load(&mut self, keys: &ReadSet) -> Result<Loaded<PostgresTransaction<'_>>, StoreError> {
        let mut session = self.take_session().await?;
        match in_time(session.load(keys)).await {
            Ok(state) => Ok(Loaded::new(state, PostgresTransaction { store: self, session: Some(session) })),
            Err(error) => Err(self.put_back_after(session, error).await),
        }
    }

    async fn commits_of_others(&mut self) -> Result<i64, StoreError> {
        let mut session = self.take_session().await?;
        let asked = in_time(session.commits_of_others()).await;
        self.settle(session, asked).await
    }

    async fn known_orders(&mut self, orders: &[OrderId]) -> Result<Vec<OrderId>, StoreError> {
        let mut session = self.take_session().await?;
        let asked = in_time(session.known_orders(orders)).await;
        self.settle(session, asked).await
    }
}

impl StoreTransaction for PostgresTransaction<'_> {
    async fn commit(mut self, batch: Batch) -> Result<(), StoreError> {
        let Some(mut session) = self.session.take() else {
            return Err(StoreError::Outage("not connected".to_owned()));
        };
        let committed = in_time(session.commit(&batch)).await;
        self.store.settle(session, committed).await
    }

    /// The locks that were taken are a transaction's own writing, so its commit waits for the standby like any other, and
    /// with that for all that was committed before. A row is seen without the standby having it where its own wait was
    /// cancelled, or the server was started again meanwhile.
    async fn confirm(mut self) -> Result<(), StoreError> {
        let Some(mut session) = self.session.take() else {
            return Err(StoreError::Outage("not connected".to_owned()));
        };
        let confirmed = in_time(session.execute("COMMIT")).await;
        self.store.settle(session, confirmed).await
    }
}

impl Drop for PostgresTransaction<'_> {
    fn drop(&mut self) {
        // Without a runtime the session is dropped, and the server rolls back when it sees that.
        let (Some(mut session), Ok(runtime)) = (self.session.take(), Handle::try_current()) else { return };
        let (give_back, rolled_back) = oneshot::channel();
        runtime.spawn(async move {
            if in_time(session.execute("ROLLBACK")).await.is_ok() {
                // Nobody may be there to take it: then it is dropped.
                let _ = give_back.send(session);
            }
        });
        self.store.session = Held::RollingBack(rolled_back);
    }
}

/// Bounds a round trip. It runs outside of tokio's cooperative budget: a statement that yields between two others of
/// its pipeline would be sent after them, and a COMMIT could overtake the writes that it is to commit.
async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(ROUND_TRIP_TIMEOUT, tokio::task::unconstrained(work)).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Outage("no answer in time".to_owned())),
    }
}
