//! Connections for reading, kept between questions: what the HTTP dialects and the admin pages ask.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::migrations::SchemaState;
use super::queries::AnyConnection;
use super::{Database, StoreError};

/// Questions that are answered side by side. Each holds a connection and a blocking thread.
const AT_ONCE: usize = 8;

/// Answers questions that need no lane.
#[derive(Clone)]
pub struct Reader {
    database: Database,
    idle: Arc<Mutex<Vec<AnyConnection>>>,
    permits: Arc<Semaphore>,
}

impl Reader {
    pub fn new(database: Database) -> Self {
        Self { database, idle: Arc::default(), permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Another one of the same database, with places of its own.
    pub fn apart(&self) -> Self {
        Self::new(self.database.clone())
    }

    /// Whether there is something to ask: a file that was never made has nothing, and asking would make it.
    pub fn is_made(&self) -> bool {
        match &self.database {
            Database::Sqlite(path) => path.exists(),
            Database::Postgres(_) => true,
        }
    }

    /// Whether the schema is the one that this program's questions are about.
    pub async fn is_up_to_date(&self) -> Result<bool, StoreError> {
        Ok(matches!(self.database.schema().await?, SchemaState::UpToDate(_)))
    }

    /// Runs a question, off the async threads. One that fails on a connection that has been idle is asked once more
    /// on a new one: the database may have been restarted meanwhile. So it must be harmless to ask twice.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = Arc::new(permit.map_err(|error| StoreError::Outage(error.to_string()))?);
        let question = Arc::new(question);
        let idle = self.lock().pop();
        if let Some(conn) = idle {
            let kept = self.run(conn, Arc::clone(&question), Arc::clone(&permit)).await;
            if kept.is_ok() {
                return kept;
            }
        }
        self.run(self.database.open().await?, question, permit).await
    }

    async fn run<T: Send + 'static>(
        &self,
        mut conn: AnyConnection,
        question: Arc<impl Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + Sync + 'static>,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Result<T, StoreError> {
        let reader = self.clone();
        let running = tokio::task::spawn_blocking(move || {
            let answer = question(&mut conn);
            if answer.is_ok() {
                reader.lock().push(conn);
            }
            // Whoever asked may be gone by now, and the place is taken until here.
            drop(permit);
            answer
        });
        running.await.map_err(|error| StoreError::Rejected(error.to_string()))?
    }

    /// No panic can leave the list half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AnyConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
